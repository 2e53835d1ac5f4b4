/** What a draft of the policy would change: each leaf once, nothing that is left out; and upon another's version. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { changesOf, contested, withChanges } from "./changes.ts";

const current = { budget: { daily_usd: 500, caps: {} }, lanes: { "a/b": { weight: 1 } }, fallbacks: [] };

test("a draft that says the same, or less, changes nothing", () => {
  assert.deepEqual(changesOf(current, structuredClone(current)), []);
  assert.deepEqual(changesOf(current, { budget: { daily_usd: 500 } }), []);
});

test("each leaf that differs is named with what it was and what it would be", () => {
  const draft = {
    budget: { daily_usd: 400 },
    lanes: { "a/b": null, "a/c.d": { weight: 2 } },
    fallbacks: [{ model: "x" }],
  };
  assert.deepEqual(
    changesOf(current, draft).map(({ path, from, to }) => [path, from, to]),
    [
      ["budget.daily_usd", 500, 400],
      ["lanes.a/b", { weight: 1 }, null],
      ["lanes.a/c.d", undefined, { weight: 2 }],
      ["fallbacks", [], [{ model: "x" }]],
    ],
  );
});

test("changes are made again upon somebody else's version, and only those that meet are contested", () => {
  const mine = changesOf(current, { budget: { daily_usd: 400 }, lanes: { "a/c.d": { weight: 2 } } });
  const other = { ...current, budget: { daily_usd: 300, caps: {} }, fallbacks: [{ model: "x" }] };
  const theirs = changesOf(current, other);
  assert.deepEqual(withChanges(other, mine), {
    budget: { daily_usd: 400, caps: {} },
    lanes: { "a/b": { weight: 1 }, "a/c.d": { weight: 2 } },
    fallbacks: [{ model: "x" }],
  });
  assert.deepEqual(
    contested(mine, theirs).map(({ path }) => path),
    ["budget.daily_usd"],
  );
  assert.deepEqual(contested(mine, mine), [], "both want the same");
});
