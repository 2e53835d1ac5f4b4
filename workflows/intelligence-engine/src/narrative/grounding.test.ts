/** Numbers of a model's text that no fact has are found, however they are written. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { numbersIn, ungrounded } from "./grounding.ts";

const FACTS = [
  "Readers: 12,345 page views (+4.5 %), $1,204.50 revenue.",
  "Success: 97 %; target: over 95 %.",
];

test("a number is the same with and without separators and zeros at its end", () => {
  assert.deepEqual(numbersIn("12,345 and 12345.0, then 4.50"), ["12345", "12345", "4.5"]);
  assert.deepEqual(ungrounded("12345 page views, $1204.5, 4.5 %, 97 % against 95 %.", FACTS), []);
});

test("what is rounded, summed up, or made up is found", () => {
  assert.deepEqual(ungrounded("About 12,000 views", FACTS), ["12000"]);
  assert.deepEqual(ungrounded("Revenue doubled to $1,204.50", FACTS), ["doubled"]);
  assert.deepEqual(ungrounded("half a million", FACTS), ["half", "million"]);
});
