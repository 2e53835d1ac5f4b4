/** Owns which variant a unit gets: the same one each time, wherever it is asked. Keeps nothing. */
import type { Variant } from "../library.ts";

/** FNV-1a, 32 bits, over the text's UTF-16 units. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash ^= text.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}

/**
 * A number from 0 up to, not including, 1, in steps of 1/10,000: GrowthBook's published hash, version 2. So a client
 * with one of its SDKs (seed: the experiment's salt, `hashVersion: 2`) comes to the same variant without asking.
 */
export function bucketOf(salt: string, unit: string): number {
  return (fnv1a(`${fnv1a(salt + unit)}`) % 10_000) / 10_000;
}

/** Weights are shares of their sum, laid end to end from 0 to 1 in the order of the variants. */
export function assign(experiment: { salt: string; variants: readonly Variant[] }, unit: string): Variant {
  const { salt, variants } = experiment;
  const whole = variants.reduce((sum, { weight }) => sum + weight, 0);
  const bucket = bucketOf(salt, unit);
  let end = 0;
  for (const variant of variants) {
    end += variant.weight / whole;
    if (bucket < end) return variant;
  }
  return variants.findLast(({ weight }) => weight > 0) as Variant;
}
