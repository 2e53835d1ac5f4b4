/** Reads how the system stands in figures, for metrics: bounded work at any depth of the queue. Changes nothing. */
import type { Queryable } from "./database.ts";

/** Deeper lanes are shown with this depth: counting further would cost more than it tells. */
const DEPTH_SHOWN = 100_000;

export interface LaneGauge {
  workflowType: string;
  contentType: string;
  depth: number;
  oldestAgeSeconds: number;
}

/** Every lane that waits, at most 2,000. */
export async function readLaneGauges(db: Queryable): Promise<LaneGauge[]> {
  const { rows } = await db.query(
    `with recursive lane as (
       (select workflow_type, content_type from tasks where status = 'queued'
         order by workflow_type, content_type limit 1)
       union all
       select next.* from lane cross join lateral (
         select t.workflow_type, t.content_type from tasks t
          where t.status = 'queued' and (t.workflow_type, t.content_type) > (lane.workflow_type, lane.content_type)
          order by t.workflow_type, t.content_type limit 1) next)
     select lane.workflow_type, lane.content_type,
            (select count(*) from (select 1 from tasks t where t.status = 'queued'
                and t.workflow_type = lane.workflow_type and t.content_type = lane.content_type
              limit ${DEPTH_SHOWN}) counted) as depth,
            extract(epoch from orchestrator_now() - (
              select min(head.aged_from) from generate_series(0, 100) as level (priority) cross join lateral (
                select t.aged_from from tasks t where t.status = 'queued' and t.workflow_type = lane.workflow_type
                   and t.content_type = lane.content_type and t.priority = level.priority
                 order by t.aged_from limit 1) head))::float8 as oldest
       from lane limit 2000`,
  );
  return rows.map((row) => ({
    workflowType: row.workflow_type,
    contentType: row.content_type,
    depth: row.depth,
    oldestAgeSeconds: Math.max(0, row.oldest),
  }));
}

export interface SystemGauges {
  paused: boolean;
  slowness: number;
  deadLetters: number;
  setAside: number;
  running: { workflowType: string; state: string; executions: number }[];
  recoveries: { procedure: string; subject: string; state: string }[];
  lastTick: { boundaryMs: number; driftMs: number } | null;
}

export async function readSystemGauges(db: Queryable): Promise<SystemGauges> {
  const { rows } = await db.query(
    `select o.paused, o.slowness,
            (select count(*) from (select 1 from tasks where status = 'dead_lettered' limit ${DEPTH_SHOWN}) d) as dead,
            (select count(*) from set_aside where put_back_at is null) as aside,
            (select jsonb_agg(jsonb_build_object('workflowType', workflow_type, 'state', status, 'executions', n))
               from (select workflow_type, status, count(*)::int as n from workflow_orchestration
                      where status in ('DISPATCHING', 'MONITORING', 'ERROR_RECOVERY')
                        and workflow_type <> 'master_orchestrator' group by 1, 2) r) as running,
            (select jsonb_agg(jsonb_build_object('procedure', procedure, 'subject', subject, 'state', state))
               from recoveries where closed_at is null) as recoveries,
            (select jsonb_build_object('boundaryMs', extract(epoch from boundary) * 1000, 'driftMs', drift_ms)
               from ticks order by boundary desc limit 1) as tick
       from orchestrator o`,
  );
  const row = rows[0] ?? {};
  return {
    paused: row.paused,
    slowness: row.slowness,
    deadLetters: row.dead,
    setAside: row.aside,
    running: row.running ?? [],
    recoveries: row.recoveries ?? [],
    lastTick: row.tick,
  };
}

export interface StateCounts {
  /** Of those that are not over, counted up to 10,000. */
  executions: Record<string, number>;
  tasks: Record<string, number>;
  /** Runs that ended within the last hour, of the 10,000 begun last, within a day: by when they began there is an index. */
  endedRuns: Record<string, number>;
}

const STATES_COUNTED = 10_000;
const LIVE_EXECUTIONS = ["IDLE", "ANALYZING", "DISPATCHING", "MONITORING", "ERROR_RECOVERY"];
const LIVE_TASKS = ["scheduled", "queued", "running", "retrying", "dead_lettered"];

/** How many executions and tasks are in each state, as far as people count. */
export async function readStates(db: Queryable): Promise<StateCounts> {
  // Literal states in the order of the index: the planner must not take a rare one for a third of the table.
  const counted = (table: string, states: readonly string[]) =>
    `jsonb_build_object(${states
      .map(
        (state) =>
          `'${state}', (select count(*) from (select from ${table} where status = '${state}'
             order by workflow_type limit ${STATES_COUNTED}) few)`,
      )
      .join(", ")})`;
  const { rows } = await db.query(
    `select ${counted("workflow_orchestration", LIVE_EXECUTIONS)} as executions, ${counted("tasks", LIVE_TASKS)} as tasks,
            (select jsonb_object_agg(status, n) from (
               select status, count(*) as n from (
                 select status, completed_at, workflow_type from workflow_orchestration
                  where created_at > (select orchestrator_now() - interval '1 day')
                  order by created_at desc limit ${STATES_COUNTED}) newest
                where completed_at > (select orchestrator_now() - interval '1 hour') and workflow_type <> 'master_orchestrator'
                group by 1) ends) as ended`,
  );
  const row = rows[0] ?? {};
  return { executions: row.executions ?? {}, tasks: row.tasks ?? {}, endedRuns: row.ended ?? {} };
}

/** Whether anything was ever enqueued and is still in the database. */
export async function hasTasks(db: Queryable): Promise<boolean> {
  const { rows } = await db.query("select exists (select from tasks) as some");
  return rows[0]?.some;
}
