/** Owns a draft as Markdown and as HTML that is safe to show. Publishes nothing. */
import { Marked } from "marked";
import sanitizeHtml from "sanitize-html";
import { isRead, type Source, sourceName, type Topic } from "../topic.ts";
import { type Draft, type Quote, quoteAfter } from "../writing/draft.ts";
import { citationOf, escapeMarkdown } from "../writing/markdown.ts";

export interface RenderedArticle {
  markdown: string;
  /** The body below title and summary. Structure is this file's own; everything within was sanitised. */
  html: string;
}

const marked = new Marked({ gfm: true, async: false });

/** Renders a draft with its sources. The same draft gives the same text. */
export function renderArticle(draft: Draft, topic: Topic): RenderedArticle {
  return { markdown: asMarkdown(draft, topic), html: asHtml(draft, topic) };
}

function asMarkdown(draft: Draft, topic: Topic): string {
  const parts = [`# ${escapeMarkdown(draft.title)}`, `*${escapeMarkdown(draft.summary)}*`, draft.lead];
  if (draft.keyFacts.length) {
    parts.push(`## Key facts\n\n${draft.keyFacts.map((fact) => `- ${cited(fact)}`).join("\n")}`);
  }
  for (const [i, section] of draft.sections.entries()) {
    parts.push(`## ${escapeMarkdown(section.heading)}\n\n${section.markdown}`);
    if (draft.pullQuote && i === quoteAfter(draft.sections.length))
      parts.push(`> ${escapeMarkdown(draft.pullQuote.text)}`);
  }
  if (topic.sources.length) {
    const lines = topic.sources.map((source, i) => {
      const name = escapeMarkdown(sourceName(source, i));
      const link = source.url ? `[${name}](<${source.url.replace(/[<>]/g, encodeURIComponent)}>)` : name;
      return `${i + 1}. ${link}${isRead(source) ? "" : ` (${escapeMarkdown(unread(source))})`}`;
    });
    parts.push(`## Sources\n\n${lines.join("\n")}`);
  }
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function asHtml(draft: Draft, topic: Topic): string {
  const anchors = anchorsOf(draft.sections.map((section) => section.heading));
  const parts = [draft.lead === "" ? "" : `<div class="lead">\n${fragment(draft.lead)}</div>`];
  if (draft.keyFacts.length) {
    const items = draft.keyFacts.map((fact) => `<li>${inline(cited(fact))}</li>`).join("\n");
    parts.push(
      `<aside class="key-facts" aria-labelledby="key-facts">\n<h2 id="key-facts">Key facts</h2>\n<ul>\n${items}\n</ul>\n</aside>`,
    );
  }
  for (const [i, section] of draft.sections.entries()) {
    const heading = `<h2 id="${anchors[i]}">${escapeHtml(section.heading)}</h2>`;
    parts.push(
      `<section aria-labelledby="${anchors[i]}">\n${heading}\n${fragment(section.markdown)}</section>`,
    );
    if (draft.pullQuote && i === quoteAfter(draft.sections.length)) {
      // It repeats a sentence of the text: a screen reader need not hear it twice.
      parts.push(
        `<aside class="pull-quote" aria-hidden="true">\n<p>${escapeHtml(draft.pullQuote.text)}</p>\n</aside>`,
      );
    }
  }
  parts.push(sourceList(topic));
  return `${parts.filter((part) => part !== "").join("\n")}\n`;
}

function sourceList(topic: Topic): string {
  if (topic.sources.length === 0) return "";
  const items = topic.sources.map((source, i) => {
    const name = escapeHtml(sourceName(source, i));
    const label = source.url
      ? `<a href="${escapeHtml(source.url)}" rel="nofollow noopener">${name}</a>`
      : `<cite>${name}</cite>`;
    const note = isRead(source) ? "" : ` <span class="note">(${escapeHtml(unread(source))})</span>`;
    return `<li id="source-${i + 1}">${label}${note}</li>`;
  });
  return `<section class="sources" aria-labelledby="sources">\n<h2 id="sources">Sources</h2>\n<ol>\n${items.join("\n")}\n</ol>\n</section>`;
}

/** What a reader is told of a source that nothing was taken from. */
function unread({ note }: Source): string {
  return note === undefined
    ? "reference; not read for this article"
    : `reference; could not be read: ${note}`;
}

function cited(quote: Quote): string {
  const text = escapeMarkdown(quote.text);
  return quote.source === null ? text : `${text}${citationOf(quote.source)}`;
}

/** Ids for headings: ASCII, unique on the page, and out of the way of the page's own. */
function anchorsOf(headings: readonly string[]): string[] {
  const taken = new Set<string>();
  return headings.map((heading, i) => {
    const base = heading
      .normalize("NFKD")
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^-+|-+$/g, "")
      .slice(0, 60);
    let anchor = `s-${base || i + 1}`;
    for (let n = 2; taken.has(anchor); n++) anchor = `s-${base || i + 1}-${n}`;
    taken.add(anchor);
    return anchor;
  });
}

function fragment(markdown: string): string {
  return sanitizeFragment(marked.parse(markdown) as string);
}

function inline(markdown: string): string {
  return sanitizeFragment(marked.parseInline(markdown) as string);
}

const TAGS =
  "p br strong em b i u s del sub sup code pre blockquote ul ol li dl dt dd h3 h4 table thead tbody tr th td hr a q cite abbr".split(
    " ",
  );

/**
 * What is left of HTML from outside: text and its plain structure. No script, style, frame, form or
 * image, no attribute but a link's address; links go to http, https, mailto and to our own sources.
 */
export function sanitizeFragment(html: string): string {
  return sanitized(html, { tags: TAGS, h1: "h3", h2: "h3" });
}

/** The same of a whole article, whose own headings are the second level of its page. */
export function sanitizeArticle(html: string): string {
  return sanitized(html, { tags: [...TAGS, "h2"], h1: "h2", h2: "h2" });
}

function sanitized(html: string, { tags, h1, h2 }: { tags: string[]; h1: string; h2: string }): string {
  return sanitizeHtml(html, {
    allowedTags: tags,
    allowedAttributes: { a: ["href", "rel", "class"], th: ["scope"], ol: ["start"] },
    allowedClasses: { a: ["citation"] },
    allowedSchemes: ["http", "https", "mailto"],
    allowProtocolRelative: false,
    disallowedTagsMode: "discard",
    nestingLimit: 30,
    transformTags: {
      h1,
      h2,
      h5: "h4",
      h6: "h4",
      a: (_name, { href = "" }) => ({ tagName: "a", attribs: linkAttributes(href) }),
    },
  });
}

function linkAttributes(href: string): Record<string, string> {
  if (/^#source-\d{1,2}$/.test(href)) return { href, class: "citation" };
  return /^(?:https?:\/\/|mailto:)[^\s]/i.test(href) ? { href, rel: "nofollow noopener" } : {};
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
