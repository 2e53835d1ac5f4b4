/** Gathers what `core/explain.ts` needs to know about one task, now or at a past moment. */
import { type Explanation, type HoldReason, Problem, type TaskStatus } from "@master-orchestrator/contract";
import { gatesOf, holdOf, type Question, verdictOf } from "#core/explain.ts";
import type { Queryable } from "#store/database.ts";
import type { SlotHolder } from "#store/execution-views.ts";
import { laneHoldsAt, type Ranked, rankOf, type TaskDetail } from "#store/task-views.ts";
import { type Transition, transitionsOf } from "#store/transitions.ts";
import { time } from "./present.ts";
import {
  asSlots,
  holdersFor,
  readStanding,
  type Standing,
  shownBound,
  turnsFor,
  typicalRunMs,
} from "./standing.ts";

/** What is known of a task at the moment in question. */
interface Found {
  standing: Standing;
  question: Question;
  holders: readonly SlotHolder[];
  ranked: Ranked | null;
}

/** Explains a task at `atMs`, null for now. Throws `validation_failed` for the future and the time before it was. */
export async function explainTask(
  db: Queryable,
  task: TaskDetail,
  atMs: number | null,
): Promise<Explanation> {
  const standing = await readStanding(db);
  refuseUnknowable(task, atMs, standing.nowMs);
  const history = await transitionsOf(db, task.taskId);
  const { question, holders, ranked } = await look(db, task, { standing, atMs, history });
  return {
    task_id: task.taskId,
    at: time(question.atMs),
    status: question.status,
    verdict: verdictOf(question),
    score: ranked?.score ?? null,
    rank: ranked?.rank ?? null,
    hold: holdOf(question),
    bound: ranked && shownBound(standing, { ...task, tasksAhead: ranked.everAhead }, task),
    gates: gatesOf(question),
    slot_holders: holders.map((holder) => ({
      execution_id: holder.executionId,
      workflow_type: holder.workflowType,
      target: holder.target,
      since: time(holder.sinceMs),
      tasks: holder.tasks,
      expected_end: time(
        Math.max(question.atMs, holder.sinceMs + typicalRunMs(standing, holder.workflowType)),
      ),
    })),
    history: history
      .filter((step) => step.atMs <= question.atMs)
      .map((step) => ({ at: time(step.atMs), from: step.from, to: step.to, reason: step.reason })),
  };
}

async function look(
  db: Queryable,
  task: TaskDetail,
  { standing, atMs, history }: { standing: Standing; atMs: number | null; history: readonly Transition[] },
): Promise<Found> {
  const { nowMs, of } = standing;
  const momentMs = atMs ?? nowMs;
  const status = atMs === null ? task.status : statusAt(history, atMs);
  const waits = status === "queued" || status === "retrying";
  const ranked =
    atMs === null && status === "queued" ? await rankOf(db, task, nowMs, of.policy.ageing) : null;
  const [held = null] = waits ? await laneHoldsAt(db, [task], momentMs) : [];
  const reason = (held?.reason ?? null) as HoldReason | null;
  // Who held the slots at a past moment is not kept in a form that could be looked up quickly.
  const holders = atMs === null ? holdersFor(standing, task, reason) : [];
  const question: Question = {
    atMs: momentMs,
    status,
    dueAtMs: task.dueAtMs,
    laneHold: held && { ...held, reason: held.reason as HoldReason },
    rank: ranked?.rank ?? null,
    workflowType: task.workflowType,
    batchMax: of.workflows[task.workflowType]?.batchMax ?? 10,
    slots: asSlots(standing, holders),
    ...turnsFor(standing, task, atMs === null ? reason : null),
    run: atMs === null ? runOf(standing, task) : null,
    ...(atMs === null ? {} : { startedAtMs: startAfter(history, atMs) }),
  };
  return { standing, question, holders, ranked };
}

function runOf(standing: Standing, task: TaskDetail): Question["run"] {
  const attempt = task.attempts.findLast((one) => one.executionId === task.executionId);
  if (task.status !== "running" || !attempt) return null;
  return {
    executionId: attempt.executionId,
    attempt: attempt.attempt,
    target: attempt.target,
    sinceMs: attempt.dispatchedAtMs,
    typicalMs: typicalRunMs(standing, task.workflowType),
  };
}

/** When it was started next after a moment; null if it never was. */
function startAfter(history: readonly Transition[], atMs: number): number | null {
  return history.find((step) => step.atMs > atMs && step.to === "running")?.atMs ?? null;
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
