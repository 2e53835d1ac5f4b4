/** Reads what has ended as a trace tells it: tasks with the attempts at them. Changes nothing. */
import type { Queryable } from "./database.ts";

export interface TracedTask {
  taskId: string;
  workflowType: string;
  contentType: string;
  priority: number;
  status: string;
  failures: number;
  traceparent: string | null;
  createdAtMs: number;
  /** From when it counted its age. */
  agedFromMs: number;
  startedAtMs: number | null;
  endedAtMs: number;
  attempts: {
    executionId: string;
    /** The cycle that dispatched it. */
    cycleId: string | null;
    attempt: number;
    state: string;
    target: string | null;
    tasks: number;
    dispatchedAtMs: number;
    acceptedAtMs: number | null;
    endedAtMs: number | null;
    error: string | null;
  }[];
}

/** Those of the tasks that have ended; of each, its attempts, at most 100. */
export async function readEndedTasks(db: Queryable, taskIds: readonly string[]): Promise<TracedTask[]> {
  const { rows } = await db.query(
    `select t.task_id, t.workflow_type, t.content_type, t.priority, t.status, t.failures, t.traceparent, t.created_at,
            t.aged_from, t.started_at, t.completed_at,
            (select jsonb_agg(jsonb_build_object('executionId', a.execution_id, 'cycleId', e.parent_execution_id,
                'attempt', a.attempt, 'state', a.state, 'target', a.target, 'tasks', cardinality(a.task_ids),
                'dispatchedAtMs', extract(epoch from a.dispatched_at) * 1000,
                'acceptedAtMs', extract(epoch from a.accepted_at) * 1000,
                'endedAtMs', extract(epoch from a.ended_at) * 1000,
                'error', left(a.error ->> 'message', 500)))
               from (select a.* from execution_tasks x join attempts a on a.execution_id = x.execution_id
                      where x.task_id = t.task_id and t.task_id = any(a.task_ids) limit 100) a
               join workflow_orchestration e on e.execution_id = a.execution_id) as attempts
       from tasks t where t.task_id = any($1) and t.completed_at is not null`,
    [taskIds],
  );
  return rows.map((row) => ({
    taskId: row.task_id,
    workflowType: row.workflow_type,
    contentType: row.content_type,
    priority: row.priority,
    status: row.status,
    failures: row.failures,
    traceparent: row.traceparent,
    createdAtMs: row.created_at,
    agedFromMs: row.aged_from,
    startedAtMs: row.started_at,
    endedAtMs: row.completed_at,
    attempts: row.attempts ?? [],
  }));
}
