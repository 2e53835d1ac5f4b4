/** Owns what readers did and what it earned, as imported: page events, conversions, revenue. Interprets nothing. */
import { createHash } from "node:crypto";
import type { Conversion, PageEvent, Revenue } from "@master-orchestrator/contract";
import type { Queryable } from "./database.ts";

const KEY_BYTES = 16;

/** Rows that were not there, and rows that said something else. */
export interface Imported {
  added: number;
  replaced: number;
}

/** A row on its way in. `page` is a path; the key is the same for the same row of the same source, always. */
type Keyed<Row> = Row & { key: string; page?: string };

/**
 * Adds page events of a source; a row that is there already is replaced where it says something else. Marks
 * the days that changed, so that they are rolled up again.
 */
export async function importEvents(
  tx: Queryable,
  source: string,
  events: readonly Keyed<PageEvent>[],
): Promise<Imported> {
  const rows = events.map((event) => ({ ...event, engaged_ms: milliseconds(event.engaged_seconds) }));
  const { rows: changed } = await tx.query(
    `with new as (
       select decode(key, 'hex') as event_key, n.* from jsonb_to_recordset($1::jsonb) as n (key text, at timestamptz,
              page text, kind text, channel text, visitor text, events bigint, visitors bigint, engaged_ms bigint)
        order by key),
     ${whatStood("page_events", "event_key")},
     put as (
       insert into content.page_events as e (event_key, at, page, article_id, kind, channel, visitor, events, visitors,
              engaged_ms, source)
       select event_key, at, page, ${ARTICLE}, kind, channel, visitor, events, visitors, engaged_ms, $2 from new
       on conflict (event_key) do update set at = excluded.at, page = excluded.page, article_id = excluded.article_id,
          kind = excluded.kind, channel = excluded.channel, visitor = excluded.visitor, events = excluded.events,
          visitors = excluded.visitors, engaged_ms = excluded.engaged_ms, imported_at = excluded.imported_at
        where (e.at, e.page, e.kind, e.channel, e.visitor, e.events, e.visitors, e.engaged_ms)
              is distinct from (excluded.at, excluded.page, excluded.kind, excluded.channel, excluded.visitor,
              excluded.events, excluded.visitors, excluded.engaged_ms)
       returning event_key as key, at)
     ${CHANGES}`,
    [JSON.stringify(rows), source],
  );
  return await settled(tx, changed);
}

/** The same for conversions. */
export async function importConversions(
  tx: Queryable,
  source: string,
  conversions: readonly Keyed<Conversion>[],
): Promise<Imported> {
  const { rows: changed } = await tx.query(
    `with new as (
       select decode(key, 'hex') as conversion_key, n.* from jsonb_to_recordset($1::jsonb) as n (key text,
              at timestamptz, page text, kind text, channel text, offer text, visitor text, conversions bigint)
        order by key),
     ${whatStood("conversions", "conversion_key")},
     put as (
       insert into content.conversions as e (conversion_key, at, page, article_id, kind, channel, offer, visitor,
              conversions, source)
       select conversion_key, at, page, ${ARTICLE}, kind, channel, offer, visitor, conversions, $2 from new
       on conflict (conversion_key) do update set at = excluded.at, page = excluded.page,
          article_id = excluded.article_id, kind = excluded.kind, channel = excluded.channel, offer = excluded.offer,
          visitor = excluded.visitor, conversions = excluded.conversions, imported_at = excluded.imported_at
        where (e.at, e.page, e.kind, e.channel, e.offer, e.visitor, e.conversions)
              is distinct from (excluded.at, excluded.page, excluded.kind, excluded.channel, excluded.offer,
              excluded.visitor, excluded.conversions)
       returning conversion_key as key, at)
     ${CHANGES}`,
    [JSON.stringify(conversions), source],
  );
  return await settled(tx, changed);
}

/** The same for revenue. */
export async function importRevenue(
  tx: Queryable,
  source: string,
  revenue: readonly Keyed<Revenue>[],
): Promise<Imported> {
  const rows = revenue.map((row) => ({ ...row, amount_micros: Math.round(row.amount_usd * 1e6) }));
  const { rows: changed } = await tx.query(
    `with new as (
       select decode(key, 'hex') as revenue_key, n.* from jsonb_to_recordset($1::jsonb) as n (key text,
              at timestamptz, page text, channel text, offer text, visitor text, amount_micros bigint)
        order by key),
     ${whatStood("revenue", "revenue_key")},
     put as (
       insert into content.revenue as e (revenue_key, at, page, article_id, channel, offer, visitor, amount_micros,
              source)
       select revenue_key, at, page, ${ARTICLE}, channel, offer, visitor, amount_micros, $2 from new
       on conflict (revenue_key) do update set at = excluded.at, page = excluded.page,
          article_id = excluded.article_id, channel = excluded.channel, offer = excluded.offer,
          visitor = excluded.visitor, amount_micros = excluded.amount_micros, imported_at = excluded.imported_at
        where (e.at, e.page, e.channel, e.offer, e.visitor, e.amount_micros)
              is distinct from (excluded.at, excluded.page, excluded.channel, excluded.offer, excluded.visitor,
              excluded.amount_micros)
       returning revenue_key as key, at)
     ${CHANGES}`,
    [JSON.stringify(rows), source],
  );
  return await settled(tx, changed);
}

/** Whoever published it elsewhere kept the slug as the last part of the address. */
const ARTICLE = `(select a.article_id from content.articles a
                   where a.slug = substring(new.page from '([a-z0-9-]+)(?:\\.html?)?$'))`;

/** What stood there before: its day changes as well when a row moves to another one. */
const whatStood = (table: string, key: string) =>
  `old as (select ${key} as key, at from content.${table} where ${key} in (select ${key} from new))`;

/** One row for each change, with the days that it touches. */
const CHANGES = `select put.at as at, old.at as old_at from put left join old using (key)`;

async function settled(
  tx: Queryable,
  changed: readonly { at?: number; old_at?: number | null }[],
): Promise<Imported> {
  const moments = changed.flatMap(({ at, old_at }) => [at, old_at]).filter((at) => typeof at === "number");
  await markStale(tx, [...new Set(moments.map((at) => new Date(at).toISOString().slice(0, 10)))]);
  const replaced = changed.filter((row) => row.old_at !== null).length;
  return { added: changed.length - replaced, replaced };
}

/** Says of UTC days that something about them has changed. In order, so that two imports never wait in a circle. */
async function markStale(tx: Queryable, days: readonly string[]): Promise<void> {
  if (days.length === 0) return;
  await tx.query(
    `insert into content.stale_days (day) select unnest($1::date[]) order by 1
     on conflict (day) do update set marked_at = orchestrator_now()`,
    [[...days].sort()],
  );
}

/** The key of a row: of its id where it has one, else of all that tells it from others. Hexadecimal. */
export function rowKey(source: string, told: readonly (string | undefined)[]): string {
  const text = JSON.stringify([source, ...told.map((part) => part ?? null)]);
  return createHash("sha256")
    .update(text)
    .digest("hex")
    .slice(0, 2 * KEY_BYTES);
}

function milliseconds(seconds: number | undefined): number | null {
  return seconds === undefined ? null : Math.round(seconds * 1000);
}
