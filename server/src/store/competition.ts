/** Reads what lanes compete with, for people: where they stand, how fast runs are, how much is ahead. Changes nothing. */
import { type Competition, laneName } from "#core/share.ts";
import type { Queryable } from "./database.ts";
import { readLanes } from "./lanes.ts";
import { readPolicy, readWorkflows } from "./snapshot.ts";

/** Lanes that are looked at; more are no answer for people. */
const MAX_LANES = 2_000;

/** Every lane that waits, with the first of each priority level, and those that have nothing waiting and had. */
export async function readCompetition(db: Queryable): Promise<Competition & { nowMs: number }> {
  const { policy } = await readPolicy(db);
  const waiting = await readLanes(db, policy, new Map());
  const system = await db.query("select virtual_time, orchestrator_now() as now from orchestrator");
  const known = await db.query(
    "select workflow_type, content_type, virtual_time from lanes order by updated_at desc limit $1",
    [MAX_LANES],
  );
  const names = new Set(waiting.map(laneName));
  const idle = known.rows.map((row) => ({
    workflowType: row.workflow_type as string,
    contentType: row.content_type as string,
    depth: 0,
    virtualTime: row.virtual_time as number,
    waited: false,
    heads: [],
  }));
  return {
    nowMs: system.rows[0]?.now,
    virtualTime: system.rows[0]?.virtual_time,
    policy,
    workflows: await readWorkflows(db),
    lanes: [...waiting, ...idle.filter((lane) => !names.has(laneName(lane)))],
  };
}

export interface RunPace {
  /** The median of its last 50 completed runs, in milliseconds. */
  typicalRunMs: number;
  /** Tasks that a run of it works off per second. */
  tasksPerSecond: number;
}

/** By workflow; without those that have completed nothing yet. */
export async function runPaces(db: Queryable): Promise<Map<string, RunPace>> {
  const { rows } = await db.query(
    `select w.workflow_type, pace.* from workflows w cross join lateral (
       select percentile_cont(0.5) within group (order by seconds) * 1000 as typical_ms,
              sum(task_count) / nullif(sum(seconds), 0) as tasks_per_second
         from (select task_count, greatest(extract(epoch from completed_at - started_at), 0.001)::float8 as seconds
                 from workflow_orchestration e
                where e.workflow_type = w.workflow_type and status = 'COMPLETED'
                order by created_at desc, execution_id desc limit 50) lately) pace
      where pace.typical_ms is not null`,
  );
  return new Map(
    rows.map((row) => [
      row.workflow_type,
      { typicalRunMs: row.typical_ms, tasksPerSecond: row.tasks_per_second },
    ]),
  );
}
