/** Entities: one row for one thing, whoever races whom; merged, asked about, decided. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { Problem } from "@master-orchestrator/contract";
import { openStore, untilBlocked } from "#test/stored.ts";
import { articleBySlug, publishArticle } from "./content.ts";
import type { Database } from "./database.ts";
import {
  addAlias,
  addEntities,
  entitiesLike,
  entitiesNamed,
  hasTrigrams,
  mergeEntities,
} from "./entities.ts";
import { askAboutName, decideName, listEntityReviews } from "./entity-reviews.ts";

type Outcome = Awaited<ReturnType<typeof addEntities>>;

/** First letters of the words stand for the keys that the pipeline makes. */
const keysOf = (alias: string) => alias.split(" ").map((word) => word.slice(0, 4));
const anEntity = (name: string) => ({ name, alias: name.toLowerCase(), keys: keysOf(name.toLowerCase()) });
const add = (db: Database, name: string, seen: string[] = []): Promise<Outcome> =>
  addEntities(db, { entities: [anEntity(name)], seen }, true);

async function added(db: Database, name: string, seen: string[] = []): Promise<string> {
  const outcome = await add(db, name, seen);
  return "added" in outcome ? outcome.added[0]!.entityId : assert.fail(`${name} has its like`);
}

async function rows(db: Database, table: string): Promise<number | null> {
  return (await db.query(`select from content.${table}`)).rowCount;
}

const anArticle = (over: object) => ({
  ...{
    taskId: randomUUID(),
    executionId: randomUUID(),
    slug: "a",
    title: "A",
    summary: "S",
    html: "",
    markdown: "",
  },
  ...{
    language: "en",
    author: null,
    contentType: "default",
    keywords: [],
    generator: "g",
    quality: { score: 80 },
  },
  ...{
    words: 1,
    sources: [],
    jsonLd: {},
    entityIds: [] as string[],
    unresolved: [] as string[],
  },
  ...over,
});

const ask = (db: Database, name: string, entityId: string) =>
  askAboutName(db, {
    name,
    alias: name.toLowerCase(),
    keys: keysOf(name.toLowerCase()),
    lookalikes: [{ entityId, name: "Marie Curie", similarity: 0.71 }],
    why: "alike",
    taskId: randomUUID(),
  });
const refused = (code: string, words: RegExp) => (error: unknown) =>
  error instanceof Problem && error.code === code && words.test(error.message);

describe("an entity", () => {
  it("is added once under its name, several at once; who comes later sees whose it is", async (t) => {
    const { db } = await openStore(t);
    const both = [anEntity("Ada Lovelace"), anEntity("Bob")];
    const first = await addEntities(db, { entities: both, seen: [] }, true);
    assert.ok("added" in first);
    assert.deepEqual(first.added.map(({ name }) => name).sort(), ["Ada Lovelace", "Bob"]);
    const ada = first.added.find(({ name }) => name === "Ada Lovelace")!.entityId;
    const known = { entityId: ada, name: "Ada Lovelace", aliases: ["ada lovelace"] };
    assert.deepEqual(await add(db, "ADA LOVELACE"), { appeared: [known] });
    assert.deepEqual(await add(db, "ADA LOVELACE", [ada]), { added: [] }, "the alias is taken");
  });

  it("that resembles one its finder has not seen is not added: the other is shown", async (t) => {
    const { db } = await openStore(t);
    const entityId = await added(db, "World Health Organization");
    const outcome = await add(db, "World Health Organisation");
    assert.deepEqual(outcome, {
      appeared: [{ entityId, name: "World Health Organization", aliases: ["world health organization"] }],
    });
    await added(db, "World Health Organisation", [entityId]);
    assert.equal(await rows(db, "entities"), 2, "seen, and held to be another");
  });

  it("that a hundred runs add at the same moment, in two spellings, is one row", async (t) => {
    const { db } = await openStore(t);
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, (_, i) => add(db, i % 2 ? "Fraunhofer Institute" : "Fraunhofer Institut")),
    );
    assert.equal(outcomes.filter((outcome) => "added" in outcome).length, 1);
    assert.deepEqual([await rows(db, "entities"), await rows(db, "entity_aliases")], [1, 1]);
  });

  it("is waited for by whoever adds its like", async (t) => {
    const { db } = await openStore(t);
    let second: Promise<Outcome> | undefined;
    await db.transaction(async (tx) => {
      await tx.query("select pg_advisory_xact_lock(7201405)");
      second = add(db, "Ada Lovelace");
      await untilBlocked(db);
    });
    assert.ok("added" in (await second!));
  });

  it("has further names; one that is taken stays with its owner", async (t) => {
    const { db } = await openStore(t);
    const [ada, bob] = [await added(db, "Ada Lovelace"), await added(db, "Bob")];
    const alias = { alias: "ada king", keys: ["ada", "king"] };
    assert.equal((await addAlias(db, { entityId: ada, ...alias })).entityId, ada);
    assert.equal((await addAlias(db, { entityId: bob, ...alias })).entityId, ada);
    const found = { entityId: ada, name: "Ada Lovelace", aliases: ["ada king", "ada lovelace"] };
    const like = (keys: string[], names: string[], trigrams: boolean) =>
      entitiesLike(db, { keys, names, trigrams });
    assert.deepEqual(await like(["king", "ada", "zz"], [], false), [found]);
    assert.deepEqual(await like([], [], true), []);
    assert.deepEqual(await entitiesNamed(db, "ada k", 5), [found]);
  });

  it("is found by its likeness where first letters differ, if the server knows trigrams", async (t) => {
    const { db } = await openStore(t);
    assert.equal(await hasTrigrams(db), true);
    const entityId = await added(db, "Tchaikovsky");
    const like = async (trigrams: boolean) =>
      (await entitiesLike(db, { keys: ["chai"], names: ["chaikovsky"], trigrams })).map(
        (one) => one.entityId,
      );
    assert.deepEqual([await like(true), await like(false)], [[entityId], []]);
  });
});

