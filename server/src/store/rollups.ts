/** Rolls days up: readers' events and the orchestrator's own work, in sets, day by day. Interprets nothing. */
import { v7 as uuidv7 } from "uuid";
import type { WaitingWork } from "#core/snapshot.ts";
import { type Database, longTransaction, type Queryable, type Row } from "./database.ts";

/** Days that have changed since they were rolled up, the oldest first. */
export async function staleDays(db: Queryable, limit: number): Promise<string[]> {
  const { rows } = await db.query(
    "select to_char(day, 'YYYY-MM-DD') as day from content.stale_days order by stale_days.day limit $1",
    [limit],
  );
  return rows.map((row) => row.day);
}

/**
 * Rolls one UTC day up from its rows, whatever was known of it before. The mark goes first: whoever imports after
 * that marks the day again, and who imported before it is waited for, so that no row is ever missed. False when
 * nobody had marked the day, and nothing was done unless `anyway`.
 */
export async function rollUpDay(db: Database, day: string, { anyway = false } = {}): Promise<boolean> {
  return await longTransaction(db, async (tx) => {
    const { rowCount } = await tx.query("delete from content.stale_days where day = $1", [day]);
    if (rowCount === 0 && !anyway) return false;
    await Promise.all([
      // One at a time for each day, also where nobody had marked it.
      tx.query(
        "select pg_advisory_xact_lock(hashtext('content.daily_rollups'), $1::date - date '2000-01-01')",
        [day],
      ),
      tx.query("delete from content.daily_rollups where day = $1", [day]),
      tx.query("delete from content.daily_totals where day = $1", [day]),
      insertRollups(tx, day),
      insertTotals(tx, day),
    ]);
    return true;
  });
}

const OF_DAY =
  "at >= $1::date::timestamp at time zone 'UTC' and at < ($1::date + 1)::timestamp at time zone 'UTC'";
/** Each visitor once; rows that count many say how many they were, if their source knows. */
const VISITORS = "count(distinct visitor) + coalesce(sum(visitors) filter (where visitor is null), 0)";

async function insertRollups(tx: Queryable, day: string): Promise<void> {
  await tx.query(
    `insert into content.daily_rollups (day, measure, article_id, channel, kind, offer, events, visitors, engaged_ms,
            conversions, amount_micros)
     select $1::date, 'events', article_id, channel, kind, null, sum(events), ${VISITORS},
            coalesce(sum(engaged_ms), 0), 0, 0
       from content.page_events where ${OF_DAY} group by article_id, channel, kind
     union all
     select $1::date, 'conversions', article_id, channel, kind, offer, 0, count(distinct visitor), 0, sum(conversions), 0
       from content.conversions where ${OF_DAY} group by article_id, channel, kind, offer
     union all
     select $1::date, 'revenue', article_id, channel, null, offer, 0, count(distinct visitor), 0, 0, sum(amount_micros)
       from content.revenue where ${OF_DAY} group by article_id, channel, offer`,
    [day],
  );
}

/** What counts as a view, by the names that analytics give it. */
const VIEWS = "sum(events) filter (where kind in ('view', 'page_view', 'pageview', 'screen_view'))";

/** What a row of grouping sets is about: `dimensions` in the order of the sets, the whole last. */
function told(dimensions: Record<string, string>): string {
  const cases = (value: (dimension: string, column: string) => string) =>
    Object.entries(dimensions)
      .map(([dimension, column]) => `when grouping(${column}) = 0 then ${value(dimension, column)}`)
      .join(" ");
  return `case ${cases((dimension) => `'${dimension}'`)} else 'all' end as dimension,
          case ${cases((_, column) => `coalesce(${column}::text, '')`)} else '' end as member`;
}

function sets(dimensions: Record<string, string>): string {
  return `grouping sets ((), ${Object.values(dimensions)
    .map((column) => `(${column})`)
    .join(", ")})`;
}

