import assert from "node:assert/strict";
import { test } from "node:test";
import { composeOffline } from "../writing/offline-writer.ts";
import { aDraft, aTopic } from "../writing/sample-topics.ts";
import { measure, unknownFigures } from "./measure.ts";
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
  const measures = measure(await composeOffline(topic, new AbortController().signal), topic);
  assert.deepEqual([measures.support, measures.coverage, measures.relevance], [100, 100, 100]);
  assert.ok(measures.liveliness >= 75, JSON.stringify(measures));
});

test("sentences that no source holds lower the support", async () => {
  const topic = aTopic();
  const draft = await composeOffline(topic, new AbortController().signal);
  const invented =
    "Penguins invented the bicycle during a purple thunderstorm near Saturn. Nobody believed their lawyer.";
  const worse = measure(
    { ...draft, sections: [...draft.sections, { heading: "New", markdown: invented }] },
    topic,
  );
  const better = measure(draft, topic);
  assert.ok(worse.support < better.support);
  assert.ok(worse.relevance < better.relevance);
});

test("a paraphrase of a source is still traceable to it", () => {
  const topic = aTopic();
  const draft = {
    ...aDraft(),
    title: topic.title,
    summary: "A heat pump moves heat and does not make it.",
    sections: [
      { heading: "Noise", markdown: "Neighbours complain most often about **noise**. [1](#source-1)" },
    ],
  };
  assert.equal(measure(draft, topic).support, 100);
});

test("what cannot be measured does not count", async () => {
  const topic = aTopic({ language: "de" });
  const measures = measure(await composeOffline(topic, new AbortController().signal), topic);
  assert.deepEqual([measures.readability, measures.fleschReadingEase], [null, null]);
});

test("a text of a few lines needs no headings, a longer one does", () => {
  const short = { ...aDraft(), summary: "It is short.", sections: [] };
  const long = { ...short, lead: "A sentence of five words. ".repeat(60) };
  assert.ok(measure(short, aTopic()).structure > measure(long, aTopic()).structure);
});

test("figures that no source has are found, however they are grouped", () => {
  const topic = aTopic({
    brief: "The year 1850.",
    sources: [{ text: "It cost 12,000 euros, about 30 % less, or 3.5 a day." }],
  });
  const known = "In 1850 it cost 12 000 or 12'000 euros, 12,000 in all, 30 % less, 3.5 a day, in 3 rooms.";
  assert.deepEqual(unknownFigures(known.replace("12 000 or ", ""), topic), []);
  assert.deepEqual(unknownFigures("By 1851 it cost 13,000 and 3.6 a day.", topic), ["1851", "13000", "3.6"]);
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
  assert.equal(measure(await composeOffline(topic, new AbortController().signal), topic).support, 100);
});
