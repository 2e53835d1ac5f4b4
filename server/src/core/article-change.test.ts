import assert from "node:assert/strict";
import { test } from "node:test";
import type { ArticleChange } from "@master-orchestrator/contract";
import { applyChanges, changedFields, takeBack } from "./article-change.ts";

const ARTICLE = {
  title: "Old title",
  summary: "In short",
  html: "<p>One pump.</p>\n<p>Two pumps.</p>",
  markdown: "# Old title\n\nOne pump.\n",
  jsonLd: { "@type": "Article", headline: "Old title" },
  canonicalUrl: null,
};

const applied = (...changes: ArticleChange[]) => {
  const outcome = applyChanges(ARTICLE, changes);
  assert.ok(outcome.fits, JSON.stringify(outcome));
  return outcome.article;
};
const refused = (...changes: ArticleChange[]) => {
  const outcome = applyChanges(ARTICLE, changes);
  assert.ok(!outcome.fits);
  return outcome.reason;
};

test("a title takes along what repeats it", () => {
  const article = applied({ field: "title", before: "Old title", after: "New title" });
  assert.equal(article.title, "New title");
  assert.deepEqual(article.jsonLd, { "@type": "Article", headline: "New title" });
  assert.equal(article.markdown, "# New title\n\nOne pump.\n");
  assert.equal(article.html, ARTICLE.html);
});

test("a description is that of the JSON-LD, or else the summary", () => {
  const { jsonLd } = applied({ field: "description", before: "In short", after: "Longer" });
  assert.equal(jsonLd.description, "Longer");
  assert.match(
    refused({ field: "description", before: "Else", after: "x" }),
    /is "In short" by now, not "Else"/,
  );
});

test("several changes fit together, or none is made", () => {
  const article = applied(
    { field: "html", find: "One pump.", replace: "One <a>pump</a>." },
    { field: "html", find: "Two pumps.", replace: "Two." },
    { field: "json_ld", name: "author", before: null, after: { "@type": "Person", name: "Asha" } },
    { field: "canonical_url", before: null, after: "/articles/x" },
  );
  assert.equal(article.html, "<p>One <a>pump</a>.</p>\n<p>Two.</p>");
  assert.deepEqual(article.jsonLd.author, { "@type": "Person", name: "Asha" });
  assert.equal(article.canonicalUrl, "/articles/x");
  refused(
    { field: "canonical_url", before: null, after: "/x" },
    { field: "html", find: "Three", replace: "" },
  );
});

test("what was changed meanwhile is not overwritten, and the reason says what", () => {
  const cases: [ArticleChange, RegExp][] = [
    [{ field: "title", before: "Older", after: "x" }, /the title is "Old title" by now/],
    [{ field: "html", find: "pump", replace: "x" }, /html is there more than once/],
    [{ field: "markdown", find: "Two", replace: "x" }, /markdown is not there any more/],
    [{ field: "canonical_url", before: "/a", after: "/b" }, /canonical address is "null"/],
    [
      { field: "json_ld", name: "headline", before: null, after: "x" },
      /headline of its JSON-LD is "Old title"/,
    ],
  ];
  for (const [change, reason] of cases) assert.match(refused(change), reason);
});

test("taking back gives the fields what they held, unless one was changed again", () => {
  const after = applied({ field: "title", before: "Old title", after: "New title" });
  const fields = changedFields(ARTICLE, after);
  assert.deepEqual(fields.map(({ field }) => field).sort(), ["json_ld", "markdown", "title"]);
  const back = takeBack(after, fields);
  assert.ok(back.fits);
  const { summary: _, ...before } = ARTICLE;
  assert.deepEqual(back.article, before);
  const later = takeBack({ ...after, markdown: "else" }, fields);
  assert.deepEqual(later, { fits: false, reason: "its markdown was changed again since" });
  assert.equal(
    takeBack({ ...after, html: "<p>else</p>" }, fields).fits,
    true,
    "other fields may have moved on",
  );
  assert.deepEqual(
    changedFields(ARTICLE, { ...ARTICLE, jsonLd: { headline: "Old title", "@type": "Article" } }),
    [],
  );
});
