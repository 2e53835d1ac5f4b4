/** Owns the check that variants were given out as they were meant to be: a mismatch makes every comparison worthless. */
import { chiSquareTail } from "./distributions.ts";

/** Below it the counts do not fit the weights. Strict, since one looks often; GrowthBook's published threshold as well. */
export const MISMATCH_BELOW = 0.001;

export interface SampleRatio {
  chi_square: number;
  degrees_of_freedom: number;
  p: number;
  ok: boolean;
}

/** Pearson's chi-square of counts against weights. Null before anybody has been counted. */
export function sampleRatio(counts: readonly number[], weights: readonly number[]): SampleRatio | null {
  const all = counts.reduce((sum, count) => sum + count, 0);
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  if (all === 0) return null;
  const chiSquare = counts.reduce((sum, count, i) => {
    const expected = (all * (weights[i] as number)) / whole;
    return sum + (count - expected) ** 2 / expected;
  }, 0);
  const degrees = counts.length - 1;
  const p = chiSquareTail(chiSquare, degrees);
  return { chi_square: chiSquare, degrees_of_freedom: degrees, p, ok: p >= MISMATCH_BELOW };
}
