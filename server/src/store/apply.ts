/** Carries out a plan: every change of state, in sets, in the cycle's own transaction. Decides nothing. */
import { MASTER } from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import type { Advance, Decision, Dispatch, FinishCycle, Retry, TaskChange } from "#core/decision.ts";
import { DELIVERY_LOST_AFTER_MS } from "#core/folding.ts";
import { snapshotRecord } from "#core/record.ts";
import type { Snapshot } from "#core/snapshot.ts";
import { updateAdvanced } from "./apply-advance.ts";
import type { Queryable } from "./database.ts";
import type { Message } from "./outbox.ts";
import { insertTransitions, type TransitionRow } from "./transitions.ts";

export interface Applied {
  /** Messages that have to be sent with this transaction. */
  messages: Message[];
  dispatched: number;
}

/** An execution that this cycle opens or starts again. */
interface Start {
  executionId: string;
  attempt: number;
  taskIds: readonly string[];
  timeoutMs: number;
}

interface OpenedDispatch extends Dispatch {
  executionId: string;
}

/** Applies `decisions` made from `snapshot`; `cycleId` names the cycle in the audit log. */
export async function applyDecisions(
  tx: Queryable,
  cycle: { cycleId: string; trigger: "tick" | "wake"; policyVersion: number },
  snapshot: Snapshot,
  decisions: readonly Decision[],
): Promise<Applied> {
  const { nowMs } = snapshot;
  const of = <K extends Decision["kind"]>(kind: K) =>
    decisions.filter((d): d is Extract<Decision, { kind: K }> => d.kind === kind);
  const advances = of("advance");
  const dispatches = of("dispatch").map(
    (dispatch): OpenedDispatch => ({ ...dispatch, executionId: uuidv7() }),
  );
  const retries = of("retry");
  const transitions: TransitionRow[] = [];
  const changes: TaskChange[] = [
    ...advances.flatMap((advance) => advance.tasks),
    ...of("change_task").map((decision) => decision.change),
  ];

  await updateAdvanced(tx, advances, {
    nowMs,
    cycleId: cycle.cycleId,
    systemState: snapshotRecord(snapshot),
  });
  await updateTasks(tx, changes, nowMs);
  await insertTaskErrors(tx, advances, nowMs);
  await updatePriorities(tx, of("set_priority"));
  if (cycle.trigger === "tick" || dispatches.length > 0) {
    await insertCycleExecution(tx, cycle, dispatches, snapshot);
    transitions.push(...cycleSteps(cycle.cycleId, dispatches.length));
  }
  await insertExecutions(tx, cycle, dispatches, nowMs);
  await startRetries(tx, retries, nowMs);
  const starts: Start[] = [...dispatches.map((dispatch) => ({ ...dispatch, attempt: 1 })), ...retries];
  await insertAttempts(tx, starts, nowMs);
  await markRunning(tx, starts, nowMs);
  transitions.push(...(await finishCycles(tx, of("finish_cycle"), nowMs)));
  transitions.push(...advanceSteps(advances), ...taskSteps(changes), ...startSteps(dispatches, retries));
  transitions.push(...prioritySteps(of("set_priority")));
  await insertTransitions(tx, transitions, nowMs, cycle.cycleId);
  await deleteFacts(
    tx,
    snapshot.facts.map((fact) => fact.factId),
  );
  return { messages: messagesOf(advances, starts), dispatched: starts.length };
}

function messagesOf(advances: readonly Advance[], starts: readonly Start[]): Message[] {
  return [
    ...advances
      .filter((advance) => advance.deliver)
      .map((advance) => ({
        executionId: advance.executionId,
        attempt: advance.attempt.number,
        delivery: advance.attempt.deliveries,
      })),
    ...starts.map((start) => ({ executionId: start.executionId, attempt: start.attempt, delivery: 1 })),
  ];
}

