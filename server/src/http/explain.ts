/** Gathers what `core/explain.ts` needs to know about one task, now or at a past moment. */
import {
  defaultPolicy,
  type Explanation,
  type HoldReason,
  Problem,
  type TaskStatus,
} from "@master-orchestrator/contract";
import { gatesOf, holdOf, type Question, verdictOf } from "#core/explain.ts";
import type { Queryable } from "#store/database.ts";
import { slotHolders, typicalRunMs } from "#store/execution-views.ts";
import { orchestratorView } from "#store/orchestrator.ts";
import { currentPolicy } from "#store/policies.ts";
import { laneHoldAt, rankOf, type TaskDetail } from "#store/task-views.ts";
import { type Transition, transitionsOf } from "#store/transitions.ts";
import { findWorkflow } from "#store/workflows.ts";
import { time } from "./present.ts";

/** Explains a task at `atMs`, null for now. Throws `validation_failed` for the future and the time before it was. */
export async function explainTask(
  db: Queryable,
  task: TaskDetail,
  atMs: number | null,
): Promise<Explanation> {
  const { nowMs } = await orchestratorView(db);
  const history = await transitionsOf(db, task.taskId);
  refuseUnknowable(task, atMs, nowMs);
  const momentMs = atMs ?? nowMs;
  const status = atMs === null ? task.status : statusAt(history, atMs);
  const live = atMs === null && status === "queued";
  const policy = (await currentPolicy(db))?.policy ?? defaultPolicy();
  const ranked = live ? await rankOf(db, task, nowMs, policy.ageing) : null;
  const held =
    status === "queued" ? await laneHoldAt(db, task.workflowType, task.contentType, momentMs) : null;
  const workflow = await findWorkflow(db, task.workflowType);
  const holders = live
    ? await slotHolders(db, held?.reason === "concurrency_workflow" ? task.workflowType : null)
    : [];
  const timeoutMs = (workflow?.settings.timeout_seconds ?? 300) * 1000;
  const question: Question = {
    atMs: momentMs,
    status,
    dueAtMs: task.dueAtMs,
    laneHold: held && { reason: held.reason as HoldReason, cause: held.cause },
    rank: ranked?.rank ?? null,
    workflowType: task.workflowType,
    batchMax: workflow?.settings.batch?.max ?? 10,
    slotsSinceMs: holders.map((holder) => holder.sinceMs),
    typicalRunMs: (live ? await typicalRunMs(db, task.workflowType) : null) ?? timeoutMs,
  };
  return {
    task_id: task.taskId,
    at: time(momentMs),
    status,
    verdict: verdictOf(question),
    score: ranked?.score ?? null,
    rank: ranked?.rank ?? null,
    hold: holdOf(question),
    gates: gatesOf(question),
    slot_holders: holders.map((holder) => ({
      execution_id: holder.executionId,
      workflow_type: holder.workflowType,
      since: time(holder.sinceMs),
      tasks: holder.tasks,
    })),
    history: history
      .filter((step) => step.atMs <= momentMs)
      .map((step) => ({ at: time(step.atMs), from: step.from, to: step.to, reason: step.reason })),
  };
}

function refuseUnknowable(task: TaskDetail, atMs: number | null, nowMs: number): void {
  if (atMs === null || (atMs <= nowMs && atMs >= task.createdAtMs)) return;
  const message = atMs > nowMs ? "is in the future" : "is before the task was enqueued";
  throw new Problem(
    "validation_failed",
    `query/at: ${time(atMs)} ${message}`,
    `Ask for a moment between ${time(task.createdAtMs)} and now, or leave it out for now.`,
    { errors: [{ path: "query/at", message }] },
  );
}

/** The status that the audit log gives for a moment. */
function statusAt(history: readonly Transition[], atMs: number): TaskStatus {
  const states = history.filter((step) => step.atMs <= atMs && !step.to.startsWith("priority "));
  return (states.at(-1)?.to ?? "queued") as TaskStatus;
}
