/** Circles of `next` rules: found wherever they close, named by the shortest way. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { circleThrough, type Followers } from "./next-cycle.ts";

describe("a circle of next rules", () => {
  const cases: [what: string, followers: Followers, circle: string[] | null][] = [
    ["no rules at all", {}, null],
    ["a chain", { a: ["b"], b: ["c"] }, null],
    ["a fork that joins again", { a: ["b", "c"], b: ["d"], c: ["d"] }, null],
    ["a circle elsewhere, which was there before", { a: ["b"], b: ["c"], c: ["b"] }, null],
    ["a circle that leads here, but not back", { a: [], b: ["c", "a"], c: ["b"] }, null],
    ["a workflow that follows itself", { a: ["a"] }, ["a", "a"]],
    ["two that follow each other", { a: ["b"], b: ["a"] }, ["a", "b", "a"]],
    [
      "three, through a workflow without a row of its own",
      { a: ["x", "b"], b: ["c"], c: ["a"] },
      ["a", "b", "c", "a"],
    ],
    ["two ways back, the longer one first", { a: ["b", "d"], b: ["c"], c: ["a"], d: ["a"] }, ["a", "d", "a"]],
    ["the same rule twice", { a: ["b", "b"], b: ["a"] }, ["a", "b", "a"]],
  ];
  for (const [what, followers, circle] of cases) {
    it(`${circle ? "is found" : "is not"}: ${what}`, () => {
      assert.deepEqual(circleThrough("a", followers), circle);
    });
  }
});
