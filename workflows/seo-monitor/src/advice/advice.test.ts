import assert from "node:assert/strict";
import { test } from "node:test";
import { checkPage } from "../check.ts";
import type { Change, OwnArticle, Recommendation } from "../library.ts";
import {
  aNeighbour,
  anArticle,
  aSubject,
  GOOD,
  PARAGRAPHS,
  type SubjectChanges,
  spoiled,
} from "../sample-pages.ts";
import type { Suggestions } from "./advice.ts";
import { recommend } from "./recommend.ts";

function advised(changes: SubjectChanges, suggested: Suggestions | null = null): Recommendation[] {
  const subject = aSubject(changes);
  return recommend(checkPage(subject), subject, suggested);
}

const one = (all: Recommendation[], rule: string): Recommendation => {
  const found = all.find((each) => each.rule === rule);
  assert.ok(found, `${rule} is not among ${all.map((each) => each.rule).join(", ")}`);
  return found;
};

/** The page of an article with this title and description, otherwise the good one. */
function pageOf({ title, description }: { title?: string; description?: string }): string {
  let html = GOOD;
  if (title) html = html.replace(/<title>.*<\/title>/, `<title>${title}</title>`);
  if (description) html = html.replace(/(name="description" content=")[^"]*/, `$1${description}`);
  return html;
}

const LONG = "How a heat pump keeps an old house warm: the physics, the price and the neighbours' peace";

test("a long title is cut where its author parted it, if the keyword stays", () => {
  const article = anArticle({ title: LONG });
  const advice = one(advised({ article, html: pageOf({ title: LONG }) }), "title_length");
  assert.deepEqual(advice.changes, [
    { field: "title", before: LONG, after: "How a heat pump keeps an old house warm" },
  ]);
  assert.deepEqual([advice.basis, advice.gain], ["rule", 3.6]);
  const elsewhere = "What it takes to keep an old house warm: the case for the heat pump in every garden";
  const lost = one(
    advised({ article: anArticle({ title: elsewhere }), html: pageOf({ title: elsewhere }) }),
    "title_length",
  );
  assert.deepEqual(lost.changes, [], "without the keyword it is a person's decision");
});

test("a model's title and description come first, if they fit; it is said whose they are", () => {
  const article = anArticle({ title: LONG, jsonLd: { description: "Short." } });
  const html = pageOf({ title: LONG, description: "Short." });
  const suggested = {
    ...{ title: "The heat pump in an old house, explained", basis: "openai/gpt-6-luna" },
    description:
      "How a heat pump warms an old house, what has to be done before it comes, and what it costs in the end.",
  };
  const all = advised({ article, html }, suggested);
  const title = one(all, "title_length");
  assert.deepEqual(
    [title.basis, title.changes[0]],
    ["openai/gpt-6-luna", { field: "title", before: LONG, after: suggested.title }],
  );
  const description = one(all, "description_length");
  assert.deepEqual(description.changes, [
    { field: "description", before: "Short.", after: suggested.description },
  ]);
  assert.ok(!all.some(({ rule }) => rule === "keyword_description"), "the same change mends that too");
  const unfit = one(advised({ article, html }, { ...suggested, title: "x".repeat(90) }), "title_length");
  assert.equal(unfit.basis, "rule");
});

test("a description is made of the article's own sentences, with the keyword, at most 160 characters", () => {
  const article = anArticle({ summary: "Short.", jsonLd: {} });
  const advice = one(advised({ article, html: pageOf({ description: "Short." }) }), "description_length");
  const [change] = advice.changes as [Change & { field: "description" }];
  assert.equal(change.before, "Short.");
  assert.ok(change.after.length >= 70 && change.after.length <= 160, change.after);
  assert.match(change.after, /heat pump/i);
  assert.ok(["Short.", ...PARAGRAPHS].join(" ").includes(change.after.replace(/…$/, "")), change.after);
});

const unlinked: SubjectChanges = {
  html: spoiled([/<a href="\/articles\/radiators">(.*?)<\/a>/, "radiators of an old house"]),
};

test("links lead to related articles from where the text names them, once each, never within a link or a heading", () => {
  const html = [
    "<h2>Radiators and boilers</h2>",
    '<p>Some <em>boilers</em> &amp; <a href="https://x.example/">radiators</a> are old.</p>',
    "<p>The Radiators of a house &amp; its boilers.</p>",
    "<blockquote><p>The fridge is quoted.</p></blockquote>",
  ].join("\n");
  const article = anArticle({ html, markdown: "## Radiators\n\nThe Radiators of a house & its boilers.\n" });
  const targets = [
    { slug: "iron", title: "Of iron", keywords: ["radiators"] },
    { slug: "boilers", title: "Boilers", keywords: ["boilers"] },
    { slug: "fridge", title: "The fridge", keywords: ["fridge"] },
  ];
  const advice = one(advised({ ...unlinked, article, targets }), "internal_links");
  assert.deepEqual(
    advice.changes.filter(({ field }) => field === "html"),
    [
      {
        field: "html",
        find: "The Radiators of a house &amp; its boilers.",
        replace: 'The <a href="/articles/iron">Radiators</a> of a house &amp; its boilers.',
      },
    ],
  );
  assert.match(advice.detail, /“Radiators” to \/articles\/iron/);
  assert.ok(advice.gain > 0);
});

