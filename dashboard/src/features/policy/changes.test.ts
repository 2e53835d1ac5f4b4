/** What a draft of the policy would change: each leaf once, nothing that is left out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { changesOf } from "./changes.ts";

const current = { budget: { daily_usd: 500, caps: {} }, lanes: { "a/b": { weight: 1 } }, fallbacks: [] };

test("a draft that says the same, or less, changes nothing", () => {
  assert.deepEqual(changesOf(current, structuredClone(current)), []);
  assert.deepEqual(changesOf(current, { budget: { daily_usd: 500 } }), []);
});

test("each leaf that differs is named with what it was and what it would be", () => {
  const draft = {
    budget: { daily_usd: 400 },
    lanes: { "a/b": null, "a/c": { weight: 2 } },
    fallbacks: [{ model: "x" }],
  };
  assert.deepEqual(changesOf(current, draft), [
    { path: "budget.daily_usd", from: 500, to: 400 },
    { path: "lanes.a/b", from: { weight: 1 }, to: null },
    { path: "lanes.a/c", from: undefined, to: { weight: 2 } },
    { path: "fallbacks", from: [], to: [{ model: "x" }] },
  ]);
});
