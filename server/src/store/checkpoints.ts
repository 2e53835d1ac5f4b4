/** Keeps what finished steps of sub-workflows produced, by task and step. */

import type { Queryable } from "./database.ts";
import type { AttemptVerdict } from "./facts.ts";

/** Saves a step's value, if the attempt is still the current one and carries the task. */
export async function saveCheckpoint(
  db: Queryable,
  checkpoint: { executionId: string; attempt: number; taskId: string; key: string; value: unknown },
): Promise<AttemptVerdict | "foreign_task"> {
  const { executionId, attempt, taskId, key, value } = checkpoint;
  const { rows } = await db.query(
    `with run as (
       select e.attempts = $2 and e.status not in ('COMPLETED', 'FAILED', 'CANCELLED') as current,
              $3::uuid = any(a.task_ids) as carries
         from workflow_orchestration e
         join attempts a on a.execution_id = e.execution_id and a.attempt = $2
        where e.execution_id = $1),
     saved as (
       insert into checkpoints (task_id, key, value, execution_id, attempt)
       select $3, $4, $5, $1, $2 from run where current and carries
       on conflict (task_id, key) do update
         set value = excluded.value, execution_id = excluded.execution_id, attempt = excluded.attempt,
             saved_at = excluded.saved_at)
     select current, carries from run`,
    [executionId, attempt, taskId, key, JSON.stringify(value)],
  );
  const row = rows[0];
  if (!row) return "unknown_execution";
  if (!row.current) return "stale";
  return row.carries ? "recorded" : "foreign_task";
}

export interface Checkpoint {
  key: string;
  value: unknown;
  savedAtMs: number;
}

/** All checkpoints of a task, oldest first, if the attempt is still the current one and the execution was given the task. */
export async function checkpointsOf(
  db: Queryable,
  executionId: string,
  attempt: number,
  taskId: string,
): Promise<{ verdict: AttemptVerdict | "foreign_task"; checkpoints: Checkpoint[] }> {
  const found = await db.query(
    `select attempts = $2 and status not in ('COMPLETED', 'FAILED', 'CANCELLED') as current,
            exists (select from execution_tasks where execution_id = $1 and task_id = $3) as carries
       from workflow_orchestration where execution_id = $1`,
    [executionId, attempt, taskId],
  );
  const run = found.rows[0];
  if (!run) return { verdict: "unknown_execution", checkpoints: [] };
  if (!run.current) return { verdict: "stale", checkpoints: [] };
  if (!run.carries) return { verdict: "foreign_task", checkpoints: [] };
  const { rows } = await db.query(
    "select key, value, saved_at from checkpoints where task_id = $1 order by saved_at, key limit 1000",
    [taskId],
  );
  const checkpoints = rows.map((row) => ({ key: row.key, value: row.value, savedAtMs: row.saved_at }));
  return { verdict: "recorded", checkpoints };
}
