/** What the pipeline publishes: one article a task, one slug an article, one entity a name, whoever races whom. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { Problem } from "@master-orchestrator/contract";
import { MINUTE, NOW } from "#test/builders.ts";
import { openStore } from "#test/stored.ts";
import {
  type ArticleToPublish,
  articleBySlug,
  articlesLike,
  latestArticles,
  listArticles,
  publishArticle,
  relatedArticles,
} from "./content.ts";
import { insertEntities } from "./entities.ts";
import { savePrints } from "./seo-corpus.ts";

function anArticle(over: Partial<ArticleToPublish> = {}): ArticleToPublish {
  return {
    taskId: randomUUID(),
    executionId: randomUUID(),
    slug: "a-title",
    title: "A title",
    summary: "In short",
    html: "<p>Text</p>",
    markdown: "Text",
    language: "en",
    author: null,
    contentType: "how_to",
    keywords: ["a", "b"],
    generator: "offline-extractive",
    quality: { score: 71.5 },
    words: 1,
    sources: [{ title: "Source", url: null, read: true, note: null }],
    jsonLd: { "@type": "Article" },
    entityIds: [],
    unresolved: [],
    ...over,
  };
}

describe("publishing", () => {
  it("makes an article that is read as it was written", async (t) => {
    const { db } = await openStore(t);
    const article = anArticle();
    const { articleId, slug, created } = await publishArticle(db, article);
    assert.deepEqual([slug, created], ["a-title", true]);
    const { entityIds: _, unresolved: _names, quality, ...given } = article;
    assert.deepEqual(await articleBySlug(db, "a-title"), {
      ...given,
      ...{ source: "pipeline", category: null },
      canonicalUrl: null,
      articleId,
      quality,
      qualityScore: 71.5,
      publishedAt: NOW,
      updatedAt: NOW,
      entities: [],
    });
    assert.equal(await articleBySlug(db, "another"), null);
  });

  it("again by the same task brings it up to date, and keeps its slug and its date", async (t) => {
    const store = await openStore(t);
    const article = anArticle();
    const first = await publishArticle(store.db, article);
    await store.pass(MINUTE);
    const same = await publishArticle(store.db, { ...article, slug: "other-slug" });
    assert.deepEqual(same, { ...first, created: false });
    assert.equal(
      (await articleBySlug(store.db, "a-title"))!.updatedAt,
      NOW,
      "nothing that is read has changed",
    );
    await publishArticle(store.db, { ...article, title: "New", slug: "new" });
    const now = (await articleBySlug(store.db, "a-title"))!;
    assert.deepEqual([now.title, now.publishedAt, now.updatedAt], ["New", NOW, NOW + MINUTE]);
    assert.equal((await latestArticles(store.db, 10)).length, 1);
  });

  it("under a slug that another task has takes the next free one", async (t) => {
    const { db } = await openStore(t);
    const slugs: string[] = [];
    for (let i = 0; i < 4; i++) slugs.push((await publishArticle(db, anArticle())).slug);
    assert.deepEqual(slugs, ["a-title", "a-title-2", "a-title-3", "a-title-4"]);
    await db.query("delete from content.articles where slug = 'a-title-2'");
    assert.equal((await publishArticle(db, anArticle())).slug, "a-title-2");
  });

  it("by many tasks at once gives each a slug of its own; by one task at once one article", async (t) => {
    const { db } = await openStore(t);
    const many = await Promise.all(Array.from({ length: 12 }, () => publishArticle(db, anArticle())));
    assert.equal(new Set(many.map((one) => one.slug)).size, 12);
    const article = anArticle({ slug: "twin" });
    const twins = await Promise.all(Array.from({ length: 8 }, () => publishArticle(db, article)));
    assert.equal(new Set(twins.map((one) => one.articleId)).size, 1);
    assert.equal(twins.filter((one) => one.created).length, 1);
  });
});

describe("entities of an article", () => {
  it("are shown in their order; publishing again replaces them; one that is gone is left out", async (t) => {
    const { db } = await openStore(t);
    const entity = (name: string) =>
      insertEntities(db, [{ name, alias: name.toLowerCase(), keys: [name[0]!.toLowerCase()] }]).then(
        ([one]) => one!,
      );
    const [ada, bob, cy] = [await entity("Ada"), await entity("Bob"), await entity("Cy")];
    const article = anArticle({ entityIds: [bob.entityId, ada.entityId, bob.entityId, randomUUID()] });
    const { articleId } = await publishArticle(db, article);
    const names = async () => (await articleBySlug(db, "a-title"))!.entities;
    assert.deepEqual(await names(), ["Bob", "Ada"]);
    await publishArticle(db, { ...article, entityIds: [cy.entityId, bob.entityId] });
    assert.deepEqual(await names(), ["Cy", "Bob"]);
    await publishArticle(db, anArticle({ slug: "both", entityIds: [cy.entityId, bob.entityId] }));
    await publishArticle(db, anArticle({ slug: "one", entityIds: [bob.entityId] }));
    await publishArticle(db, anArticle({ slug: "none" }));
    const related = await relatedArticles(db, articleId, 5);
    assert.deepEqual(
      related.map((one) => one.slug),
      ["both", "one"],
    );
    assert.equal((await relatedArticles(db, articleId, 1)).length, 1);
  });
});

describe("an article's likeness", () => {
  it("finds the articles that share a band, but never the task's own", async (t) => {
    const { db } = await openStore(t);
    const one = anArticle({ slug: "one" });
    const printed = async (article: ArticleToPublish, n: number) => {
      const { articleId, updatedAt } = await publishArticle(db, article);
      const keys = { titleKey: "", descriptionKey: "", mainKeyword: "", keywords: [] };
      const prints = { ...keys, language: "en", signature: [n, 2, 3], bands: [n, n + 1] };
      await savePrints(db, [{ articleId, updatedAt, prints }]);
    };
    await printed(one, 1);
    await printed(anArticle({ slug: "two" }), 2);
    await printed(anArticle({ slug: "far" }), 70);
    assert.deepEqual(await articlesLike(db, [1, 2], randomUUID()), [
      { slug: "one", signature: [1, 2, 3] },
      { slug: "two", signature: [2, 2, 3] },
    ]);
    assert.deepEqual(
      (await articlesLike(db, [1, 2], one.taskId)).map(({ slug }) => slug),
      ["two"],
    );
  });
});

describe("the list of articles", () => {
  it("is newest first, page by page, each article once, also those of one moment", async (t) => {
    const store = await openStore(t);
    const published: string[] = [];
    for (let i = 0; i < 7; i++) {
      published.push((await publishArticle(store.db, anArticle({ slug: `s${i}` }))).slug);
      if (i % 3 === 2) await store.pass(MINUTE);
    }
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof listArticles>> = await listArticles(store.db, {
        limit: 2,
        cursor,
      });
      seen.push(...page.articles.map((article) => article.slug));
      cursor = page.nextCursor;
    } while (cursor);
    assert.deepEqual(seen.toSorted(), published.toSorted());
    assert.deepEqual(seen.slice(0, 1), ["s6"]);
    assert.deepEqual(
      (await latestArticles(store.db, 3)).map((one) => one.slug),
      seen.slice(0, 3),
    );
  });

  it("refuses a cursor that is not of this list", async (t) => {
    const { db } = await openStore(t);
    for (const cursor of ["", "nonsense", Buffer.from("1.2").toString("base64url")]) {
      await assert.rejects(
        () => listArticles(db, { limit: 2, cursor }),
        (error) => error instanceof Problem && error.code === "validation_failed",
      );
    }
  });
});
