import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { Article } from "#store/content.ts";
import { ARTICLE_CSP, articleIndexPage, articlePage } from "./page.ts";

const PUBLISHED = Date.UTC(2026, 10, 23, 8);

function anArticle(changes: Partial<Article> = {}): Article {
  return {
    articleId: "00000000-0000-4000-8000-000000000001",
    taskId: "00000000-0000-4000-8000-000000000002",
    executionId: "00000000-0000-4000-8000-000000000003",
    source: "pipeline",
    category: null,
    slug: "how-tides-work",
    title: "How tides work",
    summary: "The Moon pulls.",
    language: "en",
    author: "Asha Rao",
    contentType: "how_to",
    keywords: ["tides"],
    generator: "offline-extractive",
    qualityScore: 91,
    words: 690,
    publishedAt: PUBLISHED,
    updatedAt: PUBLISHED,
    html: ["one", "two", "three"]
      .map((id) => `<section aria-labelledby="s-${id}"><h2 id="s-${id}">${id}</h2></section>\n`)
      .join(""),
    markdown: "",
    quality: { score: 91 },
    sources: [{ title: "Notes", url: null, read: true, note: null }],
    canonicalUrl: null,
    jsonLd: { "@type": "Article", headline: "How tides work" },
    entities: ["Isaac Newton"],
    ...changes,
  };
}

const HOSTILE = `</script><script>alert(1)</script>"'><img src=x onerror=alert(2)>&<!--`;

test("what comes from outside is escaped wherever it is shown", () => {
  const hostile = anArticle({
    slug: "how-tides-work",
    title: HOSTILE,
    summary: HOSTILE,
    author: HOSTILE,
    language: `en"${HOSTILE}`,
    contentType: HOSTILE,
    generator: HOSTILE,
    entities: [HOSTILE],
    jsonLd: { headline: HOSTILE, description: HOSTILE },
    html: "",
  });
  const pages = [
    articlePage(hostile, { related: [hostile], baseUrl: "https://news.example" }),
    articleIndexPage([hostile], { nextCursor: HOSTILE }),
  ];
  for (const page of pages) {
    assert.doesNotMatch(page, /<script>|<img|<!--/);
    assert.equal(page.split("<script").length - 1, page.includes("ld+json") ? 1 : 0);
    assert.equal(page.split("</script").length, page.split("<script").length);
  }
});

test("the structured data survives its escaping", () => {
  const page = articlePage(anArticle({ jsonLd: { headline: HOSTILE } }), {
    baseUrl: "https://news.example/",
  });
  const [, json] = /<script type="application\/ld\+json">(.*?)<\/script>/.exec(page)!;
  assert.deepEqual(JSON.parse(json!), {
    headline: HOSTILE,
    url: "https://news.example/articles/how-tides-work",
    mainEntityOfPage: "https://news.example/articles/how-tides-work",
    datePublished: "2026-11-23T08:00:00.000Z",
    dateModified: "2026-11-23T08:00:00.000Z",
  });
});

test("the policy admits the page's one style sheet, and no script", () => {
  const page = articlePage(anArticle());
  const [, style] = /<style>([\s\S]*?)<\/style>/.exec(page)!;
  const hash = createHash("sha256").update(style!).digest("base64");
  assert.ok(ARTICLE_CSP.includes(`style-src 'sha256-${hash}'`));
  assert.match(ARTICLE_CSP, /^default-src 'none'; /);
  assert.doesNotMatch(ARTICLE_CSP, /script-src|unsafe/);
  assert.doesNotMatch(page, /\sstyle=|\son\w+=/);
  assert.equal(/<style>([\s\S]*?)<\/style>/.exec(articleIndexPage([]))![1], style);
});

