/** Owns what a series of days is, and what is done where days are missing: they are named, never taken for zero. Pure. */
import { addDays, daysBetween } from "../days.ts";
import type { Metric, Unit } from "../metrics.ts";

/** What a series is about: everything (`all`), or one member of a dimension, e.g. `channel:Organic Search`. */
export interface Subject {
  metric: Metric;
  subject: string;
  /** The subject as people know it: a title, a name. */
  label: string;
  unit: Unit;
}

export interface Series extends Subject {
  /** The day of the first value. */
  from: string;
  /** One a day; null where nothing is known of it. */
  values: (number | null)[];
  /** Whether its days to come are of interest: models take their time. */
  forecast: boolean;
}

export interface Filled {
  from: string;
  values: number[];
  /** Places that were filled in. */
  filled: Set<number>;
}

/**
 * The series without the unknown days at its ends; unknown days within take the mean of the same weekday before and
 * after. Null when nothing is known.
 */
export function fillIn(series: Pick<Series, "from" | "values">, period = 7): Filled | null {
  const known = (value: number | null | undefined) => value !== null && value !== undefined;
  const first = series.values.findIndex(known);
  if (first < 0) return null;
  const last = series.values.findLastIndex(known);
  const values = series.values.slice(first, last + 1);
  const filled = new Set<number>();
  const whole = values.map((value, i) => {
    if (value !== null) return value;
    filled.add(i);
    return neighbour(values, i, period);
  });
  return { from: addDays(series.from, first), values: whole, filled };
}

function neighbour(values: readonly (number | null)[], i: number, period: number): number {
  for (const step of [period, 1]) {
    const found = [nearest(values, i, -step), nearest(values, i, step)].filter((value) => value !== null);
    if (found.length > 0) return found.reduce((total, value) => total + value, 0) / found.length;
  }
  return 0;
}

function nearest(values: readonly (number | null)[], i: number, step: number): number | null {
  for (let at = i + step; at >= 0 && at < values.length; at += step) {
    const value = values[at];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

/** Unknown stretches of a day or more, until before `to`, the first day that is not over. */
export function gapsOf(series: Pick<Series, "from" | "values">, to: string): { from: string; to: string }[] {
  const length = daysBetween(series.from, to);
  const gaps: { from: string; to: string }[] = [];
  const first = series.values.findIndex((value) => value !== null);
  if (first < 0) return [];
  for (let at = first; at < length; at++) {
    if ((series.values[at] ?? null) !== null) continue;
    const from = at;
    while (at + 1 < length && (series.values[at + 1] ?? null) === null) at++;
    gaps.push({ from: addDays(series.from, from), to: addDays(series.from, at + 1) });
  }
  return gaps;
}
