/** Owns where articles, offers and content types stand, and the opportunities that were found. Judges nothing. */
import { v7 as uuidv7 } from "uuid";
import type { Database, Queryable, Row } from "./database.ts";
import { PAYMENTS, type Payments, paymentsOf, VIEW_KINDS, type Window } from "./funnel.ts";

const between = ({ fromMs, toMs }: Window) => [new Date(fromMs), new Date(toMs), VIEW_KINDS];

/**
 * Articles with at least so many views, those first that lack most of what their mix of channels would bring; and the
 * sums over all articles from which is told how much articles differ. `expected` adds up to the conversions there were.
 */
export async function articleStandings(
  db: Queryable,
  window: Window,
  least: { views: number },
  limit: number,
) {
  const { rows } = await db.query(
    `with cell as (
       select article_id, channel, sum(events)::float8 as views from content.page_events
        where at >= $1 and at < $2 and kind = any ($3) and article_id is not null group by 1, 2 having sum(events) > 0),
     took as (
       select article_id, channel, sum(conversions)::float8 as taken from content.conversions
        where at >= $1 and at < $2 and article_id is not null group by 1, 2),
     rate as (
       select channel, coalesce(sum(taken), 0) / sum(views) as rate from cell left join took using (article_id, channel)
        group by channel),
     own as (
       select article_id, sum(views) as views, sum(views * rate) as raw,
              coalesce((select sum(taken) from took where took.article_id = cell.article_id), 0) as taken
         from cell join rate using (channel) group by article_id),
     whole as (select sum(views) as views, sum(raw) as raw, sum(taken) as taken from own),
     article as (
       select own.*, case when whole.raw > 0 then own.raw * whole.taken / whole.raw
                          else own.views * whole.taken / whole.views end as expected
         from own, whole),
     moments as (
       select count(*) filter (where expected > 0)::int as groups, coalesce(sum(taken), 0) as events,
              coalesce(sum(expected), 0) as expected_sum,
              coalesce(sum(expected * (taken / nullif(expected, 0) - 1) ^ 2), 0) as squares from article),
     money as (
       select ${PAYMENTS} from (select amount_micros / 1e6::float8 as usd from content.revenue
                                 where at >= $1 and at < $2 and article_id is not null) r),
     top as (
       select article_id, title, content_type, views, taken, expected from article join content.articles a using (article_id)
        where views >= $4 order by expected - taken desc, article_id limit $5)
     select moments.*, money.*, top.* from moments cross join money left join top on true`,
    [...between(window), least.views, limit],
  );
  const [first] = rows as [Row];
  return {
    moments: {
      groups: first.groups as number,
      events: first.events as number,
      expected: first.expected_sum as number,
      squares: first.squares as number,
    },
    conversions: first.events as number,
    payments: paymentsOf(first),
    articles: rows
      .filter((row) => row.article_id !== null)
      .map((row) => ({
        articleId: row.article_id as string,
        title: row.title as string,
        contentType: row.content_type as string,
        views: row.views as number,
        conversions: row.taken as number,
        expected: row.expected as number,
      })),
  };
}

export interface OfferStanding {
  contentType: string;
  offer: string;
  articles: number;
  views: number;
  payments: Payments;
}

/** By content type and offer: the articles on which the offer earns most, their views, and what it earns there. */
export async function offerStandings(db: Queryable, window: Window, limit: number): Promise<OfferStanding[]> {
  const { rows } = await db.query(
    `with paid as (
       select article_id, offer, amount_micros / 1e6::float8 as usd from content.revenue
        where at >= $1 and at < $2 and article_id is not null and offer is not null),
     main as (
       select distinct on (article_id) article_id, offer from (
         select article_id, offer, sum(usd) as earned from paid group by 1, 2) by_offer
        order by article_id, earned desc, offer),
     seen as (
       select article_id, sum(events) as views from content.page_events
        where at >= $1 and at < $2 and kind = any ($3) and article_id is not null group by 1),
     stage as (
       select content_type, offer, count(*)::int as articles, sum(views) as views
         from main join seen using (article_id) join content.articles using (article_id) group by 1, 2),
     money as (
       select content_type, offer, ${PAYMENTS}
         from paid join main using (article_id, offer) join content.articles using (article_id) group by 1, 2)
     select * from stage join money using (content_type, offer) order by views desc, content_type, offer limit $4`,
    [...between(window), limit],
  );
  return rows.map((row) => ({
    contentType: row.content_type,
    offer: row.offer,
    articles: row.articles,
    views: row.views,
    payments: paymentsOf(row),
  }));
}

/** What articles of each type earned that were there through the whole window; those that earned nothing count too. */
export async function typeStandings(db: Queryable, { fromMs, toMs }: Window, limit: number) {
  const { rows } = await db.query(
    `select content_type, count(*)::int as articles, avg(usd) as mean,
            coalesce(stddev_samp(usd) / sqrt(count(*)), 0) as standard_error
       from (select a.article_id, content_type, coalesce(sum(r.amount_micros), 0) / 1e6::float8 as usd
               from content.articles a
               left join content.revenue r on r.article_id = a.article_id and r.at >= $1 and r.at < $2
              where published_at <= $1 group by 1, 2) earned
      group by content_type order by articles desc, content_type limit $3`,
    [new Date(fromMs), new Date(toMs), limit],
  );
  return rows.map((row) => ({
    contentType: row.content_type as string,
    articles: row.articles as number,
    meanUsd: row.mean as number,
    standardErrorUsd: row.standard_error as number,
  }));
}