const OF_EVENTS = { channel: "channel", article: "article_id" };
const OF_CONVERSIONS = { ...OF_EVENTS, offer: "offer", conversion: "kind" };
const OF_REVENUE = { ...OF_EVENTS, offer: "offer" };

async function insertTotals(tx: Queryable, day: string): Promise<void> {
  await tx.query(
    `with events as (select * from content.page_events where ${OF_DAY}),
     conversions as (select * from content.conversions where ${OF_DAY}),
     revenue as (select * from content.revenue where ${OF_DAY}),
     part as (
       select ${told(OF_EVENTS)}, ${VIEWS} as views, ${VISITORS} as visitors, sum(engaged_ms) as engaged_ms,
              null::numeric as conversions, null::numeric as amount_micros
         from events group by ${sets(OF_EVENTS)}
       union all
       select ${told(OF_CONVERSIONS)}, null, null, null, sum(conversions), null
         from conversions group by ${sets(OF_CONVERSIONS)}
       union all
       select ${told(OF_REVENUE)}, null, null, null, null, sum(amount_micros)
         from revenue group by ${sets(OF_REVENUE)})
     insert into content.daily_totals (dimension, day, member, views, visitors, engaged_ms, conversions, amount_micros)
     select dimension, $1::date, member, coalesce(sum(views), 0), coalesce(sum(visitors), 0),
            coalesce(sum(engaged_ms), 0), coalesce(sum(conversions), 0), coalesce(sum(amount_micros), 0)
       from part
      -- A day without any row stays unknown: the sets' own row of nothing is none.
      where exists (select from events) or exists (select from conversions) or exists (select from revenue)
      group by dimension, member`,
    [day],
  );
}

/** A task that ended is archived after a day at the earliest: what is older than this stands as it was rolled up. */
const HOUSE_DAYS_AGAIN = 2;
/** Tasks stay for 30 days unless the policy says otherwise; what is archived by now cannot be rolled up. */
const HOUSE_DAYS_AT_FIRST = 31;

/**
 * Rolls up what the orchestrator did, from shortly before the last day that was rolled up until today, today
 * included as far as it has gone; returns the days that were written. A day never becomes smaller: its tasks may be
 * archived by now.
 */
export async function rollUpHouse(db: Database): Promise<string[]> {
  const { rows: spans } = await db.query(
    `with clock as (select (orchestrator_now() at time zone 'UTC')::date as today)
     select to_char(greatest(coalesce((select max(day) from content.daily_operations) - ${HOUSE_DAYS_AGAIN}, '-infinity'::date),
                    today - ${HOUSE_DAYS_AT_FIRST}), 'YYYY-MM-DD') as from_day,
            to_char(today + 1, 'YYYY-MM-DD') as to_day from clock`,
  );
  const { from_day: from, to_day: to } = spans[0] as Row;
  const [ended, spent, published] = await Promise.all([
    endedTasks(db, from, to),
    spentByWorkflow(db, from, to),
    publishedArticles(db, from, to),
  ]);
  const { rows } = await db.query(
    `insert into content.daily_operations as o (day, workflow_type, tasks_completed, tasks_failed, tasks_cancelled,
            latency_p50_ms, latency_p95_ms, within_two_minutes, cost_micros, articles, rolled_at)
     select day, workflow_type, coalesce(sum(tasks_completed), 0), coalesce(sum(tasks_failed), 0),
            coalesce(sum(tasks_cancelled), 0), max(latency_p50_ms), max(latency_p95_ms),
            coalesce(sum(within_two_minutes), 0), coalesce(sum(cost_micros), 0), coalesce(sum(articles), 0),
            orchestrator_now()
       from jsonb_to_recordset($1::jsonb) as n (day date, workflow_type text, tasks_completed bigint,
            tasks_failed bigint, tasks_cancelled bigint, latency_p50_ms float8, latency_p95_ms float8,
            within_two_minutes bigint, cost_micros bigint, articles bigint)
      group by day, workflow_type order by day, workflow_type
     on conflict (day, workflow_type) do update set tasks_completed = excluded.tasks_completed,
        tasks_failed = excluded.tasks_failed, tasks_cancelled = excluded.tasks_cancelled,
        latency_p50_ms = excluded.latency_p50_ms, latency_p95_ms = excluded.latency_p95_ms,
        within_two_minutes = excluded.within_two_minutes, cost_micros = excluded.cost_micros,
        articles = excluded.articles, rolled_at = excluded.rolled_at
      where o.tasks_completed + o.tasks_failed + o.tasks_cancelled
            <= excluded.tasks_completed + excluded.tasks_failed + excluded.tasks_cancelled
     returning to_char(day, 'YYYY-MM-DD') as day`,
    [JSON.stringify([...ended, ...spent, ...published])],
  );
  return [...new Set(rows.map((row) => row.day as string))].sort();
}

