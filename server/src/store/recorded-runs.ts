/** Reads what runs of sub-workflows took and cost, for simulations of the past. Changes nothing. */
import type { AttemptState } from "@master-orchestrator/contract";
import type { Queryable } from "./database.ts";
import { runCost } from "./run-cost.ts";

export interface RecordedRun {
  costMicros: number;
  attempts: {
    state: AttemptState;
    taskIds: string[];
    dispatchedAtMs: number;
    acceptedAtMs: number | null;
    endedAtMs: number | null;
  }[];
}

/** Of runs that were begun since a moment and have ended, the newest `limit`, the oldest first. */
export async function recordedRuns(db: Queryable, fromMs: number, limit: number): Promise<RecordedRun[]> {
  const { rows } = await db.query(
    `select ${runCost("e")} as cost_micros, a.attempts from (
       select execution_id, cost_micros, created_at from workflow_orchestration
        where created_at >= $1 and completed_at is not null and workflow_type <> 'master_orchestrator'
        order by created_at desc, execution_id desc limit $2) e
      cross join lateral (
        select jsonb_agg(jsonb_build_object('state', a.state, 'taskIds', a.task_ids,
                 'dispatchedAtMs', extract(epoch from a.dispatched_at) * 1000,
                 'acceptedAtMs', extract(epoch from a.accepted_at) * 1000,
                 'endedAtMs', extract(epoch from a.ended_at) * 1000) order by a.attempt) as attempts
          from attempts a where a.execution_id = e.execution_id) a
      where a.attempts is not null
      order by e.created_at, e.execution_id`,
    [new Date(fromMs), limit],
  );
  return rows.map((row) => ({ costMicros: row.cost_micros, attempts: row.attempts }));
}
