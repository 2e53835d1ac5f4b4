/** Standard Webhooks signatures over raw bytes. Owns the format; never a secret. */
import { createHmac, timingSafeEqual } from "node:crypto";

/** How far a signed timestamp may be from the receiver's clock, in seconds. */
export const SIGNATURE_TOLERANCE_SECONDS = 300;

export interface SignatureHeaders {
  "webhook-id": string;
  "webhook-timestamp": string;
  "webhook-signature": string;
}

/** Signs `body` with a `whsec_…` secret; `timestampSeconds` is Unix time. */
export function sign(
  secret: string,
  id: string,
  timestampSeconds: number,
  body: Uint8Array,
): SignatureHeaders {
  const timestamp = String(Math.floor(timestampSeconds));
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${mac(secret, id, timestamp, body).toString("base64")}`,
  };
}

export type Verification =
  | { ok: true; id: string }
  | { ok: false; reason: "missing_headers" | "outside_tolerance" | "no_match" };

/**
 * Verifies a signed request in constant time. The header may carry several signatures separated by
 * spaces (while a secret is being rotated); one match is enough.
 */
export function verify(
  secret: string,
  headers: { get(name: string): string | null },
  body: Uint8Array,
  nowSeconds: number,
): Verification {
  const id = headers.get("webhook-id");
  const timestamp = headers.get("webhook-timestamp");
  const signatures = headers.get("webhook-signature");
  if (!id || !timestamp || !signatures || !/^\d{1,12}$/.test(timestamp)) {
    return { ok: false, reason: "missing_headers" };
  }
  if (Math.abs(nowSeconds - Number(timestamp)) > SIGNATURE_TOLERANCE_SECONDS) {
    return { ok: false, reason: "outside_tolerance" };
  }
  const expected = mac(secret, id, timestamp, body);
  let matched = false;
  for (const candidate of signatures.split(" ").slice(0, 10)) {
    if (!candidate.startsWith("v1,")) continue;
    const given = Buffer.from(candidate.slice(3), "base64");
    if (given.length === expected.length && timingSafeEqual(given, expected)) matched = true;
  }
  return matched ? { ok: true, id } : { ok: false, reason: "no_match" };
}

function mac(secret: string, id: string, timestamp: string, body: Uint8Array): Buffer {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  return createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
}
