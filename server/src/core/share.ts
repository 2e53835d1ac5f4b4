/**
 * Fair shares between lanes: start-time fair queuing. Every dispatch moves its lane forward in virtual
 * time, by the expected work divided by the lane's weight; a lane that is ahead of the others by more
 * than a full batch is passed over while one of them can start. docs/fairness.md has the rules and the proof.
 */
import type { LaneView, Snapshot, WorkflowView } from "./snapshot.ts";

/** Where each lane stands in virtual time while a plan is being made. */
export interface Shares {
  /** Where a lane begins that had nothing waiting: as far as the lane furthest behind was, of those that could start last. */
  systemTime: number;
  lanes: ReadonlyMap<string, number>;
}

/** What shares depend on, of a snapshot. */
export type Competition = Pick<Snapshot, "virtualTime" | "lanes" | "workflows" | "policy">;

/** Work per task where the workflow's `estimates.seconds_per_task` says nothing. */
const DEFAULT_SECONDS = 1;
/** Work that is said to be none takes its turn all the same. */
const LEAST_SECONDS = 0.001;
/** How many of the longest full batches a workflow may lag behind: what it missed beyond that is no credit. */
const CREDIT_BATCHES = 4;
/** A lane within its share is at most a tolerance and the batch that it is given then ahead. */
const MOST_BATCHES_AHEAD = 2;

export function laneName(lane: Pick<LaneView, "workflowType" | "contentType">): string {
  return `${lane.workflowType}/${lane.contentType}`;
}

/** The lane's part of the capacity, relative to the other lanes'. */
export function weightOf(lane: Pick<LaneView, "workflowType" | "contentType">, of: Competition): number {
  return (of.policy.lanes[laneName(lane)]?.weight ?? 1) * (of.workflows[lane.workflowType]?.weight ?? 1);
}

/** Expected seconds of work. */
export function workOf(tasks: number, lane: Pick<LaneView, "workflowType">, of: Competition): number {
  const seconds = of.workflows[lane.workflowType]?.secondsPerTask ?? DEFAULT_SECONDS;
  return tasks * Math.max(LEAST_SECONDS, seconds);
}

/**
 * A lane that still waits stands where it stood. One that had nothing waiting stands no further behind than
 * the system's time, or than its workflow's other lanes. None stands further ahead than its share by the
 * weights of today could bring it, so that a raised weight counts at once.
 */
export function openShares(of: Competition): Shares {
  const begins = beginnings(of);
  const lanes = of.lanes.map((lane): [string, number] => {
    const begin = begins.get(lane.workflowType) ?? of.virtualTime;
    const own = lane.virtualTime ?? begin;
    const stands = standsStill(lane, of) ? own : Math.max(own, begin);
    return [laneName(lane), Math.min(stands, of.virtualTime + MOST_BATCHES_AHEAD * batchCost(lane, of))];
  });
  return { systemTime: of.virtualTime, lanes: new Map(lanes) };
}

function standsStill(lane: LaneView, of: Competition): boolean {
  return lane.waited && lane.virtualTime !== null && weightOf(lane, of) > 0;
}

/** By workflow, where a lane of it begins: with the furthest behind of its waiting lanes, never ahead of the system. */
function beginnings(of: Competition): Map<string, number> {
  const begins = new Map<string, number>();
  for (const lane of of.lanes) {
    if (!standsStill(lane, of)) continue;
    const known = begins.get(lane.workflowType) ?? of.virtualTime;
    begins.set(lane.workflowType, Math.min(known, lane.virtualTime as number));
  }
  return begins;
}

/** Virtual seconds that `tasks` of a lane cost it. A lane of weight 0 has no share: it takes what nobody wants. */
export function costOf(tasks: number, lane: LaneView, of: Competition): number {
  const weight = weightOf(lane, of);
  return weight > 0 ? workOf(tasks, lane, of) / weight : Number.POSITIVE_INFINITY;
}

/** Virtual seconds of a full batch: the tolerance. */
function batchCost(lane: LaneView, of: Competition): number {
  return costOf((of.workflows[lane.workflowType] as WorkflowView | undefined)?.batchMax ?? 1, lane, of);
}

/** The shares after a lane was given `tasks` more. Work without weight moves nobody. */
export function charge(shares: Shares, lane: LaneView, tasks: number, of: Competition): Shares {
  const cost = costOf(tasks, lane, of);
  if (!Number.isFinite(cost)) return shares;
  const lanes = new Map(shares.lanes);
  lanes.set(laneName(lane), positionOf(lane, shares) + cost);
  return { ...shares, lanes };
}

function positionOf(lane: LaneView, shares: Shares): number {
  return shares.lanes.get(laneName(lane)) ?? shares.systemTime;
}

/** Of lanes that could start now, those that are ahead of the one furthest behind by more than a full batch. */
export function lanesAhead(candidates: readonly LaneView[], shares: Shares, of: Competition): Set<string> {
  const weighted = candidates.filter((lane) => weightOf(lane, of) > 0);
  const behind = Math.min(...weighted.map((lane) => positionOf(lane, shares)));
  const ahead = candidates.filter((lane) =>
    weightOf(lane, of) > 0 ? positionOf(lane, shares) - behind > batchCost(lane, of) : weighted.length > 0,
  );
  return new Set(ahead.map(laneName));
}

/** The system's time follows the lane furthest behind of those that can start, so a lane that cannot holds nobody back. */
export function moveOn(candidates: readonly LaneView[], shares: Shares, of: Competition): Shares {
  const weighted = candidates.filter((lane) => weightOf(lane, of) > 0);
  if (weighted.length === 0) return shares;
  const behind = Math.min(...weighted.map((lane) => positionOf(lane, shares)));
  return behind > shares.systemTime ? { ...shares, systemTime: behind } : shares;
}

/**
 * By workflow, how far all its lanes move forward together, so that none of those that `wait` lags behind
 * the system's time by more than the credit: what a workflow missed while it was paused or at its own limit.
 */
export function lifts(wait: readonly LaneView[], shares: Shares, of: Competition): Map<string, number> {
  const weighted = wait.filter((lane) => weightOf(lane, of) > 0);
  const credit = CREDIT_BATCHES * Math.max(0, ...weighted.map((lane) => batchCost(lane, of)));
  const behind = new Map<string, number>();
  for (const lane of weighted) {
    const known = behind.get(lane.workflowType) ?? Number.POSITIVE_INFINITY;
    behind.set(lane.workflowType, Math.min(known, positionOf(lane, shares)));
  }
  const missed = [...behind].map(([workflowType, position]): [string, number] => [
    workflowType,
    shares.systemTime - credit - position,
  ]);
  return new Map(missed.filter(([, by]) => by > 0));
}
