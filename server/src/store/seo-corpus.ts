/** Owns what own articles are compared by, and which of them are due for an audit. Compares nothing itself. */
import type { TakeWork } from "#core/decision.ts";
import type { WaitingWork } from "#core/snapshot.ts";
import type { Queryable, Row } from "./database.ts";

export interface StoredPrints {
  language: string;
  titleKey: string;
  descriptionKey: string;
  mainKeyword: string;
  keywords: string[];
  signature: number[];
  bands: number[];
}

export interface ArticleToAudit {
  articleId: string;
  slug: string;
  title: string;
  summary: string;
  html: string;
  markdown: string;
  language: string;
  author: string | null;
  contentType: string;
  keywords: string[];
  // biome-ignore lint/suspicious/noExplicitAny: JSON as it was written
  jsonLd: any;
  canonicalUrl: string | null;
  publishedAt: number;
  updatedAt: number;
}

const ARTICLE = `article_id, slug, title, summary, html, markdown, language, author, content_type, keywords, json_ld,
  canonical_url, published_at, updated_at`;

/** The article that is named one way or another, or null. */
export async function articleToAudit(
  db: Queryable,
  by: { slug: string } | { articleId: string } | { taskId: string },
): Promise<ArticleToAudit | null> {
  const [column, value] =
    "slug" in by
      ? ["slug", by.slug]
      : "articleId" in by
        ? ["article_id", by.articleId]
        : ["task_id", by.taskId];
  const { rows } = await db.query(`select ${ARTICLE} from content.articles where ${column} = $1`, [value]);
  return rows[0] ? articleOf(rows[0]) : null;
}

/** Articles without prints of their present text, at most `limit`. */
export async function unprintedArticles(db: Queryable, limit: number): Promise<ArticleToAudit[]> {
  const { rows } = await db.query(
    `select ${ARTICLE} from content.articles where printed_at is null order by article_id limit $1`,
    [limit],
  );
  return rows.map(articleOf);
}

/** Keeps prints; those of an article that was changed since they were taken are left out, and taken again. */
export async function savePrints(
  db: Queryable,
  printed: readonly { articleId: string; updatedAt: number; prints: StoredPrints }[],
): Promise<void> {
  const rows = printed.map(({ articleId, updatedAt, prints }) => ({
    article_id: articleId,
    updated_at: new Date(updatedAt),
    language: prints.language,
    title_key: prints.titleKey,
    description_key: prints.descriptionKey,
    main_keyword: prints.mainKeyword,
    ...{ keywords: prints.keywords, signature: prints.signature, bands: prints.bands },
  }));
  await db.query(
    `with n as (
       select * from jsonb_to_recordset($1::jsonb) as n (article_id uuid, updated_at timestamptz, language text,
         title_key text, description_key text, main_keyword text, keywords text[], signature int[], bands int[])),
     current as (
       update content.articles a set printed_at = orchestrator_now() from n
        where a.article_id = n.article_id and a.updated_at < n.updated_at + interval '1 millisecond'
       returning a.article_id)
     insert into content.article_prints
            (article_id, language, title_key, description_key, main_keyword, keywords, signature, bands)
     select n.article_id, n.language, n.title_key, n.description_key, n.main_keyword, n.keywords, n.signature, n.bands
       from n join current using (article_id)
     on conflict (article_id) do update set language = excluded.language, title_key = excluded.title_key,
       description_key = excluded.description_key, main_keyword = excluded.main_keyword, keywords = excluded.keywords,
       signature = excluded.signature, bands = excluded.bands`,
    [JSON.stringify(rows)],
  );
}

export interface NeighbourRow {
  articleId: string;
  slug: string;
  title: string;
  publishedAt: number;
  prints: StoredPrints;
}

const MOST_OF_A_KIND = 25;

/** Own articles that share a band, a title, a description or keywords with `prints`; 25 of each kind at the most. */
export async function similarArticles(
  db: Queryable,
  { articleId, prints }: { articleId: string | null; prints: StoredPrints },
): Promise<NeighbourRow[]> {
  const { rows } = await db.query(
    `with close as (
       (select article_id from content.article_prints where bands && $2::int[] and article_id is distinct from $1
         order by (select count(*) from unnest(bands) b where b = any ($2::int[])) desc limit ${MOST_OF_A_KIND})
       union
       (select article_id from content.article_prints where $3 <> '' and md5(title_key) = md5($3) and title_key = $3
           and article_id is distinct from $1 limit ${MOST_OF_A_KIND})
       union
       (select article_id from content.article_prints where $4 <> '' and md5(description_key) = md5($4)
           and description_key = $4 and article_id is distinct from $1 limit ${MOST_OF_A_KIND})
       union
       (select article_id from (select article_id, keywords, main_keyword from content.article_prints
             where keywords && $5::text[] and article_id is distinct from $1 limit 1000) sharing
         order by main_keyword = $6 desc,
                  (select count(*) from unnest(keywords) k where k = any ($5::text[])) desc, article_id
         limit ${MOST_OF_A_KIND}))
     select a.article_id, a.slug, a.title, a.published_at, p.language, p.title_key, p.description_key, p.main_keyword,
            p.keywords, p.signature, p.bands
       from close join content.article_prints p using (article_id) join content.articles a using (article_id)
      where a.canonical_url is null
      order by a.published_at, a.article_id`,
    [articleId, prints.bands, prints.titleKey, prints.descriptionKey, prints.keywords, prints.mainKeyword],
  );
  return rows.map((row) => ({
    ...{ articleId: row.article_id, slug: row.slug, title: row.title, publishedAt: row.published_at },
    prints: {
      language: row.language,
      titleKey: row.title_key,
      descriptionKey: row.description_key,
      mainKeyword: row.main_keyword,
      keywords: row.keywords,
      signature: row.signature,
      bands: row.bands,
    },
  }));
}

