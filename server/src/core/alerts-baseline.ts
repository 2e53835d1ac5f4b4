/** How unusual a figure is beside the same hours of earlier weeks: by median and median deviation, which outliers do not move. */

export interface Baseline {
  median: number;
  /** A robust standard deviation, never below what chance alone makes. */
  deviation: number;
}

/** A normal distribution's standard deviation in median absolute deviations. */
const MAD_TO_DEVIATION = 1.4826;
/** However steady the past was, so much of the median is nothing unusual. */
const LEAST_SHARE = 0.05;

/** `least`: the smallest deviation that means anything; counts have at least that of a Poisson process. */
export function baselineOf(
  past: readonly number[],
  { least, counts }: { least: number; counts: boolean },
): Baseline {
  const center = median(past);
  const mad = median(past.map((value) => Math.abs(value - center)));
  const chance = counts ? Math.sqrt(center) : 0;
  return { median: center, deviation: Math.max(mad * MAD_TO_DEVIATION, chance, center * LEAST_SHARE, least) };
}

/** How many deviations `value` lies above (below: negative) the median. */
export function deviationsFrom({ median: center, deviation }: Baseline, value: number): number {
  return (value - center) / deviation;
}

/** NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[half] as number)
    : ((sorted[half - 1] ?? Number.NaN) + (sorted[half] ?? Number.NaN)) / 2;
}
