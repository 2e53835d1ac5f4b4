import assert from "node:assert/strict";
import { test } from "node:test";
import { escapeMarkdown } from "./markdown.ts";
import { contentWords, foldPlural, paragraphsOf, sentencesOf } from "./sentences.ts";

test("abbreviations, initials and decimals do not end a sentence", () => {
  const cases = [
    ["Dr. Smith went home. It rained.", 2],
    ["The U.S. Army paid $3.5 million, e.g. for tanks. It was much.", 2],
    ["It happened in the U.S. The army was late.", 2],
    ["Mr. J. R. Smith left. He was tired.", 2],
    ['"Really?" he said. She nodded.', 2],
    ["See Fig. 3 and No. 5 for details.", 1],
    ["Wirklich? Ja. Das Haus steht.", 3],
    ["", 0],
    ["…", 0],
  ] as const;
  for (const [text, count] of cases) assert.equal(sentencesOf(text, "en").length, count, text);
});

test("headings, lists and wrapped lines are told apart", () => {
  const text =
    "# Tides\n\nThe sea rises\nand falls.\n\nWhy it does\n\n- The Moon pulls.\n- The Sun pulls too.\n\n---\nThe end is near.";
  assert.deepEqual(paragraphsOf(text, "en"), [
    { heading: "Tides", sentences: ["The sea rises and falls."] },
    { heading: "Why it does", sentences: ["The Moon pulls."] },
    { heading: null, sentences: ["The Sun pulls too."] },
    { heading: null, sentences: ["The end is near."] },
  ]);
});

test("an unknown language tag does not fail", () => {
  assert.equal(sentencesOf("One. Two.", "xx-Zzzz").length, 2);
});

test("plural and singular meet", () => {
  const cases = {
    batteries: "battery",
    pumps: "pump",
    gas: "gas",
    boxes: "box",
    glass: "glass",
    radius: "radius",
    is: "is",
  };
  for (const [word, folded] of Object.entries(cases)) assert.equal(foldPlural(word), folded);
  assert.deepEqual(contentWords("The heat pumps and their batteries"), ["heat", "pump", "battery"]);
});

test("escaped text has no markup of its own", () => {
  assert.equal(
    escapeMarkdown("1. a *b* [c](d) <e> `f` \\"),
    "1\\. a \\*b\\* \\[c\\](d) \\<e\\> \\`f\\` \\\\",
  );
  assert.equal(
    escapeMarkdown("snake_case stays, _this_ not, R&D, &lt;"),
    "snake_case stays, \\_this\\_ not, R&D, &amp;lt;",
  );
});
