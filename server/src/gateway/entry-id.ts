/** Names ledger rows, in the order of their time. Remembers nothing but random bytes that nobody has seen yet. */
import { randomFillSync } from "node:crypto";
import { v7 as uuidv7 } from "uuid";

const BYTES = 16;
/** Asking the generator costs as much for one id as for these many. */
const AT_ONCE = 256;

const pool = new Uint8Array(BYTES * AT_ONCE);
let used = pool.length;

export function newEntryId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const random = pool.subarray(used, used + BYTES);
  used += BYTES;
  return uuidv7({ random });
}
