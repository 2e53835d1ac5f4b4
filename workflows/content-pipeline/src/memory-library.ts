/** Owns a library in memory, for tests and for trying a topic out. Keeps nothing beyond the process. */
import { randomUUID } from "node:crypto";
import type { KnownEntity, Library, NewArticle } from "./library.ts";

export interface MemoryLibrary extends Library {
  /** By task id. */
  articles: Map<string, NewArticle & { articleId: string }>;
  entities: Map<string, KnownEntity & { keys: Set<string> }>;
}

/** An empty library that keeps to the same promises as the real one. */
export function memoryLibrary(): MemoryLibrary {
  const articles: MemoryLibrary["articles"] = new Map();
  const entities: MemoryLibrary["entities"] = new Map();
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
  return {
    articles,
    entities,
    entitiesLike: async (keys) =>
      [...entities.values()]
        .filter((entity) => keys.some((key) => entity.keys.has(key)))
        .map(({ entityId, name, aliases }) => ({ entityId, name, aliases: [...aliases] })),
    addEntity: async ({ name, alias, keys }) => {
      const owner = ownerOf(alias);
      if (owner) return { ...owner, created: false };
      const entityId = randomUUID();
      entities.set(entityId, { entityId, name, aliases: [], keys: new Set() });
      take(entityId, alias, keys);
      return { entityId, name, created: true };
    },
    addAlias: async ({ entityId, alias, keys }) => {
      if (!owners.has(alias)) take(entityId, alias, keys);
      return ownerOf(alias)!;
    },
    publish: async (article) => {
      const known = articles.get(article.taskId);
      const taken = new Set([...articles.values()].map((each) => each.slug));
      let slug = known?.slug ?? article.slug;
      for (let n = 2; !known && taken.has(slug); n++) slug = `${article.slug}-${n}`;
      const articleId = known?.articleId ?? randomUUID();
      articles.set(article.taskId, { ...article, slug, articleId });
      return { articleId, slug, created: !known };
    },
  };
}
