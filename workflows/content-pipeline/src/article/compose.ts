/** Owns the finished article as the library keeps it: rendered, measured, with its metadata. Publishes nothing. */
import type { Resolution } from "../entities/resolve.ts";
import type { NewArticle } from "../library.ts";
import { isRead, sourceName, type Topic } from "../topic.ts";
import type { Draft } from "../writing/draft.ts";
import { countWords } from "../writing/sentences.ts";
import { plainTextOf } from "./measure.ts";
import type { QualityScore } from "./quality-score.ts";
import { renderArticle } from "./render.ts";
import { slugOf } from "./slug.ts";
import { articleJsonLd } from "./structured-data.ts";

/** The article, but for who asked for it. The same parts give the same article. */
export function compose(
  topic: Topic,
  draft: Draft,
  quality: QualityScore,
  { entities, unresolved }: Resolution,
): Omit<NewArticle, "taskId" | "executionId" | "contentType" | "category"> {
  const text = plainTextOf(draft);
  const words = countWords(text);
  const { html, markdown } = renderArticle(draft, topic);
  return {
    // From the topic's title, not the model's: a second attempt asks for the same address.
    slug: slugOf(topic.title),
    title: draft.title,
    summary: draft.summary,
    html,
    markdown,
    language: topic.language,
    author: topic.author ?? null,
    keywords: topic.keywords,
    generator: draft.generator,
    quality,
    words,
    sources: topic.sources.map((source, i) => ({
      title: sourceName(source, i),
      url: source.url ?? null,
      read: isRead(source),
      note: source.note ?? null,
    })),
    jsonLd: articleJsonLd(draft, topic, { words, entities: entities.map((entity) => entity.name) }),
    entityIds: [...new Set(entities.map((entity) => entity.entityId))],
    unresolved,
  };
}
