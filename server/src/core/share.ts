/**
 * Fair shares between lanes: start-time fair queuing. Every dispatch moves its lane forward in virtual
 * time, by the expected work divided by the lane's weight; a lane that is ahead of the others by more
 * than a full batch is passed over while one of them can start.
 */
import type { LaneView, Snapshot, WorkflowView } from "./snapshot.ts";

/** Where each lane stands in virtual time while a plan is being made. */
export interface Shares {
  /** The virtual time of the lane that is furthest behind; a lane that was idle begins here. */
  systemTime: number;
  lanes: ReadonlyMap<string, number>;
}

/** Work per task where the workflow's `estimates.seconds_per_task` says nothing. */
const DEFAULT_SECONDS = 1;

export function laneName(lane: Pick<LaneView, "workflowType" | "contentType">): string {
  return `${lane.workflowType}/${lane.contentType}`;
}

/** Lanes with waiting tasks stand where they were, but never behind the system's time. */
export function openShares(snapshot: Snapshot): Shares {
  const lanes = new Map(
    snapshot.lanes.map((lane) => [
      laneName(lane),
      Math.max(lane.virtualTime ?? snapshot.virtualTime, snapshot.virtualTime),
    ]),
  );
  const behind = Math.min(...lanes.values());
  return { systemTime: Number.isFinite(behind) ? behind : snapshot.virtualTime, lanes };
}

/** Virtual seconds that `tasks` of a lane cost it. A lane of weight 0 has no share: it takes what nobody wants. */
export function costOf(tasks: number, lane: LaneView, snapshot: Snapshot): number {
  const workflow = snapshot.workflows[lane.workflowType] as WorkflowView;
  const weight = (snapshot.policy.lanes[laneName(lane)]?.weight ?? 1) * workflow.weight;
  const seconds = workflow.secondsPerTask ?? DEFAULT_SECONDS;
  return weight > 0 ? (tasks * seconds) / weight : Number.POSITIVE_INFINITY;
}

/** The shares after a lane was given `tasks` more. Work without weight moves nobody. */
export function charge(shares: Shares, lane: LaneView, tasks: number, snapshot: Snapshot): Shares {
  const cost = costOf(tasks, lane, snapshot);
  if (!Number.isFinite(cost)) return shares;
  const lanes = new Map(shares.lanes);
  lanes.set(laneName(lane), (lanes.get(laneName(lane)) ?? shares.systemTime) + cost);
  return { ...shares, lanes };
}

/** Of lanes that could start now, those that are ahead of the one furthest behind by more than a full batch. */
export function lanesAhead(candidates: readonly LaneView[], shares: Shares, snapshot: Snapshot): Set<string> {
  const weighted = candidates.filter((lane) => Number.isFinite(costOf(1, lane, snapshot)));
  const timeOf = (lane: LaneView) => shares.lanes.get(laneName(lane)) ?? shares.systemTime;
  const behind = Math.min(...weighted.map(timeOf));
  const ahead = candidates.filter((lane) => {
    if (!weighted.includes(lane)) return weighted.length > 0;
    const batchMax = (snapshot.workflows[lane.workflowType] as WorkflowView).batchMax;
    return timeOf(lane) - behind > costOf(batchMax, lane, snapshot);
  });
  return new Set(ahead.map(laneName));
}
