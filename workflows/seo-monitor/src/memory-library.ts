/** Owns a library in memory, for tests and for trying a page out. Keeps nothing beyond the process. */
import { randomUUID } from "node:crypto";
import type { Prints } from "./language/prints.ts";
import type { Library, NewAudit, OwnArticle } from "./library.ts";
import type { RobotsFile } from "./links/robots.ts";
import type { LinkCheck } from "./links/verdict.ts";

export interface MemoryLibrary extends Library {
  /** By task id. */
  audits: Map<string, NewAudit & { auditId: string }>;
  checks: Map<string, LinkCheck>;
  files: Map<string, RobotsFile>;
  prints: Map<string, Prints>;
  /** Ids of articles that are due. */
  dueIds: string[];
}

/** A library of these articles that keeps to the same promises as the real one; `byTask` says which task published which. */
export function memoryLibrary(
  articles: OwnArticle[] = [],
  { now = () => 0, byTask = {} }: { now?: () => number; byTask?: Record<string, string> } = {},
): MemoryLibrary {
  const audits: MemoryLibrary["audits"] = new Map();
  const checks: MemoryLibrary["checks"] = new Map();
  const files: MemoryLibrary["files"] = new Map();
  const prints: MemoryLibrary["prints"] = new Map();
  const dueIds: string[] = [];
  const fresh = <T extends { checkedAtMs: number }>(value: T | undefined, maxAgeMs: number) =>
    value && now() - value.checkedAtMs < maxAgeMs ? value : null;
  return {
    ...{ audits, checks, files, prints, dueIds },
    article: async (by) =>
      articles.find((one) =>
        "slug" in by
          ? one.slug === by.slug
          : one.articleId === ("articleId" in by ? by.articleId : byTask[by.taskId]),
      ) ?? null,
    related: async (articleId, limit) =>
      articles.filter((one) => one.articleId !== articleId).slice(0, limit),
    knownSlugs: async (slugs) => slugs.filter((slug) => articles.some((one) => one.slug === slug)),
    similar: async ({ articleId }) =>
      articles.flatMap((one) => {
        const own = prints.get(one.articleId);
        return one.articleId === articleId || !own ? [] : [{ ...one, prints: own }];
      }),
    unprinted: async (limit) => articles.filter((one) => !prints.has(one.articleId)).slice(0, limit),
    savePrints: async (printed) => {
      for (const one of printed) prints.set(one.articleId, one.prints);
    },
    takeDue: async (limit) => dueIds.splice(0, limit),
    linkChecks: async (urls, maxAgeMs) => urls.flatMap((url) => fresh(checks.get(url), maxAgeMs) ?? []),
    saveLinkChecks: async (found) => {
      for (const check of found) checks.set(check.url, check);
    },
    robots: async (origin, maxAgeMs) => fresh(files.get(origin), maxAgeMs),
    saveRobots: async (origin, file) => void files.set(origin, file),
    save: async (audit) => {
      const known = audits.get(audit.taskId);
      const earlier = [...audits.values()].filter(
        (one) => one.url === audit.url && one.taskId !== audit.taskId,
      );
      const previousScore = earlier.at(-1)?.score ?? null;
      if (known) return { auditId: known.auditId, created: false, previousScore };
      const auditId = randomUUID();
      audits.set(audit.taskId, { ...audit, auditId });
      return { auditId, created: true, previousScore };
    },
  };
}
