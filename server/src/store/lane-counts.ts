/** Counts what is in each lane, for people: at the cost of a page whatever waits, or in full where that is asked for. */
import type { Policy } from "@master-orchestrator/contract";
import type { Queryable } from "./database.ts";

/** Lanes that are looked at; more are no answer for people. */
const MAX_LANES = 1_000;

export interface LaneCount {
  workflowType: string;
  contentType: string;
  depth: number;
  scheduled: number;
  retrying: number;
  running: number;
}

/**
 * Every lane with tasks that are not over, by name. Each count stops at `most`: there may be more then. One step of
 * an index to each lane.
 */
export async function laneCounts(db: Queryable, most: number): Promise<LaneCount[]> {
  const { rows } = await db.query(
    `with recursive lane as (
       select first.* from unnest(array['queued', 'scheduled', 'retrying', 'running']) wanted (status)
        cross join lateral (select t.status, t.workflow_type, t.content_type from tasks t where t.status = wanted.status
                             order by t.workflow_type, t.content_type limit 1) first
       union all
       select next.* from lane cross join lateral (
         select t.status, t.workflow_type, t.content_type from tasks t
          where t.status = lane.status and (t.workflow_type, t.content_type) > (lane.workflow_type, lane.content_type)
          order by t.workflow_type, t.content_type limit 1) next),
     counted as (
       select lane.*, (select count(*) from (select from tasks t where t.status = lane.status
                          and t.workflow_type = lane.workflow_type and t.content_type = lane.content_type
                        order by t.created_at limit $1) few)::int as n
         from lane)
     select workflow_type, content_type,
            coalesce(max(n) filter (where status = 'queued'), 0) as depth,
            coalesce(max(n) filter (where status = 'scheduled'), 0) as scheduled,
            coalesce(max(n) filter (where status = 'retrying'), 0) as retrying,
            coalesce(max(n) filter (where status = 'running'), 0) as running
       from counted group by workflow_type, content_type order by workflow_type, content_type limit ${MAX_LANES}`,
    [most],
  );
  return rows.map((row) => ({
    workflowType: row.workflow_type,
    contentType: row.content_type,
    depth: row.depth,
    scheduled: row.scheduled,
    retrying: row.retrying,
    running: row.running,
  }));
}

export interface WaitingCount {
  depth: number;
  /** By priority: how many would be ahead, at some time, of a task that is enqueued now with it. */
  ahead: Map<number, number>;
}

/**
 * By lane (`workflow_type/content_type`), of the lanes asked for: all that wait, and how many of them would be ahead
 * at some time of a task of each of `priorities` that is enqueued now; as `everAheadUntil` in `core/rank.ts` has it,
 * for an age of 0. One pass over the lanes' part of the index of waiting tasks.
 */
export async function waitingCounts(
  db: Queryable,
  lanes: readonly { workflowType: string; contentType: string }[],
  priorities: readonly number[],
  ageing: Policy["ageing"],
): Promise<Map<string, WaitingCount>> {
  if (lanes.length === 0) return new Map();
  const counts = priorities.map(
    (_, i) =>
      `count(*) filter (where priority >= ($1::int[])[${i + 1}]
           or aged_from <= moment.now - make_interval(secs => (($1::int[])[${i + 1}] - priority) * 600 / (1 + $2::float8)))::int`,
  );
  const { rows } = await db.query(
    `with moment as materialized (select orchestrator_now() as now)
     select lane.*, counted.* from unnest($3::text[], $4::text[]) as lane (workflow_type, content_type)
      cross join lateral (
        select count(*)::int as depth, array[${counts.join(", ")}] as ahead
          from tasks t cross join moment
         where t.status = 'queued' and t.workflow_type = lane.workflow_type and t.content_type = lane.content_type) counted`,
    [
      priorities,
      ageing.boost_per_minute,
      lanes.map((lane) => lane.workflowType),
      lanes.map((lane) => lane.contentType),
    ],
  );
  return new Map(
    rows.map((row) => [
      `${row.workflow_type}/${row.content_type}`,
      {
        depth: row.depth,
        ahead: new Map(priorities.map((priority, i) => [priority, row.ahead[i] as number])),
      },
    ]),
  );
}

/**
 * Completed tasks by lane (`workflow_type/content_type`) since the whole minute an hour ago: what is rolled up
 * already as it was counted then, and the last minutes one by one. The times are worked out once, beforehand: only
 * then the indexes are entered at them, instead of being read from the start.
 */
export async function completedLastHour(db: Queryable): Promise<Map<string, number>> {
  const { rows } = await db.query(
    `with span as materialized (
       select from_at, greatest(from_at, coalesce((select rolled_until from roll_up_progress), from_at)) as rest_at
         from (select date_trunc('minute', orchestrator_now() - interval '1 hour', 'UTC') as from_at) hour)
     select workflow_type, content_type, sum(completed)::int as completed from (
       select workflow_type, content_type, completed from roll_ups
        where step = 'minute' and at >= (select from_at from span) and at < (select rest_at from span) and completed > 0
       union all
       select workflow_type, content_type, count(*) from tasks
        where completed_at >= (select rest_at from span) and status = 'completed' group by 1, 2) part
      group by 1, 2`,
  );
  return new Map(rows.map((row) => [`${row.workflow_type}/${row.content_type}`, row.completed]));
}
