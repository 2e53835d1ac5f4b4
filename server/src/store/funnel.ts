/** Owns the counting of readers' events into funnels: sums by group, made in the database. Rates and intervals are not its own. */
import type { Queryable, Row } from "./database.ts";

/** What the sources call the same thing. */
export const VIEW_KINDS = ["view", "page_view", "pageview", "screen_view"];
const ENGAGED_KINDS = ["engaged", "engagement", "user_engagement", "engaged_session", "scroll"];
const CLICK_KINDS = ["click", "outbound_click", "cta_click", "affiliate_click", "offer_click"];
/** A single view of so long counts as engaged, as in Google Analytics 4. */
const ENGAGED_MS = 10_000;

export type FunnelBy = "article" | "channel" | "offer" | "content_type";
export type Attribution = "page" | "first_touch" | "last_touch";

/** From the first moment until before the second. */
export interface Window {
  fromMs: number;
  toMs: number;
}

export interface FunnelQuery {
  window: Window;
  by: FunnelBy;
  attribution: Attribution;
  goal: string | null;
  lookbackDays: number;
  limit: number;
  offset: number;
}

/** Money in US dollars. */
export interface Payments {
  sum: number;
  squares: number;
  largest: number;
  count: number;
  refunds: boolean;
}

export interface FunnelCounts {
  views: number;
  engaged: number;
  clicks: number;
  conversions: number;
  touched: number;
  payments: Payments;
}

/** The columns of `paymentsOf`, over rows with `usd`. */
export const PAYMENTS = `coalesce(sum(usd), 0)::float8 as usd_sum, coalesce(sum(usd * usd), 0)::float8 as usd_squares,
  coalesce(max(usd), 0)::float8 as usd_largest, count(usd)::int as payments, coalesce(bool_or(usd < 0), false) as refunds`;

export function paymentsOf(row: Row): Payments {
  return {
    sum: row.usd_sum ?? 0,
    squares: row.usd_squares ?? 0,
    largest: row.usd_largest ?? 0,
    count: row.payments ?? 0,
    refunds: row.refunds ?? false,
  };
}

const ARTICLE_KEY = "coalesce(article_id::text, page, '(no page)')";
const TYPE_KEY = "coalesce(content_type, '(other pages)')";

/** How views come to a group. Those of an offer are the views of pages on which it was taken up in the window. */
const SEEN: Record<FunnelBy, string> = {
  article: `select ${ARTICLE_KEY} as key, pages.* from pages`,
  channel: "select channel as key, pages.* from pages",
  content_type: `select ${TYPE_KEY} as key, pages.* from pages left join content.articles using (article_id)`,
  offer: `select offer as key, pages.* from pages
            join (select distinct offer, ${ARTICLE_KEY} as place from won where offer is not null) taken
              on taken.place = coalesce(pages.article_id::text, pages.page)`,
};

const WON: Record<FunnelBy, string> = {
  article: `select ${ARTICLE_KEY} as key, won.* from won`,
  channel: "select channel as key, won.* from won",
  content_type: `select ${TYPE_KEY} as key, won.* from won left join content.articles using (article_id)`,
  offer: "select coalesce(offer, '(no offer)') as key, won.* from won",
};

/** The view of its visitor to which a conversion or payment is given; none where the visitor is unknown. */
function touch(attribution: Attribution): string {
  if (attribution === "page") return "(select null::uuid as article_id, null as page, null as channel) view";
  return `lateral (select e.article_id, e.page, e.channel from content.page_events e
            where e.visitor = done.visitor and e.kind = any ($3) and e.at <= done.at
              and e.at > done.at - $6 * interval '1 day'
            order by e.at ${attribution === "first_touch" ? "asc" : "desc"} limit 1) view`;
}

