import assert from "node:assert/strict";
import { test } from "node:test";
import { PART_WEIGHTS, type RuleId } from "./rules/catalog.ts";
import { found } from "./rules/rule.ts";
import { ALL_PARTS, CRITICAL_CAP, gainOf, scoreOf } from "./score.ts";

test("the weights of the parts sum to 100", () => {
  assert.equal(
    Object.values(PART_WEIGHTS).reduce((sum, weight) => sum + weight, 0),
    100,
  );
});

test("a breach costs its share of its part's weight, and mending it brings just that", () => {
  const findings = [found("title_length", "long"), found("image_alt", "none", {}, 0.5)];
  const { score, parts } = scoreOf(findings, ALL_PARTS);
  assert.equal(parts.metadata, 80);
  assert.equal(parts.structure, 85);
  // 100 − 18 % of 20 − 10 % of 15 = 94.9, rounded down.
  assert.equal(score, 94);
  assert.equal(gainOf(["title_length"], findings, ALL_PARTS), 3.6);
  assert.equal(gainOf(["image_alt"], findings, ALL_PARTS), 1.5);
  assert.equal(gainOf(["title_length", "image_alt"], findings, ALL_PARTS), 5.1);
});

test("what could not be measured does not count, neither for nor against the page", () => {
  const measured = ALL_PARTS.filter((part) => part !== "keywords");
  const { score, parts } = scoreOf([found("title_missing", "none")], measured);
  assert.equal(parts.keywords, null);
  assert.equal(score, Math.floor(100 - (18 * 60) / 88));
});

test("a part never falls below nothing, and then one breach alone brings less", () => {
  const rules: RuleId[] = ["title_missing", "description_missing", "language_missing"];
  const findings = rules.map((rule) => found(rule, "none"));
  assert.equal(scoreOf(findings, ALL_PARTS).parts.metadata, 0);
  assert.equal(gainOf(["language_missing"], findings, ALL_PARTS), 0.9);
});

test("a page that search engines do not show scores 40 at the most, until that is mended", () => {
  const findings = [found("noindex", "by meta"), found("title_length", "long")];
  assert.equal(scoreOf(findings, ALL_PARTS).score, CRITICAL_CAP);
  assert.equal(gainOf(["noindex"], findings, ALL_PARTS), 56.4);
  assert.equal(gainOf(["title_length"], findings, ALL_PARTS), 0);
});
