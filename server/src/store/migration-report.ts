/** Owns the figures behind the targets of a migration: what was completed, how soon, and how much of it. Decides nothing. */
import type { Queryable } from "./database.ts";

export interface TargetsMeasured {
  /** Tasks of the content pipeline that were completed. */
  articles: number;
  /** UTC days on which at least one was. */
  activeDays: number;
  /** Tasks of any workflow that came to an end. */
  tasks: number;
  succeeded: number;
  /** From when a task was first due until its result, of those that were completed. */
  p95Seconds: number | null;
}

export async function targetsMeasured(db: Queryable, fromMs: number, toMs: number): Promise<TargetsMeasured> {
  const { rows } = await db.query(
    `select count(*) filter (where status = 'completed' and workflow_type = 'content_pipeline')::int as articles,
            count(distinct (completed_at at time zone 'UTC')::date)
              filter (where status = 'completed' and workflow_type = 'content_pipeline')::int as active_days,
            count(*)::int as tasks, count(*) filter (where status = 'completed')::int as succeeded,
            percentile_cont(0.95) within group (order by extract(epoch from completed_at - aged_from))
              filter (where status = 'completed')::float8 as p95
       from tasks where completed_at >= $1 and completed_at < $2 and status in ('completed', 'dead_lettered')`,
    [new Date(fromMs), new Date(toMs)],
  );
  const row = rows[0]!;
  return {
    articles: row.articles,
    activeDays: row.active_days,
    tasks: row.tasks,
    succeeded: row.succeeded,
    p95Seconds: row.p95,
  };
}
