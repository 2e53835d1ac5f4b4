/** Owns a library in memory, for tests and for trying a topic out. Keeps nothing beyond the process. */
import { randomUUID } from "node:crypto";
import type { KnownEntity, Library, Lookalike, NewArticle, Publication, PublisherRow } from "./library.ts";

export interface MemoryLibrary extends Library {
  /** By task id. */
  articles: Map<string, NewArticle & { articleId: string }>;
  entities: Map<string, KnownEntity & { keys: Set<string> }>;
  /** By normalised name. */
  questions: Map<string, { name: string; lookalikes: Lookalike[]; why: string }>;
  /** By review id. */
  reviews: Map<string, { article: NewArticle; reasons: string[]; publishers: string[]; approved: boolean }>;
  publisherRows: PublisherRow[];
  /** By article id. */
  placements: Map<string, (Publication & { canonical: boolean })[]>;
  failures: { publisher: string; error: string }[];
  /** Slugs. */
  categoryShelf: Set<string>;
}

const MIN_RUNS = 40;

/** Every run of four words: few enough articles to compare them one by one. */
function runsOf(html: string): Set<string> {
  const words =
    html
      .replace(/<[^>]*>/g, " ")
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? [];
  return new Set(words.slice(3).map((_, i) => words.slice(i, i + 4).join(" ")));
}

/** An empty library that keeps to the same promises as the real one. */
export function memoryLibrary(): MemoryLibrary {
  const articles: MemoryLibrary["articles"] = new Map();
  const reviews: MemoryLibrary["reviews"] = new Map();
  const placements: MemoryLibrary["placements"] = new Map();
  const failures: MemoryLibrary["failures"] = [];
  const publisherRows: PublisherRow[] = [];
  const categoryShelf = new Set<string>();
  return {
    ...entityShelf(),
    ...{ articles, reviews, placements, failures, publisherRows, categoryShelf },
    ready: async () => {},
    nearestTo: async (html, taskId) => {
      const own = runsOf(html);
      if (own.size < MIN_RUNS) return undefined;
      let nearest: { slug: string; likeness: number } | null = null;
      for (const article of articles.values()) {
        const other = runsOf(article.html);
        const shared = [...own].filter((run) => other.has(run)).length;
        const likeness = shared / (own.size + other.size - shared);
        if (article.taskId !== taskId && likeness > (nearest?.likeness ?? 0))
          nearest = { slug: article.slug, likeness };
      }
      return nearest;
    },
    categories: async (slugs) => slugs.filter((slug) => categoryShelf.has(slug)),
    categoryByEntities: async (entityIds) => {
      const counts = new Map<string, number>();
      for (const { category, entityIds: others } of articles.values()) {
        if (category === null || !others.some((id) => entityIds.includes(id))) continue;
        counts.set(category, (counts.get(category) ?? 0) + 1);
      }
      const [first] = [...counts].sort(([, a], [, b]) => b - a);
      return first && first[1] >= 2 ? first[0] : null;
    },
    publish: async (article) => {
      const known = articles.get(article.taskId);
      const taken = new Set([...articles.values()].map((each) => each.slug));
      let slug = known?.slug ?? article.slug;
      for (let n = 2; !known && taken.has(slug); n++) slug = `${article.slug}-${n}`;
      const articleId = known?.articleId ?? randomUUID();
      articles.set(article.taskId, { ...article, slug, articleId });
      return { articleId, slug, created: !known, publishedAt: 0, updatedAt: 0 };
    },
    submit: async (article, reasons, publishers) => {
      const known = [...reviews].find(([, review]) => review.article.taskId === article.taskId);
      const reviewId = known?.[0] ?? randomUUID();
      reviews.set(reviewId, { article, reasons, publishers, approved: false });
      return { reviewId };
    },
    approved: async (reviewId) => {
      const review = reviews.get(reviewId);
      return review?.approved ? { article: review.article, publishers: review.publishers } : null;
    },
    publishers: async (names) => publisherRows.filter((row) => names.includes(row.name)),
    publications: async (articleId) => placements.get(articleId) ?? [],
    placed: async (articleId, publication) => {
      const others = (placements.get(articleId) ?? []).filter(
        (each) => each.publisher !== publication.publisher,
      );
      placements.set(articleId, [...others, publication]);
    },
    misplaced: async (_articleId, publisher, error) => void failures.push({ publisher, error }),
  };
}

type Shelf = "entities" | "questions" | "entitiesLike" | "addEntities" | "addAlias" | "askAboutName";

function entityShelf(): Pick<MemoryLibrary, Shelf> {
  const entities: MemoryLibrary["entities"] = new Map();
  const questions: MemoryLibrary["questions"] = new Map();
  const owners = new Map<string, string>();
  const ownerOf = (alias: string) => {
    const owner = entities.get(owners.get(alias) ?? "");
    return owner && { entityId: owner.entityId, name: owner.name };
  };
  const take = (entityId: string, alias: string, keys: string[]) => {
    owners.set(alias, entityId);
    entities.get(entityId)!.aliases.push(alias);
    for (const key of keys) entities.get(entityId)!.keys.add(key);
  };
  const like = (keys: string[]) =>
    [...entities.values()]
      .filter((entity) => keys.some((key) => entity.keys.has(key)))
      .map(({ entityId, name, aliases }) => ({ entityId, name, aliases: [...aliases] }));
  return {
    entities,
    questions,
    entitiesLike: async (keys) => like(keys),
    addEntities: async (wanted, seen) => {
      const appeared = like(wanted.flatMap(({ keys }) => keys)).filter(
        ({ entityId }) => !seen.includes(entityId),
      );
      if (appeared.length > 0) return { appeared };
      const added = [];
      for (const { name, alias, keys } of wanted.filter((each) => !owners.has(each.alias))) {
        const entityId = randomUUID();
        entities.set(entityId, { entityId, name, aliases: [], keys: new Set() });
        take(entityId, alias, keys);
        added.push({ entityId, name, alias });
      }
      return { added };
    },
    addAlias: async ({ entityId, alias, keys }) => {
      if (!owners.has(alias)) take(entityId, alias, keys);
      return ownerOf(alias)!;
    },
    askAboutName: async ({ name, alias, lookalikes, why }) => {
      const owner = ownerOf(alias);
      if (owner) return owner;
      if (!questions.has(alias)) questions.set(alias, { name, lookalikes, why });
      return null;
    },
  };
}
