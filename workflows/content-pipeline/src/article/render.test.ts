import assert from "node:assert/strict";
import { test } from "node:test";
import { composeOffline } from "../writing/offline-writer.ts";
import { aTopic } from "../writing/sample-topics.ts";
import { renderArticle, sanitizeFragment } from "./render.ts";
import { slugOf } from "./slug.ts";
import { articleJsonLd, metaDescription } from "./structured-data.ts";

const never = new AbortController().signal;

test("nothing of a hostile source is executable in the article", async () => {
  const text = `The first sentence is quite harmless in itself. <script>alert(1)</script> <img src=x onerror=alert(2)> The second one follows it <a href="javascript:alert(3)">here</a> without any delay.

A third [link](javascript:alert(4)) goes nowhere <iframe src="https://evil.example"></iframe> at all today. A <svg onload=alert(5)> fourth sentence ends the <style>body{display:none}</style> whole source now.`;
  const topic = aTopic({
    title: "<img src=x onerror=alert(6)> Title",
    brief: "The <b onclick=alert(7)>brief</b> says something simple here.",
    keywords: ["<script>"],
    sources: [
      { title: '"><script>alert(8)</script>', text, url: 'https://example.org/"onmouseover="alert(9)' },
    ],
  });
  const { html } = renderArticle(await composeOffline(topic, never), topic);
  const withoutText = html.replace(/>[^<]*</g, "><");
  assert.doesNotMatch(html, /<(?:script|iframe|img|svg|style|object|form)/i);
  assert.doesNotMatch(withoutText, /\son\w+\s*=|javascript:/i);
});

test("markdown of a model loses what could harm", () => {
  const cases: [input: string, output: string][] = [
    ["<script>alert(1)</script>ok", "ok"],
    ['<p onclick="x()">a</p>', "<p>a</p>"],
    ['<a href="javascript:alert(1)">a</a>', "<a>a</a>"],
    ['<a href="JaVaScRiPt:alert(1)">a</a>', "<a>a</a>"],
    ['<a href="data:text/html,x">a</a>', "<a>a</a>"],
    ['<a href="//evil.example">a</a>', "<a>a</a>"],
    ['<a href="/articles">a</a>', "<a>a</a>"],
    [
      '<a href="https://ok.example" target="_blank" style="x">a</a>',
      '<a href="https://ok.example" rel="nofollow noopener">a</a>',
    ],
    ['<a href="mailto:a@b.example">a</a>', '<a href="mailto:a@b.example" rel="nofollow noopener">a</a>'],
    ['<a href="#source-1">1</a>', '<a href="#source-1" class="citation">1</a>'],
    ['<a href="#content">1</a>', "<a>1</a>"],
    ["<h1 id=content>a</h1>", "<h3>a</h3>"],
    ["<iframe src=https://x></iframe><img src=x onerror=y>", ""],
    ["<math><mtext></mtext><style><img src=x onerror=alert(1)></style></math>", ""],
    ["a<br>b", "a<br />b"],
  ];
  for (const [input, output] of cases) assert.equal(sanitizeFragment(input), output, input);
});

test("an article has its facts, sections, quote and sources, each heading with its own anchor", async () => {
  const topic = aTopic();
  const draft = await composeOffline(topic, never);
  const { html, markdown } = renderArticle(draft, topic);
  assert.match(html, /<aside class="key-facts" aria-labelledby="key-facts">/);
  assert.match(html, /<aside class="pull-quote" aria-hidden="true">/);
  assert.match(
    html,
    /<li id="source-2"><a href="https:\/\/example\.org\/peak-load" rel="nofollow noopener">Peak load<\/a><\/li>/,
  );
  const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (const [, target] of html.matchAll(/href="#([^"]+)"/g)) assert.ok(ids.includes(target), target);
  assert.match(markdown, /^# How heat pumps keep a house warm\n/);
  assert.match(
    markdown,
    /## Sources\n\n1\. Field notes on heat pumps\n2\. \[Peak load\]\(<https:\/\/example\.org\/peak-load>\)\n$/,
  );
});

test("a source that was not read is named as a reference", () => {
  const topic = aTopic({ sources: [{ url: "https://example.org/a/b?c=1" }] });
  const draft = {
    title: "T",
    summary: "S.",
    lead: "",
    sections: [],
    keyFacts: [],
    pullQuote: null,
    citations: [],
    generator: "g",
  };
  const { html, markdown } = renderArticle(draft, topic);
  assert.match(html, />example\.org\/a\/b<\/a> <span class="note">\(reference; not read for this article\)</);
  assert.match(markdown, /\(reference; not read for this article\)/);
  const failed = {
    ...topic,
    sources: [{ url: "https://example.org/a", note: "example.org answered HTTP <404>" }],
  };
  const { html: page } = renderArticle(draft, failed);
  assert.match(page, /\(reference; could not be read: example\.org answered HTTP &lt;404&gt;\)/);
});

test("titles become addresses", () => {
  const cases = {
    "How Tides Work": "how-tides-work",
    "Größe & Straße: çà et là": "grosse-and-strasse-ca-et-la",
    "Łódź, København, Ærø": "lodz-kobenhavn-aero",
    "Москва слезам не верит": "moskva-slezam-ne-verit",
    "What's new?  --  Everything!": "whats-new-everything",
    日本語: "article",
    "½ of 10²": "1-2-of-102",
  };
  for (const [title, slug] of Object.entries(cases)) assert.equal(slugOf(title), slug);
  const long = slugOf("word ".repeat(60));
  assert.ok(long.length <= 80 && /^word(-word)*$/.test(long));
  assert.equal(slugOf("x".repeat(300)).length, 80);
});

test("the description is cut at a word", () => {
  assert.equal(metaDescription("Short.  And\nfolded."), "Short. And folded.");
  const cut = metaDescription("several words ".repeat(30));
  assert.ok(cut.length <= 161 && cut.endsWith("words…"), cut);
});

test("structured data names the author only when there is one", async () => {
  const draft = await composeOffline(aTopic(), never);
  const facts = { words: 300, entities: ["Fraunhofer Institute"] };
  const data = articleJsonLd(draft, aTopic({ author: "Asha Rao" }), facts);
  assert.deepEqual(data.author, { "@type": "Person", name: "Asha Rao" });
  assert.equal("author" in articleJsonLd(draft, aTopic(), facts), false);
});
