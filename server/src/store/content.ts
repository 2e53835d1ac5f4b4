/** Owns the published articles: one a task, one slug an article. Renders and decides nothing. */
import { Problem } from "@master-orchestrator/contract";
import { keepApprovedChanges } from "./approved-changes.ts";
import type { Queryable, Row } from "./database.ts";
import { linkUnresolved } from "./unresolved.ts";

export interface ArticleToPublish {
  taskId: string;
  executionId: string;
  /** The slug to take if no other task's article has it. */
  slug: string;
  title: string;
  summary: string;
  html: string;
  markdown: string;
  language: string;
  author: string | null;
  contentType: string;
  keywords: string[];
  generator: string;
  quality: { score: number };
  words: number;
  sources: ArticleSource[];
  jsonLd: Record<string, unknown>;
  /** In order of prominence. */
  entityIds: string[];
  /** The slug of its category; one that is not there any more is none. */
  category?: string | null;
  /** Normalised names that wait for a person. */
  unresolved: string[];
}

export interface ArticleSource {
  title: string;
  url: string | null;
  read: boolean;
  note: string | null;
}

/** Where an article is. Instants are epoch milliseconds. */
export interface PlacedArticle {
  articleId: string;
  slug: string;
  created: boolean;
  publishedAt: number;
  updatedAt: number;
}

/** An article as lists show it. Instants are epoch milliseconds. */
export interface ArticleSummary {
  articleId: string;
  /** Null: imported. */
  taskId: string | null;
  /** `pipeline`, or where it was imported from. */
  source: string;
  slug: string;
  title: string;
  summary: string;
  language: string;
  author: string | null;
  contentType: string;
  keywords: string[];
  generator: string;
  /** 0–100; null for one that nobody has judged. */
  qualityScore: number | null;
  category: { slug: string; name: string } | null;
  words: number;
  publishedAt: number;
  updatedAt: number;
}

export interface Article extends ArticleSummary {
  executionId: string | null;
  html: string;
  markdown: string;
  quality: Record<string, unknown>;
  sources: ArticleSource[];
  jsonLd: Record<string, unknown>;
  /** Where readers and search engines are sent instead: an address, or a path of the own site; null for its own. */
  canonicalUrl: string | null;
  /** Names, the most prominent first. */
  entities: string[];
}

const PUBLISH_TRIES = 100;

/**
 * Publishes a task's article. The same task again brings its one article up to date, and keeps its slug, its date of
 * publication and what a person has approved; a slug that another task's article has gets `-2`, `-3`, … To be run in a
 * transaction.
 */
export async function publishArticle(db: Queryable, article: ArticleToPublish): Promise<PlacedArticle> {
  const placed = await placeArticle(db, article);
  if (!placed.created) await keepApprovedChanges(db, placed.articleId);
  await linkUnresolved(db, placed.articleId, article.unresolved, article.entityIds.length);
  return placed;
}

async function placeArticle(db: Queryable, article: ArticleToPublish): Promise<PlacedArticle> {
  for (let tries = 0; tries < PUBLISH_TRIES; tries++) {
    const known = await updateArticle(db, article);
    if (known) return { ...known, created: false };
    const slug = await freeSlug(db, article.slug);
    const added = await insertArticle(db, { ...article, slug });
    if (added) return { ...added, created: true };
    // Another run took the slug, or this very task published, between the statements: look again.
  }
  throw new Error(`no free slug for ${JSON.stringify(article.slug)} in ${PUBLISH_TRIES} tries`);
}

type Placed = Omit<PlacedArticle, "created">;

const PLACED = "article_id, slug, published_at, updated_at";

/** $1 is the task; the columns that publishing again replaces follow, in this order. */
const COLUMNS = `execution_id, title, summary, html, markdown, language, author, content_type, keywords, generator,
  quality, words, sources, json_ld, category_id`;
const VALUES = `$2::uuid, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text, $9::text, $10::text[], $11::text,
  $12::jsonb, $13::int, $14::jsonb, $15::jsonb,
  (select category_id from content.categories where slug = $17)`;

