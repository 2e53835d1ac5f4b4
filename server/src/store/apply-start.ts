/** Writes what a plan starts: new executions, next attempts, the tasks that run in them. Decides nothing. */
import type { Dispatch, Retry } from "#core/decision.ts";
import { DELIVERY_LOST_AFTER_MS } from "#core/folding.ts";
import type { Queryable } from "./database.ts";
import { rowset } from "./rowset.ts";
import type { TransitionRow } from "./transitions.ts";

/** An execution that this cycle opens or starts again. */
export interface Start {
  executionId: string;
  attempt: number;
  taskIds: readonly string[];
  timeoutMs: number;
  target: string;
}

export interface OpenedDispatch extends Dispatch {
  executionId: string;
}

/** Opens the executions of `dispatches`, starts the next attempts of `retries`, and marks the tasks of all `starts`. */
export async function startAttempts(
  tx: Queryable,
  { cycleId, nowMs }: { cycleId: string; nowMs: number },
  {
    dispatches,
    retries,
    starts,
  }: { dispatches: readonly OpenedDispatch[]; retries: readonly Retry[]; starts: readonly Start[] },
): Promise<void> {
  await Promise.all([
    insertExecutions(tx, { cycleId }, dispatches, nowMs),
    startRetries(tx, retries, nowMs),
    insertAttempts(tx, starts, nowMs),
    markRunning(tx, starts, nowMs),
  ]);
}

const EXECUTIONS = rowset({
  execution_id: "uuid",
  workflow_type: "text",
  content_type: "text",
  priority: "int",
  context: "jsonb",
  input: "jsonb",
  task_ids: "uuid[]",
});

async function insertExecutions(
  tx: Queryable,
  cycle: { cycleId: string },
  dispatches: readonly OpenedDispatch[],
  nowMs: number,
): Promise<void> {
  if (dispatches.length === 0) return;
  const rows = dispatches.map((dispatch) => ({
    execution_id: dispatch.executionId,
    workflow_type: dispatch.workflowType,
    content_type: dispatch.contentType,
    priority: dispatch.priority,
    context: { cycle_id: cycle.cycleId, reason: dispatch.reason },
    input: { task_ids: dispatch.taskIds },
    task_ids: dispatch.taskIds,
  }));
  await tx.query(
    `with r as materialized (select * from ${EXECUTIONS.from("$1", "given")}),
     opened as (
       insert into workflow_orchestration (execution_id, parent_execution_id, workflow_type, content_type,
           status, priority, context, input, attempts, task_count, due_at, created_at, started_at)
       select r.execution_id, $2, r.workflow_type, r.content_type, 'DISPATCHING', r.priority, r.context, r.input,
              1, cardinality(r.task_ids), $4, $3, $3 from r)
     insert into execution_tasks (execution_id, task_id) select r.execution_id, task_id from r, unnest(r.task_ids) task_id`,
    [EXECUTIONS.json(rows), cycle.cycleId, new Date(nowMs), new Date(nowMs + DELIVERY_LOST_AFTER_MS)],
  );
}

async function startRetries(tx: Queryable, retries: readonly Retry[], nowMs: number): Promise<void> {
  if (retries.length === 0) return;
  await tx.query(
    `update workflow_orchestration e set status = 'DISPATCHING', attempts = r.attempt, due_at = $3
       from unnest($1::uuid[], $2::int[]) as r (execution_id, attempt)
      where e.execution_id = r.execution_id and e.status = 'ERROR_RECOVERY'`,
    [
      retries.map((retry) => retry.executionId),
      retries.map((retry) => retry.attempt),
      new Date(nowMs + DELIVERY_LOST_AFTER_MS),
    ],
  );
}

const STARTS = rowset({
  execution_id: "uuid",
  attempt: "int",
  task_ids: "uuid[]",
  timeout_ms: "bigint",
  target: "text",
});

async function insertAttempts(tx: Queryable, starts: readonly Start[], nowMs: number): Promise<void> {
  if (starts.length === 0) return;
  await tx.query(
    `insert into attempts (execution_id, attempt, state, webhook_id, task_ids, timeout_ms, target, dispatched_at, deadline_at)
     select s.execution_id, s.attempt, 'sent', 'msg_' || replace(s.execution_id::text, '-', '') || '_' || s.attempt,
            s.task_ids, s.timeout_ms, s.target, $2::timestamptz,
            $2::timestamptz + s.timeout_ms * interval '1 millisecond'
       from ${STARTS.from("$1", "s")}`,
    [
      STARTS.json(
        starts.map((start) => ({
          execution_id: start.executionId,
          attempt: start.attempt,
          task_ids: start.taskIds,
          timeout_ms: start.timeoutMs,
          target: start.target,
        })),
      ),
      new Date(nowMs),
    ],
  );
}

async function markRunning(tx: Queryable, starts: readonly Start[], nowMs: number): Promise<void> {
  const pairs = starts.flatMap((start) =>
    start.taskIds.map((taskId) => [taskId, start.executionId] as const),
  );
  if (pairs.length === 0) return;
  const { rowCount } = await tx.query(
    `update tasks t set status = 'running', execution_id = s.execution_id,
            started_at = coalesce(t.started_at, $3::timestamptz)
       from unnest($1::uuid[], $2::uuid[]) as s (task_id, execution_id)
      where t.task_id = s.task_id and t.status in ('queued', 'retrying')`,
    [pairs.map(([taskId]) => taskId), pairs.map(([, executionId]) => executionId), new Date(nowMs)],
  );
  if (rowCount !== pairs.length)
    throw new Error(`the plan starts ${pairs.length} tasks, the database ${rowCount}`);
}

export function startSteps(
  dispatches: readonly OpenedDispatch[],
  retries: readonly Retry[],
): TransitionRow[] {
  const tasks = (start: Start, from: string): TransitionRow[] =>
    start.taskIds.map((taskId) => ({
      entity: "task",
      entityId: taskId,
      from,
      to: "running",
      reason: `dispatched with attempt ${start.attempt}`,
      metadata: { execution_id: start.executionId },
    }));
  const execution = (entityId: string, from: string | null, to: string, reason: string): TransitionRow => ({
    entity: "execution",
    entityId,
    from,
    to,
    reason,
  });
  return [
    ...dispatches.flatMap((dispatch) => [
      execution(dispatch.executionId, null, "IDLE", "opened by its cycle"),
      execution(dispatch.executionId, "IDLE", "DISPATCHING", dispatch.reason),
      ...tasks({ ...dispatch, attempt: 1 }, "queued"),
    ]),
    ...retries.flatMap((retry) => [
      execution(retry.executionId, "ERROR_RECOVERY", "DISPATCHING", retry.reason),
      ...tasks(retry, "retrying"),
    ]),
  ];
}
