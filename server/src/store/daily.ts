/** Owns how rolled-up days are read: as series, by members, and what members contribute to a difference. Changes nothing. */
import { addCounts, LATENCY_BOUNDS, percentile } from "#core/latency.ts";
import type { Queryable, Row } from "./database.ts";

const DAY = "to_char(day, 'YYYY-MM-DD') as day";

/** The first and the last day of which anything is known, of readers or of the house. */
export async function knownDays(db: Queryable): Promise<{ first: string; last: string } | null> {
  const { rows } = await db.query(
    `select to_char(least(t.first, o.first), 'YYYY-MM-DD') as first, to_char(greatest(t.last, o.last), 'YYYY-MM-DD') as last
       from (select min(day) as first, max(day) as last from content.daily_totals where dimension = 'all') t,
            (select (min(at) at time zone 'UTC')::date as first, (max(at) at time zone 'UTC')::date as last
               from roll_ups where step = 'day') o`,
  );
  const row = rows[0] as Row;
  return row.first === null ? null : { first: row.first, last: row.last };
}

/** Until when the house's own work is counted, RFC 3339; null before the first time. */
export async function houseCountedUntil(db: Queryable): Promise<string | null> {
  const { rows } = await db.query("select rolled_until from roll_up_progress");
  const until = rows[0]?.rolled_until ?? null;
  return until === null ? null : new Date(until).toISOString();
}

const NUMBERS = "views, visitors, engaged_ms, conversions, amount_micros";

function numbersOf(row: Row) {
  return {
    day: row.day as string,
    views: row.views as number,
    visitors: row.visitors as number,
    engaged_seconds: row.engaged_ms / 1000,
    conversions: row.conversions as number,
    revenue_usd: row.amount_micros / 1e6,
  };
}

export interface DayRange {
  from: string;
  to: string;
}

/** Days as a whole, in their order; a day that is not there is unknown. */
export async function readerDays(db: Queryable, { from, to }: DayRange) {
  const { rows } = await db.query(
    `select ${DAY}, ${NUMBERS} from content.daily_totals
      where dimension = 'all' and daily_totals.day >= $1 and daily_totals.day < $2 order by daily_totals.day`,
    [from, to],
  );
  return rows.map(numbersOf);
}

/** How a metric is read from the columns. */
const COLUMN: Readonly<Record<string, string>> = {
  views: "views",
  visitors: "visitors",
  engaged_seconds: "engaged_ms / 1000.0",
  conversions: "conversions",
  revenue_usd: "amount_micros / 1000000.0",
};

/** Days of the members that had most of a metric over the range. */
export async function memberDays(
  db: Queryable,
  { from, to, dimension, metric, members }: DayRange & { dimension: string; metric: string; members: number },
) {
  const { rows } = await db.query(
    `with most as (
       select member from content.daily_totals where dimension = $1 and day >= $2 and day < $3
        group by member order by sum(${COLUMN[metric]}) desc, member limit $4)
     select ${DAY}, member, ${NUMBERS} from content.daily_totals join most using (member)
      where dimension = $1 and daily_totals.day >= $2 and daily_totals.day < $3 order by member, daily_totals.day`,
    [dimension, from, to, members],
  );
  return rows.map((row) => ({ ...numbersOf(row), member: row.member as string }));
}

/** One member's metric by day; days on which it had none are left out. */
export async function memberSeries(
  db: Queryable,
  { from, to, metric, dimension, member }: DayRange & { metric: string; dimension: string; member: string },
): Promise<{ day: string; value: number }[]> {
  const { rows } = await db.query(
    `select ${DAY}, (${COLUMN[metric]})::float8 as value from content.daily_totals
      where dimension = $1 and member = $2 and daily_totals.day >= $3 and daily_totals.day < $4 order by daily_totals.day`,
    [dimension, member, from, to],
  );
  return rows.map((row) => ({ day: row.day, value: row.value }));
}

/** The bound of `LATENCY_BOUNDS` that articles are promised within. */
const TWO_MINUTES = LATENCY_BOUNDS.indexOf(120);

interface HouseRow {
  tasksCompleted: number;
  tasksFailed: number;
  costMicros: number;
  buckets: number[];
}

/** What the orchestrator did, by day and workflow, as it was counted (`roll_ups`), and the articles of those days. */
export async function houseDays(db: Queryable, { from, to }: DayRange) {
  const [rows, articles] = await Promise.all([houseRows(db, { from, to }), articlesByDay(db, { from, to })]);
  for (const day of articles.keys()) {
    // A day on which articles came from elsewhere than a task.
    const key = `${day}|content_pipeline`;
    if (!rows.has(key)) rows.set(key, { tasksCompleted: 0, tasksFailed: 0, costMicros: 0, buckets: [] });
  }
  return [...rows]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, row]) => {
      const [day, workflowType] = key.split("|") as [string, string];
      return {
        day,
        workflowType,
        tasksCompleted: row.tasksCompleted,
        tasksFailed: row.tasksFailed,
        latencyP50Seconds: percentile(row.buckets, 0.5),
        latencyP95Seconds: percentile(row.buckets, 0.95),
        withinTwoMinutes: row.buckets.slice(0, TWO_MINUTES + 1).reduce((sum, count) => sum + count, 0),
        costUsd: row.costMicros / 1e6,
        articles: workflowType === "content_pipeline" ? (articles.get(day) ?? 0) : 0,
      };
    });
}

