/** Owns the few robust measures that everything here is built on. Pure; knows no day and no metric. */
import { errorFunction, median } from "simple-statistics";

export { median };

/** Makes a median absolute deviation comparable with a standard deviation, for normal values. */
const NORMAL_CONSISTENCY = 1.4826;

/** The scaled median absolute deviation around `centre` (default: the median); 0 for fewer than 2 values. */
export function spread(values: readonly number[], centre?: number): number {
  if (values.length < 2) return 0;
  const around = centre ?? median([...values]);
  return NORMAL_CONSISTENCY * median(values.map((value) => Math.abs(value - around)));
}

/** Probability of a standard normal value further from 0 than `z`, either side. */
export function twoSidedP(z: number): number {
  return Math.min(1, Math.max(0, 1 - errorFunction(Math.abs(z) / Math.SQRT2)));
}

/**
 * The value that a new one exceeds with probability 1 − `share` at the most, if it comes from where `values` came
 * from: the ⌈(n + 1) · share⌉-th smallest, as split conformal prediction has it. With too few values, the largest.
 */
export function conformalQuantile(values: readonly number[], share: number): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  const rank = Math.ceil((sorted.length + 1) * share);
  return sorted[Math.min(rank, sorted.length) - 1] as number;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : sum(values) / values.length;
}

export function variance(values: readonly number[]): number {
  const centre = mean(values);
  return mean(values.map((value) => (value - centre) ** 2));
}

/** Sample autocorrelation at a lag; 0 for a series that does not vary. */
export function autocorrelation(values: readonly number[], lag: number): number {
  const centre = mean(values);
  const total = sum(values.map((value) => (value - centre) ** 2));
  if (total === 0) return 0;
  let product = 0;
  for (let i = lag; i < values.length; i++) {
    product += ((values[i] as number) - centre) * ((values[i - lag] as number) - centre);
  }
  return product / total;
}
