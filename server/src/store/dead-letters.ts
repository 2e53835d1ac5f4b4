/** Reads dead letters: one by one, in groups of one error, and which of them a redrive would send back. Changes nothing. */
import { UNKNOWN_FINGERPRINT } from "#core/fingerprint.ts";
import type { Queryable } from "./database.ts";
import { SUMMARY, summaryOf, type TaskSummaryRow } from "./task-views.ts";

export interface DeadLetterFilter {
  taskIds?: readonly string[] | undefined;
  workflowType?: string | undefined;
  contentType?: string | undefined;
  /** Of the last error. */
  fingerprint?: string | undefined;
  /** When they died: at or after, and before. */
  from?: string | undefined;
  to?: string | undefined;
}

const FINGERPRINT = `coalesce(error_fingerprint, '${UNKNOWN_FINGERPRINT}')`;
/** The parameters 1 to 6 of every statement here. */
const MATCHES = `status = 'dead_lettered' and ($1::uuid[] is null or task_id = any($1))
        and ($2::text is null or workflow_type = $2) and ($3::text is null or content_type = $3)
        and ($4::text is null or ${FINGERPRINT} = $4)
        and ($5::timestamptz is null or completed_at >= $5) and ($6::timestamptz is null or completed_at < $6)`;

function parametersOf(filter: DeadLetterFilter): unknown[] {
  const { taskIds, workflowType, contentType, fingerprint, from, to } = filter;
  return [taskIds, workflowType, contentType, fingerprint, from, to].map((value) => value ?? null);
}

/** Newest first; `before` is the last id of the page before. */
export async function listDeadLetters(
  db: Queryable,
  filter: DeadLetterFilter,
  page: { before: string | undefined; limit: number },
): Promise<(TaskSummaryRow & { fingerprint: string })[]> {
  const { rows } = await db.query(
    `select ${SUMMARY}, ${FINGERPRINT} as fingerprint from tasks
      where ${MATCHES} and ($7::uuid is null or task_id < $7) order by task_id desc limit $8`,
    [...parametersOf(filter), page.before ?? null, page.limit],
  );
  return rows.map((row) => ({ ...summaryOf(row), fingerprint: row.fingerprint }));
}

export interface DeadLetterGroup {
  fingerprint: string;
  count: number;
  firstSeenMs: number;
  lastSeenMs: number;
  workflowTypes: string[];
  /** The youngest task of the group, and its last error. */
  taskId: string;
  code: string;
  message: string;
}

/** The largest group first. `after` is the last group of the page before. */
export async function groupDeadLetters(
  db: Queryable,
  filter: DeadLetterFilter,
  page: { after: { count: number; fingerprint: string } | null; limit: number },
): Promise<DeadLetterGroup[]> {
  const { rows } = await db.query(
    `with grouped as (
       select ${FINGERPRINT} as fingerprint, count(*)::int as count, min(completed_at) as first_seen,
              max(completed_at) as last_seen, array_agg(distinct workflow_type) as workflow_types,
              max(task_id::text)::uuid as task_id
         from tasks where ${MATCHES} group by 1)
     select page.*, coalesce(e.code, '') as code, coalesce(e.message, '') as message
       from (select * from grouped where $7::int is null or (count, fingerprint) < ($7, $8)
              order by count desc, fingerprint desc limit $9) page
       left join lateral (select code, message from task_errors t where t.task_id = page.task_id
                           order by error_id desc limit 1) e on true
      order by page.count desc, page.fingerprint desc`,
    [...parametersOf(filter), page.after?.count ?? null, page.after?.fingerprint ?? null, page.limit],
  );
  return rows.map((row) => ({
    fingerprint: row.fingerprint,
    count: row.count,
    firstSeenMs: row.first_seen,
    lastSeenMs: row.last_seen,
    workflowTypes: row.workflow_types,
    taskId: row.task_id,
    code: row.code,
    message: row.message,
  }));
}

/** Ids of the oldest that match, at most `limit`, and how many more there are. */
export async function deadLetterIds(
  db: Queryable,
  filter: DeadLetterFilter,
  limit: number,
): Promise<{ ids: string[]; left: number }> {
  const { rows } = await db.query(
    `with matching as materialized (select task_id from tasks where ${MATCHES})
     select array(select task_id from matching order by task_id limit $7) as ids,
            (select count(*) from matching)::int as count`,
    [...parametersOf(filter), limit],
  );
  const ids: string[] = rows[0]?.ids ?? [];
  return { ids, left: (rows[0]?.count ?? 0) - ids.length };
}
