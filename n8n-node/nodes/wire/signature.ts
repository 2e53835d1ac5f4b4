/** Owns the check of a Standard Webhooks signature over raw bytes. Keeps no secret and reads no clock. */
import { createHmac, timingSafeEqual } from "node:crypto";

/** How far a signed timestamp may be from this clock: a message that was caught is worth nothing afterwards. */
export const TOLERANCE_SECONDS = 300;
/** Rotating a secret means two signatures; a longer list is not worth its hashes. */
const MAX_SIGNATURES = 10;
const SECRET = /^whsec_[A-Za-z0-9+/]{22,}={0,2}$/;

export type Refusal = "missing_headers" | "outside_tolerance" | "no_match";

/** Why a secret cannot be used, in words; null if it can. */
export function secretProblem(secret: unknown): string | null {
  if (typeof secret !== "string" || secret === "") return "The credential has no signing secret";
  return SECRET.test(secret) ? null : "The signing secret is not whsec_ and the base64 of at least 16 bytes";
}

/** Null if the message was signed with the secret within the tolerance; compared in constant time. */
export function refusalOf(
  secret: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: Uint8Array,
  nowSeconds: number,
): Refusal | null {
  const id = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  const signatures = headers["webhook-signature"];
  if (typeof id !== "string" || typeof timestamp !== "string" || typeof signatures !== "string") {
    return "missing_headers";
  }
  if (id === "" || !/^\d{1,12}$/.test(timestamp)) return "missing_headers";
  if (Math.abs(nowSeconds - Number(timestamp)) > TOLERANCE_SECONDS) return "outside_tolerance";
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  let matched = false;
  for (const candidate of signatures.split(" ").slice(0, MAX_SIGNATURES)) {
    if (!candidate.startsWith("v1,")) continue;
    const given = Buffer.from(candidate.slice(3), "base64");
    if (given.length === expected.length && timingSafeEqual(given, expected)) matched = true;
  }
  return matched ? null : "no_match";
}
