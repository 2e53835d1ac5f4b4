import assert from "node:assert/strict";
import { test } from "node:test";
import { fleschReadingEase, lix, readabilityOf, syllablesOf } from "./readability.ts";
import { countPhrase, keyOf, sentencesOf, stemOf, wordsOf } from "./words.ts";

const counts = (words: number, sentences: number, syllables: number, longWords = 0) => ({
  ...{ words, sentences, syllables, longWords },
});

// The examples of Wikipedia's "Flesch–Kincaid readability tests", with the syllables that their published values imply.
test("Flesch's formula gives the published values", () => {
  assert.equal(Math.round(fleschReadingEase(counts(6, 1, 6))), 116, "The cat sat on the mat.");
  assert.equal(
    Math.round(fleschReadingEase(counts(16, 1, 23))),
    69,
    "This sentence, taken as a reading passage …",
  );
  assert.equal(fleschReadingEase(counts(13, 1, 24)).toFixed(1), "37.5", "The Australian platypus …");
});

// Björnsson's formula as in Wikipedia's "Lix (readability test)": A/B + C·100/A.
test("LIX adds the mean length of sentences and the share of long words", () => {
  assert.equal(lix(counts(100, 10, 0, 25)), 35);
  assert.equal(lix(counts(200, 8, 0, 70)), 60);
});

test("syllables are those of the dictionary, but for a few words", () => {
  const dictionary: Record<string, number> = {
    ...{
      cat: 1,
      mat: 1,
      sentence: 2,
      taken: 2,
      reading: 2,
      passage: 2,
      itself: 2,
      being: 2,
      used: 1,
      point: 1,
    },
    ...{ platypus: 3, seemingly: 3, hybrid: 2, mammal: 2, reptilian: 4, creature: 2, people: 2, table: 2 },
  };
  for (const [word, syllables] of Object.entries(dictionary))
    assert.equal(syllablesOf(word), syllables, word);
  assert.equal(syllablesOf("2026"), 1);
});

// Two texts of the Library of Congress' public domain: the first chapter of Carroll's "Alice" against a sentence of Mill's "On Liberty".
const ALICE =
  "Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do. Once or twice she had peeped into the book her sister was reading, but it had no pictures or conversations in it. So she was considering in her own mind, as well as she could, for the hot day made her feel very sleepy and stupid.";
const MILL =
  "The object of this Essay is to assert one very simple principle, as entitled to govern absolutely the dealings of society with the individual in the way of compulsion and control, whether the means used be physical force in the form of legal penalties, or the moral coercion of public opinion.";

test("a children's book reads easier than a philosopher, by either method", () => {
  const [alice, mill] = [readabilityOf([ALICE], "en")!, readabilityOf([MILL], "en")!];
  assert.equal(alice.method, "flesch_reading_ease");
  assert.ok(alice.value > 65 && mill.value < 30, `${alice.value}, ${mill.value}`);
  // Taken for Swedish: another method, the same order.
  const [easy, hard] = [readabilityOf([ALICE], "sv")!, readabilityOf([MILL], "sv")!];
  assert.equal(easy.method, "lix");
  assert.ok(easy.value < 40 && hard.value > 60, `${easy.value}, ${hard.value}`);
  assert.ok(easy.ease > hard.ease && alice.ease > mill.ease);
  assert.equal(mill.longSentences, 1);
});

test("too few words, or words without spaces between them, are not judged", () => {
  assert.equal(readabilityOf(["Too short."], "en"), null);
  assert.equal(readabilityOf(["これは文章です。".repeat(50)], "ja"), null);
  assert.equal(readabilityOf([], "de"), null);
});

// From the sample vocabularies at snowballstem.org.
test("stems are Snowball's", () => {
  const table: [language: string, word: string, stem: string][] = [
    ["en", "consistency", "consist"],
    ["en-GB", "knightly", "knight"],
    ["de", "aufeinanderfolgenden", "aufeinanderfolg"],
    ["fr", "continuellement", "continuel"],
    ["es", "chicharrones", "chicharron"],
    ["xx", "pumps", "pumps"],
  ];
  for (const [language, word, stem] of table) assert.equal(stemOf(word, language), stem, word);
});

test("phrases are found in whatever forms, and not across each other", () => {
  const words = wordsOf("Heat pumps heat. The heat-pump is no heat pump; a pump, heat.").map((word) =>
    stemOf(word, "en"),
  );
  assert.equal(countPhrase(words, keyOf("Heat Pump", "en").split(" ")), 2);
  assert.equal(countPhrase(["a", "a", "a"], ["a", "a"]), 1);
  assert.equal(countPhrase(["a"], []), 0);
});

test("sentences are those of the language, also of one that nobody knows", () => {
  assert.deepEqual(sentencesOf("Es regnet. Er bleibt.", "de"), ["Es regnet.", "Er bleibt."]);
  assert.equal(sentencesOf("你好。再见。", "zh").length, 2);
  assert.equal(sentencesOf("One. Two.", "not a tag").length, 2);
});
