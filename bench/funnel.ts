/** Measures funnels, experiments and opportunities over ROWS single events (default 2,000,000) and over a tenth of them, on disk. */

import { type Database, openDatabase } from "../server/src/store/database.ts";
import { armsOf, experimentByKey, startExperiment } from "../server/src/store/experiments.ts";
import { migrate } from "../server/src/store/migrate.ts";
import { revenueLibrary } from "../server/src/store/revenue.ts";
import { machine, percentile, withCluster } from "./cluster.ts";

const ROWS = Number(process.env.ROWS ?? 2_000_000);
const ROUNDS = 5;
const ARTICLES = 2_000;
const END_MS = Date.UTC(2026, 0, 31);
const window = { fromMs: END_MS - 28 * 86_400_000, toMs: END_MS };

/** Single events of visitors who come ten times each; one in twenty converts, and one in fifty pays. */
async function fill(db: Database, from: number, to: number): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.query("set local statement_timeout = 0");
    const at = `$3::timestamptz + (n * 7368787 % ${ROWS})::float8 / ${ROWS} * interval '28 days'`;
    const row = `decode(md5($4 || n), 'hex'), ${at}, '/articles/' || n % ${ARTICLES}, article_id,`;
    const series = `generate_series($1::bigint, $2::bigint - 1) n join article on place = n % ${ARTICLES}`;
    const start = new Date(window.fromMs);
    const channel = "(array['Search','Email','Social','Direct'])[1 + n / 7 % 4]";
    const articles =
      "with article as (select article_id, split_part(slug, '-', 2)::int as place from content.articles)";
    await tx.query(
      `${articles} insert into content.page_events (event_key, at, page, article_id, kind, channel, visitor, events, engaged_ms, source)
       select ${row} case when n % 8 = 0 then 'click' else 'view' end, ${channel}, 'v' || n / 10, 1, n % 30000, 'bench' from ${series}`,
      [from, to, start, "e"],
    );
    await tx.query(
      `${articles} insert into content.conversions (conversion_key, at, page, article_id, kind, channel, offer, visitor, conversions, source)
       select ${row} 'sale', ${channel}, 'offer ' || n % 3, 'v' || n / 10, 1, 'bench' from ${series} where n % 20 = 1`,
      [from, to, start, "c"],
    );
    await tx.query(
      `${articles} insert into content.revenue (revenue_key, at, page, article_id, channel, offer, visitor, amount_micros, source)
       select ${row} ${channel}, 'offer ' || n % 3, 'v' || n / 10, 1000000 * (5 + n % 40), 'bench' from ${series} where n % 50 = 1`,
      [from, to, start, "r"],
    );
    await tx.query(
      `insert into content.experiment_exposures (experiment_id, unit, variant, first_at)
       select experiment_id, 'v' || n, (array['a','b'])[1 + n % 2], $3::timestamptz
         from content.experiments, generate_series($1::bigint / 10, $2::bigint / 10 - 1) n`,
      [from, to, start],
    );
  });
  await db.query("vacuum analyze content.page_events");
  await db.query("vacuum analyze content.conversions");
  await db.query("vacuum analyze content.revenue");
  await db.query("vacuum analyze content.experiment_exposures");
}

async function prepare(db: Database): Promise<void> {
  await migrate(db);
  await db.query(
    `insert into content.articles (task_id, execution_id, slug, title, summary, html, markdown, language, content_type,
            keywords, generator, quality, words, sources, json_ld, published_at)
     select gen_random_uuid(), gen_random_uuid(), 'a-' || n, 'A', '', '', '', 'en', 'type_' || n % 5, '{}', 'bench',
            '{"score": 1}', 1, '[]', '{}', '2025-12-01' from generate_series(0, ${ARTICLES - 1}) n`,
  );
  const rules = { minSample: 1000, maxDays: 60, alpha: 0.05, minEffect: 0, winChance: 0.95, maxLoss: 0.01 };
  const variants = ["a", "b"].map((key) => ({ key, weight: 1, change: {} }));
  await startExperiment(
    db,
    {
      ...{ key: "bench", hypothesis: "None at all", surface: "offer", unit: "visitor", scope: { all: true } },
      ...{ variants, metric: "revenue_per_unit", goal: "sale", guardrails: [], outcomes: "events" },
      rules: { ...rules, autoRollOut: false },
    },
    "bench",
  );
}

function cases(db: Database): [name: string, run: () => Promise<unknown>][] {
  const library = revenueLibrary(db, { readWithinSeconds: 600 });
  const query = { window, goal: null, lookbackDays: 30, limit: 50, offset: 0 } as const;
  return [
    ["funnel by article", () => library.funnel({ ...query, by: "article", attribution: "page" })],
    ["funnel by channel", () => library.funnel({ ...query, by: "channel", attribution: "page" })],
    ["funnel by offer", () => library.funnel({ ...query, by: "offer", attribution: "page" })],
    [
      "funnel by channel, last touch",
      () => library.funnel({ ...query, by: "channel", attribution: "last_touch" }),
    ],
    ["articles that lack conversions", () => library.articles(window, { views: 100 }, 100)],
    ["offers", () => library.offers(window, 100)],
    ["content types", () => library.contentTypes(window, 100)],
    ["an experiment's arms, from events", async () => armsOf(db, (await experimentByKey(db, "bench"))!)],
  ];
}

async function measure(db: Database): Promise<Map<string, number>> {
  const costs = new Map<string, number>();
  for (const [name, run] of cases(db)) {
    const times: number[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      const started = performance.now();
      await run();
      times.push(performance.now() - started);
    }
    costs.set(
      name,
      percentile(
        times.toSorted((a, b) => a - b),
        50,
      ),
    );
  }
  return costs;
}

await withCluster(async (url) => {
  const db = openDatabase({ url, maxConnections: 2, onError: () => {} });
  await prepare(db);
  await fill(db, 0, ROWS / 10);
  const small = await measure(db);
  await fill(db, ROWS / 10, ROWS);
  const before = process.memoryUsage().rss;
  const large = await measure(db);
  const grown = Math.round((process.memoryUsage().rss - before) / 1024 ** 2);
  console.log(
    `${ROWS.toLocaleString("en-US")} events of ${ARTICLES} articles; the process grew by ${grown} MiB\n`,
  );
  for (const [name, ms] of large) {
    const ratio = ms / (small.get(name) as number);
    console.log(
      `${name.padEnd(34)} ${ms.toFixed(0).padStart(7)} ms  ${ratio.toFixed(1).padStart(5)} × that of a tenth`,
    );
  }
  console.log(`\n${await machine()}`);
  await db.close();
});
