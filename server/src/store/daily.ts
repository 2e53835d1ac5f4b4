/** Owns how rolled-up days are read: as series, by members, and what members contribute to a difference. Changes nothing. */
import type { Queryable, Row } from "./database.ts";

const DAY = "to_char(day, 'YYYY-MM-DD') as day";

/** The first and the last day of which anything is known, of readers or of the house. */
export async function knownDays(db: Queryable): Promise<{ first: string; last: string } | null> {
  const { rows } = await db.query(
    `select to_char(least(t.first, o.first), 'YYYY-MM-DD') as first, to_char(greatest(t.last, o.last), 'YYYY-MM-DD') as last
       from (select min(day) as first, max(day) as last from content.daily_totals where dimension = 'all') t,
            (select min(day) as first, max(day) as last from content.daily_operations) o`,
  );
  const row = rows[0] as Row;
  return row.first === null ? null : { first: row.first, last: row.last };
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

/** What the orchestrator did, by day and workflow. */
export async function houseDays(db: Queryable, { from, to }: DayRange) {
  const { rows } = await db.query(
    `select ${DAY}, workflow_type, tasks_completed, tasks_failed, latency_p50_ms, latency_p95_ms, within_two_minutes,
            cost_micros, articles
       from content.daily_operations o where o.day >= $1 and o.day < $2 order by o.day, workflow_type`,
    [from, to],
  );
  const seconds = (ms: number | null) => (ms === null ? null : ms / 1000);
  return rows.map((row) => ({
    day: row.day as string,
    workflowType: row.workflow_type as string,
    tasksCompleted: row.tasks_completed as number,
    tasksFailed: row.tasks_failed as number,
    latencyP50Seconds: seconds(row.latency_p50_ms),
    latencyP95Seconds: seconds(row.latency_p95_ms),
    withinTwoMinutes: row.within_two_minutes as number,
    costUsd: row.cost_micros / 1e6,
    articles: row.articles as number,
  }));
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