/** The sums of everything, and of each group in the order of their views. */
export async function countFunnel(
  tx: Queryable,
  { window, by, attribution, goal, lookbackDays, limit, offset }: FunnelQuery,
): Promise<{
  total: FunnelCounts;
  groups: (FunnelCounts & { key: string; title: string | null })[];
  more: boolean;
}> {
  const { rows } = await tx.query(
    `with pages as materialized (
       select article_id, page, channel,
              coalesce(sum(events) filter (where kind = any ($3)), 0) as views,
              greatest(coalesce(sum(events) filter (where kind = any ($4)), 0),
                       count(*) filter (where kind = any ($3) and events = 1 and engaged_ms >= ${ENGAGED_MS})) as engaged,
              coalesce(sum(events) filter (where kind = any ($5)), 0) as clicks
         from content.page_events where at >= $1 and at < $2 group by 1, 2, 3),
     done as (
       select at, article_id, page, channel, offer, visitor, conversions, null::float8 as usd
         from content.conversions where at >= $1 and at < $2 and ($7::text is null or kind = $7)
       union all
       select at, article_id, page, channel, offer, visitor, 0, amount_micros / 1e6::float8
         from content.revenue where at >= $1 and at < $2),
     won as materialized (
       select case when view.page is null then done.article_id else view.article_id end as article_id,
              coalesce(view.page, done.page) as page, coalesce(view.channel, done.channel) as channel, offer,
              conversions, usd, case when view.page is null or $6::int = 0 then 0 else greatest(conversions, 1) end as touched
         from done left join ${touch(attribution)} on true),
     seen as (
       select key, sum(views) as views, sum(engaged) as engaged, sum(clicks) as clicks from (${SEEN[by]}) s group by key),
     gained as (
       select key, sum(conversions) as conversions, sum(touched) as touched, ${PAYMENTS} from (${WON[by]}) w group by key),
     page as (
       select key, views, engaged, clicks, conversions, touched, usd_sum, usd_squares, usd_largest, payments, refunds
         from seen full join gained using (key)
        order by views desc nulls last, usd_sum desc nulls last, key limit $8 offset $9)
     select 0 as part, null as key, null as title, s.*, w.*
       from (select sum(views) as views, sum(engaged) as engaged, sum(clicks) as clicks from pages) s,
            (select sum(conversions) as conversions, sum(touched) as touched, ${PAYMENTS} from won) w
     union all
     (select 1, key, title, views, engaged, clicks, conversions, touched, usd_sum, usd_squares, usd_largest, payments, refunds
        from page left join content.articles a on a.article_id::text = page.key
       order by views desc nulls last, usd_sum desc nulls last, key)`,
    [
      ...[new Date(window.fromMs), new Date(window.toMs), VIEW_KINDS, ENGAGED_KINDS, CLICK_KINDS],
      ...[lookbackDays, goal, limit + 1, offset],
    ],
  );
  const [total, ...groups] = rows as [Row, ...Row[]];
  return {
    total: countsOf(total),
    groups: groups.slice(0, limit).map((row) => ({ key: row.key, title: row.title, ...countsOf(row) })),
    more: groups.length > limit,
  };
}

function countsOf(row: Row): FunnelCounts {
  return {
    views: Number(row.views ?? 0),
    engaged: Number(row.engaged ?? 0),
    clicks: Number(row.clicks ?? 0),
    conversions: Number(row.conversions ?? 0),
    touched: Number(row.touched ?? 0),
    payments: paymentsOf(row),
  };
}

export interface Coverage {
  views: number;
  conversions: number;
  payments: number;
  seenThroughMs: number | null;
}

/** Importing may take a moment from writing to commit: what is younger counts as not seen yet. */
const COMMITTED_WITHIN_SECONDS = 60;

/** What there is in a window, and up to which import all of it is seen. */
export async function coverage(db: Queryable, window: Window): Promise<Coverage> {
  const { rows } = await db.query(
    `select (select coalesce(sum(events), 0) from content.page_events
              where at >= $1 and at < $2 and kind = any ($3)) as views,
            (select coalesce(sum(conversions), 0) from content.conversions where at >= $1 and at < $2) as conversions,
            (select count(*) from content.revenue where at >= $1 and at < $2) as payments,
            least(${NEWEST_IMPORT}, orchestrator_now() - interval '${COMMITTED_WITHIN_SECONDS} seconds') as seen_through`,
    [new Date(window.fromMs), new Date(window.toMs), VIEW_KINDS],
  );
  const row = rows[0] as Row;
  const { views, conversions, payments, seen_through: seenThroughMs } = row;
  return { views, conversions, payments, seenThroughMs };
}

const NEWEST_IMPORT = `greatest((select max(imported_at) from content.page_events),
  (select max(imported_at) from content.conversions), (select max(imported_at) from content.revenue))`;

/** Whether the revenue optimizer has anything to do: events that no run has seen, experiments or strategies to judge. */
export async function hasRevenueWork(db: Queryable): Promise<boolean> {
  const { rows } = await db.query(
    `select exists (select from content.experiments where status = 'running')
         or exists (select from content.strategies where watch is not null and not watch_over)
         or coalesce(${NEWEST_IMPORT} > coalesce((select seen_through from content.revenue_runs
                where summary->>'analysis' = 'all' order by finished_at desc limit 1), '-infinity'), false) as work`,
  );
  return (rows[0] as Row).work;
}
