/** Owns the digest by which an original's bytes are known. */
import { createHash } from "node:crypto";

export function contentDigest(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
