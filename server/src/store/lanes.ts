/** Reads the lanes that have something waiting: how deep, and the tasks that may be next. Judges nothing. */
import type { Policy } from "@master-orchestrator/contract";
import type { LaneView } from "#core/snapshot.ts";
import type { Queryable } from "./database.ts";

/**
 * A loose index scan: one step to each priority level that has waiting tasks, then its oldest. A lane's depth is
 * counted only as far as it matters, so that a million waiting tasks cost no more than a thousand, but always
 * beyond the heads: a plan has to see that more wait behind them. `room` is how many of each level are read: one unless told.
 */
export async function readLanes(
  tx: Queryable,
  policy: Policy,
  room: ReadonlyMap<string, number>,
): Promise<LaneView[]> {
  const bound = 1 + Math.max(policy.batching.full_batches_above_depth, policy.high_load.waiting_above);
  const { rows } = await tx.query(
    `with recursive level as (
       (select workflow_type, content_type, priority from tasks where status = 'queued'
         order by workflow_type, content_type, priority limit 1)
       union all
       select next.* from level cross join lateral (
         select t.workflow_type, t.content_type, t.priority from tasks t
          where t.status = 'queued'
            and (t.workflow_type, t.content_type, t.priority)
              > (level.workflow_type, level.content_type, level.priority)
          order by t.workflow_type, t.content_type, t.priority limit 1) next),
     lane as (
       select workflow_type, content_type, array_agg(priority) as priorities,
              coalesce(max(room.tasks), 1) as room
         from level left join unnest($1::text[], $2::int[]) as room (workflow_type, tasks) using (workflow_type)
        group by workflow_type, content_type)
     select lane.workflow_type, lane.content_type, lanes.virtual_time, coalesce(lanes.waits, false) as waits,
            (select count(*) from (
               select 1 from tasks t where t.status = 'queued' and t.workflow_type = lane.workflow_type
                  and t.content_type = lane.content_type
                limit greatest($3, lane.room * cardinality(lane.priorities) + 1)) counted)::int as depth,
            (select jsonb_agg(jsonb_build_object('taskId', head.task_id, 'priority', head.priority,
                'agedFromMs', extract(epoch from head.aged_from) * 1000, 'runsAlone', head.runs_alone))
               from unnest(lane.priorities) as level (priority) cross join lateral (
                 select t.task_id, t.priority, t.aged_from, t.runs_alone from tasks t
                  where t.status = 'queued' and t.workflow_type = lane.workflow_type
                    and t.content_type = lane.content_type and t.priority = level.priority
                  order by t.aged_from, t.task_id limit lane.room) head) as heads
       from lane left join lanes using (workflow_type, content_type)
      order by lane.workflow_type, lane.content_type`,
    [[...room.keys()], [...room.values()], bound],
  );
  return rows.map((row) => ({
    workflowType: row.workflow_type,
    contentType: row.content_type,
    depth: row.depth,
    virtualTime: row.virtual_time,
    waited: row.waits,
    heads: row.heads,
  }));
}