describe("two entities that are one", () => {
  it("are merged with names and articles, and the old id leads to the new one", async (t) => {
    const { db } = await openStore(t);
    const [un, nations] = [await added(db, "UN"), await added(db, "Nations")];
    await publishArticle(db, anArticle({ slug: "both", entityIds: [nations, un] }));
    await publishArticle(db, anArticle({ slug: "one", entityIds: [un] }));
    const merge = { entityId: un, intoEntityId: nations, actor: "editor" };
    const { into, merged } = await mergeEntities(db, merge);
    assert.deepEqual([into.aliases, merged], [["nations", "un"], true]);
    assert.equal((await mergeEntities(db, merge)).merged, false, "again changes nothing");
    for (const slug of ["both", "one"])
      assert.deepEqual((await articleBySlug(db, slug))!.entities, ["Nations"]);
    await publishArticle(db, anArticle({ slug: "late", entityIds: [un] }));
    assert.deepEqual((await articleBySlug(db, "late"))!.entities, ["Nations"], "from an older checkpoint");
    assert.equal((await addAlias(db, { entityId: un, alias: "u n o", keys: ["u"] })).entityId, nations);
    const other = await added(db, "League");
    await mergeEntities(db, { entityId: nations, intoEntityId: other, actor: "editor" });
    await publishArticle(db, anArticle({ slug: "later", entityIds: [un] }));
    assert.deepEqual((await articleBySlug(db, "later"))!.entities, ["League"], "chains are shortened");
    assert.equal(await rows(db, "entities"), 1);
  });

  it("cannot be one and the same, or missing", async (t) => {
    const { db } = await openStore(t);
    const one = await added(db, "One");
    const merge = (entityId: string, intoEntityId: string) =>
      mergeEntities(db, { entityId, intoEntityId, actor: "x" });
    await assert.rejects(merge(one, one), refused("conflict", /one entity already/));
    await assert.rejects(merge(one, randomUUID()), refused("not_found", /no entity/));
    assert.equal(await rows(db, "entities"), 1);
  });
});

describe("a name in doubt", () => {
  it("is asked about once, and its articles are linked to what a person decides", async (t) => {
    const { db } = await openStore(t);
    const marie = await added(db, "Marie Curie");
    assert.equal(await ask(db, "Maria Curie", marie), null);
    assert.equal(await ask(db, "Maria Curie", marie), null);
    await publishArticle(db, anArticle({ slug: "a", unresolved: ["maria curie"], entityIds: [] }));
    const [review] = await listEntityReviews(db, { status: "pending", limit: 10 });
    assert.deepEqual(
      [review!.name, review!.articles, review!.candidates[0]!.entityId],
      ["Maria Curie", 1, marie],
    );
    const verdict = { reviewId: review!.reviewId, entityId: marie, actor: "editor", note: "the same" };
    const decided = await decideName(db, verdict);
    assert.deepEqual(
      [decided.status, decided.entityId, decided.decidedBy, decided.note],
      ["merged", marie, "editor", "the same"],
    );
    assert.deepEqual((await articleBySlug(db, "a"))!.entities, ["Marie Curie"]);
    assert.deepEqual(await decideName(db, verdict), decided, "again changes nothing");
    await assert.rejects(
      decideName(db, { ...verdict, entityId: null }),
      refused("conflict", /merged, by editor/),
    );
    assert.deepEqual(await ask(db, "Maria Curie", marie), { entityId: marie, name: "Marie Curie" });
    await publishArticle(db, anArticle({ slug: "late", unresolved: ["maria curie"] }));
    assert.deepEqual(
      (await articleBySlug(db, "late"))!.entities,
      ["Marie Curie"],
      "decided before it was published",
    );
    assert.equal(await rows(db, "unresolved_names"), 0);
  });

  it("can be an entity of its own", async (t) => {
    const { db } = await openStore(t);
    const marie = await added(db, "Marie Curie");
    await ask(db, "Maria Curie", marie);
    await publishArticle(db, anArticle({ slug: "a", unresolved: ["maria curie"], entityIds: [marie] }));
    const [review] = await listEntityReviews(db, { limit: 10 });
    const verdict = { reviewId: review!.reviewId, entityId: null, actor: "editor", note: null };
    assert.equal((await decideName(db, verdict)).status, "separate");
    assert.deepEqual((await articleBySlug(db, "a"))!.entities, ["Marie Curie", "Maria Curie"]);
    assert.equal(await rows(db, "entities"), 2);
  });

  it("that is decided while its article is being published is linked all the same", async (t) => {
    const { db } = await openStore(t);
    const marie = await added(db, "Marie Curie");
    await ask(db, "Maria Curie", marie);
    const [review] = await listEntityReviews(db, { limit: 10 });
    const verdict = { reviewId: review!.reviewId, entityId: marie, actor: "editor", note: null };
    await Promise.all([
      decideName(db, verdict),
      ...Array.from({ length: 12 }, (_, i) =>
        publishArticle(db, anArticle({ slug: `s${i}`, unresolved: ["maria curie"] })),
      ),
    ]);
    for (let i = 0; i < 12; i++)
      assert.deepEqual((await articleBySlug(db, `s${i}`))!.entities, ["Marie Curie"]);
  });
});
