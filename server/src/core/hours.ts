/** Owns hours of the day: whether one is among them, and when they begin next. Pure. */
import type { DayHours } from "@master-orchestrator/contract";

const HOUR_MS = 3_600_000;
const DAY_HOURS = 24;

/** `hour`: 0 to 23. */
export function isWithin([from, to]: Readonly<DayHours>, hour: number): boolean {
  return from < to ? hour >= from && hour < to : hour >= from || hour < to;
}

export function utcHourOf(atMs: number): number {
  return Math.floor(atMs / HOUR_MS) % DAY_HOURS;
}

/** The next moment after `atMs`, outside of them, at which they begin in UTC. */
export function nextBeginning([from]: Readonly<DayHours>, atMs: number): number {
  const hoursAhead = (from - utcHourOf(atMs) + DAY_HOURS) % DAY_HOURS || DAY_HOURS;
  return (Math.floor(atMs / HOUR_MS) + hoursAhead) * HOUR_MS;
}

/** `22 to 6 o'clock UTC`. */
export function hoursInWords([from, to]: Readonly<DayHours>): string {
  return `${from} to ${to} o'clock UTC`;
}
