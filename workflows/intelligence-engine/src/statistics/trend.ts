/** Owns the question whether a series rises or falls: Mann–Kendall's test and Sen's slope. Pure. */
import { autocorrelation, median, twoSidedP } from "./robust.ts";

export interface TrendTest {
  /** Pairs that rise less pairs that fall. */
  s: number;
  /** Of `s`, with ties and, where asked for, with autocorrelation. */
  variance: number;
  z: number;
  /** Two-sided. */
  p: number;
  tau: number;
}

/**
 * Mann (1945), Kendall (1975), with the correction for ties. `autocorrelated`: neighbouring weeks resemble each other,
 * which makes the plain test see trends in noise; the variance is that of Hamed and Rao (1998), or that of a first-order
 * process where it is larger, since few weeks show less of their resemblance than there is.
 */
export function mannKendall(
  values: readonly number[],
  options: { autocorrelated?: boolean } = {},
): TrendTest {
  const n = values.length;
  let s = 0;
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) s += Math.sign((values[j] as number) - (values[i] as number));
  }
  const pairs = (n * (n - 1)) / 2;
  const plain = varianceOfS(values);
  // The correction may only make the test more careful, never bolder.
  const variance = plain * (options.autocorrelated ? Math.max(1, hamedRao(values), firstOrder(values)) : 1);
  const z = variance === 0 ? 0 : (s - Math.sign(s)) / Math.sqrt(variance);
  return { s, variance, z, p: twoSidedP(z), tau: pairs === 0 ? 0 : s / pairs };
}

function varianceOfS(values: readonly number[]): number {
  const n = values.length;
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const spread = (size: number) => size * (size - 1) * (2 * size + 5);
  const ties = [...counts.values()].reduce((total, size) => total + spread(size), 0);
  return (spread(n) - ties) / 18;
}

/** How many times as large the variance is as without autocorrelation: from the ranks of the detrended series. */
export function hamedRao(values: readonly number[]): number {
  const n = values.length;
  if (n < 4) return 1;
  const { slope } = senSlope(values);
  const ranks = ranksOf(values.map((value, i) => value - slope * (i + 1)));
  const significant = 1.959964 / Math.sqrt(n);
  let weighted = 0;
  for (let lag = 1; lag < n - 2; lag++) {
    const rho = autocorrelation(ranks, lag);
    if (Math.abs(rho) > significant) weighted += (n - lag) * (n - lag - 1) * (n - lag - 2) * rho;
  }
  return 1 + (2 / (n * (n - 1) * (n - 2))) * weighted;
}

/** The same for a first-order process, its autocorrelation without the bias of short detrended series (Kendall 1954). */
function firstOrder(values: readonly number[]): number {
  const n = values.length;
  if (n < 4) return 1;
  const { slope } = senSlope(values);
  const found = autocorrelation(
    values.map((value, i) => value - slope * i),
    1,
  );
  const rho = Math.min(0.9, Math.max(0, found + (1 + 4 * found) / n));
  return (1 + rho) / (1 - rho);
}

/** Ranks from 1; equal values share the mean of theirs. */
function ranksOf(values: readonly number[]): number[] {
  const order = values.map((value, i) => ({ value, i })).sort((a, b) => a.value - b.value);
  const ranks = new Array<number>(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to + 1 < order.length && order[to + 1]?.value === order[from]?.value) to++;
    for (let at = from; at <= to; at++) ranks[order[at]?.i as number] = (from + to) / 2 + 1;
    from = to + 1;
  }
  return ranks;
}

export interface SenSlope {
  /** Change from one value to the next. */
  slope: number;
  /** 95 % confidence limits. */
  low: number;
  high: number;
}

/** Sen (1968): the median of the slopes of all pairs; limits as in Gilbert (1987), section 16.5. */
export function senSlope(values: readonly number[]): SenSlope {
  const slopes: number[] = [];
  for (let i = 0; i < values.length; i++) {
    for (let j = i + 1; j < values.length; j++) {
      slopes.push(((values[j] as number) - (values[i] as number)) / (j - i));
    }
  }
  if (slopes.length === 0) return { slope: 0, low: 0, high: 0 };
  slopes.sort((a, b) => a - b);
  const reach = 1.959964 * Math.sqrt(varianceOfS(values));
  const at = (rank: number) =>
    slopes[Math.min(slopes.length - 1, Math.max(0, Math.round(rank) - 1))] as number;
  return {
    slope: median(slopes),
    low: at((slopes.length - reach) / 2),
    high: at((slopes.length + reach) / 2 + 1),
  };
}
