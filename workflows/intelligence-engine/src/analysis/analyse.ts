/** Owns what is found out about one series: level, trend, changes, season, anomalies, forecast. Pure, but for its models. */
import { addDays, daysBetween } from "../days.ts";
import { ABOUT } from "../metrics.ts";
import { findAnomalies } from "../statistics/anomalies.ts";
import { findChanges } from "../statistics/changes.ts";
import { mean, sum } from "../statistics/robust.ts";
import { type Decomposition, decompose } from "../statistics/seasonality.ts";
import { mannKendall, senSlope } from "../statistics/trend.ts";
import { type Forecast, forecastOf } from "./forecast.ts";
import { fillIn, gapsOf, type Series, type Subject } from "./series.ts";

const WEEK = 7;
/** Fewer weeks say nothing about a trend: Gilbert (1987) asks for 10 values. */
const MIN_TREND_WEEKS = 10;
const MAX_TREND_WEEKS = 26;
const MIN_CHANGE_DAYS = 28;
/** Changes and seasons are looked for in so many days; what lies further back is no news. */
const WINDOW_DAYS = 364;
/** Anomalies older than this are not told again. */
const ANOMALY_DAYS = 35;

export interface Trend {
  weeks: number;
  p: number;
  /** Of a week's sum (of what does not add up, its mean), per week, with 95 % limits. */
  perWeek: number;
  low: number;
  high: number;
  /** Per week, of the mean week. */
  share: number;
  verdict: "rising" | "falling" | "none";
}

export interface LevelChange {
  /** The first day of the new level. */
  day: string;
  /** Factor on the level before, less 1. */
  share: number;
  /** Mean of a day in the weeks before and after, as far as they lie in the same levels. */
  before: number;
  after: number;
  z: number;
}

export interface SeasonalWeek {
  /** 0 none, 1 nothing else. */
  strength: number;
  /** What each weekday is of an average day, from Monday on. */
  weekdays: number[];
}

export interface DayAnomaly {
  day: string;
  value: number;
  expected: number;
  z: number;
}

export interface SeriesAnalysis extends Subject {
  from: string;
  /** The day behind the last one that is known. */
  to: string;
  days: number;
  /** Days within that nothing is known of. */
  gaps: { from: string; to: string }[];
  /** Sums of days; means of what does not add up. */
  level: { last7: number; before7: number | null; last28: number | null; before28: number | null };
  trend: Trend | null;
  changes: LevelChange[];
  season: SeasonalWeek | null;
  anomalies: DayAnomaly[];
  forecast: Forecast | null;
  /** What could not be told, and why. */
  notes: string[];
}

/** Null when nothing is known of the series. `to`: the first day that is not over. */
export function analyse(series: Series, to: string): SeriesAnalysis | null {
  const filled = fillIn(series);
  if (!filled) return null;
  const { values, from } = filled;
  const { adds } = ABOUT[series.metric];
  const notes: string[] = [];
  const season = seasonOf(values, from, notes);
  const changes = changesOf(values, from, filled.filled, notes);
  return {
    ...{ metric: series.metric, subject: series.subject, label: series.label, unit: series.unit },
    from,
    to: addDays(from, values.length),
    days: values.length,
    gaps: gapsOf(series, to),
    level: levelOf(values, adds),
    trend: trendOf(values, adds, notes),
    changes,
    season,
    anomalies: anomaliesOf(values, from, filled.filled, notes).filter((each) => !isOfNewLevel(each, changes)),
    forecast: series.forecast ? forecastOf(values, from, notes) : null,
    notes,
  };
}

function levelOf(values: readonly number[], adds: boolean): SeriesAnalysis["level"] {
  const of = (days: number, back: number) =>
    (adds ? sum : mean)(values.slice(values.length - back - days, values.length - back));
  return {
    last7: of(Math.min(7, values.length), 0),
    before7: values.length >= 14 ? of(7, 7) : null,
    last28: values.length >= 28 ? of(28, 0) : null,
    before28: values.length >= 56 ? of(28, 28) : null,
  };
}

