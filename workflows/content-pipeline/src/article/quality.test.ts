import assert from "node:assert/strict";
import { test } from "node:test";
import { composeOffline } from "../writing/offline-writer.ts";
import { aTopic } from "../writing/sample-topics.ts";
import { scoreQuality } from "./quality.ts";
import { countSyllables, fleschReadingEase } from "./readability.ts";

// The three examples, with their values, of Wikipedia's "Flesch–Kincaid readability tests".
test("reading ease agrees with the published examples", () => {
  assert.equal(Math.round(fleschReadingEase("The cat sat on the mat.")!), 116);
  const second = "This sentence, taken as a reading passage unto itself, is being used to prove a point.";
  assert.equal(Math.round(fleschReadingEase(second)!), 69);
  const third = "The Australian platypus is seemingly a hybrid of a mammal and reptilian creature.";
  assert.equal(fleschReadingEase(third)!.toFixed(1), "37.5");
  assert.equal(fleschReadingEase(" … "), null);
});

test("syllables are counted as they are spoken", () => {
  const table = {
    cat: 1,
    table: 2,
    wanted: 2,
    asked: 1,
    science: 2,
    create: 2,
    makes: 1,
    boxes: 2,
    people: 2,
    radio: 3,
    "2026": 1,
  };
  for (const [word, count] of Object.entries(table)) assert.equal(countSyllables(word), count, word);
});

test("an extracted article is fully supported and covers its keywords", async () => {
  const topic = aTopic();
  const quality = scoreQuality(await composeOffline(topic, new AbortController().signal), topic);
  assert.equal(quality.parts.support, 100);
  assert.equal(quality.parts.coverage, 100);
  assert.ok(quality.score >= 80 && quality.score <= 100, JSON.stringify(quality));
});

test("sentences that no source holds lower the support", async () => {
  const topic = aTopic();
  const draft = await composeOffline(topic, new AbortController().signal);
  const invented =
    "Penguins invented the bicycle during a purple thunderstorm near Saturn. Nobody believed their lawyer.";
  const worse = scoreQuality(
    { ...draft, sections: [...draft.sections, { heading: "New", markdown: invented }] },
    topic,
  );
  const better = scoreQuality(draft, topic);
  assert.ok(worse.parts.support < better.parts.support);
  assert.ok(worse.score < better.score);
});

test("a paraphrase of a source is still traceable to it", () => {
  const topic = aTopic();
  const draft = {
    title: topic.title,
    summary: "A heat pump moves heat and does not make it.",
    lead: "",
    sections: [
      { heading: "Noise", markdown: "Neighbours complain most often about **noise**. [1](#source-1)" },
    ],
    keyFacts: [],
    pullQuote: null,
    citations: [],
    generator: "test/model",
  };
  assert.equal(scoreQuality(draft, topic).parts.support, 100);
});

test("what cannot be measured does not count", async () => {
  const topic = aTopic({ language: "de" });
  const quality = scoreQuality(await composeOffline(topic, new AbortController().signal), topic);
  assert.equal(quality.parts.readability, null);
  assert.equal(quality.fleschReadingEase, null);
  assert.ok(Number.isInteger(quality.score));
});

test("the longest topic that is allowed is measured by what was read of it", async () => {
  const sentence = (i: number) =>
    `Station ${i} measured ${i * 3} units of rain near village ${i * 7} in the year ${1000 + i}.`;
  const sources = Array.from({ length: 20 }, (_, s) => ({
    text: Array.from({ length: 2400 }, (_, i) => sentence(s * 2400 + i) + (i % 5 ? " " : "\n\n"))
      .join("")
      .slice(0, 200_000),
  }));
  const topic = aTopic({ sources, keywords: ["rain"] });
  const quality = scoreQuality(await composeOffline(topic, new AbortController().signal), topic);
  assert.equal(quality.parts.support, 100);
});