/** Lanes of a workflow added up, by day and workflow. */
async function houseRows(db: Queryable, { from, to }: DayRange): Promise<Map<string, HouseRow>> {
  const { rows } = await db.query(
    `select to_char(at at time zone 'UTC', 'YYYY-MM-DD') as day, workflow_type, completed, dead_lettered, cost_micros,
            total_buckets
       from roll_ups where step = 'day' and at >= $1::date::timestamp at time zone 'UTC'
        and at < $2::date::timestamp at time zone 'UTC'`,
    [from, to],
  );
  const byDay = new Map<string, HouseRow>();
  for (const row of rows) {
    const key = `${row.day}|${row.workflow_type}`;
    const sum = byDay.get(key) ?? { tasksCompleted: 0, tasksFailed: 0, costMicros: 0, buckets: [] };
    byDay.set(key, {
      tasksCompleted: sum.tasksCompleted + row.completed,
      tasksFailed: sum.tasksFailed + row.dead_lettered,
      costMicros: sum.costMicros + row.cost_micros,
      buckets: addCounts(sum.buckets, row.total_buckets.map(Number)),
    });
  }
  return byDay;
}

async function articlesByDay(db: Queryable, { from, to }: DayRange): Promise<Map<string, number>> {
  const { rows } = await db.query(
    `select to_char(published_at at time zone 'UTC', 'YYYY-MM-DD') as day, count(*)::int as articles
       from content.articles where source = 'pipeline' and published_at >= $1::date::timestamp at time zone 'UTC'
        and published_at < $2::date::timestamp at time zone 'UTC' group by 1`,
    [from, to],
  );
  return new Map(rows.map((row) => [row.day, row.articles]));
}

/** Of a workflow's completed tasks over some days, from when each was first due to its result. */
export async function houseLatency(
  db: Queryable,
  { from, to, workflowType }: DayRange & { workflowType: string },
): Promise<{ p50Seconds: number | null; p95Seconds: number | null }> {
  const rows = await houseRows(db, { from, to });
  const buckets = [...rows]
    .filter(([key]) => key.endsWith(`|${workflowType}`))
    .reduce<number[]>((sum, [, row]) => addCounts(sum, row.buckets), []);
  return { p50Seconds: percentile(buckets, 0.5), p95Seconds: percentile(buckets, 0.95) };
}

export interface ContributionQuery {
  metric: string;
  dimension: string;
  before: readonly string[];
  after: readonly string[];
  within?: string | undefined;
  limit: number;
}

/** Means of a day, members with the largest difference first. */
export async function contributions(db: Queryable, query: ContributionQuery) {
  const value = COLUMN[query.metric] as string;
  const part = query.within === undefined ? whole(value) : withinOne(value, CELL[query.dimension] as string);
  const { rows } = await db.query(
    `with part as (${part}),
     compared as (
       select member, (coalesce(sum(value) filter (where day = any($2)), 0) / greatest(1, cardinality($2)))::float8 as before,
              (coalesce(sum(value) filter (where day = any($3)), 0) / greatest(1, cardinality($3)))::float8 as after
         from part group by member)
     select member, before, after, case when $1 = 'article' then a.title else member end as label
       from compared left join content.articles a on $1 = 'article' and a.article_id::text = member
      where before <> 0 or after <> 0
      order by abs(after - before) desc, member limit $4`,
    [
      query.dimension,
      query.before,
      query.after,
      query.limit,
      ...(query.within === undefined ? [] : splitSubject(query.within)),
    ],
  );
  return rows.map((row) => ({
    member: row.member as string,
    label: (row.label ?? "") as string,
    before: row.before as number,
    after: row.after as number,
  }));
}

/** `$2` and `$3` are arrays of days. */
function whole(value: string): string {
  return `select member, day, ${value} as value from content.daily_totals
           where dimension = $1 and (day = any($2::date[]) or day = any($3::date[]))`;
}

/** The same from the finest grain, of one member of another dimension; visitors are then counted once in each cell. */
function withinOne(value: string, column: string): string {
  return `select coalesce(${column}::text, '') as member, day, ${value} as value
            from (select *, case when measure = 'events' and kind in ('view', 'page_view', 'pageview', 'screen_view')
                                 then events else 0 end as views
                    from content.daily_rollups) cells
           where (day = any($2::date[]) or day = any($3::date[]))
             and case $5::text when 'channel' then channel = $6 when 'article' then coalesce(article_id::text, '') = $6
                   when 'offer' then coalesce(offer, '') = $6
                   else measure = 'conversions' and coalesce(kind, '') = $6 end`;
}

const CELL: Readonly<Record<string, string>> = {
  channel: "channel",
  article: "article_id",
  offer: "offer",
  conversion: "kind",
};

/** `channel:Organic Search` as its dimension and its member. */
function splitSubject(subject: string): [string, string] {
  const colon = subject.indexOf(":");
  return [subject.slice(0, colon), subject.slice(colon + 1)];
}

/** Titles by the ids of articles that are there. */
export async function articleTitles(
  db: Queryable,
  articleIds: readonly string[],
): Promise<Map<string, string>> {
  if (articleIds.length === 0) return new Map();
  const { rows } = await db.query(
    "select article_id::text as id, title from content.articles where article_id::text = any($1::text[])",
    [articleIds],
  );
  return new Map(rows.map((row) => [row.id, row.title]));
}
