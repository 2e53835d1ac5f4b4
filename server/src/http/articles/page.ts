/** Owns the pages that readers see: one article, and the list of articles. Pure; escapes all but an article's sanitised body. */
import type { Article, ArticleSummary } from "#store/content.ts";
import { ARTICLE_STYLE } from "./style.ts";

export { ARTICLE_CSP } from "./style.ts";

const WORDS_PER_MINUTE = 230;
const SITE = "Articles";
const MIN_CONTENTS = 3;

/**
 * The page of one article. `baseUrl` (such as `https://news.example`) makes its own address absolute
 * for search engines and shared links. Send it with `ARTICLE_CSP`.
 */
export function articlePage(
  article: Article,
  options: { related?: readonly ArticleSummary[]; baseUrl?: string } = {},
): string {
  const url = `${(options.baseUrl ?? "").replace(/\/+$/, "")}/articles/${encodeURIComponent(article.slug)}`;
  const contents = contentsOf(article.html);
  return document({
    language: article.language,
    title: article.title,
    head: headOf(article, url),
    main: `<article class="with-contents">
${headerOf(article)}
${contents}<div class="body" lang="${escapeHtml(article.language)}">
${article.html}</div>
${footerOf(article)}
${relatedOf(options.related ?? [])}</article>`,
  });
}

/** The page that lists articles, of `category` (its path from the top) or all, the newest first; `nextCursor` leads to the older ones. */
export function articleIndexPage(
  articles: readonly ArticleSummary[],
  options: {
    nextCursor?: string | null;
    cursor?: string | null;
    baseUrl?: string;
    category?: readonly { slug: string; name: string }[];
  } = {},
): string {
  const above = options.category ?? [];
  const own = above.at(-1);
  const path = own ? categoryAddress(own.slug) : "/articles";
  const title = own?.name ?? SITE;
  const items = articles.map(
    (article) => `<li lang="${escapeHtml(article.language)}">
<h2><a href="/articles/${encodeURIComponent(article.slug)}">${escapeHtml(article.title)}</a></h2>
<p>${escapeHtml(article.summary)}</p>
<p class="byline">${byline(article)}</p>
</li>`,
  );
  const older = options.nextCursor
    ? `<p class="older"><a rel="next" href="${path}?cursor=${encodeURIComponent(options.nextCursor)}">Older articles →</a></p>\n`
    : "";
  const canonical = options.baseUrl
    ? `<link rel="canonical" href="${escapeHtml(options.baseUrl.replace(/\/+$/, "") + path)}">\n`
    : "";
  return document({
    language: "en",
    title,
    head: `<meta name="description" content="${escapeHtml(own ? `Articles on ${own.name}, the newest first.` : "Published articles, the newest first.")}">\n${options.cursor ? "" : canonical}`,
    main: `<header class="head">${crumbs(above)}<h1>${escapeHtml(title)}</h1></header>
<div class="list">
${items.length ? `<ol>\n${items.join("\n")}\n</ol>` : '<p class="empty">Nothing has been published yet.</p>'}
${older}</div>`,
  });
}

function categoryAddress(slug: string): string {
  return `/articles/category/${encodeURIComponent(slug)}`;
}

/** The categories above a category. */
function crumbs(path: readonly { slug: string; name: string }[]): string {
  const links = path
    .slice(0, -1)
    .map(({ slug, name }) => `<a href="${categoryAddress(slug)}">${escapeHtml(name)}</a>`);
  return links.length > 0 ? `<p class="kicker">${links.join(" · ")}</p>\n` : "";
}

function document(page: { language: string; title: string; head: string; main: string }): string {
  return `<!doctype html>
<html lang="${escapeHtml(page.language)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(page.title)}</title>
${page.head}<style>${ARTICLE_STYLE}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the text</a>
<header class="site"><nav aria-label="Site"><a href="/articles">${SITE}</a></nav></header>
<main id="content">
${page.main}
</main>
<div class="end"></div>
</body>
</html>
`;
}

function headOf(article: Article, url: string): string {
  const description =
    typeof article.jsonLd.description === "string" ? article.jsonLd.description : article.summary;
  const metas: [attribute: string, name: string, content: string | null][] = [
    ["name", "description", description],
    ["name", "author", article.author],
    ["property", "og:type", "article"],
    ["property", "og:title", article.title],
    ["property", "og:description", description],
    ["property", "og:url", canonicalOf(article, url)],
    ["property", "og:site_name", SITE],
    ["property", "og:locale", article.language.replace("-", "_")],
    ["property", "article:published_time", iso(article.publishedAt)],
    ["property", "article:modified_time", iso(article.updatedAt)],
    ["name", "twitter:card", "summary"],
  ];
  const lines = metas.flatMap(([attribute, name, content]) =>
    content === null ? [] : [`<meta ${attribute}="${name}" content="${escapeHtml(content)}">`],
  );
  // Published elsewhere as well, and meant to be found there: search engines are told of that page.
  const canonical = canonicalOf(article, url);
  const jsonLd = {
    ...article.jsonLd,
    ...(article.category ? { articleSection: article.category.name } : {}),
    url: canonical,
    mainEntityOfPage: canonical,
    datePublished: iso(article.publishedAt),
    dateModified: iso(article.updatedAt),
  };
  return `${lines.join("\n")}
<link rel="canonical" href="${escapeHtml(canonical)}">
<script type="application/ld+json">${scriptSafe(jsonLd)}</script>
`;
}