/** Of whole weeks, so that no weekday counts and neighbours resemble each other less; the last one ends the series. */
function trendOf(values: readonly number[], adds: boolean, notes: string[]): Trend | null {
  const weeks = Math.min(MAX_TREND_WEEKS, Math.floor(values.length / WEEK));
  if (weeks < MIN_TREND_WEEKS) {
    notes.push(`no trend is told: ${weeks} whole weeks, ${MIN_TREND_WEEKS} are needed`);
    return null;
  }
  const start = values.length - weeks * WEEK;
  const sums = Array.from({ length: weeks }, (_, i) =>
    (adds ? sum : mean)(values.slice(start + i * WEEK, start + (i + 1) * WEEK)),
  );
  const { p, z } = mannKendall(sums, { autocorrelated: true });
  const { slope, low, high } = senSlope(sums);
  const average = mean(sums);
  const verdict = p < 0.01 && slope !== 0 ? (z > 0 ? "rising" : "falling") : "none";
  return { weeks, p, perWeek: slope, low, high, share: average === 0 ? 0 : slope / average, verdict };
}

/** The first weeks of a new level stand out from those before it; the change itself is told once. */
function isOfNewLevel({ day, z }: DayAnomaly, changes: readonly LevelChange[]): boolean {
  return changes.some((change) => {
    const age = daysBetween(change.day, day);
    return age >= 0 && age < 28 && Math.sign(change.share) === Math.sign(z);
  });
}

const canBeLogged = (values: readonly number[]) => values.every((value) => value >= 0);

function seasonOf(values: readonly number[], from: string, notes: string[]): SeasonalWeek | null {
  const window = values.slice(-WINDOW_DAYS);
  if (window.length < 4 * WEEK || !canBeLogged(window)) {
    if (window.length < 4 * WEEK) notes.push("no weekly season is told: fewer than four weeks");
    return null;
  }
  const parts = decompose(window.map(Math.log1p), WEEK) as Decomposition;
  const firstWeekday =
    (new Date(`${addDays(from, values.length - window.length)}T00:00:00Z`).getUTCDay() + 6) % 7;
  const factors = parts.figure.map(Math.exp);
  const average = mean(factors);
  const weekdays = Array.from(
    { length: WEEK },
    (_, weekday) => (factors[(weekday - firstWeekday + WEEK) % WEEK] as number) / average,
  );
  return { strength: parts.seasonalStrength, weekdays };
}

/** On the logarithm without the season: a change of level is a factor. */
function changesOf(
  values: readonly number[],
  from: string,
  filled: ReadonlySet<number>,
  notes: string[],
): LevelChange[] {
  const offset = Math.max(0, values.length - WINDOW_DAYS);
  const window = values.slice(offset);
  if (window.length < MIN_CHANGE_DAYS) {
    notes.push(`no change of level is looked for: ${window.length} days, ${MIN_CHANGE_DAYS} are needed`);
    return [];
  }
  const times = canBeLogged(window);
  const scaled = times ? window.map(Math.log1p) : window;
  const figure = decompose(scaled, WEEK)?.figure;
  const flat = figure ? scaled.map((value, i) => value - (figure[i % WEEK] as number)) : scaled;
  const changes = findChanges(flat);
  const bounds = [0, ...changes.map(({ at }) => at), window.length];
  return changes.flatMap(({ at, before, after, z }, i) => {
    // Where days are not known, a step is the gap's, not the readers'.
    if (filled.has(offset + at) || filled.has(offset + at - 1)) return [];
    const left = window.slice(Math.max(bounds[i] as number, at - 28), at);
    const right = window.slice(at, Math.min(bounds[i + 2] as number, at + 28));
    const share = times ? Math.expm1(after - before) : before === 0 ? 0 : (after - before) / Math.abs(before);
    return [{ day: addDays(from, offset + at), share, before: mean(left), after: mean(right), z }];
  });
}

function anomaliesOf(
  values: readonly number[],
  from: string,
  filled: ReadonlySet<number>,
  notes: string[],
): DayAnomaly[] {
  if (values.length <= 8 * WEEK) {
    notes.push("no day is judged: eight weeks before it are needed");
    return [];
  }
  const offset = Math.max(0, values.length - WINDOW_DAYS);
  return findAnomalies(values.slice(offset), { period: WEEK })
    .filter(({ at }) => !filled.has(offset + at) && offset + at >= values.length - ANOMALY_DAYS)
    .map(({ at, value, expected, z }) => ({ day: addDays(from, offset + at), value, expected, z }));
}
