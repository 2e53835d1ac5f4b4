/** Owns what of a page is its text: the main part, without navigation, advertisement and script. Fetches nothing. */
import { Readability } from "@mozilla/readability";
import { parseHTML } from "linkedom";

export interface MainText {
  title: string | null;
  /** HTML of paragraphs, headings and lists; not sanitised: it is read, never shown. */
  html: string;
}

/** Beyond these a page is no page any more but an attack on who reads it: the time to find its text grows with their square. */
const MAX_CHARS = 1_000_000;
const MAX_ELEMENTS = 8_000;
const MAX_DEPTH = 100;
const MIN_CHARS = 200;

/** The main text of a page; null where there is none to be found, and for a page out of all proportion. */
export function mainTextOf(html: string): MainText | null {
  if (html.length > MAX_CHARS || (html.match(/<[a-z]/gi) ?? []).length > MAX_ELEMENTS) return null;
  const { document } = parseHTML(html);
  if (!document.documentElement || !document.body || isDeep(document.documentElement)) return null;
  type Document = ConstructorParameters<typeof Readability>[0];
  const article = new Readability(document as unknown as Document, { charThreshold: MIN_CHARS }).parse();
  const text = article?.textContent?.trim() ?? "";
  if (!article?.content || text.length < MIN_CHARS) return null;
  return { title: article.title?.trim() || null, html: article.content };
}

/** Walks without recursion: depth is the page's own choice. */
function isDeep(root: Nested): boolean {
  const rest: [element: Nested, depth: number][] = [[root, 1]];
  for (let next = rest.pop(); next; next = rest.pop()) {
    const [element, depth] = next;
    if (depth > MAX_DEPTH) return true;
    for (const child of element.children) rest.push([child, depth + 1]);
  }
  return false;
}

interface Nested {
  children: Iterable<Nested>;
}
