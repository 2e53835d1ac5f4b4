/** Owns the counts of what ended, by minute, hour, day and ever. Each minute is counted once; judges nothing. */
import { LATENCY_BOUNDS } from "#core/latency.ts";
import type { Database, Queryable, Row } from "./database.ts";

export type RollUpStep = "minute" | "hour" | "day" | "ever";

export interface RollUp {
  atMs: number;
  workflowType: string;
  contentType: string;
  completed: number;
  deadLettered: number;
  cancelled: number;
  attemptsEnded: number;
  attemptsFailed: number;
  costMicros: number;
  waitMs: number;
  workMs: number;
  totalMs: number;
  /** By `LATENCY_BOUNDS`. */
  waitBuckets: number[];
  workBuckets: number[];
  totalBuckets: number[];
}

/** A minute is over when the last cycle that may have ended something in it has committed. */
const LAG_SECONDS = 15;
/** The first time reaches back so far; a pause of the service is made up for in pieces of this length. */
const PIECE = "24 hours";
const KEPT = { minute: "7 days", hour: "400 days" } as const;

const BOUNDS = `array[${LATENCY_BOUNDS.join(", ")}]::float8[]`;
/** The number of the bucket that a duration falls into; and so many `done` rows as fell into each. */
export const bucket = (seconds: string) => `width_bucket(greatest(${seconds}, 0)::float8, ${BOUNDS})`;
export const buckets = (of: string) =>
  `array[${[0, ...LATENCY_BOUNDS].map((_, i) => `count(*) filter (where done and ${of} = ${i})`).join(", ")}]`;
const SUMS = [
  ...["completed", "dead_lettered", "cancelled", "attempts_ended", "attempts_failed", "cost_micros"],
  ...["wait_ms", "work_ms", "total_ms"],
];
const ARRAYS = ["wait_buckets", "work_buckets", "total_buckets"];
const COLUMNS = [...SUMS, ...ARRAYS].join(", ");

/**
 * Counts what has ended since the last time, up to a whole minute. Returns whether more is left; false at once
 * while another replica counts.
 */
export async function rollUp(db: Database): Promise<boolean> {
  return await db.transaction(async (tx) => {
    const { rows } = await tx.query(
      `select from_at, least(to_at, from_at + interval '${PIECE}') as until_at, to_at from (
         select coalesce(rolled_until, date_trunc('minute', orchestrator_now(), 'UTC') - interval '${PIECE}') as from_at,
                date_trunc('minute', orchestrator_now() - interval '${LAG_SECONDS} s', 'UTC') as to_at
           from roll_up_progress for update skip locked) span
        where from_at < to_at`,
    );
    const span = rows[0];
    if (!span) return false;
    const [from, until] = [new Date(span.from_at), new Date(span.until_at)];
    await tx.query(COUNT, [from, until]);
    await tx.query("update roll_up_progress set rolled_until = $1", [until]);
    await tx.query(
      `delete from roll_ups where (step = 'minute' and at < $1::timestamptz - interval '${KEPT.minute}')
          or (step = 'hour' and at < $1::timestamptz - interval '${KEPT.hour}')`,
      [until],
    );
    return span.until_at < span.to_at;
  });
}

