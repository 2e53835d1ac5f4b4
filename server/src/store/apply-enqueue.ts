/** Writes the tasks that the orchestrator itself asks for, and why some are not there. Decides nothing. */
import { createHash } from "node:crypto";
import { v7 as uuidv7 } from "uuid";
import { canonicalJson } from "#core/canonical.ts";
import type { Enqueue, SkipNext } from "#core/decision.ts";
import type { Queryable } from "./database.ts";

/** Inserts what is not there yet, with its first transition; a key that is taken means that it was enqueued before. */
export async function insertFollowing(
  tx: Queryable,
  enqueues: readonly Enqueue[],
  { cycleId, nowMs }: { cycleId: string; nowMs: number },
): Promise<void> {
  if (enqueues.length === 0) return;
  const rows = enqueues.map((enqueue) => taskRow({ ...enqueue, taskId: uuidv7() }));
  await tx.query(
    `with n as (
       select * from jsonb_to_recordset($1::jsonb) as n (task_id uuid, workflow_type text, content_type text,
         priority int, payload jsonb, idempotency_key text, request_hash text, created_by text,
         parent_task_id uuid, chain_depth int, reason text)),
     inserted as (
       insert into tasks (task_id, workflow_type, content_type, priority, status, payload, idempotency_key,
           request_hash, created_by, created_at, due_at, aged_from, parent_task_id, chain_depth,
           traceparent)
       select task_id, workflow_type, content_type, priority, 'queued', payload, idempotency_key,
              decode(request_hash, 'hex'), created_by, $2, $2, $2, parent_task_id, chain_depth, trace_of_task(parent_task_id)
         from n order by task_id
       on conflict (idempotency_key) where idempotency_key is not null do nothing
       returning task_id)
     insert into transitions (at, entity, entity_id, to_state, reason, actor, cycle_id)
     select $2, 'task', task_id, 'queued', left(n.reason, 1000), 'orchestrator', $3
       from n join inserted using (task_id) order by task_id`,
    [JSON.stringify(rows), new Date(nowMs), cycleId],
  );
}

function taskRow(enqueue: Enqueue & { taskId: string }) {
  const body = {
    workflow_type: enqueue.workflowType,
    content_type: enqueue.contentType,
    priority: enqueue.priority,
    payload: enqueue.payload,
  };
  return {
    ...body,
    task_id: enqueue.taskId,
    idempotency_key: enqueue.idempotencyKey,
    // As at the door, so that the same body under the same key is a duplicate there too.
    request_hash: createHash("sha256").update(canonicalJson(body)).digest("hex"),
    created_by: enqueue.createdBy,
    parent_task_id: enqueue.parentTaskId,
    chain_depth: enqueue.chainDepth,
    reason: enqueue.reason,
  };
}

/** Keeps with the executions which follow-ups were asked for and not enqueued, and why. */
export async function noteSkipped(
  tx: Queryable,
  skipped: readonly SkipNext[],
  cycle: { cycleId: string; nowMs: number },
): Promise<void> {
  if (skipped.length === 0) return;
  const actions = skipped.map(({ executionId, taskId, workflowType, reason }) => ({
    execution_id: executionId,
    action: {
      at: new Date(cycle.nowMs),
      cycle_id: cycle.cycleId,
      action: "next_skipped",
      task_id: taskId,
      workflow_type: workflowType,
      reason,
    },
  }));
  await tx.query(
    `update workflow_orchestration e set recovery_actions = e.recovery_actions || s.actions
       from (select execution_id, jsonb_agg(action order by position) as actions
               from rows from (jsonb_to_recordset($1::jsonb) as (execution_id uuid, action jsonb))
                    with ordinality as n (execution_id, action, position)
              group by execution_id) s
      where e.execution_id = s.execution_id`,
    [JSON.stringify(actions)],
  );
}
