/** Owns the tree of categories: imports it without circles, lists it, finds the one that an article belongs to. Assigns none. */
import type { CategoryRow } from "@master-orchestrator/contract";
import type { Queryable } from "./database.ts";

export interface StoredCategory {
  slug: string;
  name: string;
  description: string;
  parent: string | null;
  articles: number;
}

/** A row of an import that was left out, or something of it. */
export interface Noted {
  index: number;
  message: string;
}

export interface CatalogImported {
  added: number;
  replaced: number;
  refused: Noted[];
  remarks: Noted[];
}

/** A tree that readers find their way in, and that one request can hold. */
const MAX_CATEGORIES = 5_000;
const MAX_DEPTH = 8;
/** One import at a time, so that two of them do not close a circle together. */
const IMPORTING = 7_201_406;

/**
 * Adds categories; one that is there is brought up to date. Rows whose parent is nowhere, or that would close a circle, lie too deep
 * or be too many are left out and named. To be run in a transaction.
 */
export async function importCategories(
  tx: Queryable,
  rows: readonly CategoryRow[],
): Promise<CatalogImported> {
  await tx.query("select pg_advisory_xact_lock($1)", [IMPORTING]);
  const { rows: known } = await tx.query(
    "select c.slug, p.slug as parent from content.categories c left join content.categories p on p.category_id = c.parent_id",
  );
  const parents = new Map<string, string | null>(known.map(({ slug, parent }) => [slug, parent]));
  const { good, refused } = sound(rows, parents);
  const { rows: put } = await tx.query(
    `with n as (select * from jsonb_to_recordset($1::jsonb) as n (slug text, name text, description text)),
     put as (
       insert into content.categories as c (slug, name, description)
       select slug, name, description from n order by slug
       on conflict (slug) do update set name = excluded.name, description = excluded.description,
          updated_at = orchestrator_now()
        where (c.name, c.description) is distinct from (excluded.name, excluded.description)
       returning slug, (xmax = 0) as added)
     select slug, added from put`,
    [JSON.stringify(good)],
  );
  const { rows: moved } = await tx.query(
    `update content.categories c set parent_id = p.category_id, updated_at = orchestrator_now()
       from jsonb_to_recordset($1::jsonb) as n (slug text, parent text)
       left join content.categories p on p.slug = n.parent
      where c.slug = n.slug and c.parent_id is distinct from p.category_id returning c.slug`,
    [JSON.stringify(good)],
  );
  const added = new Set(put.filter((row) => row.added).map(({ slug }) => slug));
  const changed = new Set([...put, ...moved].map(({ slug }) => slug));
  return { added: added.size, replaced: changed.size - added.size, refused, remarks: [] };
}

/** The rows that leave a tree a tree, judged in their order; a parent may come after its children. */
function sound(rows: readonly CategoryRow[], parents: Map<string, string | null>) {
  let candidates = rows.map((row, index) => ({ row, index }));
  const refused: Noted[] = [];
  for (;;) {
    const tree = new Map(parents);
    for (const { row } of candidates) tree.set(row.slug, row.parent ?? null);
    const bad = candidates.flatMap(({ row, index }) => {
      const message = faultOf(row, tree);
      return message === null ? [] : [{ index, message }];
    });
    const excess = tree.size - MAX_CATEGORIES;
    const [first] = bad;
    if (!first && excess <= 0) break;
    const out = first
      ? [first]
      : [{ index: candidates.at(-1)!.index, message: `there are ${MAX_CATEGORIES} already` }];
    refused.push(...out);
    candidates = candidates.filter(({ index }) => out.every((each) => each.index !== index));
  }
  return {
    good: candidates.map(({ row }) => row),
    refused: refused.sort((a, b) => a.index - b.index),
  };
}

function faultOf({ slug, parent }: CategoryRow, tree: ReadonlyMap<string, string | null>): string | null {
  if (parent === undefined) return null;
  if (!tree.has(parent)) return `there is no category "${parent}" for it to lie in`;
  let depth = 1;
  for (let above: string | null = parent; above !== null; above = tree.get(above) ?? null) {
    if (above === slug) return `"${slug}" would lie within itself`;
    if (++depth > MAX_DEPTH) return `"${slug}" would lie deeper than ${MAX_DEPTH} levels`;
  }
  return null;
}

/** By slug, those behind `after`; at most `limit`. */
export async function listCategories(
  db: Queryable,
  { after, limit }: { after: string | undefined; limit: number },
): Promise<StoredCategory[]> {
  const { rows } = await db.query(
    `select c.slug, c.name, c.description, p.slug as parent,
            (select count(*)::int from content.articles a where a.category_id = c.category_id) as articles
       from content.categories c left join content.categories p on p.category_id = c.parent_id
      where $1::text is null or c.slug > $1 order by c.slug limit $2`,
    [after ?? null, limit],
  );
  return rows as unknown as StoredCategory[];
}

/** The names from the top down to a category; empty where there is none. */
export async function categoryPath(db: Queryable, slug: string): Promise<{ slug: string; name: string }[]> {
  const { rows } = await db.query(
    `with recursive up as (
       select category_id, slug, name, parent_id, 0 as height from content.categories where slug = $1
       union all
       select p.category_id, p.slug, p.name, p.parent_id, height + 1
         from up join content.categories p on p.category_id = up.parent_id where height < ${MAX_DEPTH})
     select slug, name from up order by height desc`,
    [slug],
  );
  return rows.map(({ slug, name }) => ({ slug, name }));
}

/** Those of `slugs` that are there. */
export async function knownCategories(db: Queryable, slugs: readonly string[]): Promise<string[]> {
  const { rows } = await db.query("select slug from content.categories where slug = any ($1::text[])", [
    slugs,
  ]);
  return rows.map(({ slug }) => slug);
}

/** The category of most articles that share entities with these; null unless there are two such at the least. */
export async function categoryByEntities(
  db: Queryable,
  entityIds: readonly string[],
): Promise<string | null> {
  if (entityIds.length === 0) return null;
  const { rows } = await db.query(
    `select c.slug from (select distinct article_id from (select article_id from content.article_entities
                          where entity_id = any ($1::uuid[]) limit 2000) linked) shared
       join content.articles a using (article_id) join content.categories c using (category_id)
      group by c.slug having count(*) >= 2 order by count(*) desc, c.slug limit 1`,
    [entityIds],
  );
  return rows[0]?.slug ?? null;
}
