/** Owns what search engines are told: the description and JSON-LD of an article. Knows no address and no date. */
import { sourceName, type Topic } from "../topic.ts";
import type { Draft } from "../writing/draft.ts";

const MAX_DESCRIPTION = 160;

/** The meta description: the summary, cut at a word to 160 characters. */
export function metaDescription(summary: string): string {
  const folded = summary.replace(/\s+/g, " ").trim();
  if (folded.length <= MAX_DESCRIPTION) return folded;
  const cut = folded.slice(0, MAX_DESCRIPTION);
  const end = cut.lastIndexOf(" ");
  return `${(end > MAX_DESCRIPTION / 2 ? cut.slice(0, end) : cut).replace(/[,;:.–-]+$/, "")}…`;
}

/** schema.org's Article. The page adds address and dates, which are known only once it is published. */
export function articleJsonLd(
  draft: Draft,
  topic: Topic,
  facts: { words: number; entities: readonly string[] },
): Record<string, unknown> {
  const citations = topic.sources.map((source, i) => ({
    "@type": "CreativeWork",
    name: sourceName(source, i),
    ...(source.url ? { url: source.url } : {}),
  }));
  return {
    "@context": "https://schema.org",
    "@type": "Article",
    headline: draft.title.slice(0, 110),
    description: metaDescription(draft.summary),
    inLanguage: topic.language,
    wordCount: facts.words,
    ...(topic.author ? { author: { "@type": "Person", name: topic.author } } : {}),
    ...(topic.keywords.length ? { keywords: topic.keywords.join(", ") } : {}),
    ...(facts.entities.length
      ? { mentions: facts.entities.map((name) => ({ "@type": "Thing", name })) }
      : {}),
    ...(citations.length ? { citation: citations } : {}),
  };
}
