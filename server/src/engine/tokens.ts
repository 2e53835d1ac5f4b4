/** Execution tokens: derived from the installation's secret, so that none has to be stored. */
import { createHmac, type KeyObject, timingSafeEqual } from "node:crypto";

export interface AttemptIdentity {
  executionId: string;
  attempt: number;
}

/** An attempt's token is made once and read a few times within seconds: so many are remembered, the last ones. */
const REMEMBERED = 5_000;
const remembered = new WeakMap<KeyObject, Map<string, string>>();

/** `moe_<execution>_<attempt>_<mac>`: the same for every delivery of one attempt. */
export function executionToken(secret: KeyObject, { executionId, attempt }: AttemptIdentity): string {
  const id = executionId.replaceAll("-", "");
  return `moe_${id}_${attempt}_${mac(secret, id, String(attempt))}`;
}

/**
 * Whose token it is, or null if it is not one of ours. Constant time in the secret part, which is compared as text:
 * base64 has spare bits in its last letter, so that several texts would be one and the same secret.
 */
export function readExecutionToken(secret: KeyObject, token: string): AttemptIdentity | null {
  const parts = /^moe_([0-9a-f]{32})_(\d{1,4})_([A-Za-z0-9_-]{43})$/.exec(token);
  if (!parts) return null;
  const [, id, attempt, given] = parts as unknown as [string, string, string, string];
  const expected = mac(secret, id, attempt);
  if (!timingSafeEqual(Buffer.from(expected), Buffer.from(given))) return null;
  const executionId = id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  return { executionId, attempt: Number(attempt) };
}

function mac(secret: KeyObject, id: string, attempt: string): string {
  let macs = remembered.get(secret);
  if (!macs) {
    macs = new Map();
    remembered.set(secret, macs);
  }
  const text = `execution:${id}:${attempt}`;
  const known = macs.get(text);
  if (known !== undefined) return known;
  const made = createHmac("sha256", secret).update(text).digest("base64url");
  if (macs.size >= REMEMBERED) macs.delete(macs.keys().next().value as string);
  macs.set(text, made);
  return made;
}
