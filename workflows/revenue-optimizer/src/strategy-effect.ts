/** Owns what a strategy update did, measured afterwards, and when it is taken back. Changes nothing itself. */
import type { BeforeAfter, Measure, WatchedStrategy } from "./library.ts";
import { alwaysValid } from "./statistics/sequential.ts";

export interface StrategyEffect {
  as_of: string;
  metric: WatchedStrategy["metric"];
  /** Per view, before and since, in scope and elsewhere. */
  before: number | null;
  after: number | null;
  elsewhere_before: number | null;
  elsewhere_after: number | null;
  /** The change in scope over that elsewhere: 0.1 is ten per cent better. Valid at every look. */
  relative: number | null;
  low: number | null;
  high: number | null;
  compared_with: "elsewhere" | "before";
  verdict: "better" | "worse" | "unclear";
  missing: string | null;
}

/** Conversions or payments that a rate needs for its logarithm to be taken for normal. */
const LEAST_EVENTS = 30;
const LEAST_VIEWS = 500;
const ALPHA = 0.05;
/** Views about which the interval is tightest. */
const TIGHTEST_AT = 20_000;

interface LogRate {
  rate: number;
  log: number;
  variance: number;
}

/**
 * Difference in differences of logarithms: how the rate in scope has changed, over how it has changed elsewhere in the
 * same time. Where there is too little elsewhere it is before against since alone, and says so.
 */
export function effectOfStrategy(
  { metric }: Pick<WatchedStrategy, "metric">,
  { before, after, restBefore, restAfter }: BeforeAfter,
  nowMs: number,
): StrategyEffect {
  const rates = [before, after, restBefore, restAfter].map((measure) => logRate(metric, measure));
  const [own0, own1, rest0, rest1] = rates as [
    LogRate | null,
    LogRate | null,
    LogRate | null,
    LogRate | null,
  ];
  const shown = {
    ...{ as_of: new Date(nowMs).toISOString(), metric },
    ...{ before: own0?.rate ?? null, after: own1?.rate ?? null },
    ...{ elsewhere_before: rest0?.rate ?? null, elsewhere_after: rest1?.rate ?? null },
  };
  const elsewhere =
    rest0 && rest1 ? { log: rest1.log - rest0.log, variance: rest0.variance + rest1.variance } : null;
  const compared = { compared_with: elsewhere ? ("elsewhere" as const) : ("before" as const) };
  if (!own0 || !own1) {
    const few = own0 ? `since it is in force` : `before it was in force`;
    const missing = `not enough data: fewer than ${LEAST_VIEWS} views or ${LEAST_EVENTS} events ${few}`;
    return { ...shown, ...compared, relative: null, low: null, high: null, verdict: "unclear", missing };
  }
  const value = own1.log - own0.log - (elsewhere?.log ?? 0);
  const standardError = Math.sqrt(own0.variance + own1.variance + (elsewhere?.variance ?? 0));
  const interval = alwaysValid({ value, standardError, units: after.views }, ALPHA, TIGHTEST_AT);
  const [relative, low, high] = [value, interval.low, interval.high].map((log) => Math.exp(log) - 1) as [
    number,
    number,
    number,
  ];
  const verdict = high < 0 ? "worse" : low > 0 ? "better" : "unclear";
  return { ...shown, ...compared, relative, low, high, verdict, missing: null };
}

function logRate(
  metric: WatchedStrategy["metric"],
  { views, conversions, payments }: Measure,
): LogRate | null {
  if (views < LEAST_VIEWS) return null;
  if (metric === "conversion") {
    if (conversions < LEAST_EVENTS) return null;
    return { rate: conversions / views, log: Math.log(conversions / views), variance: 1 / conversions };
  }
  if (payments.count < LEAST_EVENTS || payments.sum <= 0) return null;
  const rate = payments.sum / views;
  // Compound Poisson, by the delta method.
  return { rate, log: Math.log(rate), variance: payments.squares / payments.sum ** 2 };
}
