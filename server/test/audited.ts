/** Owns articles and audits as the tests of the SEO monitor's store need them. */
import { randomUUID } from "node:crypto";
import { publishArticle } from "#store/content.ts";
import type { Database } from "#store/database.ts";
import type { AuditToSave } from "#store/seo-audits.ts";

/** Publishes an article at `slug`; its id. */
export async function published(db: Database, slug: string, over: object = {}): Promise<string> {
  const { articleId } = await publishArticle(db, {
    ...{ taskId: randomUUID(), executionId: randomUUID(), slug, title: "Old title", summary: "In short" },
    ...{
      html: "<p>One pump.</p>",
      markdown: "One pump.",
      language: "en",
      author: null,
      contentType: "how_to",
    },
    ...{
      keywords: ["pump"],
      generator: "g",
      quality: { score: 1 },
      words: 2,
      sources: [],
      jsonLd: {},
      entityIds: [],
      unresolved: [],
    },
    ...over,
  });
  return articleId;
}

/** A recommendation that can be applied, and one that cannot. */
export const TITLE = {
  ...{ rule: "title_length", title: "Write a title", detail: "Title: New", gain: 3.6, basis: "rule" },
  changes: [{ field: "title", before: "Old title", after: "New title" }],
};
export const BY_HAND = {
  rule: "thin_content",
  title: "Write more",
  detail: "",
  gain: 5,
  basis: "rule",
  changes: [],
};

export function anAudit(articleId: string | null, over: Partial<AuditToSave> = {}): AuditToSave {
  return {
    ...{ taskId: randomUUID(), executionId: randomUUID(), articleId, url: "https://site.example/articles/a" },
    ...{ score: 80, parts: { metadata: 80, keywords: null }, findings: [{ rule: "title_length" }] },
    ...{ measures: { words: 2 }, recommendations: [BY_HAND, TITLE], dueAgainDays: 7 },
    ...over,
  };
}
