/** Owns articles and entities that come from elsewhere: added once, brought up to date by their source. Sanitises and renders nothing. */
import { createHash } from "node:crypto";
import { keepApprovedChanges } from "./approved-changes.ts";
import type { CatalogImported, Noted } from "./categories.ts";
import { freeSlug } from "./content.ts";
import type { Queryable, Row } from "./database.ts";
import { insertEntities } from "./entities.ts";

/** An article as its source tells it, ready to be shown. */
export interface ArticleFromSource {
  /** Of its id in the source: 32 hexadecimal digits. */
  key: string;
  /** Null: made of `proposedSlug` when it is added, kept later. */
  slug: string | null;
  proposedSlug: string;
  title: string;
  summary: string;
  html: string;
  markdown: string;
  language: string;
  author: string | null;
  contentType: string;
  category: string | null;
  keywords: string[];
  /** Names that it speaks of, normalised for the look-up, and as they were written. */
  entities: { name: string; alias: string }[];
  words: number;
  jsonLd: Record<string, unknown>;
  canonicalUrl: string | null;
  publishedAt: string | null;
}

/** Adds articles of a source, in their order; one that is there is replaced where its source says something else. */
export async function importArticles(
  tx: Queryable,
  source: string,
  articles: readonly ArticleFromSource[],
): Promise<CatalogImported> {
  const sum: CatalogImported = { added: 0, replaced: 0, refused: [], remarks: [] };
  for (const [index, article] of articles.entries()) {
    const fault = await faultOf(tx, article);
    if (fault !== null) {
      sum.refused.push({ index, message: fault });
      continue;
    }
    const put = await putArticle(tx, source, article);
    if (put === null) continue;
    const unknown = await linkNames(tx, put.articleId, article.entities);
    if (!put.added) await keepApprovedChanges(tx, put.articleId);
    sum[put.added ? "added" : "replaced"]++;
    sum.remarks.push(...unknown.map((name) => remark(index, name)));
  }
  return sum;
}

function remark(index: number, name: string): Noted {
  return {
    index,
    message: `no entity is called "${name}": the article is not linked to it; import entities first`,
  };
}

async function faultOf(tx: Queryable, { category, slug, key }: ArticleFromSource): Promise<string | null> {
  const { rows } = await tx.query(
    `select $1::text is not null and not exists (select from content.categories where slug = $1::text) as no_category,
            exists (select from content.articles where slug = $2::text
                       and source_key is distinct from decode($3::text, 'hex')) as taken`,
    [category, slug, key],
  );
  if (rows[0]?.no_category) return `there is no category "${category}": import categories first`;
  return rows[0]?.taken ? `another article stands at the slug "${slug}"` : null;
}

const COLUMNS = `title, summary, html, markdown, language, author, content_type, keywords, words, json_ld, canonical_url,
  category_id, source_hash`;
const VALUES = `$2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text, $9::text[], $10::int, $11::jsonb,
  $12::text, (select category_id from content.categories where slug = $13::text), decode($14::text, 'hex')`;

/** Null: it was there, and says the same. */
async function putArticle(
  tx: Queryable,
  source: string,
  article: ArticleFromSource,
): Promise<{ articleId: string; added: boolean } | null> {
  const { key, slug } = article;
  const hash = createHash("sha256").update(JSON.stringify(article)).digest("hex").slice(0, 32);
  const { rows: known } = await tx.query(
    "select article_id, encode(source_hash, 'hex') as hash from content.articles where source_key = decode($1, 'hex') for update",
    [key],
  );
  const before = known[0];
  if (before?.hash === hash) return null;
  const values = [
    ...[
      key,
      article.title,
      article.summary,
      article.html,
      article.markdown,
      article.language,
      article.author,
    ],
    ...[article.contentType, article.keywords, article.words, JSON.stringify(article.jsonLd)],
    ...[article.canonicalUrl, article.category, hash],
  ];
  if (before) {
    await tx.query(
      `update content.articles set (${COLUMNS}) = row (${VALUES}), updated_at = orchestrator_now(),
              slug = coalesce($15::text, slug), published_at = coalesce($16::timestamptz, published_at)
        where source_key = decode($1, 'hex')`,
      [...values, slug, article.publishedAt],
    );
    return { articleId: before.article_id, added: false };
  }
  const { rows } = await tx.query(
    `insert into content.articles (source_key, ${COLUMNS}, slug, source, published_at, updated_at, generator, quality, sources)
     values (decode($1, 'hex'), ${VALUES}, $15::text, $17::text, coalesce($16::timestamptz, orchestrator_now()),
             coalesce($16::timestamptz, orchestrator_now()), 'imported', '{}', '[]')
     returning article_id`,
    [...values, slug ?? (await freeSlug(tx, article.proposedSlug)), article.publishedAt, source],
  );
  return { articleId: (rows[0] as Row).article_id, added: true };
}

