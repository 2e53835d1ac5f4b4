/** Owns hours of the day: whether one is among them, and when they begin next. Pure. */
import type { DayHours, Policy } from "@master-orchestrator/contract";
import { laneName } from "./share.ts";
import type { LaneView } from "./snapshot.ts";

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

type Lane = Pick<LaneView, "workflowType" | "contentType">;

/** The hours to which the policy binds a lane's tasks; null: they may start at any. */
export function hoursOf(lane: Lane, { lanes }: Pick<Policy, "lanes">): DayHours | null {
  return lanes[laneName(lane)]?.hours ?? null;
}

/** Outside of its hours a lane wants nothing: it competes with nobody, and is no load. */
export function isOpen(
  lane: Lane,
  { policy, nowMs }: { policy: Pick<Policy, "lanes">; nowMs: number },
): boolean {
  const hours = hoursOf(lane, policy);
  return hours === null || isWithin(hours, utcHourOf(nowMs));
}

/** `22 to 6 o'clock UTC`. */
export function hoursInWords([from, to]: Readonly<DayHours>): string {
  return `${from} to ${to} o'clock UTC`;
}
