/** Gives free slots to what ranks highest, and says of everything else why it waits. */
import type { HoldReason, Policy } from "@master-orchestrator/contract";
import type { Decision, Dispatch, Hold } from "./decision.ts";
import { isSnoozed } from "./folding.ts";
import { byRank, score } from "./rank.ts";
import type { LaneView, Run, Snapshot, WaitingTask, WorkflowView } from "./snapshot.ts";

/** Free slots while a plan is being made; every admission takes one. */
interface Slots {
  total: number;
  byWorkflow: Map<string, number>;
}

/** Something that asks for a slot: the head of a lane, or a run that has to be started again. */
type Candidate =
  | { kind: "lane"; workflowType: string; score: number; lane: LaneView; waiting: WaitingTask[] }
  | { kind: "run"; workflowType: string; score: number; run: Run };

interface Gate {
  reason: HoldReason;
  cause: string;
}

/** Slots that are taken, by workflow. */
export interface Occupied {
  running: Readonly<Record<string, number>>;
  snoozed: Readonly<Record<string, number>>;
}

/**
 * Admits by score until the slots are used up. `restarts` are runs whose next attempt or snoozed
 * delivery is due. Work-conserving: a lane that may not start never keeps another from starting.
 */
export function admit(snapshot: Snapshot, restarts: readonly Run[], occupied: Occupied): Decision[] {
  const { running, snoozed } = occupied;
  const slots: Slots = {
    total: snapshot.policy.concurrency.total - Object.values(running).reduce((sum, count) => sum + count, 0),
    byWorkflow: new Map(
      Object.values(snapshot.workflows).map(({ workflowType, maxConcurrent }) => {
        const taken = (running[workflowType] ?? 0) + (snoozed[workflowType] ?? 0);
        return [workflowType, maxConcurrent - taken];
      }),
    ),
  };
  let candidates: Candidate[] = [
    ...restarts.map((run) => runCandidate(run, snapshot)),
    ...snapshot.lanes.map((lane) =>
      laneCandidate(lane, byRank(lane.heads, snapshot.nowMs, snapshot.policy.ageing), snapshot),
    ),
  ].filter((candidate) => candidate !== null);
  const decisions: Decision[] = [];
  const holds: Hold[] = [];
  while (candidates.length > 0) {
    const best = candidates.reduce((a, b) => (b.score > a.score ? b : a));
    candidates = candidates.filter((candidate) => candidate !== best);
    const keepsSlot = best.kind === "run" && isSnoozed(best.run);
    const gate = closedGate(best.workflowType, slots, snapshot, keepsSlot);
    if (gate) {
      holds.push(holdOf(best, gate));
      continue;
    }
    slots.total -= 1;
    if (!keepsSlot) takeWorkflowSlot(slots, best.workflowType);
    if (best.kind === "run") {
      decisions.push(restart(best.run, snapshot));
    } else {
      const { dispatch, rest } = takeBatch(best, slots, snapshot);
      decisions.push(dispatch);
      const next = laneCandidate(rest.lane, rest.waiting, snapshot);
      if (next) candidates.push(next);
      else if (rest.lane.depth > 0) holds.push(unseenRest(rest.lane));
    }
  }
  return [...decisions, ...holds];
}

function takeWorkflowSlot(slots: Slots, workflowType: string): void {
  slots.byWorkflow.set(workflowType, (slots.byWorkflow.get(workflowType) ?? 0) - 1);
}

function runCandidate(run: Run, snapshot: Snapshot): Candidate {
  const scores = run.tasks.map((task) => score(task, snapshot.nowMs, snapshot.policy.ageing));
  return { kind: "run", workflowType: run.workflowType, score: Math.max(0, ...scores), run };
}

function laneCandidate(lane: LaneView, waiting: WaitingTask[], snapshot: Snapshot): Candidate | null {
  const head = waiting[0];
  if (!head) return null;
  const headScore = score(head, snapshot.nowMs, snapshot.policy.ageing);
  return { kind: "lane", workflowType: lane.workflowType, score: headScore, lane, waiting };
}

