/** Owns intervals that hold at every look at once, however often one looks: confidence sequences. Decides nothing. */
import type { Interval } from "./interval.ts";

/**
 * How the sequence is spread over time: it is tightest about `tightestAt` units (equation 161 of Waudby-Smith, Arbour,
 * Sinha, Kennedy, Ramdas 2021, "Time-uniform central limit theory and asymptotic confidence sequences", as in
 * GrowthBook's published engine). To be fixed before the first look.
 */
export function tuning(alpha: number, tightestAt: number): number {
  const twice = -2 * Math.log(alpha);
  return Math.sqrt((twice + Math.log(twice + 1)) / tightestAt);
}

/**
 * The half width, at `units` units, for an estimate with this standard error: asymptotic confidence sequence, equation 9
 * of the same paper. Infinite without units.
 */
export function halfWidth(standardError: number, units: number, alpha: number, rho: number): number {
  if (units <= 0) return Number.POSITIVE_INFINITY;
  const scale = units * rho * rho + 1;
  const spread = (2 * scale * Math.log(Math.sqrt(scale) / alpha)) / (units * rho) ** 2;
  return standardError * Math.sqrt(units * spread);
}

export interface Estimate {
  value: number;
  standardError: number;
  /** Units that it rests on, in all variants together. */
  units: number;
}

/** The interval of an estimate that may be looked at whenever one likes. */
export function alwaysValid(
  { value, standardError, units }: Estimate,
  alpha: number,
  tightestAt: number,
): Interval {
  const reach = halfWidth(standardError, units, alpha, tuning(alpha, tightestAt));
  return { low: value - reach, high: value + reach };
}