/** A path of the own site is made an address by the page's own; a wrong one counts as none. */
function canonicalOf({ canonicalUrl }: Article, url: string): string {
  if (canonicalUrl === null) return url;
  if (/^\/(?!\/)/.test(canonicalUrl)) return url.replace(/\/articles\/[^/]*$/, canonicalUrl);
  return /^https?:\/\//i.test(canonicalUrl) ? canonicalUrl : url;
}

/** JSON that cannot end its script element, nor be read as a comment in it. */
function scriptSafe(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function headerOf(article: Article): string {
  const { category } = article;
  const type = article.contentType === "default" ? "" : escapeHtml(readable(article.contentType));
  const section = category
    ? `<a href="${categoryAddress(category.slug)}">${escapeHtml(category.name)}</a>`
    : "";
  const labels = [section, type].filter((label) => label !== "");
  const kicker = labels.length > 0 ? `<p class="kicker">${labels.join(" · ")}</p>\n` : "";
  return `<header class="head">
${kicker}<h1>${escapeHtml(article.title)}</h1>
<p class="dek">${escapeHtml(article.summary)}</p>
<p class="byline">${byline(article)}</p>
<p class="made">${escapeHtml(madeBy(article))}</p>
</header>`;
}

function byline(article: ArticleSummary): string {
  const minutes = Math.max(1, Math.round(article.words / WORDS_PER_MINUTE));
  const author = article.author ? `<span>By <b>${escapeHtml(article.author)}</b></span>` : "";
  const date = `<span><time datetime="${iso(article.publishedAt)}">${escapeHtml(dateOf(article.publishedAt))}</time></span>`;
  return `${author}${date}<span>${minutes} min read</span>`;
}

/** How the text came about, said plainly. */
function madeBy(article: Article): string {
  if (article.source !== "pipeline") return `Published before at ${article.source}.`;
  if (article.generator !== "offline-extractive") {
    const [, model = article.generator] = /^[^/]+\/(.+)$/.exec(article.generator) ?? [];
    return `Written by the model ${model} from the sources below.`;
  }
  return article.sources.some((source) => source.read)
    ? "Composed by extraction from the sources below; no model was used."
    : "Composed from the editor’s brief alone; no model was used.";
}

/** The headings of the body, for wide screens; it is our own HTML, so its form is known. */
function contentsOf(html: string): string {
  const headings = [...html.matchAll(/<h2 id="(s-[a-z0-9-]+)">(.*?)<\/h2>/g)];
  if (headings.length < MIN_CONTENTS) return "";
  const items = headings.map(([, id, text]) => `<li><a href="#${id}">${text}</a></li>`).join("\n");
  return `<nav class="contents" aria-labelledby="contents">\n<h2 id="contents">In this article</h2>\n<ol>\n${items}\n</ol>\n</nav>\n`;
}

function footerOf(article: Article): string {
  const tags = article.entities.length
    ? `<ul class="tags" aria-label="Names in this article">${article.entities.map((name) => `<li>${escapeHtml(name)}</li>`).join("")}</ul>\n`
    : "";
  const updated =
    dateOf(article.updatedAt) === dateOf(article.publishedAt)
      ? ""
      : ` · Updated <time datetime="${iso(article.updatedAt)}">${escapeHtml(dateOf(article.updatedAt))}</time>`;
  const quality =
    article.qualityScore === null ? "" : ` · Quality ${Math.round(article.qualityScore)} of 100`;
  return `<footer class="foot">
${tags}<p>${article.words.toLocaleString("en")} words${quality}${updated}</p>
</footer>`;
}

function relatedOf(related: readonly ArticleSummary[]): string {
  if (related.length === 0) return "";
  const items = related.map(
    (
      each,
    ) => `<li lang="${escapeHtml(each.language)}"><a href="/articles/${encodeURIComponent(each.slug)}">${escapeHtml(each.title)}</a>
<p>${escapeHtml(each.summary)}</p></li>`,
  );
  return `<aside class="related" aria-labelledby="related">\n<h2 id="related">Related articles</h2>\n<ul>\n${items.join("\n")}\n</ul>\n</aside>\n`;
}

function readable(contentType: string): string {
  return contentType.replace(/[_-]+/g, " ");
}

function dateOf(epochMs: number): string {
  return new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" }).format(epochMs);
}

function iso(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