/** The first closed gate on the way, or null: the order is the order in which `explain` shows them. */
function closedGate(workflowType: string, slots: Slots, snapshot: Snapshot, keepsSlot: boolean): Gate | null {
  const workflow = snapshot.workflows[workflowType];
  if (snapshot.paused) {
    return { reason: "orchestrator_paused", cause: "the orchestrator is paused; resume it to go on" };
  }
  if (!workflow?.hasTarget) {
    return { reason: "workflow_without_target", cause: `${workflowType} has no webhook to post to` };
  }
  if (workflow.paused) {
    return { reason: "workflow_paused", cause: `${workflowType} is paused; resume it to go on` };
  }
  if (!keepsSlot && (slots.byWorkflow.get(workflowType) ?? 0) <= 0) {
    const { maxConcurrent } = workflow;
    const cause = `${workflowType} runs at its limit of ${maxConcurrent} at once (max_concurrent)`;
    return { reason: "concurrency_workflow", cause };
  }
  if (slots.total <= 0) {
    const cause = `${snapshot.policy.concurrency.total} runs at once are allowed in all (policy concurrency.total)`;
    return { reason: "concurrency_total", cause };
  }
  return null;
}

function holdOf(candidate: Candidate, gate: Gate): Hold {
  return candidate.kind === "lane"
    ? {
        kind: "hold",
        workflowType: candidate.workflowType,
        contentType: candidate.lane.contentType,
        ...gate,
        tasks: candidate.lane.depth,
      }
    : {
        kind: "hold",
        workflowType: candidate.workflowType,
        contentType: candidate.run.contentType,
        ...gate,
        tasks: candidate.run.tasks.length,
      };
}

/** Tasks behind those that this cycle looked at: the next cycle follows at once. */
function unseenRest(lane: LaneView): Hold {
  return {
    kind: "hold",
    workflowType: lane.workflowType,
    contentType: lane.contentType,
    reason: "decision_limit",
    cause: "one cycle looks at a bounded number of tasks; the next one follows at once",
    tasks: lane.depth,
  };
}

function restart(run: Run, snapshot: Snapshot): Decision {
  const timeoutMs = snapshot.workflows[run.workflowType]?.timeoutMs ?? run.attempt.timeoutMs;
  if (run.attempt.state === "snoozed") return { kind: "resume", run };
  return {
    kind: "retry",
    executionId: run.executionId,
    workflowType: run.workflowType,
    attempt: run.attempt.number + 1,
    taskIds: run.tasks.map((task) => task.taskId),
    timeoutMs,
    reason: `attempt ${run.attempt.number + 1} of ${snapshot.policy.retry.max_attempts}`,
  };
}

function takeBatch(
  candidate: Candidate & { kind: "lane" },
  slots: Slots,
  snapshot: Snapshot,
): { dispatch: Dispatch; rest: { lane: LaneView; waiting: WaitingTask[] } } {
  const { lane, waiting, workflowType } = candidate;
  const workflow = snapshot.workflows[workflowType] as WorkflowView;
  // The slot of this batch was taken already, so it counts as one of those to fill.
  const freeSlots = 1 + Math.max(0, Math.min(slots.total, slots.byWorkflow.get(workflowType) ?? 0));
  const size = batchSize(lane.depth, freeSlots, workflow, snapshot.policy.batching);
  const batch = together(waiting, size);
  const taken = new Set(batch.map((task) => task.taskId));
  const head = batch[0] as WaitingTask;
  const reason = head.runsAlone
    ? `${workflowType}/${lane.contentType} ranks first with a score of ${candidate.score.toFixed(1)}; alone, since it failed before`
    : `${workflowType}/${lane.contentType} ranks first with a score of ${candidate.score.toFixed(1)}; ${batch.length} of ${lane.depth} waiting`;
  return {
    dispatch: {
      kind: "dispatch",
      workflowType,
      contentType: lane.contentType,
      taskIds: batch.map((task) => task.taskId),
      priority: Math.max(...batch.map((task) => task.priority)),
      score: candidate.score,
      timeoutMs: workflow.timeoutMs,
      reason,
    },
    rest: {
      lane: { ...lane, depth: lane.depth - batch.length },
      waiting: waiting.filter((task) => !taken.has(task.taskId)),
    },
  };
}

/** Spreads a short queue over the free slots; a long one is worked off in full batches. */
export function batchSize(
  depth: number,
  freeSlots: number,
  workflow: Pick<WorkflowView, "batchMin" | "batchMax">,
  batching: Policy["batching"],
): number {
  if (depth > batching.full_batches_above_depth) return workflow.batchMax;
  return Math.min(workflow.batchMax, Math.max(workflow.batchMin, Math.ceil(depth / freeSlots)));
}

/** The best `size` tasks that may share a run with the head; one that failed before runs alone. */
function together(waiting: readonly WaitingTask[], size: number): WaitingTask[] {
  const head = waiting[0] as WaitingTask;
  return head.runsAlone ? [head] : waiting.filter((task) => !task.runsAlone).slice(0, size);
}
