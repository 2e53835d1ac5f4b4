/** Owns the judgement of single days against what is usual for such a day, from the days before it alone. Pure. */
import { median, spread } from "./robust.ts";

export interface Anomaly {
  /** Place in the series, from 0. */
  at: number;
  value: number;
  expected: number;
  /** The residual in robust standard deviations. */
  z: number;
}

export interface AnomalyOptions {
  period: number;
  /** From so many robust standard deviations on; default 4.5. */
  threshold?: number;
  /** So many periods before a day are needed to judge it; default 8. */
  minPeriods?: number;
}

/** Periods that say what is usual. */
const LOOK_BACK = 8;

/**
 * A day is expected to be the level of the last four weeks times what its weekday usually is of its week. Its
 * residual, on the logarithm, is held against the residuals of the 16 weeks before it, by their median absolute
 * deviation, never less than counting by chance alone brings. Values below 0 cannot be judged: none are found then.
 */
export function findAnomalies(values: readonly number[], options: AnomalyOptions): Anomaly[] {
  const { period, threshold = 4.5, minPeriods = 8 } = options;
  if (values.some((value) => value < 0)) return [];
  const found: Anomaly[] = [];
  const residuals: (number | null)[] = [];
  for (let at = 0; at < values.length; at++) {
    const expected = expectedAt(values, at, period);
    const value = values[at] as number;
    residuals.push(expected === null ? null : Math.log1p(value) - Math.log1p(expected));
    if (expected === null || at < minPeriods * period) continue;
    const before = residuals
      .slice(Math.max(0, at - 2 * LOOK_BACK * period), at)
      .filter((each) => each !== null);
    if (before.length < minPeriods * period - (LOOK_BACK * period) / 2) continue;
    const usual = Math.max(spread(before), chanceAlone(expected));
    const z = ((residuals[at] as number) - median(before)) / usual;
    if (Math.abs(z) >= threshold) found.push({ at, value, expected, z });
  }
  return found;
}

/** What a day would be if nothing were unusual; null with fewer than four periods before it. */
function expectedAt(values: readonly number[], at: number, period: number): number | null {
  if (at < 4 * period) return null;
  const level = median(values.slice(at - 4 * period, at));
  const shares: number[] = [];
  for (let back = at - period; back >= Math.max(period, at - LOOK_BACK * period); back -= period) {
    // The week around that day, as far as it lies before this one.
    const from = Math.max(0, back - Math.floor(period / 2));
    const week = values.slice(from, Math.min(from + period, at));
    const usual = median(week);
    if (usual > 0) shares.push((values[back] as number) / usual);
  }
  return shares.length === 0 ? level : level * median(shares);
}

/** The standard deviation of the logarithm of a count around `expected` (Poisson), on the scale of log1p. */
function chanceAlone(expected: number): number {
  return Math.max(0.02, 1 / Math.sqrt(expected + 1));
}
