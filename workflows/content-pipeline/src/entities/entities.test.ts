import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryLibrary } from "../memory-library.ts";
import { aTopic } from "../writing/sample-topics.ts";
import { decisionsFrom } from "./decide.ts";
import { candidateNames } from "./names.ts";
import { matchingKeys, normalizeName, trigramSimilarity } from "./normalize.ts";
import { type Decision, judgeByRule, resolveEntities } from "./resolve.ts";

const taskId = "0190d7e0-0000-7000-8000-000000000001";

test("names are normalised to one form", () => {
  const cases = {
    "The Royal Society": "royal society",
    "  Dr. Marie Curie's ": "marie curie",
    "Électricité de France S.A.": "electricite de france",
    "AT&T Inc.": "at and t",
    "U.S. Army": "us army",
    "O’Brien": "obrien",
    Straße: "strasse",
    "—": "",
    The: "the",
  };
  for (const [name, normalized] of Object.entries(cases)) assert.equal(normalizeName(name), normalized, name);
});

test("trigram similarity is that of pg_trgm", () => {
  assert.equal(trigramSimilarity("word", "two words").toFixed(6), "0.363636");
  assert.equal(trigramSimilarity("same", "same"), 1);
  assert.equal(trigramSimilarity("", ""), 0);
});

test("a name means the entity that its form says", () => {
  const known = (...aliases: string[]) => [{ entityId: "e1", name: aliases[0]!, aliases }];
  const table: [name: string, known: string[], kind: string][] = [
    ["the Royal Society", ["royal society"], "same"],
    ["The Royal Society of London", ["royal society"], "alias"],
    ["Royal Society", ["royal society of london"], "alias"],
    ["Royal Society of Chemistry", ["royal society"], "new"],
    ["Royal Society of Edinburgh", ["royal society", "royal society of london"], "new"],
    ["World Health Organisation", ["world health organization"], "alias"],
    ["Dr. Marie Curie", ["marie curie"], "same"],
    ["Pierre Curie", ["marie curie"], "new"],
    ["Maria Curie", ["marie curie"], "unsure"],
    ["Fraunhofer Society", ["fraunhofer institute"], "new"],
    ["Curie", ["marie curie"], "new"],
    ["Apollo 12", ["apollo 11"], "new"],
    ["Charles II", ["charles i"], "new"],
    ["North Korea", ["south korea"], "new"],
    ["London", ["university of london"], "new"],
    ["Fraunhofer Institut", ["fraunhofer institute"], "alias"],
    ["Iraq", ["iran"], "new"],
  ];
  for (const [name, aliases, kind] of table)
    assert.equal(judgeByRule(name, known(...aliases)).kind, kind, name);
});

test("names that could be compared share a matching key", () => {
  assert.deepEqual(matchingKeys("royal society of london"), ["roya", "soci", "lond"]);
  assert.ok(
    matchingKeys("world health organisation").some((key) =>
      matchingKeys("world health organization").includes(key),
    ),
  );
});

test("names are found where the text shows them to be names", () => {
  const topic = aTopic({
    title: "A Short History Of Radium",
    brief: "Tell the story of radium.",
    keywords: ["Marie Curie", "radium"],
    sources: [
      {
        text: `The World Health Organization (WHO) keeps the record. In 1898 the physicist Marie Curie worked in Paris with Pierre Curie. Curie received the Nobel Prize in 1911. When the WHO looked back, it praised Curie and the Royal Society of London. However, nobody had asked. Members of the Royal Society wrote to Paris. On Monday the Moon and the Sun were seen. Nobody saw the Moon again.`,
      },
    ],
  });
  const names = candidateNames(topic);
  const found = Object.fromEntries(names.map((each) => [each.name, each]));
  for (const name of [
    "Marie Curie",
    "Pierre Curie",
    "Paris",
    "World Health Organization",
    "Nobel Prize",
    "Royal Society",
  ]) {
    assert.ok(found[name], name);
  }
  assert.ok(found["Royal Society of London"] && found.Moon);
  assert.deepEqual(found["World Health Organization"]!.aliases, ["WHO"]);
  for (const name of [
    "However",
    "Monday",
    "Radium",
    "Members of the Royal Society",
    "WHO",
    "In",
    "Tell",
    "A Short History Of Radium",
  ]) {
    assert.equal(found[name], undefined, name);
  }
  assert.deepEqual(candidateNames(topic), names);
});