/** Links an article to the entities of these names, and to no other; returns names that nobody has. */
async function linkNames(
  tx: Queryable,
  articleId: string,
  names: readonly { name: string; alias: string }[],
): Promise<string[]> {
  await tx.query("delete from content.article_entities where article_id = $1", [articleId]);
  const { rows } = await tx.query(
    `with linked as (
       insert into content.article_entities (article_id, entity_id, position)
       select $1, a.entity_id, min(n.position) - 1
         from unnest($2::text[]) with ordinality as n (alias, position) join content.entity_aliases a using (alias)
        group by a.entity_id)
     select alias from content.entity_aliases where alias = any ($2::text[])`,
    [articleId, names.map(({ alias }) => alias)],
  );
  const known = new Set(rows.map(({ alias }) => alias));
  return names.filter(({ alias }) => !known.has(alias)).map(({ name }) => name);
}

export interface EntityFromSource {
  name: string;
  /** Normalised, its own name first. */
  aliases: { alias: string; keys: string[] }[];
}

/** Adds entities with their aliases. One that is there is given the aliases that it lacks, and the name that it is shown by. */
export async function importEntities(
  tx: Queryable,
  entities: readonly EntityFromSource[],
): Promise<CatalogImported> {
  const sum: CatalogImported = { added: 0, replaced: 0, refused: [], remarks: [] };
  await tx.query("select pg_advisory_xact_lock($1)", [ADDING]);
  for (const [index, entity] of entities.entries()) {
    const { rows: owners } = await tx.query(
      `select e.entity_id, e.name, array_agg(a.alias) as aliases
         from content.entity_aliases a join content.entities e using (entity_id)
        where a.alias = any ($1::text[]) group by e.entity_id order by e.created_at, e.entity_id`,
      [entity.aliases.map(({ alias }) => alias)],
    );
    if (owners.length > 1) {
      const [first, second] = owners;
      const message = `its names belong to two entities, "${first!.name}" and "${second!.name}": merge them first (orchestrator names unite)`;
      sum.refused.push({ index, message });
    } else if (await putEntity(tx, entity, owners[0])) sum[owners[0] ? "replaced" : "added"]++;
  }
  return sum;
}

/** Shared with the pipeline's own additions: never two rows for one name. */
const ADDING = 7_201_405;

/** False: nothing was changed. */
async function putEntity(
  tx: Queryable,
  { name, aliases }: EntityFromSource,
  owner: Row | undefined,
): Promise<boolean> {
  const own = aliases[0]!;
  const entityId = owner?.entity_id ?? (await insertEntities(tx, [{ name, ...own }]))[0]!.entityId;
  const renamed = owner !== undefined && owner.name !== name;
  if (renamed) await tx.query("update content.entities set name = $2 where entity_id = $1", [entityId, name]);
  const missing = aliases.filter(({ alias }) => !owner?.aliases.includes(alias));
  if (missing.length > 0) {
    await tx.query(
      `insert into content.entity_aliases (alias, entity_id, match_keys)
       select alias, $2, keys from jsonb_to_recordset($1::jsonb) as n (alias text, keys text[])
       on conflict (alias) do nothing`,
      [JSON.stringify(missing), entityId],
    );
  }
  return owner === undefined || renamed || missing.length > 0;
}
