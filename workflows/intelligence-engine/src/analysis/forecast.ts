/** Owns the forecast of a series: the model that did best in the back-test, or the naive one where none beats it. */
import { addDays } from "../days.ts";
import { findAnomalies } from "../statistics/anomalies.ts";
import { type Backtest, backtest, planFor } from "../statistics/backtest.ts";
import { type Model, MSTL_ETS, MSTL_ETS_LOG, SEASONAL_NAIVE } from "../statistics/models.ts";
import { conformalQuantile, sum } from "../statistics/robust.ts";

const WEEK = 7;
/** What models learn from at the most: older days cost time and describe another site. */
const HISTORY_DAYS = 400;
/** By how much a model's error has to be smaller than the naive one's to be preferred. */
const MARGIN = 0.02;

export interface ForecastDay {
  day: string;
  mean: number;
  low80: number;
  high80: number;
  low95: number;
  high95: number;
}

/** The error of a model in the back-test, as it is shown. */
export interface ModelError {
  model: Model["name"];
  mase: number | null;
  smape: number;
  coverage80: number;
  coverage95: number;
}

export interface Forecast {
  model: Model["name"];
  words: string;
  /** Whether it did better than the seasonal naive forecast; where none did, the naive one is shown. */
  beatsNaive: boolean;
  horizon: number;
  origins: number;
  error: ModelError;
  naive: ModelError;
  days: ForecastDay[];
  /** Of the whole horizon, with how far the back-test's sums were off. */
  total: { mean: number; low: number; high: number };
}

/** Null, with a note, where there is too little history to judge any forecast. */
export function forecastOf(history: readonly number[], from: string, notes: string[]): Forecast | null {
  const values = history.slice(-HISTORY_DAYS);
  const plan = planFor(values.length, WEEK);
  if (!plan) {
    notes.push(`no forecast is made: ${values.length} days are too few to back-test one`);
    return null;
  }
  if (values.slice(-4 * WEEK).every((value) => value === 0)) {
    notes.push("no forecast is made: nothing but zeros for four weeks");
    return null;
  }
  const calm = withoutSpikes(values);
  const judged = [SEASONAL_NAIVE, MSTL_ETS, MSTL_ETS_LOG].flatMap((model) => {
    try {
      const learn = model === SEASONAL_NAIVE ? values : calm;
      const test = backtest(model, values, plan, learn);
      return [{ model, test, next: model.forecast(learn, plan.horizon, WEEK) }];
    } catch (error) {
      // A model that cannot take the series is out of the race; the naive one takes any.
      notes.push(
        `${model.name} could not be fitted: ${error instanceof Error ? error.message : String(error)}`,
      );
      return [];
    }
  });
  const naive = judged.find(({ model }) => model === SEASONAL_NAIVE) as (typeof judged)[number];
  const errorOf = ({ test }: { test: Backtest }) => test.mase ?? test.smape;
  const best = judged.reduce((a, b) => (errorOf(b) < errorOf(a) ? b : a));
  const beatsNaive = best !== naive && errorOf(best) < errorOf(naive) * (1 - MARGIN);
  const chosen = beatsNaive ? best : naive;
  const floor = values.some((value) => value < 0) ? Number.NEGATIVE_INFINITY : 0;
  const total = sum(chosen.next);
  const off = conformalQuantile(chosen.test.totalErrors.map(Math.abs), 0.8);
  return {
    model: chosen.model.name,
    words: chosen.model.words,
    beatsNaive,
    horizon: plan.horizon,
    origins: plan.origins,
    error: shownError(chosen),
    naive: shownError(naive),
    days: daysOf(chosen, addDays(from, history.length), floor),
    total: { mean: total, low: Math.max(floor, total - off), high: total + off },
  };
}

/** A single day that stood out says nothing about the days to come. Each is judged by the days before it alone. */
function withoutSpikes(values: readonly number[]): number[] {
  const found = findAnomalies(values, { period: WEEK });
  const at = new Set(found.map((each) => each.at));
  const calm = [...values];
  // Several in a row may be a new level: that the model has to see.
  for (const each of found) {
    if (![-2, -1, 1, 2].some((step) => at.has(each.at + step))) calm[each.at] = each.expected;
  }
  return calm;
}

function shownError({ model, test }: { model: Model; test: Backtest }): ModelError {
  const { mase, smape, coverage80, coverage95 } = test;
  return { model: model.name, mase, smape, coverage80, coverage95 };
}

function daysOf(
  { next, test }: { next: number[]; test: Backtest },
  first: string,
  floor: number,
): ForecastDay[] {
  return next.map((mean, i) => {
    const [half80, half95] = [test.half80[i] as number, test.half95[i] as number];
    return {
      day: addDays(first, i),
      mean: Math.max(floor, mean),
      low80: Math.max(floor, mean - half80),
      high80: Math.max(floor, mean + half80),
      low95: Math.max(floor, mean - half95),
      high95: Math.max(floor, mean + half95),
    };
  });
}