test("the Markdown gets the same link, where it is as plain", () => {
  const text = "The radiators of a house are old.";
  const article = anArticle({ html: `<p>${text}</p>`, markdown: `# Title\n\n${text}\n` });
  const targets = [{ slug: "iron", title: "Of iron", keywords: ["radiators"] }];
  const { changes } = one(advised({ ...unlinked, article, targets }), "internal_links");
  assert.deepEqual(changes[1], {
    ...{ field: "markdown", find: text },
    replace: "The [radiators](/articles/iron) of a house are old.",
  });
});

test("a phrase with signs that mean something to a pattern is found as it is written", () => {
  for (const phrase of ["noise-cancelling pumps (new)", "R-290/R-32", "A+++ [label]"]) {
    const article = anArticle({ html: `<p>Of ${phrase} there is much to say.</p>`, markdown: "" });
    const targets = [{ slug: "signs", title: "Of signs", keywords: [phrase] }];
    const { changes } = one(advised({ ...unlinked, article, targets }), "internal_links");
    const [change] = changes as { replace: string }[];
    assert.equal(change?.replace, `Of <a href="/articles/signs">${phrase}</a> there is much to say.`);
  }
});

test("where no text names a related article, a person is told which ones there are", () => {
  const targets = [{ slug: "whales", title: "Whales", keywords: ["blue whale"] }];
  const advice = one(advised({ ...unlinked, article: anArticle(), targets }), "internal_links");
  assert.deepEqual(advice.changes, []);
  assert.match(advice.detail, /\/articles\/whales/);
});

test("alt texts come from captions and from file names that say something", () => {
  const html = [
    '<figure><img src="/IMG_2041.jpg"><figcaption>A pump &amp; its "box"</figcaption></figure>',
    '<p><img class="x" src="/media/brick-house-in-winter.webp?w=3"></p>',
    '<p><img src="/DSC_0001.jpg"></p>',
  ].join("\n");
  const advice = one(
    advised({ article: anArticle({ html }), html: spoiled([/<figure>.*<\/figure>/, html]) }),
    "image_alt",
  );
  assert.deepEqual(
    advice.changes.map((change) => "replace" in change && change.replace),
    [
      '<img alt="A pump &amp; its &quot;box&quot;" src="/IMG_2041.jpg">',
      '<img alt="Brick house in winter" class="x" src="/media/brick-house-in-winter.webp?w=3">',
    ],
  );
});

test("structured data is filled with what is known, and nothing is made up", () => {
  const html = spoiled(
    ['"author":{"@type":"Person","name":"Asha Rao"},', ""],
    [/"publisher":\{[^}]*\},/, ""],
    ['"image":"https://site.example/pump.jpg",', ""],
  );
  const known = advised({ article: anArticle(), html });
  assert.deepEqual(one(known, "json_ld_required").changes, [
    { field: "json_ld", name: "author", before: null, after: { "@type": "Person", name: "Asha Rao" } },
  ]);
  const recommended = one(known, "json_ld_recommended").changes as { name: string }[];
  assert.deepEqual(
    recommended.map(({ name }) => name),
    ["image", "publisher"],
  );
  const nobody = advised({ article: anArticle({ author: null }), html, isPublic: false });
  assert.deepEqual(one(nobody, "json_ld_required").changes, []);
  const named = advised({ article: anArticle({ author: null }), html, settings: { publisher: "The Site" } });
  assert.deepEqual((one(named, "json_ld_required").changes[0] as { after: unknown }).after, {
    "@type": "Organization",
    name: "The Site",
  });
});

test("of two articles that are the same, the younger one names the older one as canonical", () => {
  const text = PARAGRAPHS.join("\n").replace(/<[^>]+>/g, "");
  const article = anArticle();
  const older = aNeighbour({ text }, { slug: "first" });
  const { changes } = one(advised({ article, neighbours: [older] }), "body_duplicate");
  assert.deepEqual(changes, [{ field: "canonical_url", before: null, after: "/articles/first" }]);
  const younger = aNeighbour({ text }, { slug: "second", publishedAt: article.publishedAt + 1 });
  assert.deepEqual(one(advised({ article, neighbours: [younger] }), "body_duplicate").changes, []);
});

test("recommendations are ranked by what they bring; what costs nothing is none; other people's pages are not changed", () => {
  const html = spoiled(
    [/<title>.*<\/title>/, ""],
    [/<meta name="viewport".*>/, ""],
    [/<meta property="og:url".*>/, ""],
  );
  const all = advised({ html, unchecked: 3, keywords: [] });
  const gains = all.map(({ gain }) => gain);
  assert.deepEqual(
    gains,
    [...gains].sort((a, b) => b - a),
  );
  assert.equal(all[0]!.rule, "title_missing");
  assert.ok(!all.some(({ rule }) => rule === "links_unchecked" || rule === "keywords_none"));
  assert.ok(all.every(({ changes }) => changes.length === 0));
});

test("what a change looks for stands in the article exactly once", () => {
  const twice = "<p>The radiators.</p>\n<p>The radiators.</p>\n<p>Old radiators here.</p>";
  const article: OwnArticle = anArticle({ html: twice });
  const targets = [{ slug: "iron", title: "Of iron", keywords: ["radiators"] }];
  const { changes } = one(advised({ ...unlinked, article, targets }), "internal_links");
  const [change] = changes as [Change & { find: string }];
  assert.equal(change.find, "Old radiators here.");
  assert.equal(twice.split(change.find).length, 2);
});
