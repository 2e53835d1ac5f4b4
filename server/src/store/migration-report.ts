/** Owns the figures behind the targets of a migration: what was completed, how soon, and how much of it. Decides nothing. */
import { percentile } from "#core/latency.ts";
import type { Queryable } from "./database.ts";
import { bucket, buckets } from "./roll-ups.ts";

export interface TargetsMeasured {
  /** Tasks of the content pipeline that were completed. */
  articles: number;
  /** UTC days on which at least one was. */
  activeDays: number;
  /** Tasks of any workflow that came to an end. */
  tasks: number;
  succeeded: number;
  /** From when a task was first due until its result, of those that were completed; as exact as the bounds of latencies. */
  p95Seconds: number | null;
}

/** From the full hour before `fromMs`: of what is counted by hours the counts, and of what ended since the tasks themselves. */
export async function targetsMeasured(db: Queryable, fromMs: number, toMs: number): Promise<TargetsMeasured> {
  const { rows } = await db.query(MEASURED, [new Date(fromMs), new Date(toMs)]);
  const row = rows[0]!;
  return {
    articles: row.articles,
    activeDays: row.active_days,
    tasks: row.tasks,
    succeeded: row.succeeded,
    p95Seconds: percentile(row.buckets.map(Number), 0.95),
  };
}

const MEASURED = `
  with since as (
    select greatest(coalesce(rolled_until, $1), date_trunc('hour', $1::timestamptz, 'UTC')) as at from roll_up_progress),
  ended as (
    select workflow_type, date_trunc('day', at, 'UTC') as day, completed, dead_lettered, total_buckets as buckets
      from roll_ups
     where step = 'hour' and at >= date_trunc('hour', $1::timestamptz, 'UTC') and at < $2 and content_type <> ''
    union all
    select workflow_type, date_trunc('day', completed_at, 'UTC'), count(*) filter (where done),
           count(*) filter (where status = 'dead_lettered'), ${buckets("total_bucket")}
      from (select workflow_type, completed_at, status, status = 'completed' as done,
                   ${bucket("extract(epoch from completed_at - aged_from)")} as total_bucket
              from tasks where completed_at >= (select at from since) and completed_at < $2) uncounted
     group by 1, 2)
  select coalesce(sum(completed) filter (where workflow_type = 'content_pipeline'), 0)::int as articles,
         count(distinct day) filter (where workflow_type = 'content_pipeline' and completed > 0)::int as active_days,
         coalesce(sum(completed + dead_lettered), 0)::int as tasks, coalesce(sum(completed), 0)::int as succeeded,
         coalesce(sum_counts(buckets) filter (where completed > 0), '{}') as buckets
    from ended`;
