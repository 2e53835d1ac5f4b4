/** Writes the tasks that the orchestrator itself asks for, and why some are not there. Decides nothing. */
import { createHash } from "node:crypto";
import { v7 as uuidv7 } from "uuid";
import { canonicalJson } from "#core/canonical.ts";
import type { Enqueue, SkipNext } from "#core/decision.ts";
import type { Queryable } from "./database.ts";
import type { TransitionRow } from "./transitions.ts";

/**
 * Inserts what is not there yet, in one statement; a key that is taken means that it was enqueued
 * before. Returns the first transitions of those that are new.
 */
export async function insertFollowing(
  tx: Queryable,
  enqueues: readonly Enqueue[],
  nowMs: number,
): Promise<TransitionRow[]> {
  if (enqueues.length === 0) return [];
  const rows = enqueues.map((enqueue) => ({ ...enqueue, taskId: uuidv7() }));
  const { rows: inserted } = await tx.query(
    `insert into tasks (task_id, workflow_type, content_type, priority, status, payload, idempotency_key,
         request_hash, created_by, created_at, due_at, aged_from, parent_task_id, chain_depth)
     select task_id, workflow_type, content_type, priority, 'queued', payload, idempotency_key,
            decode(request_hash, 'hex'), created_by, $2, $2, $2, parent_task_id, chain_depth
       from jsonb_to_recordset($1::jsonb) as n (task_id uuid, workflow_type text, content_type text, priority int,
              payload jsonb, idempotency_key text, request_hash text, created_by text, parent_task_id uuid,
              chain_depth int)
      order by task_id
     on conflict (idempotency_key) where idempotency_key is not null do nothing
     returning task_id`,
    [JSON.stringify(rows.map(taskRow)), new Date(nowMs)],
  );
  const isNew = new Set(inserted.map((row) => row.task_id));
  return rows
    .filter((row) => isNew.has(row.taskId))
    .map((row) => ({ entity: "task", entityId: row.taskId, from: null, to: "queued", reason: row.reason }));
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
