/** Measures what an audit of a stored article costs without links, and its look into the corpus at 1,000 and 50,000 articles. */
import { openDatabase } from "../server/src/store/database.ts";
import { migrate } from "../server/src/store/migrate.ts";
import { seoLibrary } from "../server/src/store/seo.ts";
import { recommend } from "../workflows/seo-monitor/src/advice/recommend.ts";
import { checkPage } from "../workflows/seo-monitor/src/check.ts";
import { anArticle, aSubject } from "../workflows/seo-monitor/src/sample-pages.ts";
import { machine, percentile, withCluster } from "./cluster.ts";

const SIZES = [1_000, 50_000];
const ROUNDS = 200;

function timed(work: () => unknown): number {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
}

function sorted(values: number[]): number[] {
  return values.sort((a, b) => a - b);
}

const article = anArticle();
const audit = () => {
  const subject = aSubject({ article });
  return recommend(checkPage(subject), subject, null);
};
const first = timed(audit);
const audits = sorted(Array.from({ length: ROUNDS }, () => timed(audit)));

await withCluster(async (url) => {
  const db = openDatabase({ url, maxConnections: 2, onError: () => {} });
  await migrate(db);
  const library = seoLibrary(db);
  const { prints } = aSubject();
  const looks: { ms: number; found: number }[][] = [];
  let size = 0;
  for (const target of SIZES) {
    await grow(target - size);
    size = target;
    const rounds = [];
    for (let i = 0; i < ROUNDS; i++) {
      const startedAt = performance.now();
      const found = await library.similar({ articleId: null, prints });
      rounds.push({ ms: performance.now() - startedAt, found: found.length });
    }
    looks.push(rounds);
  }
  const p50 = looks.map((rounds) => percentile(sorted(rounds.map(({ ms }) => ms)), 50));
  const row = (name: string, value: string) => console.log(`${name.padEnd(52)} ${value}`);
  console.log(`${await machine()}\n`);
  row("first audit of the process (rules warm up)", `${first.toFixed(1)} ms`);
  row("audit of a stored article: facts, rules, advice p50", `${percentile(audits, 50).toFixed(2)} ms`);
  row("… p95", `${percentile(audits, 95).toFixed(2)} ms`);
  for (const [i, target] of SIZES.entries()) {
    row(`look into ${target} articles, p50`, `${p50[i]!.toFixed(2)} ms, ${looks[i]![0]!.found} found`);
  }
  row(`${SIZES[1]} to ${SIZES[0]} articles`, `× ${(p50[1]! / p50[0]!).toFixed(2)}`);
  await db.close();

  /** Articles with random prints; each hundredth shares the main keyword, each thousandth a band. */
  async function grow(count: number): Promise<void> {
    await db.transaction(async (tx) => {
      await tx.query("set local statement_timeout = '10min'");
      await tx.query(
        `with added as (
           insert into content.articles (task_id, execution_id, slug, title, summary, html, markdown, language, content_type,
                                         keywords, generator, quality, words, sources, json_ld, printed_at)
           select gen_random_uuid(), gen_random_uuid(), 's-' || ($1::int + n), 'Title', 'Summary', '', '', 'en', 'default',
                  '{}', 'bench', '{}', 1, '[]', '{}', now()
             from generate_series(1, $2::int) n returning article_id, slug)
         insert into content.article_prints
         select article_id, 'en', slug, slug, '', 
                case when substr(slug, 3)::int % 100 = 0 then array[$3::text] else array[slug] end,
                array(select (random() * 2e9)::int from generate_series(1, 128) where slug is not null),
                array(select case when b = 1 and substr(slug, 3)::int % 1000 = 0 then $4::int else (random() * 2e9)::int end
                        from generate_series(1, 32) b)
           from added`,
        [size, count, prints.mainKeyword, prints.bands[0]],
      );
    });
    await db.query("vacuum analyze content.article_prints");
  }
});