function valuesOf(article: ArticleToPublish): unknown[] {
  return [
    article.taskId,
    article.executionId,
    article.title,
    article.summary,
    article.html,
    article.markdown,
    article.language,
    article.author,
    article.contentType,
    article.keywords,
    article.generator,
    JSON.stringify(article.quality),
    article.words,
    JSON.stringify(article.sources),
    JSON.stringify(article.jsonLd),
    article.entityIds,
    article.category ?? null,
  ];
}

/** $16 is the list of entities: of one that was merged, the one that it is now; one that is not there any more is left out. */
const NAMED = `named as (
       select coalesce(m.into_entity_id, given.entity_id) as entity_id, given.position
       from unnest($16::uuid[]) with ordinality as given (entity_id, position)
       left join content.entity_merges m on m.entity_id = given.entity_id)`;
const LINKED = `${NAMED},
     linked as (
       insert into content.article_entities (article_id, entity_id, position)
       select article.article_id, e.entity_id, min(named.position) - 1
       from article
       cross join named
       join content.entities e on e.entity_id = named.entity_id
       group by article.article_id, e.entity_id
       on conflict (article_id, entity_id) do update set position = excluded.position)`;

async function updateArticle(db: Queryable, article: ArticleToPublish): Promise<Placed | null> {
  const { rows } = await db.query(
    `with article as (
       update content.articles
       set (${COLUMNS}) = row (${VALUES}),
           updated_at = case when (title, summary, html) is distinct from ($3::text, $4::text, $5::text)
                             then orchestrator_now() else updated_at end
       where task_id = $1
       returning ${PLACED}),
     ${LINKED},
     unlinked as (
       delete from content.article_entities old using article
       where old.article_id = article.article_id and old.entity_id not in (select entity_id from named))
     select ${PLACED} from article`,
    valuesOf(article),
  );
  return placed(rows[0]);
}

async function insertArticle(db: Queryable, article: ArticleToPublish): Promise<Placed | null> {
  const { rows } = await db.query(
    `with article as (
       insert into content.articles (task_id, slug, ${COLUMNS})
       values ($1::uuid, $18, ${VALUES})
       on conflict do nothing
       returning ${PLACED}),
     ${LINKED}
     select ${PLACED} from article`,
    [...valuesOf(article), article.slug],
  );
  return placed(rows[0]);
}

/** The first of `base`, `base-2`, `base-3` … that no article has; looks one up after the other, by index. */
export async function freeSlug(db: Queryable, base: string): Promise<string> {
  const { rows } = await db.query(
    `with recursive probe (n, slug) as (
       select 1, $1::text
       union all
       select n + 1, $1 || '-' || (n + 1) from probe
       where n < 100000 and exists (select from content.articles a where a.slug = probe.slug))
     select slug from probe order by n desc limit 1`,
    [base],
  );
  return rows[0]!.slug;
}

function placed(row: Row | undefined): Placed | null {
  if (!row) return null;
  const { article_id: articleId, slug, published_at: publishedAt, updated_at: updatedAt } = row;
  return { articleId, slug, publishedAt, updatedAt };
}

/** Published articles that share one of `bands`, those that share most first: at most 50, and not the task's own. */
export async function articlesLike(
  db: Queryable,
  bands: number[],
  taskId: string,
): Promise<{ slug: string; signature: number[] }[]> {
  const { rows } = await db.query(
    `select a.slug, f.signature
     from content.article_prints f join content.articles a using (article_id)
     where f.bands && $1::int[] and a.task_id is distinct from $2
     order by (select count(*) from unnest(f.bands) b where b = any ($1::int[])) desc, a.published_at desc
     limit 50`,
    [bands, taskId],
  );
  return rows.map(({ slug, signature }) => ({ slug, signature }));
}

const SUMMARY_COLUMNS = `article_id, task_id, slug, title, summary, language, author, content_type, keywords, generator,
  (quality->>'score')::float8 as quality_score, words, published_at, updated_at, source,
  (select jsonb_build_object('slug', c.slug, 'name', c.name) from content.categories c
    where c.category_id = articles.category_id) as category`;

/**
 * Articles, of a category with those below it or of all, the newest first: at most `limit`, from `cursor` on (null: from the start). `nextCursor`
 * is null on the last page. Throws `validation_failed` for a cursor that is not of this list.
 */
