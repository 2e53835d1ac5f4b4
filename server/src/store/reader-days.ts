/** Rolls readers' days up, in sets, day by day, and says when there is anything to look at. Interprets nothing. */
import { v7 as uuidv7 } from "uuid";
import type { WaitingWork } from "#core/snapshot.ts";
import { type Database, longTransaction, type Queryable } from "./database.ts";

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

/** Notes that everything there is was analysed. */
export async function noteAnalysed(db: Queryable): Promise<void> {
  await db.query("update content.intelligence set analysed_at = orchestrator_now()");
}

/**
 * One task's worth of work when there is anything to look at: days that have changed, or a day that is over and counted
 * since the last look and on which a task ended, or a week that is over, wherever there ever was anything.
 */
export async function staleWork(tx: Queryable): Promise<WaitingWork[]> {
  const { rows } = await tx.query(
    `with seen as (select coalesce(analysed_at, '-infinity') as at from content.intelligence),
     clock as (select date_trunc('day', orchestrator_now(), 'UTC') as day, date_trunc('week', orchestrator_now(), 'UTC') as week),
     counted as (select coalesce(rolled_until, '-infinity') as until from roll_up_progress)
     select exists (select from content.stale_days)
         or (seen.at < clock.day and counted.until >= clock.day and exists (
               select from roll_ups where step = 'day' and at >= date_trunc('day', seen.at, 'UTC') and at < clock.day))
         or (seen.at < clock.week and counted.until >= clock.day and (
               exists (select from roll_ups where step = 'day' and at < clock.week)
               or exists (select from content.daily_totals))) as any
       from seen, clock, counted`,
  );
  // A new id each time: the same days may change again.
  return rows[0]?.any ? [{ workId: uuidv7(), contentType: "default", priority: 50, payload: {} }] : [];
}
