/** What the SEO monitor keeps: one audit a task, recommendations until they are decided, revisions. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { Problem } from "@master-orchestrator/contract";
import { anAudit, BY_HAND, published, TITLE } from "#test/audited.ts";
import { NOW } from "#test/builders.ts";
import { openStore } from "#test/stored.ts";
import { articleBySlug } from "./content.ts";
import type { Database } from "./database.ts";
import { findAudit, listAudits, saveAudit, trendOf } from "./seo-audits.ts";
import {
  approveRecommendation,
  listRecommendations,
  listRevisions,
  rejectRecommendation,
  rollBackRecommendation,
} from "./seo-recommendations.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const refused = (code: string, words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Problem, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, words);
  return true;
};

const openOnes = (db: Database) => listRecommendations(db, { status: "open", limit: 50 });

describe("an audit", () => {
  it("is kept once for its task, however often and by how many it is saved", async (t) => {
    const { db } = await openStore(t);
    const audit = anAudit(await published(db, "a"));
    const saved = await Promise.all(Array.from({ length: 6 }, () => saveAudit(db, audit)));
    assert.equal(new Set(saved.map((one) => one.auditId)).size, 1);
    assert.equal(saved.filter((one) => one.created).length, 1);
    assert.equal((await openOnes(db)).length, 2);
    const whole = (await findAudit(db, saved[0]!.auditId))!;
    assert.deepEqual(
      [whole.slug, whole.score, whole.parts, whole.measures],
      ["a", 80, audit.parts, audit.measures],
    );
    assert.deepEqual(
      whole.recommendations.map(({ rule, gainTenths }) => [rule, gainTenths]),
      [
        ["thin_content", 50],
        ["title_length", 36],
      ],
    );
  });

  it("knows the score before, and a page's audits are its history with a trend", async (t) => {
    const store = await openStore(t);
    const { db } = store;
    const articleId = await published(db, "a");
    for (const [i, score] of [60, 70, 80].entries()) {
      const { previousScore } = await saveAudit(db, anAudit(articleId, { score }));
      assert.equal(previousScore, [null, 60, 70][i]);
      await store.pass(10 * DAY);
    }
    await saveAudit(db, anAudit(null, { url: "https://other.example/", score: 5 }));
    const history = await listAudits(db, { articleId, limit: 2 });
    assert.deepEqual(
      history.map(({ score, previousScore }) => [score, previousScore]),
      [
        [80, 70],
        [70, 60],
      ],
    );
    const rest = await listAudits(db, { articleId, limit: 2, before: history[1]!.position });
    assert.deepEqual(
      rest.map(({ score }) => score),
      [60],
    );
    assert.equal((await listAudits(db, { limit: 9 })).length, 4);
    assert.deepEqual(
      (await listAudits(db, { url: "https://other.example/", limit: 9 })).map(({ score }) => score),
      [5],
    );
    const trend = (await trendOf(db, { articleId }))!;
    assert.deepEqual(
      { ...trend, changePer30Days: Math.round(trend.changePer30Days!) },
      {
        ...{ audits: 3, firstScore: 60, lastScore: 80, bestScore: 80, worstScore: 60, changePer30Days: 30 },
      },
    );
    assert.equal(await trendOf(db, { url: "https://nowhere.example/" }), null);
  });

  it("supersedes what earlier audits of the page left open, and raises again what nobody refused", async (t) => {
    const { db } = await openStore(t);
    const articleId = await published(db, "a");
    await saveAudit(db, anAudit(articleId));
    await saveAudit(db, anAudit(null, { url: "https://other.example/", recommendations: [BY_HAND] }));
    const [byHand] = (await openOnes(db)).filter((one) => one.articleId === articleId);
    await rejectRecommendation(db, byHand!.recommendationId, "Asha");
    const { auditId } = await saveAudit(db, anAudit(articleId));
    const open = await openOnes(db);
    assert.deepEqual(
      open.map(({ rule, url }) => [rule, url.slice(8, 13)]),
      [
        ["thin_content", "other"],
        ["title_length", "site."],
      ],
    );
    const again = (await findAudit(db, auditId))!.recommendations.find(
      ({ rule }) => rule === "thin_content",
    )!;
    assert.deepEqual([again.status, again.decidedBy], ["rejected", "Asha"]);
    assert.equal((await listRecommendations(db, { status: "superseded", limit: 9 })).length, 1);
  });
});

describe("a recommendation", () => {
  it("is applied with a revision, and taken back from it", async (t) => {
    const store = await openStore(t);
    const { db } = store;
    const articleId = await published(db, "a");
    await saveAudit(db, anAudit(articleId));
    const { recommendationId: id } = (
      await listRecommendations(db, { status: "open", applicable: true, limit: 9 })
    )[0]!;
    await store.pass(HOUR);
    const { recommendation, revision } = await approveRecommendation(db, id, "Asha");
    assert.deepEqual(
      [recommendation.status, recommendation.decidedBy, recommendation.decidedAtMs],
      ["applied", "Asha", NOW + HOUR],
    );
    assert.deepEqual(revision?.fields, [{ field: "title", before: "Old title", after: "New title" }]);
    const changed = (await articleBySlug(db, "a"))!;
    assert.deepEqual(
      [changed.title, changed.updatedAt, changed.html],
      ["New title", NOW + HOUR, "<p>One pump.</p>"],
    );
    await assert.rejects(approveRecommendation(db, id, "Asha"), refused("conflict", /is applied \(Asha\)/));
    const back = await rollBackRecommendation(db, id, "Bo");
    assert.equal(back.recommendation.status, "rolled_back");
    assert.deepEqual([back.revision?.rolledBackBy, back.revision?.revisionId], ["Bo", revision?.revisionId]);
    assert.equal((await articleBySlug(db, "a"))!.title, "Old title");
    assert.equal((await listRevisions(db, { articleId, limit: 9 })).length, 1);
    await saveAudit(db, anAudit(articleId, { recommendations: [TITLE] }));
    assert.deepEqual(await openOnes(db), [], "what was taken back is not raised again");
  });

  it("that does not fit any more changes nothing, and says why", async (t) => {
    const { db } = await openStore(t);
    const articleId = await published(db, "a");
    await saveAudit(db, anAudit(articleId));
    const [byHand, title] = (await openOnes(db)).map((one) => one.recommendationId) as [string, string];
    await db.query("update content.articles set title = 'Newer'");
    await assert.rejects(
      approveRecommendation(db, title, "Asha"),
      refused("conflict", /the title is "Newer" by now/),
    );
    await assert.rejects(approveRecommendation(db, byHand, "Asha"), refused("conflict", /holds no change/));
    await assert.rejects(
      approveRecommendation(db, randomUUID(), "Asha"),
      refused("not_found", /no recommendation/),
    );
    await assert.rejects(rollBackRecommendation(db, title, "Asha"), refused("conflict", /is open/));
    assert.equal((await openOnes(db)).length, 2);
    assert.deepEqual(await listRevisions(db, { articleId, limit: 9 }), []);
  });

  it("that two approve at once is applied once; what was changed since is not taken back", async (t) => {
    const { db } = await openStore(t);
    await saveAudit(db, anAudit(await published(db, "a"), { recommendations: [TITLE] }));
    const { recommendationId: id } = (await openOnes(db))[0]!;
    const both = await Promise.allSettled([
      approveRecommendation(db, id, "Asha"),
      approveRecommendation(db, id, "Bo"),
    ]);
    assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    await db.query("update content.articles set title = 'Newest'");
    await assert.rejects(
      rollBackRecommendation(db, id, "Asha"),
      refused("conflict", /its title was changed again/),
    );
    const { rows } = await db.query(
      "select title, rolled_back_at from content.articles join content.article_revisions using (article_id)",
    );
    assert.deepEqual(rows, [{ title: "Newest", rolled_back_at: null }]);
  });

  it("changes every field that it may, and no other", async (t) => {
    const { db } = await openStore(t);
    const changes = [
      { field: "html", find: "One pump.", replace: 'One <a href="/articles/b">pump</a>.' },
      { field: "markdown", find: "One pump.", replace: "One [pump](/articles/b)." },
      { field: "description", before: "In short", after: "A longer one" },
      { field: "canonical_url", before: null, after: "/articles/b" },
    ];
    await saveAudit(db, anAudit(await published(db, "a"), { recommendations: [{ ...TITLE, changes }] }));
    const { recommendationId: id } = (await openOnes(db))[0]!;
    await approveRecommendation(db, id, "Asha");
    const { html, markdown, jsonLd, canonicalUrl } = (await articleBySlug(db, "a"))!;
    assert.deepEqual(
      [html, markdown],
      ['<p>One <a href="/articles/b">pump</a>.</p>', "One [pump](/articles/b)."],
    );
    assert.deepEqual([jsonLd, canonicalUrl], [{ description: "A longer one" }, "/articles/b"]);
    await rollBackRecommendation(db, id, "Asha");
    const back = (await articleBySlug(db, "a"))!;
    assert.deepEqual([back.html, back.jsonLd, back.canonicalUrl], ["<p>One pump.</p>", {}, null]);
  });

  it("is listed by expected gain, page by page, each once", async (t) => {
    const { db } = await openStore(t);
    for (const slug of ["a", "b", "c"]) {
      const gains = [5, 1.2, 1.2].map((gain, i) => ({ ...BY_HAND, gain, rule: `rule_${i}` }));
      await saveAudit(
        db,
        anAudit(await published(db, slug), { recommendations: gains, url: `https://s.example/${slug}` }),
      );
    }
    const seen: string[] = [];
    let before: { gainTenths: number; id: string } | undefined;
    for (;;) {
      const page = await listRecommendations(db, { status: "open", limit: 4, before });
      seen.push(...page.map((one) => one.recommendationId));
      const last = page.at(-1);
      if (!last) break;
      before = { gainTenths: last.gainTenths, id: last.recommendationId };
    }
    assert.deepEqual([seen.length, new Set(seen).size], [9, 9]);
    assert.equal((await listRecommendations(db, { status: "open", rule: "rule_0", limit: 9 })).length, 3);
  });
});
