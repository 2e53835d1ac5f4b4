/** Owns the proof that what a person approved outlives the next version of an article, unless its text makes it void. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { anAudit, published, TITLE } from "#test/audited.ts";
import { openStore } from "#test/stored.ts";
import { articleBySlug } from "./content.ts";
import { recordPlaced } from "./publishers.ts";
import { saveAudit } from "./seo-audits.ts";
import { approveRecommendation, listRecommendations, rollBackRecommendation } from "./seo-recommendations.ts";

const CANONICAL = {
  ...{ rule: "canonical", title: "Say where it belongs", detail: "", gain: 2, basis: "rule" },
  changes: [{ field: "canonical_url", before: null, after: "/articles/pumps" }],
};
const LINK = {
  ...{ rule: "internal_links", title: "Link to pumps", detail: "", gain: 1, basis: "rule" },
  changes: [{ field: "html", find: "One pump", replace: '<a href="/articles/pumps">One pump</a>' }],
};

test("approved changes outlive the same text, and a new one as far as it leaves them their place", async (t) => {
  const { db } = await openStore(t);
  const task = { taskId: randomUUID() };
  const articleId = await published(db, "pump", task);
  await saveAudit(db, anAudit(articleId, { recommendations: [TITLE, CANONICAL, LINK] }));
  const open = await listRecommendations(db, { status: "open", limit: 10 });
  for (const { recommendationId } of open) await approveRecommendation(db, recommendationId, "ann");
  const shown = async () => {
    const { title, canonicalUrl, html } = (await articleBySlug(db, "pump"))!;
    return { title, canonicalUrl, html };
  };
  const approved = await shown();
  assert.deepEqual(approved, {
    title: "New title",
    canonicalUrl: "/articles/pumps",
    html: '<p><a href="/articles/pumps">One pump</a>.</p>',
  });

  // The same version once more, as after a crash between publishing and its checkpoint; and another one.
  await published(db, "pump", task);
  assert.deepEqual(await shown(), approved);
  const placed = { publisher: "blog", externalId: "1", url: "https://blog.example/pump" };
  await recordPlaced(db, articleId, { ...placed, canonical: true });
  await published(db, "pump", { ...task, html: "<p>One pump. Two pumps.</p>" });
  assert.deepEqual(await shown(), {
    ...approved,
    html: '<p><a href="/articles/pumps">One pump</a>. Two pumps.</p>',
  });

  // A text without the passage, under another title: both are void, and said to be.
  await published(db, "pump", { ...task, title: "All about heat", html: "<p>Heat.</p>" });
  assert.deepEqual(await shown(), {
    title: "All about heat",
    canonicalUrl: "/articles/pumps",
    html: "<p>Heat.</p>",
  });
  const superseded = await listRecommendations(db, { status: "superseded", limit: 10 });
  assert.deepEqual(superseded.map(({ rule }) => rule).sort(), ["internal_links", "title_length"]);

  // What stands can still be taken back.
  const [canonical] = await listRecommendations(db, { status: "applied", limit: 10 });
  await rollBackRecommendation(db, canonical!.recommendationId, "ann");
  assert.equal((await shown()).canonicalUrl, null);
});
