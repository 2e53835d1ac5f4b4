/** When something that failed is tried again. Jitter comes from the name, not from chance: a plan repeats exactly. */
import type { Policy } from "@master-orchestrator/contract";

/** Milliseconds to wait before try number `failed + 1`; `failed` counts from 1. */
export function backoffMs(failed: number, name: string, retry: Policy["retry"]): number {
  const plain = Math.min(retry.base_seconds * retry.factor ** (failed - 1), retry.max_seconds);
  const spread = 1 + retry.jitter * (2 * fraction(`${name}:${failed}`) - 1);
  return Math.round(plain * spread * 1000);
}

/** Seconds between deliveries of one attempt while nobody knows whether it runs: 1, 2, 4 … 30. */
export function redeliveryMs(deliveries: number): number {
  return Math.min(2 ** Math.max(0, deliveries - 1), 30) * 1000;
}

/** A number in [0, 1) that depends on the text alone (FNV-1a). */
function fraction(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash ^= text.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return (hash >>> 0) / 2 ** 32;
}
