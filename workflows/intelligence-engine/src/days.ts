/** Owns the arithmetic of UTC days, written `2026-12-01`. Knows no time of day and asks no clock. */

const DAY_MS = 86_400_000;
const MS = (day: string) => Date.parse(`${day}T00:00:00Z`);

export function addDays(day: string, days: number): string {
  return new Date(MS(day) + days * DAY_MS).toISOString().slice(0, 10);
}

/** Days from `from` to `to`; negative when `to` is earlier. */
export function daysBetween(from: string, to: string): number {
  return Math.round((MS(to) - MS(from)) / DAY_MS);
}

/** Each day from `from` until before `to`. */
export function daysOf(from: string, to: string): string[] {
  return Array.from({ length: Math.max(0, daysBetween(from, to)) }, (_, i) => addDays(from, i));
}

/** Monday is 0. */
export function weekdayOf(day: string): number {
  return (new Date(MS(day)).getUTCDay() + 6) % 7;
}

export const WEEKDAYS = [
  "Monday",
  "Tuesday",
  "Wednesday",
  "Thursday",
  "Friday",
  "Saturday",
  "Sunday",
] as const;

export type PeriodKind = "day" | "week" | "month";

export interface Period {
  kind: PeriodKind;
  /** Its first day. */
  from: string;
  /** The first day that is not in it any more. */
  to: string;
}

/** The period of a kind in which `day` lies; weeks begin on Monday. */
export function periodAt(kind: PeriodKind, day: string): Period {
  if (kind === "day") return { kind, from: day, to: addDays(day, 1) };
  if (kind === "week") {
    const from = addDays(day, -weekdayOf(day));
    return { kind, from, to: addDays(from, 7) };
  }
  const from = `${day.slice(0, 7)}-01`;
  return { kind, from, to: `${addDays(from, 31).slice(0, 7)}-01` };
}

/** The last period of a kind that was over before `today` began. */
export function lastPeriod(kind: PeriodKind, today: string): Period {
  return periodAt(kind, addDays(periodAt(kind, today).from, -1));
}

/** The period before it, of the same kind. */
export function periodBefore({ kind, from }: Period): Period {
  return periodAt(kind, addDays(from, -1));
}

/** As people write it: `23 November 2026`, `23–29 November 2026`. */
export function inWords({ from, to }: Pick<Period, "from" | "to">): string {
  const last = addDays(to, -1);
  const parts = (day: string) => ({
    d: Number(day.slice(8)),
    m: MONTHS[Number(day.slice(5, 7)) - 1],
    y: day.slice(0, 4),
  });
  const [a, b] = [parts(from), parts(last)];
  if (from === last) return `${a.d} ${a.m} ${a.y}`;
  if (a.y !== b.y) return `${a.d} ${a.m} ${a.y} – ${b.d} ${b.m} ${b.y}`;
  if (a.m !== b.m) return `${a.d} ${a.m} – ${b.d} ${b.m} ${b.y}`;
  return `${a.d}–${b.d} ${b.m} ${b.y}`;
}

const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
