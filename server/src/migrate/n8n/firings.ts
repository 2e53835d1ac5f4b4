/** Owns at which minutes schedules fire, on the clocks of their time zones, and where they meet. Pure; asks no clock. */
import { CronExpressionParser } from "cron-parser";
import type { ScheduleRule } from "./schedules.ts";

const MINUTE_MS = 60_000;
/** All time zones of today are moved by whole quarters of an hour. */
const QUARTER_MS = 15 * MINUTE_MS;
/** Long enough for hours that do not divide the day to come into their round. */
const BEFORE_MS = 2 * 86_400_000;

interface LocalTime {
  minute: number;
  hour: number;
  day: number;
  month: number;
  weekday: number;
}

/** How often a rule fires in each minute, by the minute's beginning in milliseconds; empty where nobody can know. */
export function firings(
  rule: ScheduleRule,
  timeZone: string,
  fromMs: number,
  toMs: number,
): Map<number, number> {
  const found = new Map<number, number>();
  if (rule.cron === null) return found;
  const fits = matcher(rule.cron);
  let lastHour: number | null = null;
  const first = rule.hoursApart === null ? fromMs : fromMs - BEFORE_MS;
  for (
    let quarterMs = Math.floor(first / QUARTER_MS) * QUARTER_MS;
    quarterMs < toMs;
    quarterMs += QUARTER_MS
  ) {
    const local = localTime(quarterMs, timeZone);
    for (let i = 0; i < 15; i++) {
      const atMs = quarterMs + i * MINUTE_MS;
      const times = fits({ ...local, minute: local.minute + i });
      if (times === 0) continue;
      if (rule.hoursApart !== null) {
        if (lastHour !== null && (local.hour - lastHour + 24) % 24 < rule.hoursApart) continue;
        lastHour = local.hour;
      }
      if (atMs >= fromMs && atMs < toMs) found.set(atMs, times);
    }
  }
  return found;
}

/** How often a cron expression fires in a minute of the clock. */
function matcher(cron: string): (time: LocalTime) => number {
  const { second, minute, hour, dayOfMonth, month, dayOfWeek } = CronExpressionParser.parse(cron).fields;
  const set = (field: { values: readonly (number | string)[] }) => new Set(field.values.map(Number));
  const [minutes, hours, days, months] = [set(minute), set(hour), set(dayOfMonth), set(month)];
  const weekdays = new Set([...set(dayOfWeek)].map((day) => day % 7));
  return (time) => {
    if (!minutes.has(time.minute) || !hours.has(time.hour) || !months.has(time.month)) return 0;
    const byDay = days.has(time.day);
    const byWeekday = weekdays.has(time.weekday);
    // As cron has it: where both are given, one is enough.
    const either = !dayOfMonth.isWildcard && !dayOfWeek.isWildcard;
    return (either ? byDay || byWeekday : byDay && byWeekday) ? second.values.length : 0;
  };
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** What clocks in `timeZone` show. Throws a RangeError for a zone that is none. */
function localTime(atMs: number, timeZone: string): LocalTime {
  let format = formats.get(timeZone);
  if (!format) {
    const numeric = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" };
    format = new Intl.DateTimeFormat("en-US", {
      ...(numeric as Intl.DateTimeFormatOptions),
      ...{ timeZone, hourCycle: "h23", calendar: "gregory", numberingSystem: "latn" },
    });
    formats.set(timeZone, format);
  }
  const parts = Object.fromEntries(
    format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]),
  );
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0 } = parts;
  return { minute, hour, day, month, weekday: new Date(Date.UTC(year, month - 1, day)).getUTCDay() };
}

/** Whether there is such a time zone. */
export function isTimeZone(name: string): boolean {
  try {
    localTime(0, name);
    return true;
  } catch {
    return false;
  }
}

/** One workflow's firings, in one minute each, and how many calls of models a run makes at least. */
export interface Clock {
  name: string;
  firings: ReadonlyMap<number, number>;
  aiCalls: number;
}

/** Workflows that start in the same minute, again and again. */
export interface Collision {
  workflows: string[];
  /** How often in the time looked at. */
  times: number;
  firstAtMs: number;
  /** Calls of models in such a minute, at least: one for each of their AI nodes. */
  aiCallsPerMinute: number;
}

/** Which workflows meet, those with most workflows first; each set of workflows told once. */
export function collisions(clocks: readonly Clock[]): Collision[] {
  const minutes = new Map<number, Clock[]>();
  for (const clock of clocks) {
    for (const atMs of clock.firings.keys()) minutes.set(atMs, [...(minutes.get(atMs) ?? []), clock]);
  }
  const found = new Map<string, Collision>();
  for (const [atMs, meeting] of minutes) {
    if (meeting.length < 2) continue;
    const workflows = meeting.map(({ name }) => name).sort();
    const calls = meeting.reduce((sum, clock) => sum + clock.aiCalls * (clock.firings.get(atMs) ?? 0), 0);
    const key = JSON.stringify(workflows);
    const before = found.get(key);
    found.set(key, {
      workflows,
      times: (before?.times ?? 0) + 1,
      firstAtMs: Math.min(before?.firstAtMs ?? atMs, atMs),
      aiCallsPerMinute: Math.max(before?.aiCallsPerMinute ?? 0, calls),
    });
  }
  const most = (a: Collision, b: Collision) =>
    b.workflows.length - a.workflows.length || b.times - a.times || a.firstAtMs - b.firstAtMs;
  return [...found.values()].sort(most);
}

/** The most calls of models in any minute, at least; null where none is made. */
export function busiestMinute(clocks: readonly Clock[]): { atMs: number; aiCalls: number } | null {
  const calls = new Map<number, number>();
  for (const { firings: fired, aiCalls } of clocks) {
    for (const [atMs, times] of fired) calls.set(atMs, (calls.get(atMs) ?? 0) + times * aiCalls);
  }
  let busiest: { atMs: number; aiCalls: number } | null = null;
  for (const [atMs, aiCalls] of calls) {
    if (
      aiCalls > 0 &&
      (busiest === null || aiCalls > busiest.aiCalls || (aiCalls === busiest.aiCalls && atMs < busiest.atMs))
    )
      busiest = { atMs, aiCalls };
  }
  return busiest;
}
