/** Owns that every own article can be compared: prints where they are missing or older than the text. Compares nothing. */
import { descriptionOf } from "./advice/advice.ts";
import { printsOf } from "./language/prints.ts";
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

/** What cannot be read is compared by title and keywords alone: one article must not keep the others from it. */
function readable(html: string): string {
  try {
    return textOfHtml(html).text;
  } catch (error) {
    if (error instanceof TooComplex) return "";
    throw error;
  }
}
