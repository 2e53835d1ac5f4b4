/** Owns the law of a number that is made of uncertain ones: by a grid of their quantiles, without chance. */
import { LEVEL } from "./interval.ts";

interface Quantiles {
  quantile(p: number): number;
}

/** So many equally likely values stand for each of the two numbers. */
const POINTS = 64;

export interface Combined {
  mean: number;
  low: number;
  high: number;
  /** The chance that it is more than nothing. */
  positive: number;
}

/**
 * Mean, interval and sign of `f(a, b)` for independent `a` and `b`: each stands for itself by 64 equally likely values,
 * so every pair is one of 4,096 equally likely ones.
 */
export function combine(
  a: Quantiles,
  b: Quantiles,
  f: (a: number, b: number) => number,
  level = LEVEL,
): Combined {
  const points = Array.from({ length: POINTS }, (_, i) => (i + 0.5) / POINTS);
  const left = points.map((p) => a.quantile(p));
  const right = points.map((p) => b.quantile(p));
  const values = left.flatMap((x) => right.map((y) => f(x, y))).sort((x, y) => x - y);
  const at = (p: number) => values[Math.min(values.length - 1, Math.floor(p * values.length))] as number;
  return {
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    low: at((1 - level) / 2),
    high: at((1 + level) / 2),
    positive: values.filter((value) => value > 0).length / values.length,
  };
}
