/** Owns pages for tests: a good one, and ways to spoil it. Never part of an audit. */
import { printsOf } from "./language/prints.ts";
import type { Neighbour, OwnArticle } from "./library.ts";
import { extractFacts } from "./page/extract.ts";
import type { Fetched } from "./page/facts.ts";
import type { Subject } from "./rules/rule.ts";
import { SettingsSchema } from "./settings.ts";

export const NOW = Date.UTC(2026, 2, 2, 9);
export const URL_OF_PAGE = "https://site.example/articles/heat-pumps";

export const PARAGRAPHS = [
  "A heat pump moves warmth from the air outside into the rooms of a house. It does so even on a cold day, since there is warmth in the air as long as it is not at the very end of the scale. The machine needs some power for its work. For each part of power it brings three or four parts of warmth into the house, and that is why it costs less to run than a boiler.",
  'The work is done by a fluid that boils at a low point. Outside it takes up warmth and turns into gas. A pump then presses the gas, and pressed gas is hot. Inside, it gives its warmth to the water of the radiators and turns back into a fluid. Then it flows outside again, and the round begins anew. A fridge does the same, only the other way round. How the <a href="/articles/radiators">radiators of an old house</a> take part in this is a story of its own.',
  "Not each house is ready for the change. A house that loses a lot of warmth needs hot water in its radiators, and a heat pump works best when the water is merely warm. So the first step is to close the gaps: the roof, the cellar and the windows. Often that is enough. In other houses two or three radiators have to be larger than they were, and that is done in a day or two.",
  "The cost depends on the house and on the country. In most of Europe the state pays a part of it, and the bank lends the rest at a low rate. After eight to twelve years the owner has saved more than the machine has cost. Whoever makes the power on the own roof gets there sooner. The noise, which was a fair complaint in the past, is now that of a fridge, and a good place in the garden does the rest.",
];

export const GOOD = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>How a heat pump keeps an old house warm</title>
<meta name="description" content="A heat pump brings warmth from the cold air into a house. How it works, what it costs, and which houses are ready for one.">
<meta property="og:type" content="article">
<meta property="og:title" content="How a heat pump keeps an old house warm">
<meta property="og:description" content="A heat pump brings warmth from the cold air into a house.">
<meta property="og:url" content="${URL_OF_PAGE}">
<link rel="canonical" href="${URL_OF_PAGE}">
<script type="application/ld+json">{"@context":"https://schema.org","@type":"Article","headline":"How a heat pump keeps an old house warm","author":{"@type":"Person","name":"Asha Rao"},"datePublished":"2026-02-01T08:00:00Z","dateModified":"2026-02-20T08:00:00Z","image":"https://site.example/pump.jpg","publisher":{"@type":"Organization","name":"The Site"},"mainEntityOfPage":"${URL_OF_PAGE}","url":"${URL_OF_PAGE}"}</script>
</head>
<body>
<nav><a href="/articles">All articles</a></nav>
<main><article>
<header><h1>How a heat pump keeps an old house warm</h1></header>
<p>${PARAGRAPHS[0]}</p>
<figure><img src="/pump.jpg" alt="A heat pump beside a brick house"><figcaption>In a garden in Leeds</figcaption></figure>
<h2 id="work">How it works</h2>
<p>${PARAGRAPHS[1]}</p>
<h2 id="ready">Is the house ready?</h2>
<p>${PARAGRAPHS[2]}</p>
<h2 id="cost">What it costs</h2>
<p>${PARAGRAPHS[3]}</p>
</article></main>
<footer><p>The Site, since 1999</p></footer>
</body>
</html>`;

/** The good page, each text replaced; a text that is not there is the test's mistake. */
export function spoiled(...replacements: [from: string | RegExp, to: string][]): string {
  return replacements.reduce((html, [from, to]) => {
    const next = html.replace(from, () => to);
    if (next === html) throw new Error(`the good page does not hold ${from}`);
    return next;
  }, GOOD);
}

export interface SubjectChanges extends Partial<Omit<Subject, "fetched" | "facts" | "settings">> {
  html?: string;
  fetched?: Partial<Fetched>;
  settings?: Record<string, unknown>;
}

/** A page as the rules see it: the good one, unless told. */
export function aSubject(changes: SubjectChanges = {}): Subject {
  const { html = GOOD, fetched: how = {}, settings = {}, ...rest } = changes;
  const url = how.url ?? URL_OF_PAGE;
  const facts = extractFacts(html, url);
  const fetched: Fetched = {
    ...{
      requestedUrl: url,
      url,
      status: 200,
      redirects: [],
      bytes: Buffer.byteLength(html),
      robotsHeader: "",
    },
    ...{ obstacle: null, atMs: NOW, facts },
    ...how,
  };
  const keywords = rest.keywords ?? ["heat pump", "old house"];
  const language = rest.language ?? "en";
  const title = rest.article?.title ?? facts.titles[0] ?? "";
  const description = facts.descriptions[0] ?? "";
  return {
    ...{ fetched, facts, article: null, keywords, language, contentType: "default" },
    ...{ publishedAtMs: NOW - 29 * 86_400_000, updatedAtMs: NOW - 10 * 86_400_000, isPublic: true },
    prints: printsOf({ title, description, keywords, language, text: facts.text }),
    ...{ neighbours: [], targets: [], checks: [], unchecked: 0 },
    settings: SettingsSchema.parse(settings),
    ...rest,
  };
}

export function anArticle(changes: Partial<OwnArticle> = {}): OwnArticle {
  return {
    articleId: "00000000-0000-4000-8000-000000000001",
    slug: "heat-pumps",
    title: "How a heat pump keeps an old house warm",
    summary: "A heat pump brings warmth from the cold air into a house.",
    html: PARAGRAPHS.map((text) => `<p>${text}</p>`).join("\n"),
    markdown: `# How a heat pump keeps an old house warm\n\n${PARAGRAPHS.map((text) => text.replace(/<[^>]+>/g, "")).join("\n\n")}\n`,
    language: "en",
    author: "Asha Rao",
    contentType: "default",
    keywords: ["heat pump", "old house"],
    jsonLd: { "@type": "Article", headline: "How a heat pump keeps an old house warm" },
    canonicalUrl: null,
    publishedAt: NOW - 29 * 86_400_000,
    updatedAt: NOW - 10 * 86_400_000,
    ...changes,
  };
}

/** Another own article, with the prints of its words. */
export function aNeighbour(
  words: { title?: string; description?: string; keywords?: string[]; text?: string; language?: string },
  changes: Partial<Neighbour> = {},
): Neighbour {
  const { title = "Another", description = "Other words", keywords = [], text = "", language = "en" } = words;
  return {
    articleId: "00000000-0000-4000-8000-000000000002",
    slug: "another",
    title,
    publishedAt: NOW - 90 * 86_400_000,
    prints: printsOf({ title, description, keywords, language, text }),
    ...changes,
  };
}
