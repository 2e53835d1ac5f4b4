/** Reads a page: HTML in, facts out. Pure; fetches nothing and judges nothing. */
import type { CheerioAPI } from "cheerio/slim";
import type { ChildNode, Element, ParentNode } from "domhandler";
import { parseHtml } from "./dom.ts";
import type { Heading, Json, JsonLdBlock, PageFacts, PageImage, PageLink } from "./facts.ts";

/** More than these no page needs; a page that has them is cut, so that it costs no more than a large one. */
const MAX_LINKS = 1_000;
const MAX_IMAGES = 300;
const MAX_HEADINGS = 300;
const MAX_JSON_LD = 20;
const MAX_JSON_LD_CHARS = 200_000;
const MAX_TEXT_CHARS = 200_000;
const MAX_FIELD_CHARS = 2_000;

const MAX_PARAGRAPHS = 1_000;
const MAX_PARAGRAPH_CHARS = 10_000;

const NOT_TEXT = new Set(
  "script style noscript template nav footer form aside svg header h1 h2 h3 h4 h5 h6 head".split(" "),
);
const BLOCKS = new Set(
  "p li blockquote dd dt td th pre figcaption div section article main body ul ol dl table tr figure".split(
    " ",
  ),
);

/** The facts of a page that stands at `url`; what is no HTML is a page without anything. Throws TooComplex. */
export function extractFacts(html: string, url: string): PageFacts {
  const $ = parseHtml(html);
  const base = URL.parse($("base[href]").first().attr("href") ?? "", url)?.href ?? url;
  const metas = metasOf($);
  const images = imagesOf($, base);
  const { links, deadFragments } = linksOf($, base, url);
  const headings = headingsOf($);
  const jsonLd = jsonLdOf($);
  const facts = {
    titles: titlesOf($),
    descriptions: metas.all("description"),
    language: fold($("html").attr("lang")) || null,
    viewport: metas.all("viewport").length > 0,
    canonicals: $("link[rel~=canonical]")
      .toArray()
      .map((link) => fold($(link).attr("href"))),
    robotsMeta: metas.all("robots").map((content) => content.toLowerCase()),
    openGraph: metas.openGraph,
    published: metas.all("article:published_time")[0] ?? null,
    modified: metas.all("article:modified_time")[0] ?? null,
    metaKeywords: (metas.all("keywords")[0] ?? "").split(",").map(fold).filter(Boolean).slice(0, 50),
    headings,
    images,
    links,
    deadFragments,
    jsonLd,
  };
  return { ...facts, ...contentOf($) };
}

/** The readable text of a fragment of HTML, such as an article's body. */
export function textOfHtml(html: string): { text: string; paragraphs: string[] } {
  return contentOf(parseHtml(html));
}

function contentOf($: CheerioAPI): { text: string; paragraphs: string[] } {
  // A page with several articles is a list; its first one would stand for all of them.
  const selector = ["article", "main", "body"].find((name) => $(name).length === 1);
  const paragraphs = paragraphsOf((selector ? $(selector)[0] : $.root()[0]) as ParentNode);
  return {
    text: paragraphs.join("\n").slice(0, MAX_TEXT_CHARS),
    paragraphs: paragraphs.slice(0, MAX_PARAGRAPHS).map((one) => one.slice(0, MAX_PARAGRAPH_CHARS)),
  };
}

/** What stands in blocks of their own below `root`, in order. Without recursion: a page may be nested as deep as it likes. */
function paragraphsOf(root: ParentNode): string[] {
  const paragraphs: string[] = [];
  let current = "";
  const flush = () => {
    const paragraph = fold(current);
    if (paragraph !== "") paragraphs.push(paragraph);
    current = "";
  };
  const open: (ChildNode | "end of a block")[] = [...root.children].reverse();
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (node === "end of a block") flush();
    else if (node.type === "text") current += node.data;
    else if ("attribs" in node && node.name === "br") current += " ";
    else if ("attribs" in node && !isSkipped(node)) {
      if (BLOCKS.has(node.name)) {
        flush();
        open.push("end of a block");
      }
      for (let i = node.children.length - 1; i >= 0; i--) open.push(node.children[i]!);
    }
  }
  flush();
  return paragraphs;
}

