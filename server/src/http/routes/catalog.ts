/** Categories, and imports of categories, entities and articles, over HTTP. Renders and normalises by what it is given; decides nothing. */
import {
  ArticlesBody,
  CatalogAnswer,
  CategoriesBody,
  CategoryList,
  CategoryListQuery,
  EntitiesBody,
  type ImportedArticle,
  type ImportedEntity,
} from "@master-orchestrator/contract";
import {
  type CatalogImported,
  importCategories,
  listCategories,
  type Noted,
  type StoredCategory,
} from "#store/categories.ts";
import type { Database } from "#store/database.ts";
import {
  type ArticleFromSource,
  type EntityFromSource,
  importArticles,
  importEntities,
} from "#store/imported-articles.ts";
import { rowKey } from "#store/readership.ts";
import { pagesOf } from "../cursor.ts";
import { type Answer, defineRoute, type Route } from "../route.ts";

/** What is known of texts and names where articles are written. */
export interface ImportDesk {
  /** Sanitised and measured; null where nothing is left to read. */
  shown(
    article: ImportedArticle,
  ): Pick<ArticleFromSource, "proposedSlug" | "summary" | "html" | "markdown" | "words" | "jsonLd"> | null;
  /** Null for a name without a letter. */
  name(name: string): { alias: string; keys: string[] } | null;
}

const SLUG = /^[a-z0-9]+(-[a-z0-9]+)*$/;

export function catalogRoutes({ db, desk }: { db: Database; desk: ImportDesk }): Route[] {
  const about = {
    tag: "Content",
    method: "POST",
    access: "worker",
    answers: { 200: CatalogAnswer },
    description:
      "Idempotent: what comes again replaces itself. A row that cannot be taken is named, the others go in.",
  } as const;
  return [
    listRoute(db),
    defineRoute({
      ...about,
      path: "/api/v1/content/categories",
      summary: "Add or change up to 1,000 categories, in any order",
      body: CategoriesBody,
      handle: async ({ body: { categories } }) =>
        await importOf(categories, {
          keyOf: ({ slug }) => slug,
          prepare: (category) => category,
          put: (good) => db.transaction((tx) => importCategories(tx, good)),
        }),
    }),
    defineRoute({
      ...about,
      path: "/api/v1/content/entities",
      summary: "Add or change up to 1,000 people, places and things with their other names",
      body: EntitiesBody,
      handle: async ({ body: { entities } }) =>
        await importOf(entities, {
          keyOf: ({ name }) => desk.name(name)?.alias ?? name,
          prepare: (entity) => entityOf(entity, desk),
          put: (good) => db.transaction((tx) => importEntities(tx, good)),
        }),
    }),
    defineRoute({
      ...about,
      path: "/api/v1/content/articles",
      summary: "Add or change up to 50 articles that were written elsewhere",
      body: ArticlesBody,
      handle: async ({ body: { source, articles } }) =>
        await importOf(articles, {
          keyOf: (article) => keyOf(source, article),
          prepare: (article) =>
            source === "pipeline"
              ? "the source pipeline is the house's own: choose another"
              : articleOf(source, article, desk),
          put: (good) => db.transaction((tx) => importArticles(tx, source, good)),
        }),
    }),
  ];
}

function listRoute(db: Database): Route {
  return defineRoute({
    tag: "Content",
    method: "GET",
    path: "/api/v1/content/categories",
    summary: "Categories by slug, each with the one that it lies in",
    access: "viewer",
    query: CategoryListQuery,
    answers: { 200: CategoryList },
    async handle({ query, url }) {
      const pages = pagesOf("categories", query, SLUG);
      const rows = await listCategories(db, { after: pages.after(), limit: query.limit });
      const shown = ({ slug, ...rest }: StoredCategory) => ({
        ...{ slug, ...rest, url: `${url.origin}/articles/category/${slug}` },
      });
      return {
        status: 200,
        body: { categories: rows.map(shown), next_cursor: pages.next(rows, (row) => row.slug) },
      };
    },
  });
}

interface Importing<Row, Ready> {
  /** Rows with the same key are the same thing. */
  keyOf(row: Row): string;
  /** The row as the store takes it, or why it cannot be taken. */
  prepare(row: Row): Ready | string;
  put(good: Ready[]): Promise<CatalogImported>;
}

/** What the store says of places among the good rows is told of places in the request. */
async function importOf<Row, Ready extends object>(
  rows: readonly Row[],
  { keyOf, prepare, put }: Importing<Row, Ready>,
): Promise<Answer> {
  const refused: Noted[] = [];
  const good: { index: number; ready: Ready }[] = [];
  const firsts = new Map<string, { index: number; text: string }>();
  let again = 0;
  for (const [index, row] of rows.entries()) {
    const first = firsts.get(keyOf(row));
    const text = JSON.stringify(row);
    if (first?.text === text) again++;
    else if (first)
      refused.push({ index, message: `is the same as row ${first.index}, and says something else` });
    else {
      firsts.set(keyOf(row), { index, text });
      const ready = prepare(row);
      if (typeof ready === "string") refused.push({ index, message: ready });
      else good.push({ index, ready });
    }
  }
  const none = { added: 0, replaced: 0, refused: [], remarks: [] };
  const sum = good.length > 0 ? await put(good.map(({ ready }) => ready)) : none;
  const placed = ({ index, message }: Noted) => ({ index: good[index]!.index, message });
  const unchanged = good.length - sum.added - sum.replaced - sum.refused.length + again;
  return {
    status: 200,
    body: {
      ...{ added: sum.added, replaced: sum.replaced, unchanged },
      refused: [...refused, ...sum.refused.map(placed)].sort((a, b) => a.index - b.index),
      remarks: sum.remarks.map(placed),
    },
  };
}

function entityOf({ name, aliases }: ImportedEntity, desk: ImportDesk): EntityFromSource | string {
  const own = desk.name(name);
  if (own === null) return `"${name}" has no letter`;
  const others = aliases.flatMap((alias) => desk.name(alias) ?? []);
  const byAlias = new Map([own, ...others].map((each) => [each.alias, each]));
  return { name, aliases: [...byAlias.values()] };
}

function keyOf(source: string, { id, slug, title }: ImportedArticle): string {
  return rowKey(source, id === undefined ? ["article", slug ?? title] : ["article id", id]);
}

function articleOf(source: string, article: ImportedArticle, desk: ImportDesk): ArticleFromSource | string {
  const shown = desk.shown(article);
  if (shown === null) return "nothing is left to read once it is sanitised";
  return {
    ...shown,
    ...{ key: keyOf(source, article), slug: article.slug ?? null, title: article.title },
    ...{ language: article.language, author: article.author ?? null, contentType: article.content_type },
    ...{ category: article.category ?? null, keywords: article.keywords },
    entities: article.entities.flatMap((name) => {
      const known = desk.name(name);
      return known ? [{ name, alias: known.alias }] : [];
    }),
    ...{ canonicalUrl: article.canonical_url ?? null, publishedAt: article.published_at ?? null },
  };
}
