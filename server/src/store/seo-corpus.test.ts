/** What the SEO monitor looks up: which articles are due, which are alike, what is remembered of other sites. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anAudit, published, TITLE } from "#test/audited.ts";
import { NOW } from "#test/builders.ts";
import { openStore } from "#test/stored.ts";
import type { Database } from "./database.ts";
import { seoLibrary } from "./seo.ts";
import { saveAudit } from "./seo-audits.ts";
import { lockDueArticles, noteTakenArticles, type StoredPrints } from "./seo-corpus.ts";
import { approveRecommendation, listRecommendations } from "./seo-recommendations.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const openOnes = (db: Database) => listRecommendations(db, { status: "open", limit: 50 });

describe("what is due", () => {
  it("is an article an hour after it was published, once it was changed, and when its audit is old", async (t) => {
    const store = await openStore(t);
    const { db } = store;
    const library = seoLibrary(db);
    const articleId = await published(db, "a");
    assert.deepEqual(await library.takeDue(9), []);
    await store.pass(HOUR);
    assert.deepEqual(await library.takeDue(9), [articleId]);
    assert.deepEqual(await library.takeDue(9), [], "for a day it is somebody's");
    await store.pass(DAY);
    assert.deepEqual(await library.takeDue(9), [articleId], "who took it never audited it");
    await saveAudit(db, anAudit(articleId, { dueAgainDays: 7, recommendations: [TITLE] }));
    await store.pass(7 * DAY - 1);
    assert.deepEqual(await library.takeDue(9), []);
    await approveRecommendation(db, (await openOnes(db))[0]!.recommendationId, "Asha");
    assert.deepEqual(await library.takeDue(9), [articleId], "changed");
  });

  it("becomes work of a slot once, and other work each time it falls due again", async (t) => {
    const store = await openStore(t);
    const { db } = store;
    const articleId = await published(db, "a");
    await store.pass(HOUR);
    const take = () =>
      db.transaction(async (tx) => {
        const work = await lockDueArticles(tx, 10);
        const workIds = work.map((one) => one.workId);
        await noteTakenArticles(
          tx,
          [{ kind: "take_work", workflowType: "seo_monitor", source: "articles_due", workIds }],
          NOW + HOUR,
        );
        return work;
      });
    const [first] = await take();
    assert.deepEqual([first?.payload, first?.workId.split(":")[0]], [{ article_id: articleId }, articleId]);
    assert.deepEqual(await take(), []);
    await store.pass(2 * DAY);
    const [later] = await take();
    assert.notEqual(later?.workId, first?.workId);
  });
});

describe("what is alike", () => {
  const prints = (over: Partial<StoredPrints>): StoredPrints => ({
    ...{
      language: "en",
      titleKey: "t",
      descriptionKey: "d",
      mainKeyword: "k",
      keywords: ["k"],
      signature: [],
      bands: [],
    },
    ...over,
  });

  it("is found by a band, a title, a description or keywords, and by nothing else", async (t) => {
    const { db } = await openStore(t);
    const library = seoLibrary(db);
    const alike: [slug: string, own: Partial<StoredPrints>][] = [
      ["band", { bands: [7, 1], titleKey: "x", descriptionKey: "x", keywords: [] }],
      ["title", { titleKey: "same title", descriptionKey: "y", keywords: [] }],
      ["description", { descriptionKey: "same words", titleKey: "z", keywords: [] }],
      ["keywords", { keywords: ["heat pump", "boiler"], titleKey: "w", descriptionKey: "w" }],
      ["stranger", { titleKey: "v", descriptionKey: "v", keywords: ["whale"], bands: [99] }],
    ];
    for (const [slug, own] of alike) {
      const articleId = await published(db, slug);
      await library.savePrints([{ articleId, updatedAt: NOW, prints: prints(own) }]);
    }
    const to = prints({
      bands: [7, 8],
      titleKey: "same title",
      descriptionKey: "same words",
      keywords: ["heat pump"],
    });
    const found = await library.similar({ articleId: null, prints: to });
    assert.deepEqual(found.map(({ slug }) => slug).sort(), ["band", "description", "keywords", "title"]);
    const band = found.find(({ slug }) => slug === "band")!;
    assert.deepEqual(band.prints.bands, [7, 1]);
    const others = await library.similar({ articleId: band.articleId, prints: to });
    assert.ok(!others.some(({ slug }) => slug === "band"));
    assert.deepEqual(
      await library.similar({
        articleId: null,
        prints: prints({ titleKey: "", descriptionKey: "", keywords: [] }),
      }),
      [],
    );
  });

  it("is known of the present text only: a changed article is printed again", async (t) => {
    const { db } = await openStore(t);
    const library = seoLibrary(db);
    const articleId = await published(db, "a");
    const [unprinted] = await library.unprinted(9);
    assert.equal(unprinted?.articleId, articleId);
    await library.savePrints([{ articleId, updatedAt: NOW - 1, prints: prints({}) }]);
    assert.equal((await library.unprinted(9)).length, 1, "they were of an older text");
    await library.savePrints([{ articleId, updatedAt: NOW, prints: prints({}) }]);
    assert.equal((await library.unprinted(9)).length, 0);
    await db.query("update content.articles set html = '<p>Else</p>'");
    assert.equal((await library.unprinted(9)).length, 1);
  });

  it("is related for links by shared keywords, unless it is canonical elsewhere", async (t) => {
    const { db } = await openStore(t);
    const library = seoLibrary(db);
    const ids: string[] = [];
    for (const [slug, keywords] of [
      ["a", ["x", "y"]],
      ["b", ["x", "y"]],
      ["c", ["y"]],
      ["d", ["z"]],
      ["e", ["x"]],
    ] as const) {
      const articleId = await published(db, slug);
      ids.push(articleId);
      await library.savePrints([{ articleId, updatedAt: NOW, prints: prints({ keywords: [...keywords] }) }]);
    }
    await db.query("update content.articles set canonical_url = '/articles/a' where slug = 'e'");
    assert.deepEqual(
      (await library.related(ids[0]!, 9)).map(({ slug }) => slug),
      ["b", "c"],
    );
    assert.deepEqual(await library.knownSlugs(["a", "zzz"]), ["a"]);
  });
});

describe("what is remembered of other sites", () => {
  it("is good for as long as it is asked to be, and the newest counts", async (t) => {
    const store = await openStore(t);
    const library = seoLibrary(store.db);
    const check = {
      url: "https://a.example/",
      outcome: "ok" as const,
      status: 200,
      redirects: 0,
      finalUrl: "https://a.example/",
      detail: "",
      checkedAtMs: 0,
    };
    await library.saveLinkChecks([check, { ...check, url: `https://a.example/${"x".repeat(1900)}` }]);
    await store.pass(HOUR);
    await library.saveLinkChecks([{ ...check, outcome: "broken", status: 404 }]);
    const [found] = await library.linkChecks(["https://a.example/", "https://b.example/"], 2 * HOUR);
    assert.deepEqual([found?.outcome, found?.status, found?.checkedAtMs], ["broken", 404, NOW + HOUR]);
    await store.pass(40 * DAY);
    assert.deepEqual(await library.linkChecks(["https://a.example/"], DAY), []);
    await library.saveLinkChecks([{ ...check, url: "https://c.example/" }]);
    const { rows } = await store.db.query("select url from content.link_checks");
    assert.deepEqual(rows, [{ url: "https://c.example/" }], "what is a month old is forgotten");
  });

  it("holds robots.txt by origin", async (t) => {
    const store = await openStore(t);
    const library = seoLibrary(store.db);
    const file = { status: 200, text: "User-agent: *\u0000", checkedAtMs: NOW };
    await library.saveRobots("https://a.example", file);
    assert.deepEqual(await library.robots("https://a.example", DAY), { ...file, text: "User-agent: *" });
    assert.equal(await library.robots("https://b.example", DAY), null);
    await store.pass(DAY);
    assert.equal(await library.robots("https://a.example", DAY), null);
  });
});