function isSkipped({ name, attribs }: Element): boolean {
  return NOT_TEXT.has(name) || attribs["aria-hidden"] === "true";
}

function metasOf($: CheerioAPI) {
  const byName = new Map<string, string[]>();
  const openGraph: Record<string, string> = {};
  for (const meta of $("meta[name], meta[property]").toArray().slice(0, 500)) {
    const name = fold($(meta).attr("name") ?? $(meta).attr("property")).toLowerCase();
    const content = fold($(meta).attr("content"));
    byName.set(name, [...(byName.get(name) ?? []), content]);
    if (name.startsWith("og:") && content !== "") openGraph[name] ??= content;
  }
  return { all: (name: string) => byName.get(name) ?? [], openGraph };
}

function headingsOf($: CheerioAPI): Heading[] {
  return $("h1, h2, h3, h4, h5, h6")
    .toArray()
    .slice(0, MAX_HEADINGS)
    .map((heading) => ({ level: Number(heading.tagName.slice(1)), text: fold($(heading).text()) }));
}

function imagesOf($: CheerioAPI, base: string): PageImage[] {
  return $("img")
    .toArray()
    .filter((image) => $(image).closest("[aria-hidden=true]").length === 0)
    .slice(0, MAX_IMAGES)
    .map((image) => {
      const { src = "", alt } = image.attribs;
      return {
        src: (URL.parse(src, base)?.href ?? src).slice(0, MAX_FIELD_CHARS),
        alt: alt === undefined ? null : fold(alt),
        caption: fold($(image).closest("figure").find("figcaption").first().text()),
      };
    });
}

function linksOf($: CheerioAPI, base: string, url: string) {
  const links: PageLink[] = [];
  const dead = new Set<string>();
  const ids = new Set(
    $("[id], a[name]")
      .toArray()
      .flatMap(({ attribs }) => [attribs.id, attribs.name]),
  );
  const origin = URL.parse(url)?.origin;
  const here = withoutFragment(url);
  for (const anchor of $("a[href]").toArray()) {
    if (links.length === MAX_LINKS) break;
    const target = URL.parse(fold(anchor.attribs.href), base);
    if (!target || !/^https?:$/.test(target.protocol)) continue;
    const address = withoutFragment(target.href);
    if (address === here) {
      const fragment = decoded(target.hash.slice(1));
      if (fragment !== "" && fragment !== "top" && !ids.has(fragment)) dead.add(fragment);
      continue;
    }
    links.push({
      url: address.slice(0, MAX_FIELD_CHARS),
      text:
        fold($(anchor).text()) ||
        fold($(anchor).find("img").attr("alt")) ||
        fold(anchor.attribs["aria-label"]),
      inText: $(anchor).closest("nav, footer, aside, header, .related, .sources").length === 0,
      internal: target.origin === origin,
    });
  }
  return { links, deadFragments: [...dead].slice(0, 50) };
}

function jsonLdOf($: CheerioAPI): JsonLdBlock[] {
  return $('script[type="application/ld+json"]')
    .toArray()
    .slice(0, MAX_JSON_LD)
    .map((script) => {
      const text = $(script).text();
      if (text.length > MAX_JSON_LD_CHARS)
        return { value: null, error: `longer than ${MAX_JSON_LD_CHARS} characters` };
      try {
        return { value: JSON.parse(text) as Json, error: null };
      } catch (error) {
        return { value: null, error: (error as Error).message.slice(0, 300) };
      }
    });
}

/** Titles within drawings are not the page's. */
function titlesOf($: CheerioAPI): string[] {
  return $("title")
    .toArray()
    .filter((title) => $(title).closest("svg").length === 0)
    .slice(0, 10)
    .map((title) => fold($(title).text()));
}

function withoutFragment(url: string): string {
  const end = url.indexOf("#");
  return end < 0 ? url : url.slice(0, end);
}

function decoded(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
}

/** One line, single spaces, within limits. */
export function fold(text: string | undefined): string {
  return (text ?? "")
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, MAX_FIELD_CHARS * 5);
}
