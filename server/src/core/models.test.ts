/** Owns the proof that a model's longest answer is never thought shorter than it can be. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mostOutputTokens } from "./models.ts";

test("the longest beginning of a name counts, and no other model's", () => {
  const table: [string, number | undefined, number][] = [
    ["gpt-4", 8_192, 8_192],
    ["gpt-4-32k", 32_000, 32_000],
    ["gpt-4-turbo", 128_000, 4_096],
    ["gpt-4o-mini", 128_000, 16_384],
    ["gpt-5-mini", 400_000, 128_000],
    ["gpt-5-pro", 400_000, 272_000],
    ["gpt-5.4-pro", 1_050_000, 128_000],
    ["gemini-2.5-flash-tts", 8_192, 8_192],
    ["gemini-3.8-flash", 1_000_000, 65_536],
  ];
  for (const [model, window, most] of table) assert.equal(mostOutputTokens(model, window), most, model);
});

test("a model of which nothing is known can fill its window; without one, the largest there is", () => {
  assert.equal(mostOutputTokens("gpt-4.5-preview", undefined), 2_000_000, "no kind of gpt-4");
  assert.equal(mostOutputTokens("gpt-4o:extended", undefined), 2_000_000, "no kind of gpt-4o");
  assert.equal(mostOutputTokens("gpt-7-sol", 1_050_000), 1_050_000);
  assert.equal(mostOutputTokens("gemini-31-pro", 1_000_000), 1_000_000);
});
