/** Gathers what waiting is explained by: who competes, who holds slots, how fast runs are. Decides nothing. */
import type { Bound, HoldReason } from "@master-orchestrator/contract";
import { boundOf, boundSeconds, paceOf, type Waiter } from "#core/bound.ts";
import { type SlotInUse, slotsInQuestion, turnsOf } from "#core/explain.ts";
import { hoursOf } from "#core/hours.ts";
import { overtakenUntil } from "#core/rank.ts";
import type { Competition } from "#core/share.ts";
import type { LaneView } from "#core/snapshot.ts";
import { type RunPace, readCompetition, runPaces } from "#store/competition.ts";
import type { Queryable } from "#store/database.ts";
import { type SlotHolder, slotHolders } from "#store/execution-views.ts";
import { time } from "./present.ts";

export interface Standing {
  nowMs: number;
  of: Competition;
  paces: ReadonlyMap<string, RunPace>;
  /** Oldest first. */
  holders: readonly SlotHolder[];
}

type Lane = Pick<LaneView, "workflowType" | "contentType">;

export async function readStanding(db: Queryable): Promise<Standing> {
  const [{ nowMs, ...of }, paces, holders] = await Promise.all([
    readCompetition(db),
    runPaces(db),
    slotHolders(db, null),
  ]);
  return { nowMs, of, paces, holders };
}

/** How long runs of a workflow take: lately, or at the most. */
export function typicalRunMs({ of, paces }: Standing, workflowType: string): number {
  return paces.get(workflowType)?.typicalRunMs ?? of.workflows[workflowType]?.timeoutMs ?? 300_000;
}

/** Who holds the slots that a lane waits for; nobody where it waits for something else. */
export function holdersFor(standing: Standing, lane: Lane, reason: HoldReason | null): SlotHolder[] {
  const whose = reason && slotsInQuestion(reason);
  if (!whose) return [];
  return standing.holders.filter((holder) => whose === "all" || holder.workflowType === lane.workflowType);
}

export function asSlots(standing: Standing, holders: readonly SlotHolder[]): SlotInUse[] {
  return holders.map(({ executionId, workflowType, sinceMs }) => {
    return { executionId, workflowType, sinceMs, typicalMs: typicalRunMs(standing, workflowType) };
  });
}

/** How a lane takes its turns among those that are held for the same slots. */
export function turnsFor({ of, holders, nowMs }: Standing, lane: Lane, reason: HoldReason | null) {
  const whose = reason && slotsInQuestion(reason);
  return whose ? turnsOf(of, lane, { whose, slots: holders.length, nowMs }) : { share: 1, lanesBefore: 0 };
}

/** The bound on the wire for a task of this priority that has waited since `agedFromMs`. */
export function shownBound(
  standing: Standing,
  waiter: Waiter,
  task: { priority: number; agedFromMs: number },
): Bound | null {
  const { of, nowMs } = standing;
  const bound = boundOf(of, waiter);
  if (!bound) return null;
  const untilMs = overtakenUntil(task, of.policy.ageing);
  const rates = new Map([...standing.paces].map(([type, pace]) => [type, pace.tasksPerSecond]));
  const workflow = of.workflows[waiter.workflowType];
  // When a lane begins and ends by the clock, its pace says nothing of when a task starts.
  const stands = !workflow?.hasTarget || workflow.paused || hoursOf(waiter, of.policy) !== null;
  const pace = paceOf(of, waiter.workflowType, rates);
  return {
    work_seconds: rounded(bound.workSeconds),
    own_lane_seconds: rounded(bound.terms.ownLane),
    same_workflow_seconds: rounded(bound.terms.sameWorkflow),
    other_workflows_seconds: rounded(bound.terms.otherWorkflows),
    per_overtaking_task_seconds: rounded(bound.perOvertakingTask),
    overtaken_until: untilMs > nowMs ? time(untilMs) : null,
    starts_within_seconds: stands
      ? null
      : roundedOrNull(boundSeconds(bound, pace, firstSlotSeconds(standing, waiter))),
  };
}

/** Until a slot is free that the lane could use, if runs take what they usually do. */
function firstSlotSeconds(standing: Standing, lane: Lane): number {
  const { of, holders, nowMs } = standing;
  const limit = of.workflows[lane.workflowType]?.maxConcurrent ?? 0;
  const own = holders.filter((holder) => holder.workflowType === lane.workflowType);
  const full = own.length >= limit ? own : holders.length >= of.policy.concurrency.total ? holders : [];
  const ends = asSlots(standing, full).map((slot) => slot.sinceMs + slot.typicalMs - nowMs);
  return ends.length === 0 ? 0 : Math.max(0, Math.min(...ends)) / 1000;
}

function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

function roundedOrNull(seconds: number | null): number | null {
  return seconds === null ? null : rounded(seconds);
}
