/** Owns readers' rows for tests: page events, conversions and revenue, with their days marked as an import marks them. */
import { createHash } from "node:crypto";
import type { Queryable } from "#store/database.ts";

export interface ReaderRow {
  /** `2026-12-01` or a time. */
  at: string;
  page?: string;
  articleId?: string;
  channel?: string;
  kind?: string;
  offer?: string;
  visitor?: string;
  count?: number;
  visitors?: number;
  engagedMs?: number;
  amountMicros?: number;
}

let rows = 0;
const key = () => createHash("sha256").update(`row ${rows++}`).digest("hex").slice(0, 32);

/** Marks days as an import does: after its rows, in its transaction. */
export async function markStale(tx: Queryable, days: readonly string[]): Promise<void> {
  await tx.query(
    `insert into content.stale_days (day) select distinct unnest($1::date[]) order by 1
     on conflict (day) do update set marked_at = orchestrator_now()`,
    [days],
  );
}

export async function addEvents(tx: Queryable, events: readonly ReaderRow[]): Promise<void> {
  await tx.query(
    `insert into content.page_events (event_key, at, page, article_id, kind, channel, visitor, events, visitors, engaged_ms, source)
     select decode(key, 'hex'), at, page, article_id, kind, channel, visitor, events, visitors, engaged_ms, 'test'
       from jsonb_to_recordset($1::jsonb) as n (key text, at timestamptz, page text, article_id uuid, kind text,
            channel text, visitor text, events bigint, visitors bigint, engaged_ms bigint)`,
    [
      JSON.stringify(
        events.map((event) => ({
          key: key(),
          at: moment(event.at),
          page: event.page ?? "/",
          article_id: event.articleId ?? null,
          kind: event.kind ?? "view",
          channel: event.channel ?? "Direct",
          visitor: event.visitor ?? null,
          events: event.count ?? 1,
          visitors: event.visitors ?? null,
          engaged_ms: event.engagedMs ?? null,
        })),
      ),
    ],
  );
  await markStale(tx, events.map(dayOf));
}

export async function addConversions(tx: Queryable, conversions: readonly ReaderRow[]): Promise<void> {
  await tx.query(
    `insert into content.conversions (conversion_key, at, page, article_id, kind, channel, offer, visitor, conversions, source)
     select decode(key, 'hex'), at, page, article_id, kind, channel, offer, visitor, conversions, 'test'
       from jsonb_to_recordset($1::jsonb) as n (key text, at timestamptz, page text, article_id uuid, kind text,
            channel text, offer text, visitor text, conversions bigint)`,
    [
      JSON.stringify(
        conversions.map((row) => ({
          key: key(),
          at: moment(row.at),
          page: row.page ?? null,
          article_id: row.articleId ?? null,
          kind: row.kind ?? "newsletter",
          channel: row.channel ?? "Direct",
          offer: row.offer ?? null,
          visitor: row.visitor ?? null,
          conversions: row.count ?? 1,
        })),
      ),
    ],
  );
  await markStale(tx, conversions.map(dayOf));
}

export async function addRevenue(tx: Queryable, revenue: readonly ReaderRow[]): Promise<void> {
  await tx.query(
    `insert into content.revenue (revenue_key, at, article_id, channel, offer, visitor, amount_micros, source)
     select decode(key, 'hex'), at, article_id, channel, offer, visitor, amount_micros, 'test'
       from jsonb_to_recordset($1::jsonb) as n (key text, at timestamptz, article_id uuid, channel text, offer text,
            visitor text, amount_micros bigint)`,
    [
      JSON.stringify(
        revenue.map((row) => ({
          key: key(),
          at: moment(row.at),
          article_id: row.articleId ?? null,
          channel: row.channel ?? "Direct",
          offer: row.offer ?? null,
          visitor: row.visitor ?? null,
          amount_micros: row.amountMicros ?? 0,
        })),
      ),
    ],
  );
  await markStale(tx, revenue.map(dayOf));
}

const moment = (at: string) => (at.length === 10 ? `${at}T12:00:00Z` : at);
const dayOf = ({ at }: ReaderRow) => new Date(moment(at)).toISOString().slice(0, 10);