/** Other articles that share entities or keywords with this one: those that share most first, then the newest. */
export async function relatedForLinks(
  db: Queryable,
  articleId: string,
  limit: number,
): Promise<{ slug: string; title: string; keywords: string[] }[]> {
  const { rows } = await db.query(
    `with shared as (
       select other.article_id, count(*) as things
         from content.article_entities own join content.article_entities other using (entity_id)
        where own.article_id = $1 group by other.article_id
       union all
       (select other.article_id, cardinality(array(select unnest(other.keywords) intersect select unnest(own.keywords)))
         from content.article_prints own join content.article_prints other on other.keywords && own.keywords
        where own.article_id = $1 limit 500))
     select a.slug, a.title, a.keywords
       from (select article_id, sum(things) as things from shared group by article_id) s
       join content.articles a using (article_id)
      where a.article_id <> $1 and a.canonical_url is null
      order by s.things desc, a.published_at desc, a.article_id
      limit $2`,
    [articleId, limit],
  );
  return rows.map(({ slug, title, keywords }) => ({ slug, title, keywords }));
}

/** Those of `slugs` at which an article stands. */
export async function slugsThatExist(db: Queryable, slugs: string[]): Promise<string[]> {
  const { rows } = await db.query("select slug from content.articles where slug = any ($1::text[])", [slugs]);
  return rows.map((row) => row.slug);
}

/** How long what was taken for an audit is not due again, should the audit never come. */
const TAKEN_FOR = "interval '24 hours'";

/** Takes at most `limit` articles that are due, the longest due first: for a slot without a source. */
export async function takeDueArticles(db: Queryable, limit: number): Promise<string[]> {
  const { rows } = await db.query(
    `update content.articles a set audit_due_at = orchestrator_now() + ${TAKEN_FOR}
       from (select article_id from content.articles where audit_due_at <= orchestrator_now()
              order by audit_due_at, article_id limit $1 for update skip locked) due
      where a.article_id = due.article_id
     returning a.article_id`,
    [limit],
  );
  return rows.map((row) => row.article_id);
}

/** Whatever comes by itself gives way to what somebody has asked for. */
const BACKGROUND = 30;

/** The first `most` articles that are due, as a slot's work. Nobody takes them meanwhile. */
export async function lockDueArticles(tx: Queryable, most: number): Promise<WaitingWork[]> {
  const { rows } = await tx.query(
    `select article_id, (extract(epoch from audit_due_at) * 1000000)::bigint::text as due from content.articles
      where audit_due_at <= orchestrator_now() order by audit_due_at, article_id limit $1 for update skip locked`,
    [most],
  );
  return rows.map((row) => ({
    // Each time that it falls due is work of its own, and becomes a task once.
    workId: `${row.article_id}:${row.due}`,
    contentType: "default",
    priority: BACKGROUND,
    payload: { article_id: row.article_id },
  }));
}

/** Notes of articles that an audit of them was enqueued. */
export async function noteTakenArticles(
  tx: Queryable,
  taken: readonly TakeWork[],
  nowMs: number,
): Promise<void> {
  const ids = taken.flatMap(({ source, workIds }) =>
    source === "articles_due" ? workIds.map((workId) => workId.split(":")[0]) : [],
  );
  if (ids.length === 0) return;
  await tx.query(
    `update content.articles set audit_due_at = $2::timestamptz + ${TAKEN_FOR} where article_id = any ($1::uuid[])`,
    [ids, new Date(nowMs)],
  );
}

function articleOf(row: Row): ArticleToAudit {
  return {
    articleId: row.article_id,
    slug: row.slug,
    title: row.title,
    summary: row.summary,
    html: row.html,
    markdown: row.markdown,
    language: row.language,
    author: row.author,
    contentType: row.content_type,
    keywords: row.keywords,
    jsonLd: row.json_ld,
    canonicalUrl: row.canonical_url,
    publishedAt: row.published_at,
    updatedAt: row.updated_at,
  };
}
