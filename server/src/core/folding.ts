/** One run while its facts are folded in: its working state, and the small steps that change it. */
import { type AttemptState, ENDED_ATTEMPT_STATES, type Policy } from "@master-orchestrator/contract";
import type { Advance, ExecutionEnd, ExecutionStep, Failure, Signal, TaskChange } from "./decision.ts";
import type { Run, RunAttempt, Snapshot } from "./snapshot.ts";
import { assertExecutionStep, assertTaskStep, hasEnded } from "./states.ts";

/** How long a delivery may stay without any recorded outcome before it counts as lost with its deliverer. */
export const DELIVERY_LOST_AFTER_MS = 15_000;
/** A probing run may be accepted at the last moment, and then take its whole time; then this much more. */
export const PROBE_GRACE_MS = 60_000;

export interface FoldContext {
  nowMs: number;
  listeningSinceMs: number;
  retry: Policy["retry"];
  workflows: Snapshot["workflows"];
}

/** A run while its facts are folded in: the run as it stands, and what has been decided about it so far. */
export interface Folding {
  run: Run;
  attemptEnded: boolean;
  failure: Failure | null;
  metrics: unknown;
  costMicros: number;
  steps: ExecutionStep[];
  changes: TaskChange[];
  deliver: boolean;
  recoveryAction: Advance["recoveryAction"];
  end: ExecutionEnd | null;
  signals: readonly Signal[];
  changed: boolean;
}

export function attemptHasEnded(state: AttemptState): boolean {
  return (ENDED_ATTEMPT_STATES as readonly AttemptState[]).includes(state);
}

/** True while a run may be working somewhere, so that it holds a slot. */
export function isWorking(run: Run): boolean {
  return !hasEnded(run.status) && (run.attempt.state === "sent" || run.attempt.state === "accepted");
}

/** True while its sub-workflow has asked to wait: no new work is sent to it in the run's place. */
export function isSnoozed(run: Run): boolean {
  return !hasEnded(run.status) && run.attempt.state === "snoozed";
}

export function startFolding(run: Run): Folding {
  return {
    run,
    attemptEnded: attemptHasEnded(run.attempt.state),
    failure: null,
    metrics: null,
    costMicros: 0,
    steps: [],
    changes: [],
    deliver: false,
    recoveryAction: null,
    end: null,
    signals: [],
    changed: false,
  };
}

type Told<S> = S extends unknown ? Omit<S, "target"> : never;

/** Tells of the attempt's target; of one that nobody recorded there is nothing to tell. */
export function signal(folding: Folding, told: Told<Signal>): Folding {
  const { target } = folding.run.attempt;
  if (target === null) return folding;
  return { ...folding, signals: [...folding.signals, { target, ...told } as Signal] };
}

/** Its target was taken away from its workflow. */
export function isTargetGone({ workflowType, attempt }: Run, { workflows }: FoldContext): boolean {
  if (attempt.target === null) return false;
  return !workflows[workflowType]?.targets.some(({ name }) => name === attempt.target);
}

export function advanceOf(folding: Folding): Advance {
  const { run } = folding;
  for (const step of folding.steps) assertExecutionStep(step.from, step.to);
  for (const change of folding.changes) assertTaskStep(change.from, change.to);
  return {
    kind: "advance",
    executionId: run.executionId,
    parentId: run.parentId,
    workflowType: run.workflowType,
    attempt: {
      ...run.attempt,
      ended: folding.attemptEnded,
      failure: folding.failure,
      metrics: folding.metrics,
    },
    steps: folding.steps,
    tasks: folding.changes,
    dueAtMs: run.dueAtMs,
    costMicros: folding.costMicros,
    recoveryAction: folding.recoveryAction,
    end: folding.end,
    deliver: folding.deliver,
    signals: folding.signals,
  };
}

export function step(
  folding: Folding,
  to: ExecutionStep["to"],
  reason: string,
  actor = "orchestrator",
): Folding {
  const from = folding.run.status;
  if (from === to) return folding;
  return {
    ...folding,
    changed: true,
    steps: [...folding.steps, { from, to, reason, actor }],
    run: { ...folding.run, status: to },
  };
}

/** Changes the attempt and sets the moment at which the run has to be looked at again. */
export function withAttempt(folding: Folding, context: FoldContext, patch: Partial<RunAttempt>): Folding {
  const attempt = { ...folding.run.attempt, ...patch };
  return {
    ...folding,
    changed: true,
    run: { ...folding.run, attempt, dueAtMs: nextLookAt(attempt, context) },
  };
}

/** How long the run may be silent by its own word; null without one. A heartbeat without a promise renews the last. */
export function promisedSilenceMs(attempt: RunAttempt): number | null {
  if (attempt.silentAtMs === null || attempt.lastHeartbeatAtMs === null) return null;
  return attempt.silentAtMs - attempt.lastHeartbeatAtMs;
}

/** When silence means loss. Time in which nobody listened here does not count against the run. */
export function silentFrom(attempt: RunAttempt, context: FoldContext): number {
  const promisedMs = promisedSilenceMs(attempt);
  if (attempt.silentAtMs === null || promisedMs === null) return Number.POSITIVE_INFINITY;
  return Math.max(attempt.silentAtMs, context.listeningSinceMs + promisedMs);
}

function nextLookAt(attempt: RunAttempt, context: FoldContext): number {
  switch (attempt.state) {
    case "accepted":
      return Math.min(attempt.deadlineAtMs, silentFrom(attempt, context));
    case "snoozed":
      return attempt.deliverAtMs as number;
    default:
      return Math.min(attempt.deadlineAtMs, attempt.deliverAtMs ?? context.nowMs + DELIVERY_LOST_AFTER_MS);
  }
}