export interface NewOpportunity {
  kind: string;
  subject: string;
  title: string;
  expectedUsd: number;
  lowUsd: number;
  highUsd: number;
  chance: number;
  evidence: Record<string, unknown>;
  action: Record<string, unknown>;
}

/** After so many days a dismissed opportunity that is still there may be shown again. */
const DISMISSED_FOR_DAYS = 30;

/** Brings the list up to date: the same kind and subject is the same row; open ones that were not found expire. */
export async function saveOpportunities(
  db: Database,
  taskId: string,
  found: readonly NewOpportunity[],
): Promise<void> {
  const micros = (usd: number) => Math.round(usd * 1e6);
  const rows = found.map(({ expectedUsd, lowUsd, highUsd, ...rest }) => ({
    ...rest,
    opportunity_id: uuidv7(),
    expected_micros: micros(expectedUsd),
    low_micros: micros(lowUsd),
    high_micros: micros(highUsd),
  }));
  await db.transaction(async (tx) => {
    const again = `(o.status = 'expired' or (o.status = 'dismissed'
      and o.settled_at < orchestrator_now() - interval '${DISMISSED_FOR_DAYS} days'))`;
    await tx.query(
      `insert into content.opportunities as o (opportunity_id, kind, subject, title, expected_micros, low_micros,
              high_micros, chance, evidence, action, task_id)
       select n.*, $2::uuid from jsonb_to_recordset($1::jsonb) as n (opportunity_id uuid, kind text, subject text,
              title text, expected_micros bigint, low_micros bigint, high_micros bigint, chance float8, evidence jsonb,
              action jsonb)
        order by kind, subject
       on conflict (kind, subject) do update set title = excluded.title, expected_micros = excluded.expected_micros,
         low_micros = excluded.low_micros, high_micros = excluded.high_micros, chance = excluded.chance,
         evidence = excluded.evidence, action = excluded.action, task_id = excluded.task_id, seen_at = excluded.seen_at,
         status = case when ${again} then 'open' else o.status end,
         settled_at = case when ${again} then null else o.settled_at end,
         settled_by = case when ${again} then null else o.settled_by end`,
      [JSON.stringify(rows), taskId],
    );
    await tx.query(
      "update content.opportunities set status = 'expired' where status = 'open' and task_id <> $1::uuid",
      [taskId],
    );
  });
}

export interface OpportunityRow {
  opportunityId: string;
  kind: string;
  subject: string;
  title: string;
  expectedMicros: number;
  lowMicros: number;
  highMicros: number;
  chance: number;
  evidence: Record<string, unknown>;
  action: Record<string, unknown>;
  status: "open" | "accepted" | "dismissed" | "expired";
  foundAtMs: number;
  seenAtMs: number;
  taskId: string;
  settledAtMs: number | null;
  settledBy: string | null;
  note: string | null;
}

/** The largest expected revenue first; `after` is where the page before ended. */
export async function listOpportunities(
  db: Queryable,
  query: { status: string | null; after: { micros: string; id: string } | null; limit: number },
): Promise<OpportunityRow[]> {
  const { rows } = await db.query(
    `select * from content.opportunities
      where ($1::text is null or status = $1)
        and ($2::bigint is null or (expected_micros, opportunity_id) < ($2, $3::uuid))
      order by expected_micros desc, opportunity_id desc limit $4`,
    [query.status, query.after?.micros ?? null, query.after?.id ?? null, query.limit],
  );
  return rows.map(opportunityOf);
}

export async function opportunityById(db: Queryable, id: string): Promise<OpportunityRow | null> {
  const { rows } = await db.query("select * from content.opportunities where opportunity_id = $1", [id]);
  return rows[0] ? opportunityOf(rows[0]) : null;
}

/** An operator's word on an open opportunity. Null: it is not open, or there is none. */
export async function settleOpportunity(
  db: Queryable,
  settled: { id: string; status: "accepted" | "dismissed"; by: string; note: string | null },
): Promise<OpportunityRow | null> {
  const { rows } = await db.query(
    `update content.opportunities set status = $2, settled_at = orchestrator_now(), settled_by = $3, note = $4
      where opportunity_id = $1 and status in ('open', 'expired') returning *`,
    [settled.id, settled.status, settled.by, settled.note],
  );
  return rows[0] ? opportunityOf(rows[0]) : null;
}

function opportunityOf(row: Row): OpportunityRow {
  return {
    opportunityId: row.opportunity_id,
    kind: row.kind,
    subject: row.subject,
    title: row.title,
    expectedMicros: row.expected_micros,
    lowMicros: row.low_micros,
    highMicros: row.high_micros,
    chance: row.chance,
    evidence: row.evidence,
    action: row.action,
    status: row.status,
    foundAtMs: row.found_at,
    seenAtMs: row.seen_at,
    taskId: row.task_id,
    settledAtMs: row.settled_at,
    settledBy: row.settled_by,
    note: row.note,
  };
}
