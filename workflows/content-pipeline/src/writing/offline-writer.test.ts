import assert from "node:assert/strict";
import { test } from "node:test";
import { plainTextOf } from "../article/measure.ts";
import type { Topic } from "../topic.ts";
import type { Draft } from "./draft.ts";
import { composeOffline } from "./offline-writer.ts";
import { aTopic, GRID, HEAT_PUMPS } from "./sample-topics.ts";
import { sentencesOf } from "./sentences.ts";

const never = new AbortController().signal;

function folded(text: string): string {
  return text.replace(/\s+/g, " ");
}

/** Every sentence of the draft that stands neither in the brief nor in a source. */
function inventedIn(draft: Draft, topic: Topic): string[] {
  const material = folded([topic.brief, ...topic.sources.map((source) => source.text ?? "")].join("\n"));
  const sentences = [
    ...plainTextOf(draft).split(/\n+/),
    ...draft.keyFacts.map((fact) => fact.text),
    draft.pullQuote?.text ?? "",
    ...draft.citations.map((citation) => citation.text),
  ].flatMap((paragraph) => sentencesOf(paragraph, topic.language));
  return sentences.filter((sentence) => !material.includes(sentence));
}

test("no sentence of the article is invented", async () => {
  const topic = aTopic();
  const draft = await composeOffline(topic, never);
  assert.deepEqual(inventedIn(draft, topic), []);
  assert.ok(plainTextOf(draft).length > 1000);
  assert.equal(draft.generator, "offline-extractive");
});

test("the same topic gives the same article", async () => {
  assert.deepEqual(await composeOffline(aTopic(), never), await composeOffline(aTopic(), never));
});

test("the brief opens the article, but its instructions to the writer are not shown", async () => {
  const draft = await composeOffline(aTopic(), never);
  assert.equal(draft.summary, "Heat pumps are replacing boilers across northern Europe.");
  assert.doesNotMatch(plainTextOf(draft), /Explain to home owners/);
});

test("a brief that only gives orders is replaced by the source's own opening", async () => {
  const brief = "Explain how a heat pump works. The reader should learn what it costs.";
  const draft = await composeOffline(aTopic({ brief }), never);
  assert.match(draft.summary, /^Heat pumps move heat instead of making it\.|^The grid has to carry/);
});

test("sections stand in the order of the sources, have different headings and cite their source", async () => {
  const topic = aTopic();
  const draft = await composeOffline(topic, never);
  assert.ok(draft.sections.length >= 3 && draft.sections.length <= 6);
  const headings = draft.sections.map((section) => section.heading);
  assert.equal(new Set(headings).size, headings.length);
  assert.ok(headings.includes("What it costs"), "the source's own heading is kept");
  const all = folded(`${HEAT_PUMPS} ${GRID}`);
  const places = plainTextOf({ ...draft, summary: "", lead: "" })
    .split(/\n+/)
    .flatMap((paragraph) => sentencesOf(paragraph, "en"))
    .map((sentence) => all.indexOf(sentence));
  assert.deepEqual(
    places,
    [...places].sort((a, b) => a - b),
  );
  for (const section of draft.sections) assert.match(section.markdown, /\[[12]\]\(#source-[12]\)$/);
});

test("a sentence that two sources share stands once, and boilerplate not at all", async () => {
  const text = plainTextOf(await composeOffline(aTopic(), never));
  assert.equal(text.split("Heat pumps move heat instead of making it").length, 2);
  assert.doesNotMatch(text, /newsletter/);
});

test("key facts hold numbers, and the pull quote is none of them", async () => {
  const draft = await composeOffline(aTopic(), never);
  assert.ok(draft.keyFacts.length >= 2 && draft.keyFacts.length <= 5);
  for (const fact of draft.keyFacts) assert.match(fact.text, /\d|million/);
  assert.ok(draft.pullQuote);
  assert.ok(!draft.keyFacts.some((fact) => fact.text === draft.pullQuote?.text));
});

test("without any text the article says what the brief says, and no more", async () => {
  const topic = aTopic({
    brief: "Tides follow the Moon. They come twice a day. Ports print tables of them.",
    sources: [{ url: "https://example.org/tides" }],
  });
  const draft = await composeOffline(topic, never);
  assert.equal(draft.summary, "Tides follow the Moon. They come twice a day.");
  assert.equal(draft.lead, "Ports print tables of them.");
  assert.deepEqual(draft.sections, []);
  assert.deepEqual(inventedIn(draft, topic), []);
});

test("a source of one sentence, of a fragment, or of nothing gives a short article", async () => {
  for (const text of [
    "Tides follow the Moon, and the Sun helps them a little.",
    "tides",
    "",
    "   \n\n ",
    "…!?",
    "# Tides",
  ]) {
    const topic = aTopic({ sources: [{ text }] });
    const draft = await composeOffline(topic, never);
    assert.deepEqual(inventedIn(draft, topic), [], JSON.stringify(text));
    assert.notEqual(draft.summary, "");
  }
});

test("markup of a source is read as text", async () => {
  const text =
    "<h2>Open *here*</h2><p>The first <b>paragraph</b> speaks of the sea and its tides.</p><script>alert(1)</script>" +
    "<p>The second one uses * and _ and [brackets](javascript:alert(1)) &amp; more of that kind.</p>";
  const draft = await composeOffline(aTopic({ sources: [{ text }] }), never);
  const written = JSON.stringify(draft);
  assert.doesNotMatch(written, /<script|<b>|javascript:|alert/);
  assert.match(plainTextOf(draft), /The second one uses \* and _ and brackets & more of that kind\./);
});

test("a large source is cut to the length of an article, within a second", async () => {
  const text = Array.from(
    { length: 3000 },
    (_, i) =>
      `Sentence ${i} says that pump number ${i * 7} moved ${i % 13} units of heat in winter ${i % 97}.`,
  )
    .join(" ")
    .replace(/(winter \d?5\.)/g, "$1\n\n");
  const sources = Array.from({ length: 5 }, () => ({ text: text.slice(0, 200_000) }));
  const started = performance.now();
  const draft = await composeOffline(aTopic({ sources }), never);
  assert.ok(performance.now() - started < 5000);
  const words = plainTextOf(draft).split(/\s+/).length;
  assert.ok(words > 300 && words < 1200, `${words} words`);
  assert.ok(draft.sections.length <= 6);
});

test("an aborted run stops", async () => {
  await assert.rejects(composeOffline(aTopic(), AbortSignal.abort()), { name: "AbortError" });
});
