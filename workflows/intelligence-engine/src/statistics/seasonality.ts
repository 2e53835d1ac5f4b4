/** Owns what comes again every period: classical decomposition, and how strong the season is. Pure. */
import { mean, variance } from "./robust.ts";

export interface Decomposition {
  /** One value for each place in the period, from the first place of the series on. */
  figure: number[];
  /** Null at both ends, where a whole period around it is not there. */
  trend: (number | null)[];
  remainder: (number | null)[];
  /** Wang, Smith and Hyndman (2006): 0 none, 1 nothing else. */
  seasonalStrength: number;
  trendStrength: number;
}

/**
 * Classical decomposition by a centred moving average (Kendall and Stuart 1983; R's `decompose`). Null for less
 * than two periods.
 */
export function decompose(
  values: readonly number[],
  period: number,
  form: "additive" | "multiplicative" = "additive",
): Decomposition | null {
  if (values.length < 2 * period) return null;
  const times = form === "multiplicative";
  const trend = values.map((_, i) => centredMean(values, i, period));
  const detrended = values.map((value, i) => without(value, trend[i] as number | null, times));
  const raw = Array.from({ length: period }, (_, place) =>
    mean(detrended.filter((value, i): value is number => i % period === place && value !== null)),
  );
  const centre = mean(raw);
  const figure = raw.map((value) => (times ? value / centre : value - centre));
  const remainder = detrended.map((value, i) => without(value, figure[i % period] as number, times));
  return { figure, trend, remainder, ...strengths(values, trend, remainder, figure, period, times) };
}

function without(value: number | null, part: number | null, times: boolean): number | null {
  if (value === null || part === null) return null;
  if (!times) return value - part;
  return part === 0 ? null : value / part;
}

function centredMean(values: readonly number[], i: number, period: number): number | null {
  const half = Math.floor(period / 2);
  if (i < half || i + half >= values.length) return null;
  const window = values.slice(i - half, i + half + 1);
  if (period % 2 === 1) return mean(window);
  const ends = ((window[0] as number) + (window.at(-1) as number)) / 2;
  return (ends + window.slice(1, -1).reduce((total, value) => total + value, 0)) / period;
}

function strengths(
  values: readonly number[],
  trend: readonly (number | null)[],
  remainder: readonly (number | null)[],
  figure: readonly number[],
  period: number,
  times: boolean,
): { seasonalStrength: number; trendStrength: number } {
  const join = (a: number, b: number) => (times ? a * b : a + b);
  const whole = values.flatMap((_, i) => {
    const [t, r] = [trend[i] ?? null, remainder[i] ?? null];
    return t === null || r === null ? [] : [{ t, r, s: figure[i % period] as number }];
  });
  const left = variance(whole.map(({ r }) => r));
  const share = (all: number[]) => {
    const total = variance(all);
    return total === 0 ? 0 : Math.max(0, 1 - left / total);
  };
  return {
    seasonalStrength: share(whole.map(({ s, r }) => join(s, r))),
    // In the scale of the remainder, also where parts are multiplied.
    trendStrength: share(whole.map(({ t, r }) => join(times ? t / Math.max(1e-12, mean(values)) : t, r))),
  };
}
