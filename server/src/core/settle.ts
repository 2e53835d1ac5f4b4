/** Ends an attempt or a run: what every task it carries gets, and whether there is a next attempt. */
import type { AttemptState, NextTask } from "@master-orchestrator/contract";
import type { ExecutionEnd, Failure, TaskChange } from "./decision.ts";
import { type FoldContext, type Folding, step } from "./folding.ts";
import { backoffMs } from "./retry.ts";
import type { Run, RunTask } from "./snapshot.ts";

export type Outcome =
  | { ok: true; result: unknown; next?: readonly NextTask[] }
  | { ok: false; failure: Failure; final: boolean };

export interface Settlement {
  state: AttemptState;
  outcomes: ReadonlyMap<string, Outcome>;
  overall: Failure | null;
  result: unknown;
}

export function failAttempt(
  folding: Folding,
  state: AttemptState,
  failure: Failure,
  context: FoldContext,
): Folding {
  const outcomes = new Map<string, Outcome>(
    folding.run.tasks.map((task) => [task.taskId, { ok: false, failure, final: false }]),
  );
  return settle(folding, { state, outcomes, overall: failure, result: null }, context);
}

/** Ends the attempt: tasks complete, wait for the next attempt, go back to the queue, or to the dead letters. */
export function settle(folding: Folding, settlement: Settlement, context: FoldContext): Folding {
  const { run } = folding;
  // A result that comes after the time-out is taken, but the failure was counted already.
  const late = folding.attemptEnded;
  const lastAttempt = run.attempt.number >= context.retry.max_attempts;
  const retryAtMs = late
    ? (run.dueAtMs as number)
    : context.nowMs + backoffMs(run.attempt.number, run.executionId, context.retry);
  const changes: TaskChange[] = [];
  const open: RunTask[] = [];
  for (const task of run.tasks) {
    const outcome = settlement.outcomes.get(task.taskId) as Outcome;
    const change = taskChange(task, outcome, { late, lastAttempt, retryAtMs }, run, context);
    if (change) changes.push(change);
    if (!change?.leaves)
      open.push({ ...task, status: change?.to ?? task.status, failures: change?.failures ?? task.failures });
  }
  const failure = settlement.overall;
  const settled: Folding = {
    ...folding,
    changes: [...folding.changes, ...changes],
    attemptEnded: true,
    failure,
    changed: true,
    run: {
      ...run,
      tasks: open,
      dueAtMs: open.length > 0 ? retryAtMs : null,
      attempt: { ...run.attempt, state: settlement.state, deliverAtMs: null },
    },
  };
  return afterSettlement(settled, settlement, open.length, late);
}

function afterSettlement(folding: Folding, settlement: Settlement, open: number, late: boolean): Folding {
  const failure = settlement.overall;
  if (open > 0) {
    if (late) return folding;
    const reason = `attempt ${folding.run.attempt.number} ${settlement.state}: ${failure?.message ?? ""}`;
    return {
      ...step(folding, "ERROR_RECOVERY", reason),
      recoveryAction: { action: "retry_later", reason },
    };
  }
  const end: ExecutionEnd = { result: settlement.result, failure };
  return failure
    ? { ...step(folding, "FAILED", failure.message), end }
    : { ...step(folding, "COMPLETED", "every task has its result"), end };
}

/** What an outcome means for one task; null if nothing changes for it. */
function taskChange(
  task: RunTask,
  outcome: Outcome,
  how: { late: boolean; lastAttempt: boolean; retryAtMs: number },
  run: Run,
  context: FoldContext,
): TaskChange | null {
  const base = { taskId: task.taskId, from: task.status, actor: "orchestrator" };
  if (outcome.ok) {
    const { result, next = [] } = outcome;
    const reason = "its result arrived";
    return { ...base, to: "completed", reason, leaves: true, result, ...(next.length > 0 ? { next } : {}) };
  }
  const { failure } = outcome;
  const failures = how.late ? task.failures : task.failures + 1;
  if (outcome.final || failures >= context.retry.dead_letter_after) {
    const reason = outcome.final ? "the sub-workflow advises against a retry" : `${failures} failures`;
    return { ...base, to: "dead_lettered", reason, failures, leaves: true, failure };
  }
  if (how.late) return null;
  if (how.lastAttempt) {
    const dueAtMs = context.nowMs + backoffMs(failures, task.taskId, context.retry);
    const reason = `attempt ${run.attempt.number} was the execution's last`;
    return { ...base, to: "retrying", reason, failures, dueAtMs, runsAlone: true, leaves: true, failure };
  }
  return { ...base, to: "retrying", reason: failure.message, failures, dueAtMs: how.retryAtMs, failure };
}

export function cancelRun(folding: Folding, actor: string, reason: string): Folding {
  const changes = folding.run.tasks.map(
    (task): TaskChange => ({
      taskId: task.taskId,
      from: task.status,
      to: "cancelled",
      reason,
      actor,
      leaves: true,
    }),
  );
  const { attempt } = folding.run;
  const cancelled: Folding = {
    ...folding,
    changes: [...folding.changes, ...changes],
    changed: true,
    run: {
      ...folding.run,
      tasks: [],
      dueAtMs: null,
      attempt: folding.attemptEnded ? attempt : { ...attempt, state: "cancelled", deliverAtMs: null },
    },
    attemptEnded: true,
    end: { result: null, failure: null },
  };
  return step(cancelled, "CANCELLED", reason, actor);
}

export function cancelTask(folding: Folding, taskId: string, actor: string): Folding {
  const task = folding.run.tasks.find((candidate) => candidate.taskId === taskId);
  if (!task) return folding;
  if (folding.run.tasks.length === 1) return cancelRun(folding, actor, "its only task was cancelled");
  const reason = "cancelled by request";
  return {
    ...folding,
    changed: true,
    changes: [
      ...folding.changes,
      { taskId, from: task.status, to: "cancelled", reason, actor, leaves: true },
    ],
    run: { ...folding.run, tasks: folding.run.tasks.filter((other) => other !== task) },
  };
}

/** The run has just ended and gave the task back: it is cancelled all the same. */
export function cancelReturned(folding: Folding, taskId: string, actor: string): Folding {
  const last = folding.changes.findLast((change) => change.taskId === taskId);
  if (last?.to !== "retrying") return folding;
  const reason = "cancelled by request";
  const change: TaskChange = { taskId, from: "retrying", to: "cancelled", reason, actor, leaves: true };
  return { ...folding, changes: [...folding.changes, change] };
}