test("a reader learns who, when, how long, and how the text came about", () => {
  const page = articlePage(anArticle());
  assert.match(page, /By <b>Asha Rao<\/b>/);
  assert.match(page, /<time datetime="2026-11-23T08:00:00.000Z">23 November 2026<\/time>/);
  assert.match(page, /3 min read/);
  assert.match(page, /Composed by extraction from the sources below; no model was used\./);
  assert.match(page, /Quality 91 of 100/);
  assert.match(page, /<p class="kicker">how to<\/p>/);
  assert.match(
    articlePage(anArticle({ generator: "gemini/gemini-3.5-flash-lite" })),
    /Written by the model gemini-3\.5-flash-lite from the sources/,
  );
  assert.match(articlePage(anArticle({ sources: [] })), /from the editor’s brief alone/);
  assert.doesNotMatch(articlePage(anArticle({ author: null })), /By <b>/);
});

test("the page has its landmarks, a skip link and a table of contents", () => {
  const page = articlePage(anArticle());
  for (const part of [
    '<html lang="en">',
    '<main id="content">',
    'href="#content"',
    "<article",
    "<h1>",
    '<footer class="foot">',
  ]) {
    assert.ok(page.includes(part), part);
  }
  assert.match(page, /<li><a href="#s-two">two<\/a><\/li>/);
  assert.doesNotMatch(articlePage(anArticle({ html: '<h2 id="s-a">a</h2>' })), /In this article/);
});

test("the list leads to the articles and to the older ones", () => {
  const page = articleIndexPage([anArticle()], { nextCursor: "abc_-" });
  assert.match(page, /<a href="\/articles\/how-tides-work">How tides work<\/a>/);
  assert.match(page, /<a rel="next" href="\/articles\?cursor=abc_-">/);
  assert.match(articleIndexPage([]), /Nothing has been published yet\./);
  assert.doesNotMatch(articleIndexPage([]), /rel="next"/);
});

test("an article that is to be found elsewhere says so to search engines", () => {
  const page = articlePage(anArticle({ canonicalUrl: "https://blog.example/tides/" }), {
    baseUrl: "https://o.example",
  });
  assert.match(page, /<link rel="canonical" href="https:\/\/blog\.example\/tides\/">/);
  assert.match(page, /"mainEntityOfPage":"https:\/\/blog\.example\/tides\/"/);
});

test("an article says where search engines are to go instead: a path of the own site, or an address; nothing else", () => {
  const canonicals: [stored: string | null, shown: string][] = [
    [null, "https://news.example/articles/how-tides-work"],
    ["/articles/tides", "https://news.example/articles/tides"],
    ["https://other.example/tides", "https://other.example/tides"],
    ["//evil.example/", "https://news.example/articles/how-tides-work"],
    ["javascript:alert(1)", "https://news.example/articles/how-tides-work"],
    ['/articles/"><script>', "https://news.example/articles/&quot;&gt;&lt;script&gt;"],
  ];
  for (const [canonicalUrl, shown] of canonicals) {
    const page = articlePage(anArticle({ canonicalUrl }), { baseUrl: "https://news.example" });
    assert.ok(
      page.includes(`<link rel="canonical" href="${shown}">`),
      `${canonicalUrl}: ${/<link rel="canonical".*>/.exec(page)?.[0]}`,
    );
  }
});

test("an article shows its category to readers and to search engines; an imported one says where it stood, and no mark", () => {
  const shown = anArticle({
    category: { slug: "sea", name: "The <sea>" },
    source: "blog",
    qualityScore: null,
  });
  const page = articlePage(shown);
  assert.match(page, /<a href="\/articles\/category\/sea">The &lt;sea&gt;<\/a> · how to/);
  assert.match(page, /"articleSection":"The \\u003csea\\u003e"/);
  assert.match(page, /Published before at blog\./);
  assert.doesNotMatch(page, /Quality/);
  const category = [
    { slug: "nature", name: "Nature" },
    { slug: "sea", name: "Sea" },
  ];
  const list = articleIndexPage([shown], { nextCursor: "abc", baseUrl: "https://o.example", category });
  assert.match(list, /<h1>Sea<\/h1>/);
  assert.match(list, /href="\/articles\/category\/nature">Nature</);
  assert.match(list, /rel="canonical" href="https:\/\/o\.example\/articles\/category\/sea"/);
  assert.match(list, /href="\/articles\/category\/sea\?cursor=abc"/);
});