export async function listArticles(
  db: Queryable,
  page: { limit: number; cursor: string | null; category?: string },
): Promise<{ articles: ArticleSummary[]; nextCursor: string | null }> {
  const after = page.cursor === null ? null : readCursor(page.cursor);
  const { rows } = await db.query(
    `select ${SUMMARY_COLUMNS}, (extract(epoch from published_at) * 1000000)::bigint::text as published_micros
     from content.articles
     where (published_at, article_id) <
           (coalesce(timestamptz 'epoch' + $1::bigint * interval '1 microsecond', 'infinity'),
            coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
       and ${page.category === undefined ? "$4::text is null" : BELOW}
     order by published_at desc, article_id desc
     limit $3`,
    [after?.micros ?? null, after?.articleId ?? null, page.limit + 1, page.category ?? null],
  );
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  const more = rows.length > page.limit && last !== undefined;
  return {
    articles: shown.map(summaryOf),
    nextCursor: more ? writeCursor(last.published_micros, last.article_id) : null,
  };
}

/** $4 is a category: those in it, and in the ones below. */
const BELOW = `category_id in (
  with recursive down as (
    select category_id from content.categories where slug = $4
    union select c.category_id from down join content.categories c on c.parent_id = down.category_id)
  select category_id from down)`;

/** The newest articles, at most `limit`. */
export async function latestArticles(db: Queryable, limit: number): Promise<ArticleSummary[]> {
  return (await listArticles(db, { limit, cursor: null })).articles;
}

/** The article at a slug, or null. */
export async function articleBySlug(db: Queryable, slug: string): Promise<Article | null> {
  const { rows } = await db.query(
    `select ${SUMMARY_COLUMNS}, execution_id, html, markdown, quality, sources, json_ld, canonical_url,
            array(select e.name from content.article_entities ae join content.entities e using (entity_id)
                  where ae.article_id = articles.article_id order by ae.position, e.name) as entities
     from content.articles
     where slug = $1`,
    [slug],
  );
  const row = rows[0];
  return row
    ? {
        ...summaryOf(row),
        executionId: row.execution_id,
        html: row.html,
        markdown: row.markdown,
        quality: row.quality,
        sources: row.sources,
        canonicalUrl: row.canonical_url,
        jsonLd: row.json_ld,
        entities: row.entities,
      }
    : null;
}

/** Null: there is no such article. */
export async function contentTypeOf(db: Queryable, articleId: string): Promise<string | null> {
  const { rows } = await db.query("select content_type from content.articles where article_id = $1", [
    articleId,
  ]);
  return rows[0]?.content_type ?? null;
}

/** Other articles that speak of the same entities: those that share most first, then the newest. */
export async function relatedArticles(
  db: Queryable,
  articleId: string,
  limit: number,
): Promise<ArticleSummary[]> {
  const { rows } = await db.query(
    `with shared as (
       select other.article_id, count(*) as entities
       from content.article_entities own
       join content.article_entities other using (entity_id)
       where own.article_id = $1 and other.article_id <> $1
       group by other.article_id)
     select ${SUMMARY_COLUMNS}
     from shared join content.articles using (article_id)
     order by shared.entities desc, published_at desc, article_id desc
     limit $2`,
    [articleId, limit],
  );
  return rows.map(summaryOf);
}

function summaryOf(row: Row): ArticleSummary {
  return {
    articleId: row.article_id,
    taskId: row.task_id,
    slug: row.slug,
    title: row.title,
    summary: row.summary,
    language: row.language,
    author: row.author,
    contentType: row.content_type,
    keywords: row.keywords,
    generator: row.generator,
    qualityScore: row.quality_score,
    words: row.words,
    source: row.source,
    category: row.category,
    publishedAt: row.published_at,
    updatedAt: row.updated_at,
  };
}

function writeCursor(micros: string, articleId: string): string {
  return Buffer.from(`${micros}.${articleId}`).toString("base64url");
}

function readCursor(cursor: string): { micros: string; articleId: string } {
  const text = Buffer.from(cursor, "base64url").toString("latin1");
  const match = /^(\d{1,17})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(text);
  if (!match) {
    throw new Problem(
      "validation_failed",
      "query/cursor: is not a cursor of this list",
      "Pass next_cursor of the page before as it is, or leave cursor out for the first page.",
      { errors: [{ path: "query/cursor", message: "is not a cursor of this list" }] },
    );
  }
  return { micros: match[1]!, articleId: match[2]! };
}
