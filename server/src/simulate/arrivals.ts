/** Owns arrivals made up from a seed: when, in which lane, how long, how often failing. Never looks at a clock. */
import { type Chance, chance } from "./chance.ts";
import { type Arrival, type Nature, numberOf, type Workload, workloadOf } from "./workload.ts";

export const PROFILES = ["flat", "office", "bursty"] as const;
export type Profile = (typeof PROFILES)[number];

export interface SeededArrivals {
  seed: number;
  days: number;
  perDay: number;
  profile: Profile;
  /** Tasks that wait already when the simulation begins. */
  backlog: number;
  /** Lanes (`workflow_type/content_type`) with their shares of the tasks; any positive numbers. */
  lanes: readonly { workflowType: string; contentType: string; share: number }[];
  /** How long one try of a task takes on average. */
  meanSeconds: number;
  /** Which share of tries fails, from 0 to below 1. */
  failureShare: number;
  costUsd: number;
}

/** A Monday, so that weeks begin where people expect it. */
const BEGINS_AT_MS = Date.UTC(2026, 0, 5);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Tasks that come together, on average, where they come in bursts. */
const BURST = 40;
/** How far durations spread: one task in thirty takes more than two and a half times the median. */
const SPREAD = 0.5;
/** A task that fails this often is one that never succeeds: no policy allows more failures. */
const MOST_FAILURES = 100;
/** Of ten tasks: two that can wait, seven like any other, one that is urgent. */
const PRIORITIES = [20, 20, 50, 50, 50, 50, 50, 50, 50, 80];
/** Streams of chance that must not touch each other. */
const STREAM = { moments: 1, tasks: 2, consequences: 3 } as const;

/** Exactly `days × perDay` tasks (and the backlog) over the time, by the profile. */
export function seededArrivals(asked: SeededArrivals): Workload {
  const count = Math.round(asked.days * asked.perDay);
  const random = chance(asked.seed, STREAM.moments);
  const offsets = MOMENTS[asked.profile](random, count, asked.days * DAY_MS);
  const moments = [...new Array<number>(asked.backlog).fill(0), ...offsets.sort((a, b) => a - b)];
  const arrivals = moments.map((offsetMs, i) => arrivalOf(BEGINS_AT_MS + offsetMs, i, asked));
  return workloadOf(arrivals, BEGINS_AT_MS, {
    endsAtMs: BEGINS_AT_MS + asked.days * DAY_MS,
    consequence: (key) => ({
      key,
      nature: natureBy(chance(asked.seed, STREAM.consequences, numberOf(key)), asked),
    }),
  });
}

function arrivalOf(atMs: number, number: number, asked: SeededArrivals): Arrival {
  const random = chance(asked.seed, STREAM.tasks, number);
  const lane = pick(asked.lanes, random.fraction());
  const priority = PRIORITIES[random.int(0, PRIORITIES.length - 1)] as number;
  const { workflowType, contentType } = lane;
  return { atMs, workflowType, contentType, priority, isTopic: true, ...natureBy(random, asked) };
}

function natureBy(random: Chance, asked: SeededArrivals): Nature {
  const durationMs = Math.max(1, Math.round(random.spread(asked.meanSeconds * 1000, SPREAD)));
  let failures = 0;
  while (failures < MOST_FAILURES && random.maybe(asked.failureShare)) failures += 1;
  return { durationMs, failures, costMicros: Math.round(asked.costUsd * 1e6) };
}

function pick(lanes: SeededArrivals["lanes"], drawn: number): SeededArrivals["lanes"][number] {
  let left = drawn * lanes.reduce((sum, lane) => sum + lane.share, 0);
  const found = lanes.find((lane) => {
    left -= lane.share;
    return left < 0;
  });
  return found ?? (lanes.at(-1) as SeededArrivals["lanes"][number]);
}

/** Moments of `count` arrivals within `spanMs`, in any order. */
const MOMENTS: Record<Profile, (random: Chance, count: number, spanMs: number) => number[]> = {
  flat: (random, count, spanMs) => times(count, () => Math.floor(random.fraction() * spanMs)),
  office(random, count, spanMs) {
    const moments: number[] = [];
    // What falls outside of the office hours is drawn again, mostly.
    while (moments.length < count) {
      const moment = Math.floor(random.fraction() * spanMs);
      if (random.maybe(officeDemand(moment))) moments.push(moment);
    }
    return moments;
  },
  bursty(random, count, spanMs) {
    const moments: number[] = [];
    while (moments.length < count) {
      const moment = Math.floor(random.fraction() * spanMs);
      const size = Math.min(count - moments.length, 1 + Math.floor(random.waiting(BURST)));
      for (let i = 0; i < size; i++) moments.push(moment);
    }
    return moments;
  },
};

/** How much comes in at a moment, from 0 to 1: on workdays from 9 to 17 h UTC all, else little. */
function officeDemand(offsetMs: number): number {
  const hour = Math.floor(offsetMs / HOUR_MS) % 24;
  const weekend = Math.floor(offsetMs / DAY_MS) % 7 >= 5;
  return !weekend && hour >= 9 && hour < 17 ? 1 : 0.05;
}

function times<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}