async function endedTasks(db: Queryable, from: string, to: string): Promise<Row[]> {
  const { rows } = await db.query(
    `select to_char(completed_at at time zone 'UTC', 'YYYY-MM-DD') as day, workflow_type,
            count(*) filter (where status = 'completed') as tasks_completed,
            count(*) filter (where status = 'dead_lettered') as tasks_failed,
            count(*) filter (where status = 'cancelled') as tasks_cancelled,
            percentile_cont(0.5) within group (order by took) filter (where status = 'completed') as latency_p50_ms,
            percentile_cont(0.95) within group (order by took) filter (where status = 'completed') as latency_p95_ms,
            count(*) filter (where status = 'completed' and took <= 120000) as within_two_minutes
       from (select completed_at, workflow_type, status,
                    (extract(epoch from completed_at - aged_from) * 1000)::float8 as took
               from tasks where completed_at >= $1::date::timestamp at time zone 'UTC'
                and completed_at < $2::date::timestamp at time zone 'UTC') ended
      group by 1, 2`,
    [from, to],
  );
  return rows;
}

async function spentByWorkflow(db: Queryable, from: string, to: string): Promise<Row[]> {
  const { rows } = await db.query(
    `select to_char(day, 'YYYY-MM-DD') as day, coalesce(workflow_type, '') as workflow_type,
            sum(cost_micros)::bigint as cost_micros
       from ledger where day >= $1 and day < $2 and state = 'settled' group by 1, 2`,
    [from, to],
  );
  return rows;
}

async function publishedArticles(db: Queryable, from: string, to: string): Promise<Row[]> {
  const { rows } = await db.query(
    `select to_char(published_at at time zone 'UTC', 'YYYY-MM-DD') as day, 'content_pipeline' as workflow_type,
            count(*) as articles
       from content.articles where published_at >= $1::date::timestamp at time zone 'UTC'
        and published_at < $2::date::timestamp at time zone 'UTC' group by 1`,
    [from, to],
  );
  return rows;
}

/** Notes that everything there is was analysed. */
export async function noteAnalysed(db: Queryable): Promise<void> {
  await db.query("update content.intelligence set analysed_at = orchestrator_now()");
}

/**
 * One task's worth of work when there is anything to look at: days that have changed, or a day of the house that is
 * over since the last look and on which a task ended, or a week that is over and has something in it.
 */
export async function staleWork(tx: Queryable): Promise<WaitingWork[]> {
  const { rows } = await tx.query(
    `with seen as (select coalesce(analysed_at, '-infinity') as at from content.intelligence),
     clock as (select orchestrator_now() as now)
     select exists (select from content.stale_days)
         or (seen.at < date_trunc('day', clock.now, 'UTC')
             and exists (select from tasks where completed_at >= seen.at and completed_at < date_trunc('day', clock.now, 'UTC')))
         or (seen.at < date_trunc('week', clock.now, 'UTC') and exists (select from content.daily_operations)) as any
       from seen, clock`,
  );
  // A new id each time: the same days may change again.
  return rows[0]?.any ? [{ workId: uuidv7(), contentType: "default", priority: 50, payload: {} }] : [];
}
