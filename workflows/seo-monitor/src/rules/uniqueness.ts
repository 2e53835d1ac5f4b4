/** Rules about other own articles: the same title, description or text, or the same keyword to be found by. */
import { overlapOf, type Prints, similarityOf } from "../language/prints.ts";
import type { Neighbour } from "../library.ts";
import type { Json } from "../page/facts.ts";
import { type Finding, found, type Subject, some } from "./rule.ts";

/** From this similarity on two texts are near-duplicates: more of their shingles are shared than not. */
export const DUPLICATE_FROM = 0.5;
/** From this share of common keywords on two articles want the same readers. */
export const RIVAL_FROM = 0.6;
const MIN_KEYWORDS = 2;

export interface Rival {
  neighbour: Neighbour;
  /** Of the texts, 0 to 1. */
  similarity: number;
}

/** Own articles with nearly the same text, the most similar first. */
export function duplicatesOf(prints: Prints, neighbours: readonly Neighbour[]): Rival[] {
  return neighbours
    .map((neighbour) => ({
      neighbour,
      similarity: similarityOf(prints.signature, neighbour.prints.signature),
    }))
    .filter(({ similarity }) => similarity >= DUPLICATE_FROM)
    .sort((a, b) => b.similarity - a.similarity);
}

export function uniqueness({ prints, neighbours, article }: Subject): Finding[] {
  // What is canonical elsewhere competes with nobody.
  if (article?.canonicalUrl) return [];
  const duplicates = duplicatesOf(prints, neighbours);
  const copies = new Set(duplicates.map(({ neighbour }) => neighbour.articleId));
  const rivals = neighbours.filter(
    (neighbour) =>
      !copies.has(neighbour.articleId) &&
      neighbour.prints.language === prints.language &&
      areRivals(prints, neighbour.prints),
  );
  return [
    ...same("title_duplicate", "title", prints.titleKey, neighbours, (other) => other.titleKey),
    ...same(
      "description_duplicate",
      "description",
      prints.descriptionKey,
      neighbours,
      (other) => other.descriptionKey,
    ),
    ...(duplicates.length === 0 ? [] : [duplicated(duplicates)]),
    ...(rivals.length === 0 ? [] : [cannibalised(prints, rivals)]),
  ];
}

function areRivals(a: Prints, b: Prints): boolean {
  if (a.mainKeyword !== "" && a.mainKeyword === b.mainKeyword) return true;
  if (Math.min(a.keywords.length, b.keywords.length) < MIN_KEYWORDS) return false;
  return overlapOf(a.keywords, b.keywords) >= RIVAL_FROM;
}

function same(
  rule: "title_duplicate" | "description_duplicate",
  what: string,
  key: string,
  neighbours: readonly Neighbour[],
  keyOf: (prints: Prints) => string,
): Finding[] {
  const others = key === "" ? [] : neighbours.filter(({ prints }) => keyOf(prints) === key);
  if (others.length === 0) return [];
  return [
    found(rule, `${named(others)} ${others.length > 1 ? "have" : "has"} the same ${what}`, {
      articles: listed(others),
    }),
  ];
}

function duplicated(duplicates: readonly Rival[]): Finding {
  const { neighbour, similarity } = duplicates[0]!;
  const percent = Math.round(similarity * 100);
  const articles = some(
    duplicates.map(({ neighbour: { slug, title }, similarity }) => ({
      slug,
      title,
      similarity: Number(similarity.toFixed(2)),
    })),
  );
  return found(
    "body_duplicate",
    `about ${percent} % of its text is that of /articles/${neighbour.slug}`,
    { articles },
    Math.min(1, similarity + 0.2),
  );
}

function cannibalised(prints: Prints, rivals: readonly Neighbour[]): Finding {
  const message = `${named(rivals)} ${rivals.length > 1 ? "want" : "wants"} to be found by the same keywords`;
  return found(
    "cannibalisation",
    message,
    { main_keyword: prints.mainKeyword, articles: listed(rivals) },
    rivals.length > 1 ? 1 : 0.7,
  );
}

function named(articles: readonly Neighbour[]): string {
  return articles.length === 1 ? `/articles/${articles[0]!.slug}` : `${articles.length} other articles`;
}

function listed(articles: readonly Neighbour[]): Json[] {
  return some(articles.map(({ slug, title }) => ({ slug, title })));
}
