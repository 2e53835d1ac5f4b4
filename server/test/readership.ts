/** Owns readers for tests: articles, and events, conversions and revenue in bulk, written as an import would leave them. */
import { randomUUID } from "node:crypto";
import { publishArticle } from "#store/content.ts";
import type { Database } from "#store/database.ts";

/** Publishes an article at `/articles/<slug>`, and returns its id. */
export async function anArticleAt(db: Database, slug: string, contentType = "how_to"): Promise<string> {
  const { articleId } = await publishArticle(db, {
    ...{ taskId: randomUUID(), executionId: randomUUID(), slug, title: `On ${slug}`, summary: "" },
    ...{ html: "", markdown: "", language: "en", author: null, contentType, keywords: [], generator: "x" },
    ...{
      words: 1,
      quality: { score: 1 },
      sources: [],
      jsonLd: {},
      entityIds: [],
      unresolved: [],
    },
  });
  return articleId;
}

interface Readers {
  articleId?: string | null;
  page: string;
  channel?: string;
  /** Spread evenly over the hours from here on. */
  fromMs: number;
  hours?: number;
  views?: number;
  engaged?: number;
  clicks?: number;
  conversions?: number;
  goal?: string;
  offer?: string | null;
  /** Of each payment, in dollars. */
  payments?: number[];
}

/** Adds counted events, one row an hour, and single conversions and payments. */
export async function readersOf(db: Database, readers: Readers): Promise<void> {
  const {
    articleId = null,
    page,
    channel = "Email",
    fromMs,
    hours = 24,
    goal = "sale",
    offer = null,
  } = readers;
  const kinds = { view: readers.views, engaged: readers.engaged, click: readers.clicks };
  for (const [kind, count] of Object.entries(kinds)) {
    if (!count) continue;
    await db.query(
      `insert into content.page_events (event_key, at, page, article_id, kind, channel, events, source, imported_at)
       select decode(md5(gen_random_uuid()::text), 'hex'), $1::timestamptz + n * interval '1 hour', $2, $3, $4, $5,
              $6::bigint / $7::int + (n < $6::bigint % $7::int)::int, 'test', orchestrator_now()
         from generate_series(0, $7::int - 1) n`,
      [new Date(fromMs), page, articleId, kind, channel, count, hours],
    );
  }
  await db.query(
    `insert into content.conversions (conversion_key, at, page, article_id, kind, channel, offer, conversions, source,
            imported_at)
     select decode(md5(gen_random_uuid()::text), 'hex'), $1::timestamptz + (n % $7::int) * interval '1 hour', $2, $3, $4,
            $5, $6, 1, 'test', orchestrator_now()
       from generate_series(1, $8::int) n`,
    [new Date(fromMs), page, articleId, goal, channel, offer, hours, readers.conversions ?? 0],
  );
  await db.query(
    `insert into content.revenue (revenue_key, at, page, article_id, channel, offer, amount_micros, source, imported_at)
     select decode(md5(gen_random_uuid()::text), 'hex'), $1::timestamptz + (n % $6::int) * interval '1 hour', $2, $3, $4,
            $5, round(usd * 1e6), 'test', orchestrator_now()
       from unnest($7::float8[]) with ordinality as x (usd, n)`,
    [new Date(fromMs), page, articleId, channel, offer, hours, readers.payments ?? []],
  );
}
