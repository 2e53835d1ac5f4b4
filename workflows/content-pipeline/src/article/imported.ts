/** Owns how an article that was written elsewhere becomes one that can be shown here: sanitised, measured, described. Judges none. */
import { Marked } from "marked";
import sanitizeHtml from "sanitize-html";
import { matchingKeys, normalizeName } from "../entities/normalize.ts";
import { countWords } from "../writing/sentences.ts";
import { sanitizeArticle } from "./render.ts";
import { slugOf } from "./slug.ts";
import { metaDescription } from "./structured-data.ts";

export interface ForeignArticle {
  title: string;
  summary?: string | undefined;
  html?: string | undefined;
  markdown?: string | undefined;
  language: string;
  author?: string | undefined;
  keywords: readonly string[];
}

export interface ShownArticle {
  proposedSlug: string;
  summary: string;
  html: string;
  markdown: string;
  words: number;
  jsonLd: Record<string, unknown>;
}

const marked = new Marked({ gfm: true, async: false });
const MAX_SUMMARY = 280;

/** The same article always becomes the same. Null for one of which nothing is left to read. */
export function shownArticle(given: ForeignArticle): ShownArticle | null {
  const html = sanitizeArticle(given.html ?? (marked.parse(given.markdown ?? "") as string)).trim();
  const text = textOf(html);
  const words = countWords(text);
  if (words === 0) return null;
  const summary = given.summary || cut(text.replace(/\s+/g, " "), MAX_SUMMARY);
  return {
    proposedSlug: slugOf(given.title),
    summary,
    html: `${html}\n`,
    markdown: given.markdown ?? text,
    words,
    jsonLd: {
      "@context": "https://schema.org",
      "@type": "Article",
      headline: given.title.slice(0, 110),
      description: metaDescription(summary),
      inLanguage: given.language,
      wordCount: words,
      ...(given.author ? { author: { "@type": "Person", name: given.author } } : {}),
      ...(given.keywords.length > 0 ? { keywords: given.keywords.join(", ") } : {}),
    },
  };
}

/** A name as it is looked up, and the keys under which names like it are found; null for one without a letter. */
export function nameForLookUp(name: string): { alias: string; keys: string[] } | null {
  const alias = normalizeName(name);
  return alias === "" ? null : { alias, keys: matchingKeys(alias) };
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };

/** Blocks as paragraphs. */
function textOf(html: string): string {
  const parted = html.replace(/<\/(p|li|h\d|tr|blockquote|pre|dd|dt)>|<br\s*\/?>/gi, "$&\n\n");
  return sanitizeHtml(parted, { allowedTags: [], allowedAttributes: {} })
    .replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => ENTITIES[name] as string)
    .replace(/[ \t]*\n\s*\n\s*/g, "\n\n")
    .trim();
}

function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  const end = text.lastIndexOf(" ", most);
  return `${text.slice(0, end > most / 2 ? end : most)}…`;
}