test("topics that write a name differently meet in one entity", async () => {
  const library = memoryLibrary();
  const resolve = async (...names: string[]) =>
    (
      await resolveEntities(
        names.map((name) => ({ name, aliases: [], evidence: 2 })),
        library,
        { taskId },
      )
    ).entities;
  const [first] = await resolve("Royal Society");
  assert.equal(first!.resolution, "new");
  const [second, third] = await resolve("The Royal Society of London", "Royal Institution");
  assert.deepEqual(second, { ...first, mention: "The Royal Society of London", resolution: "alias" });
  assert.equal(third!.resolution, "new");
  const [again] = await resolve("the Royal Society of London");
  assert.deepEqual([again!.entityId, again!.resolution], [first!.entityId, "same"]);
  assert.equal(library.entities.size, 2);
});

test("two runs that meet the same new name at once add it once", async () => {
  const library = memoryLibrary();
  const candidates = [{ name: "Royal Society", aliases: ["RS"], evidence: 2 }];
  const results = await Promise.all([1, 2, 3].map(() => resolveEntities(candidates, library, { taskId })));
  assert.equal(new Set(results.map(({ entities }) => entities[0]!.entityId)).size, 1);
  assert.equal(library.entities.size, 1);
  assert.equal((await library.entitiesLike(["rs"], [])).length, 1);
});

test("two runs that meet two spellings of a new name at once add one entity", async () => {
  const library = memoryLibrary();
  const of = (name: string) => resolveEntities([{ name, aliases: [], evidence: 2 }], library, { taskId });
  const results = await Promise.all([of("World Health Organization"), of("World Health Organisation")]);
  assert.equal(library.entities.size, 1);
  assert.equal(new Set(results.map(({ entities }) => entities[0]!.entityId)).size, 1);
});

test("another judge may decide", async () => {
  const library = memoryLibrary();
  await resolveEntities([{ name: "Samuel Clemens", aliases: [], evidence: 2 }], library, { taskId });
  const { entities } = await resolveEntities([{ name: "Samuel Twain", aliases: [], evidence: 2 }], library, {
    taskId,
    judge: (_name, known) => ({ kind: "alias", entityId: known[0]!.entityId, confidence: 0.8 }),
  });
  assert.equal(entities[0]!.name, "Samuel Clemens");
});

test("a name in doubt makes no entity: it waits for a person, and once decided means what was decided", async () => {
  const library = memoryLibrary();
  const resolve = (decided?: Record<string, Decision>) =>
    resolveEntities([{ name: "Maria Curie", aliases: [], evidence: 2 }], library, {
      taskId,
      ...(decided ? { decided } : {}),
    });
  const marie = await resolveEntities([{ name: "Marie Curie", aliases: [], evidence: 2 }], library, {
    taskId,
  });
  assert.deepEqual(await resolve(), { entities: [], unresolved: ["maria curie"] });
  assert.equal(library.entities.size, 1);
  assert.match(
    library.questions.get("maria curie")!.why,
    /"Maria Curie" and "Marie Curie" are alike \(0\.\d+\)/,
  );
  const { entityId } = marie.entities[0]!;
  const told = await resolve({ "Maria Curie": { kind: "alias", entityId, confidence: 0.9 } });
  assert.deepEqual([told.entities[0]!.entityId, told.unresolved], [entityId, []]);
});

test("a model's decision counts only where it is sure, and about what it was asked", () => {
  const lookalikes = [{ entityId: "e1", name: "Marie Curie", similarity: 0.7, aliases: ["marie curie"] }];
  const asked = ["A", "B", "C", "D", "E"].map((name) => ({ name, lookalikes }));
  const decisions = [
    { name: 1, same_as: 1, sure: true, why: "the same physicist" },
    { name: 2, same_as: null, sure: true, why: "a ship" },
    { name: 3, same_as: 1, sure: false, why: "the text does not tell" },
    { name: 4, same_as: 7, sure: true, why: "made up" },
    { name: 9, same_as: 1, sure: true, why: "not asked" },
  ];
  const decided = decisionsFrom({ decisions }, asked, "stub/model");
  assert.deepEqual(
    Object.values(decided).map(({ kind }) => kind),
    ["alias", "new", "unsure", "unsure", "unsure"],
  );
  assert.match((decided.C as { why: string }).why, /stub\/model is not sure: the text does not tell/);
  assert.match((decided.E as { why: string }).why, /said nothing/);
});
