/** Owns the judgement of models on what has happened: forecasts from earlier days, held against what came. Pure. */
import { naiveScale, symmetricPercentageError } from "./accuracy.ts";
import type { Model } from "./models.ts";
import { conformalQuantile, mean, sum } from "./robust.ts";

export interface BacktestPlan {
  period: number;
  horizon: number;
  /** Forecasts are made from so many earlier ends of the series, a period apart. */
  origins: number;
}

export interface Backtest {
  origins: number;
  horizon: number;
  /** Null where the history never varies from period to period. */
  mase: number | null;
  /** Per cent, 0 to 200. */
  smape: number;
  /** Shares of what came that lay in the intervals; each interval is from the errors of the other origins alone. */
  coverage80: number;
  coverage95: number;
  /** Half widths of the intervals, by step. */
  half80: number[];
  half95: number[];
  /** Errors of the sum over the horizon, one for each origin: what came less what was forecast. */
  totalErrors: number[];
}

interface Trial {
  actual: number[];
  forecast: number[];
}

/** How far a plan reaches with the history there is: null when it is too short to judge anything. */
export function planFor(length: number, period: number): BacktestPlan | null {
  for (const [periods, origins] of [
    [4, 12],
    [4, 8],
    [2, 6],
    [1, 4],
  ] as const) {
    const horizon = periods * period;
    // Six periods to learn from, at the least.
    if (length - horizon - (origins - 1) * period >= 6 * period) return { period, horizon, origins };
  }
  return null;
}

/** `learn`: what the model is shown of the values, which may be without outliers. Throws what the model throws. */
export function backtest(
  model: Model,
  values: readonly number[],
  plan: BacktestPlan,
  learn: readonly number[] = values,
): Backtest {
  const { period, horizon, origins } = plan;
  const trials: Trial[] = [];
  for (let i = origins - 1; i >= 0; i--) {
    const end = values.length - horizon - i * period;
    const forecast = model.forecast(learn.slice(0, end), horizon, period);
    trials.push({ actual: values.slice(end, end + horizon), forecast });
  }
  const first = values.slice(0, values.length - horizon - (origins - 1) * period);
  const scale = naiveScale(first, period);
  const errors = trials.map(({ actual, forecast }) =>
    mean(actual.map((value, i) => Math.abs(value - (forecast[i] as number)))),
  );
  return {
    origins,
    horizon,
    mase: scale === 0 ? null : mean(errors) / scale,
    smape: mean(trials.map(({ actual, forecast }) => symmetricPercentageError(actual, forecast))),
    coverage80: coverage(trials, period, 0.8),
    coverage95: coverage(trials, period, 0.95),
    half80: halfWidths(trials, period, 0.8),
    half95: halfWidths(trials, period, 0.95),
    totalErrors: trials.map(({ actual, forecast }) => sum(actual) - sum(forecast)),
  };
}

/** From the errors of a whole period of steps: places within it are few, and further away is less certain. */
function halfWidths(trials: readonly Trial[], period: number, share: number): number[] {
  const horizon = trials[0]?.actual.length ?? 0;
  const widths: number[] = [];
  for (let from = 0; from < horizon; from += period) {
    const errors = trials.flatMap(({ actual, forecast }) =>
      actual.slice(from, from + period).map((value, i) => Math.abs(value - (forecast[from + i] as number))),
    );
    const width = conformalQuantile(errors, share);
    // What is further away is never shown as more certain.
    const half = Math.max(width, widths.at(-1) ?? 0);
    for (let i = from; i < Math.min(from + period, horizon); i++) widths.push(half);
  }
  return widths;
}

function coverage(trials: readonly Trial[], period: number, share: number): number {
  let inside = 0;
  let all = 0;
  for (const trial of trials) {
    const widths = halfWidths(
      trials.filter((other) => other !== trial),
      period,
      share,
    );
    trial.actual.forEach((value, i) => {
      all++;
      if (Math.abs(value - (trial.forecast[i] as number)) <= (widths[i] as number)) inside++;
    });
  }
  return all === 0 ? 0 : inside / all;
}