/** Changes tasks in one statement. A task that is not in the state the plan saw stops the cycle. */
async function updateTasks(tx: Queryable, changes: readonly TaskChange[], nowMs: number): Promise<void> {
  // A task may be changed twice in one plan (retried, then cancelled): the last word is the row's.
  const last = new Map<string, TaskChange>();
  for (const change of changes) {
    const earlier = last.get(change.taskId);
    last.set(change.taskId, earlier ? { ...earlier, ...change, from: earlier.from } : change);
  }
  if (last.size === 0) return;
  const { rowCount } = await tx.query(
    `update tasks t set
        status = c.to_status,
        failures = coalesce(c.failures, t.failures),
        due_at = coalesce(c.due_at, t.due_at),
        runs_alone = coalesce(c.runs_alone, t.runs_alone),
        execution_id = case when c.leaves then null else t.execution_id end,
        result = coalesce(c.result, t.result),
        completed_at = case when c.to_status in ('completed', 'dead_lettered', 'cancelled') then $2::timestamptz end
       from jsonb_to_recordset($1::jsonb) as c (task_id uuid, from_status text, to_status text, failures int,
              due_at timestamptz, runs_alone boolean, leaves boolean, result jsonb)
      where t.task_id = c.task_id and t.status = c.from_status`,
    [
      JSON.stringify(
        [...last.values()].map((change) => ({
          task_id: change.taskId,
          from_status: change.from,
          to_status: change.to,
          failures: change.failures,
          due_at: change.dueAtMs === undefined ? undefined : new Date(change.dueAtMs),
          runs_alone: change.runsAlone,
          leaves: change.leaves ?? false,
          result: change.result,
        })),
      ),
      new Date(nowMs),
    ],
  );
  if (rowCount !== last.size)
    throw new Error(`the plan changes ${last.size} tasks, the database ${rowCount}`);
}

async function insertTaskErrors(tx: Queryable, advances: readonly Advance[], nowMs: number): Promise<void> {
  const errors = advances.flatMap((advance) =>
    advance.tasks.flatMap((change) =>
      change.failure
        ? [
            {
              task_id: change.taskId,
              execution_id: advance.executionId,
              attempt: advance.attempt.number,
              code: change.failure.code,
              message: change.failure.message,
              stack_trace: change.failure.stackTrace,
            },
          ]
        : [],
    ),
  );
  if (errors.length === 0) return;
  await tx.query(
    `insert into task_errors (task_id, execution_id, attempt, at, code, message, stack_trace)
     select task_id, execution_id, attempt, $2, code, message, stack_trace
       from jsonb_to_recordset($1::jsonb) as e (task_id uuid, execution_id uuid, attempt int, code text,
              message text, stack_trace text)`,
    [JSON.stringify(errors), new Date(nowMs)],
  );
}

async function updatePriorities(
  tx: Queryable,
  priorities: readonly { taskId: string; priority: number }[],
): Promise<void> {
  for (const { taskId, priority } of priorities) {
    await tx.query("update tasks set priority = $2 where task_id = $1", [taskId, priority]);
  }
}

/** The cycle's own execution: it lives until its children have ended. */
async function insertCycleExecution(
  tx: Queryable,
  cycle: { cycleId: string; trigger: string; policyVersion: number },
  dispatches: readonly OpenedDispatch[],
  snapshot: Snapshot,
): Promise<void> {
  const now = new Date(snapshot.nowMs);
  const open = dispatches.length > 0;
  await tx.query(
    `insert into workflow_orchestration (execution_id, workflow_type, status, priority, context, result,
        created_at, started_at, completed_at)
     values ($1, $2, $3, $4, $5, $6, $7, $7, $8)`,
    [
      cycle.cycleId,
      MASTER,
      open ? "MONITORING" : "COMPLETED",
      Math.max(0, ...dispatches.map((dispatch) => dispatch.priority)),
      JSON.stringify({
        cycle_id: cycle.cycleId,
        trigger: cycle.trigger,
        policy_version: cycle.policyVersion,
      }),
      open ? null : JSON.stringify({ dispatched: 0 }),
      now,
      open ? null : now,
    ],
  );
}

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
    `with opened as (
       insert into workflow_orchestration (execution_id, parent_execution_id, workflow_type, content_type,
           status, priority, context, input, attempts, task_count, due_at, created_at, started_at)
       select r.execution_id, $2, r.workflow_type, r.content_type, 'DISPATCHING', r.priority, r.context, r.input,
              1, jsonb_array_length(r.task_ids), $4, $3, $3
         from jsonb_to_recordset($1::jsonb) as r (execution_id uuid, workflow_type text, content_type text,
                priority int, context jsonb, input jsonb, task_ids jsonb)
       returning execution_id)
     insert into execution_tasks (execution_id, task_id)
     select r.execution_id, task_id::uuid
       from jsonb_to_recordset($1::jsonb) as r (execution_id uuid, task_ids jsonb),
            jsonb_array_elements_text(r.task_ids) task_id`,
    [JSON.stringify(rows), cycle.cycleId, new Date(nowMs), new Date(nowMs + DELIVERY_LOST_AFTER_MS)],
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

