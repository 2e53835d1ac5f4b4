/** Owns that every own article can be compared: prints where they are missing or older than the text. Compares nothing. */
import { descriptionOf } from "./advice/advice.ts";
import { printsOf, similarityOf } from "./language/prints.ts";
import type { Library } from "./library.ts";
import { TooComplex } from "./page/dom.ts";
import { textOfHtml } from "./page/extract.ts";

const AT_ONCE = 50;
/** Of one batch: a large corpus is worked off by several. */
const MAX_ROUNDS = 20;

/** How many articles were given prints, at most 1,000. */
export async function freshenPrints(
  library: Pick<Library, "unprinted" | "savePrints">,
  signal: AbortSignal,
): Promise<number> {
  let printed = 0;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    signal.throwIfAborted();
    const articles = await library.unprinted(AT_ONCE);
    if (articles.length === 0) break;
    await library.savePrints(
      articles.map((article) => {
        const { title, keywords, language, html } = article;
        const printable = { title, description: descriptionOf(article), keywords, language };
        return {
          articleId: article.articleId,
          updatedAt: article.updatedAt,
          prints: printsOf({ ...printable, text: readable(html) }),
        };
      }),
    );
    printed += articles.length;
    // A long row of them leaves room for heartbeats.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return printed;
}

/** An article with its signature, as `printsOf` made it. */
export interface Signed {
  slug: string;
  signature: number[];
}

/**
 * The one of our articles that says most of the same as `html`; null where none does, undefined for a text too short to tell.
 * `sharing` looks up articles that share a band. Articles that have no prints yet are given theirs before.
 */
export async function nearestTo(
  html: string,
  {
    library,
    sharing,
  }: {
    library: Pick<Library, "unprinted" | "savePrints">;
    sharing(bands: number[]): Promise<Signed[]>;
  },
  signal: AbortSignal,
): Promise<{ slug: string; likeness: number } | null | undefined> {
  const text = readable(html);
  const { signature, bands } = printsOf({ title: "", description: "", keywords: [], language: "en", text });
  if (signature.length === 0) return undefined;
  await freshenPrints(library, signal);
  let nearest: { slug: string; likeness: number } | null = null;
  for (const other of await sharing(bands)) {
    const likeness = Math.round(similarityOf(signature, other.signature) * 100) / 100;
    if (likeness > (nearest?.likeness ?? 0)) nearest = { slug: other.slug, likeness };
  }
  return nearest;
}

/** What cannot be read is compared by title and keywords alone: one article must not keep the others from it. */
function readable(html: string): string {
  try {
    return textOfHtml(html).text;
  } catch (error) {
    if (error instanceof TooComplex) return "";
    throw error;
  }
}