/** Three sources, each by an index of its time; every row counts into its minute, and that into its hour, day and ever. */
const COUNT = `
  with ended as (
    select date_trunc('minute', completed_at, 'UTC') as at, workflow_type, content_type, status, status = 'completed' as done,
           greatest(wait, 0) as wait, greatest(work, 0) as work, greatest(total, 0) as total,
           ${bucket("wait")} as wait_bucket, ${bucket("work")} as work_bucket, ${bucket("total")} as total_bucket
      from (select completed_at, workflow_type, content_type, status,
                   extract(epoch from coalesce(started_at, completed_at) - aged_from) as wait,
                   extract(epoch from completed_at - coalesce(started_at, completed_at)) as work,
                   extract(epoch from completed_at - aged_from) as total
              from tasks where completed_at >= $1 and completed_at < $2) timed),
  minutes as (
    select at, workflow_type, content_type,
           count(*) filter (where done) as completed, count(*) filter (where status = 'dead_lettered') as dead_lettered,
           count(*) filter (where status = 'cancelled') as cancelled, 0::bigint as attempts_ended,
           0::bigint as attempts_failed, 0::bigint as cost_micros,
           coalesce(sum(wait * 1000) filter (where done), 0)::bigint as wait_ms,
           coalesce(sum(work * 1000) filter (where done), 0)::bigint as work_ms,
           coalesce(sum(total * 1000) filter (where done), 0)::bigint as total_ms,
           ${buckets("wait_bucket")} as wait_buckets, ${buckets("work_bucket")} as work_buckets,
           ${buckets("total_bucket")} as total_buckets
      from ended group by 1, 2, 3
    union all
    select date_trunc('minute', slice_at, 'UTC'), workflow_type, '', 0, 0, 0, sum(ended),
           sum(failed_endpoint + failed_task), 0, 0, 0, 0, '{}'::bigint[], '{}'::bigint[], '{}'::bigint[]
      from attempt_counts where slice_at >= $1 and slice_at < $2 group by 1, 2
    union all
    select date_trunc('minute', settled_at, 'UTC'), coalesce(workflow_type, ''), coalesce(content_type, ''),
           0, 0, 0, 0, 0, sum(cost_micros), 0, 0, 0, '{}'::bigint[], '{}'::bigint[], '{}'::bigint[]
      from ledger
     where day >= ($1::timestamptz at time zone 'UTC')::date - 1 and state = 'settled' and cost_micros > 0
       and settled_at >= $1 and settled_at < $2
     group by 1, 2, 3),
  summed as (
    select step, case step when 'ever' then timestamptz 'epoch' else date_trunc(step, at, 'UTC') end as at,
           workflow_type, content_type, ${SUMS.map((name) => `sum(${name})::bigint as ${name}`).join(", ")},
           ${ARRAYS.map((name) => `coalesce(sum_counts(${name}) filter (where completed > 0), '{}') as ${name}`).join(", ")}
      from minutes cross join (values ('minute'), ('hour'), ('day'), ('ever')) steps (step) group by 1, 2, 3, 4)
  insert into roll_ups as r (step, at, workflow_type, content_type, ${COLUMNS})
  select step, at, workflow_type, content_type, ${COLUMNS} from summed
  on conflict (step, at, workflow_type, content_type) do update set
    ${SUMS.map((name) => `${name} = r.${name} + excluded.${name}`).join(", ")},
    ${ARRAYS.map((name) => `${name} = add_counts(r.${name}, excluded.${name})`).join(", ")}`;

/** Of one step of time, oldest first, at most `limit` of the latest; and until when all is counted. */
export async function readRollUps(
  db: Queryable,
  query: {
    step: RollUpStep;
    from: Date;
    to: Date;
    workflowType: string | null;
    contentType: string | null;
    limit: number;
  },
): Promise<RollUp[]> {
  const { rows } = await db.query(
    `select * from (
       select * from roll_ups where step = $1 and at >= $2 and at < $3 and ($4::text is null or workflow_type = $4)
          and ($5::text is null or content_type = $5)
        order by at desc, workflow_type, content_type limit $6) latest
      order by at, workflow_type, content_type`,
    [query.step, query.from, query.to, query.workflowType, query.contentType, query.limit],
  );
  return rows.map(rollUpOf);
}

/** Since the first time, by lane. */
export async function readTotals(db: Queryable): Promise<RollUp[]> {
  const { rows } = await db.query(
    "select * from roll_ups where step = 'ever' order by workflow_type, content_type limit 2000",
  );
  return rows.map(rollUpOf);
}

/** Until when all is counted; null before the first time. */
export async function countedUntil(db: Queryable): Promise<number | null> {
  const { rows } = await db.query("select rolled_until from roll_up_progress");
  return rows[0]?.rolled_until ?? null;
}

function rollUpOf(row: Row): RollUp {
  return {
    atMs: row.at,
    workflowType: row.workflow_type,
    contentType: row.content_type,
    completed: row.completed,
    deadLettered: row.dead_lettered,
    cancelled: row.cancelled,
    attemptsEnded: row.attempts_ended,
    attemptsFailed: row.attempts_failed,
    costMicros: row.cost_micros,
    waitMs: row.wait_ms,
    workMs: row.work_ms,
    totalMs: row.total_ms,
    waitBuckets: row.wait_buckets.map(Number),
    workBuckets: row.work_buckets.map(Number),
    totalBuckets: row.total_buckets.map(Number),
  };
}
