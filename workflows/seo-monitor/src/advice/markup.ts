/** Advises on an article's HTML: links where related articles are named, alt texts where a caption says it. */
import type { Change, OwnArticle } from "../library.ts";
import { parseHtml } from "../page/dom.ts";
import { fold } from "../page/extract.ts";
import type { Subject } from "../rules/rule.ts";
import { type Advice, BY_RULE } from "./advice.ts";

const MAX_LINKS = 3;
const MIN_PHRASE_CHARS = 4;
/** Where a link would be in the way, or there is one. */
const NO_PLACE =
  "a, h1, h2, h3, h4, h5, h6, code, pre, cite, blockquote, aside, figcaption, .sources, [aria-hidden=true]";

/** Links within the text to related own articles that it names, each once. */
export function linkAdvice({ article, targets }: Subject, broken: ReadonlySet<string>): Advice[] {
  if (!article || !broken.has("internal_links") || targets.length === 0) return [];
  const places = placesOf(article.html);
  const changes: Change[] = [];
  const linked: string[] = [];
  for (const { slug, title, keywords } of targets) {
    if (linked.length === MAX_LINKS) break;
    const phrases = [...keywords, title].filter((phrase) => phrase.length >= MIN_PHRASE_CHARS);
    const change = phrases.map((phrase) => linkAt(places, article, phrase, slug)).find((one) => one !== null);
    if (!change) continue;
    changes.push(change.html, ...change.markdown);
    linked.push(`“${change.text}” to /articles/${slug}`);
  }
  const names = targets.slice(0, MAX_LINKS).map(({ slug }) => `/articles/${slug}`);
  const detail =
    linked.length > 0 ? `Link ${linked.join(", ")}` : `Speak of, and link to, ${names.join(", ")}`;
  return [{ rules: ["internal_links"], detail, changes, basis: BY_RULE, share: linked.length > 0 ? 1 : 0 }];
}

/** Stretches of plain text, as the HTML has them; each is used once. */
interface Place {
  raw: string;
  used: boolean;
}

function placesOf(html: string): Place[] {
  const $ = parseHtml(html, { raw: true });
  return $("p, li, td, dd")
    .toArray()
    .filter((block) => $(block).closest(NO_PLACE).length === 0)
    .flatMap((block) => $(block).contents().toArray())
    .flatMap((node) => {
      if (node.type !== "text" || node.startIndex === null || node.endIndex === null) return [];
      const raw = html.slice(node.startIndex, node.endIndex + 1);
      // A change has to find its place again, and only that one.
      return html.indexOf(raw) === html.lastIndexOf(raw) ? [{ raw, used: false }] : [];
    });
}

function linkAt(places: Place[], { markdown }: OwnArticle, phrase: string, slug: string) {
  const pattern = new RegExp(
    `(?<![\\p{L}\\p{N}&;])${escaped(encoded(phrase)).replace(/\s+/g, "\\s+")}(?![\\p{L}\\p{N}])`,
    "iu",
  );
  for (const place of places) {
    const match = place.used ? null : pattern.exec(place.raw);
    if (!match) continue;
    place.used = true;
    const { raw } = place;
    const text = match[0];
    const href = `/articles/${encodeURIComponent(slug)}`;
    const after = match.index + text.length;
    const replace = `${raw.slice(0, match.index)}<a href="${href}">${text}</a>${raw.slice(after)}`;
    const html: Change = { field: "html", find: raw, replace };
    return { html, markdown: inMarkdown(markdown, text, href), text };
  }
  return null;
}

/** The same link in the Markdown, where the text stands there once; else the Markdown stays as it is. */
function inMarkdown(markdown: string, text: string, href: string): Change[] {
  const at = markdown.indexOf(text);
  if (at < 0 || /[[\]()<>*_`\\&]/.test(text)) return [];
  const start = markdown.lastIndexOf("\n", at) + 1;
  const end = markdown.indexOf("\n", at);
  const line = markdown.slice(start, end < 0 ? undefined : end);
  const plain = !/^(?:#|>|\s*\d+\.\s)/.test(line) && !/[[\]`]/.test(line);
  if (!plain || markdown.indexOf(line) !== markdown.lastIndexOf(line)) return [];
  return [{ field: "markdown", find: line, replace: line.replace(text, `[${text}](${href})`) }];
}

/** Alt texts out of captions and telling file names. */
export function altAdvice({ article }: Subject, broken: ReadonlySet<string>): Advice[] {
  if (!article || !broken.has("image_alt")) return [];
  const $ = parseHtml(article.html, { raw: true });
  const without = $("img:not([alt])").toArray();
  const changes = without.flatMap((image): Change[] => {
    if (image.startIndex === null || image.endIndex === null) return [];
    const tag = article.html.slice(image.startIndex, image.endIndex + 1);
    const caption = fold($(image).closest("figure").find("figcaption").first().text());
    const text = fold(image.attribs.title) || caption || spoken(image.attribs.src ?? "");
    const unique = article.html.indexOf(tag) === article.html.lastIndexOf(tag);
    if (text === "" || !unique || !/^<img\b/i.test(tag)) return [];
    // Captions come out of the HTML as it is written there: a quotation mark alone has to be kept out.
    const alt = text.slice(0, 150).replaceAll('"', "&quot;").replaceAll("<", "&lt;");
    return [{ field: "html", find: tag, replace: tag.replace(/^<img\b/i, (name) => `${name} alt="${alt}"`) }];
  });
  const share = without.length === 0 ? 0 : changes.length / without.length;
  const detail =
    changes.length > 0
      ? "Alt texts from captions and file names"
      : "Say in the alt text what each image shows";
  return [{ rules: ["image_alt"], detail, changes, basis: BY_RULE, share }];
}

/** `heat-pump_diagram.png` says what it shows; `IMG_2041.jpg` does not. */
function spoken(src: string): string {
  const name = /([^/?#]+?)(?:\.[a-z0-9]{2,5})?(?:[?#].*)?$/i.exec(src)?.[1] ?? "";
  const words = name.split(/[-_+.]|%20/).filter((word) => /^[a-z]{2,}$/i.test(word));
  if (words.length < 2 || /^(?:img|image|photo|dsc|screenshot|picture)$/i.test(words[0]!)) return "";
  return words.join(" ").replace(/^./, (first) => first.toUpperCase());
}

function encoded(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** A hyphen stays as it is: outside of a class it means itself, and its escape is an error in Unicode mode. */
function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
