/**
 * Owns the counts of lanes so deep that counting them in full for every look would cost too much: they are counted in
 * the background, as often as a small part of one connection's time allows. Decides nothing.
 */
import type { Policy } from "@master-orchestrator/contract";
import type { Log } from "#log.ts";
import type { Database } from "#store/database.ts";
import { type WaitingCount, waitingCounts } from "#store/lane-counts.ts";

/** A lane with fewer waiting tasks is counted at every look. */
export const DEEP = 10_001;
/** Counted again after so long at the earliest, and after so many times as long as counting took. */
const AGAIN_AFTER_MS = 10_000;
const PART_OF_TIME = 20;

export interface DeepCount extends WaitingCount {
  countedAtMs: number;
}

export interface DeepLanes {
  /** What was counted last of a lane, if anything; asks for a new count where that is old. */
  find(lanes: readonly Lane[], ageing: Policy["ageing"]): (lane: string) => DeepCount | undefined;
}

interface Lane {
  workflowType: string;
  contentType: string;
}

export function createDeepLanes(context: {
  db: Database;
  log: Log;
  clock: { nowMs(): number; monotonicMs(): number };
  priorities: readonly number[];
}): DeepLanes {
  const { db, log, clock, priorities } = context;
  let known = new Map<string, DeepCount>();
  let dueMs = Number.NEGATIVE_INFINITY;
  let counting = false;
  const count = async (lanes: readonly Lane[], ageing: Policy["ageing"]) => {
    counting = true;
    const countedAtMs = clock.nowMs();
    const began = clock.monotonicMs();
    try {
      const counts = await waitingCounts(db, lanes, priorities, ageing);
      known = new Map([...counts].map(([lane, one]) => [lane, { ...one, countedAtMs }]));
    } catch (error) {
      log.warn("Deep lanes could not be counted", { error });
    }
    const tookMs = clock.monotonicMs() - began;
    dueMs = clock.monotonicMs() + Math.max(AGAIN_AFTER_MS, PART_OF_TIME * tookMs);
    counting = false;
  };
  return {
    find(lanes, ageing) {
      const news = lanes.some((lane) => !known.has(`${lane.workflowType}/${lane.contentType}`));
      if (lanes.length > 0 && !counting && (news || clock.monotonicMs() >= dueMs)) void count(lanes, ageing);
      return (lane) => known.get(lane);
    },
  };
}
