/** Owns the library as the SEO monitor asks for it, over one database. Holds no statement of its own. */
import type { Database } from "./database.ts";
import { type AuditToSave, saveAudit } from "./seo-audits.ts";
import {
  articleToAudit,
  relatedForLinks,
  type StoredPrints,
  savePrints,
  similarArticles,
  slugsThatExist,
  takeDueArticles,
  unprintedArticles,
} from "./seo-corpus.ts";
import {
  findLinkChecks,
  findRobots,
  type StoredLinkCheck,
  type StoredRobots,
  saveLinkChecks,
  saveRobots,
} from "./seo-links.ts";

export function seoLibrary(db: Database) {
  return {
    article: (by: Parameters<typeof articleToAudit>[1]) => articleToAudit(db, by),
    related: (articleId: string, limit: number) => relatedForLinks(db, articleId, limit),
    knownSlugs: (slugs: string[]) => slugsThatExist(db, slugs),
    similar: (to: { articleId: string | null; prints: StoredPrints }) => similarArticles(db, to),
    unprinted: (limit: number) => unprintedArticles(db, limit),
    savePrints: (prints: { articleId: string; updatedAt: number; prints: StoredPrints }[]) =>
      savePrints(db, prints),
    takeDue: (limit: number) => takeDueArticles(db, limit),
    linkChecks: (urls: string[], maxAgeMs: number) => findLinkChecks(db, urls, maxAgeMs),
    saveLinkChecks: (checks: StoredLinkCheck[]) => saveLinkChecks(db, checks),
    robots: (origin: string, maxAgeMs: number) => findRobots(db, origin, maxAgeMs),
    saveRobots: (origin: string, file: StoredRobots) => saveRobots(db, origin, file),
    save: (audit: AuditToSave) => saveAudit(db, audit),
  };
}