async function insertAttempts(tx: Queryable, starts: readonly Start[], nowMs: number): Promise<void> {
  if (starts.length === 0) return;
  await tx.query(
    `insert into attempts (execution_id, attempt, state, webhook_id, task_ids, timeout_ms, dispatched_at, deadline_at)
     select s.execution_id, s.attempt, 'sent', 'msg_' || replace(s.execution_id::text, '-', '') || '_' || s.attempt,
            array(select jsonb_array_elements_text(s.task_ids)::uuid), s.timeout_ms, $2::timestamptz,
            $2::timestamptz + s.timeout_ms * interval '1 millisecond'
       from jsonb_to_recordset($1::jsonb) as s (execution_id uuid, attempt int, task_ids jsonb, timeout_ms bigint)`,
    [
      JSON.stringify(
        starts.map((start) => ({
          execution_id: start.executionId,
          attempt: start.attempt,
          task_ids: start.taskIds,
          timeout_ms: start.timeoutMs,
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

/** Ends cycles whose children have all ended; the result counts how. */
async function finishCycles(
  tx: Queryable,
  finished: readonly FinishCycle[],
  nowMs: number,
): Promise<TransitionRow[]> {
  if (finished.length === 0) return [];
  const { rows } = await tx.query(
    `update workflow_orchestration p set status = 'COMPLETED', completed_at = $2,
            result = (select jsonb_object_agg(lower(status), n)
                        from (select status, count(*) as n from workflow_orchestration c
                               where c.parent_execution_id = p.execution_id group by status) counted)
      where p.execution_id = any($1::uuid[]) and p.status = 'MONITORING'
      returning p.execution_id`,
    [finished.map((decision) => decision.executionId), new Date(nowMs)],
  );
  return rows.map((row) => ({
    entity: "execution",
    entityId: row.execution_id,
    from: "MONITORING",
    to: "COMPLETED",
    reason: "all its children have ended",
  }));
}

async function deleteFacts(tx: Queryable, factIds: readonly number[]): Promise<void> {
  if (factIds.length > 0) await tx.query("delete from facts where fact_id = any($1::bigint[])", [factIds]);
}

function cycleSteps(cycleId: string, dispatched: number): TransitionRow[] {
  const base = { entity: "execution" as const, entityId: cycleId };
  const analyzed: TransitionRow[] = [
    { ...base, from: null, to: "IDLE", reason: "the cycle began" },
    { ...base, from: "IDLE", to: "ANALYZING", reason: "the snapshot was read" },
  ];
  if (dispatched === 0) {
    return [
      ...analyzed,
      { ...base, from: "ANALYZING", to: "COMPLETED", reason: "nothing was to be started" },
    ];
  }
  return [
    ...analyzed,
    { ...base, from: "ANALYZING", to: "DISPATCHING", reason: `${dispatched} runs were admitted` },
    { ...base, from: "DISPATCHING", to: "MONITORING", reason: "their messages are in the outbox" },
  ];
}

function advanceSteps(advances: readonly Advance[]): TransitionRow[] {
  return advances.flatMap((advance) =>
    advance.steps.map((step) => ({
      entity: "execution",
      entityId: advance.executionId,
      from: step.from,
      to: step.to,
      reason: step.reason,
      actor: step.actor,
      metadata: { attempt: advance.attempt.number },
    })),
  );
}

function taskSteps(changes: readonly TaskChange[]): TransitionRow[] {
  return changes.map((change) => ({
    entity: "task",
    entityId: change.taskId,
    from: change.from,
    to: change.to,
    reason: change.reason,
    actor: change.actor,
    metadata: change.failures === undefined ? {} : { failures: change.failures },
  }));
}

function startSteps(dispatches: readonly OpenedDispatch[], retries: readonly Retry[]): TransitionRow[] {
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

function prioritySteps(
  priorities: readonly { taskId: string; priority: number; actor: string }[],
): TransitionRow[] {
  return priorities.map((change) => ({
    entity: "task",
    entityId: change.taskId,
    from: null,
    to: `priority ${change.priority}`,
    reason: "priority changed by request",
    actor: change.actor,
  }));
}
