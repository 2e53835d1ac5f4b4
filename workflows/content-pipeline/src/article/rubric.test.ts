import assert from "node:assert/strict";
import { test } from "node:test";
import { aDraft, aTopic } from "../writing/sample-topics.ts";
import { claimsOf, numberedText } from "./claims.ts";
import { verdictFrom } from "./judge.ts";
import { measure } from "./measure.ts";
import {
  DEFAULT_BAR,
  findingsFor,
  judgeByMeasures,
  scoreOf,
  type Verdict,
  withFiguresChecked,
} from "./rubric.ts";

const aVerdict = (mark: number, changes: Partial<Verdict> = {}): Verdict => ({
  judge: "stub/judge",
  marks: { interest: mark, organisation: mark, relevance: mark, coverage: mark },
  unsupported: [],
  support: 1,
  findings: [],
  ...changes,
});
const measures = measure(aDraft(), aTopic({ language: "de" }));
const score = (verdict: Verdict, likeness: Parameters<typeof scoreOf>[1]["likeness"] = null) =>
  scoreOf(verdict, { measures, likeness, bar: DEFAULT_BAR });

test("the score is the published formula's", () => {
  // German has no reading ease: 80 parts of marks and 10 of originality, of 90.
  assert.equal(score(aVerdict(5)).score, 100);
  assert.equal(score(aVerdict(3)).score, Math.round((50 * 80 + 100 * 10) / 90));
  assert.equal(score(aVerdict(1)).score, Math.round((0 * 80 + 100 * 10) / 90));
  const twin = { slug: "twin", likeness: 0.5 };
  assert.equal(score(aVerdict(5), twin).score, Math.round((100 * 80 + 50 * 10) / 90));
  assert.equal(scoreOf(aVerdict(5), { measures, likeness: undefined, bar: DEFAULT_BAR }).originality, null);
});

test("each gate keeps an article back on its own, and says why", () => {
  assert.deepEqual(score(aVerdict(4)).reasons, []);
  assert.match(score(aVerdict(2)).reasons[0]!, /quality is 33 of 100 \(interest 2, .*55 are required/);
  const unsupported = [{ claim: "Pigs fly", why: "no source says so" }];
  const [doubt] = score(aVerdict(5, { support: 0.8, unsupported })).reasons;
  assert.match(doubt!, /80 % of its claims .* 90 % are required, such as "Pigs fly" \(no source says so\)/);
  assert.match(
    score(aVerdict(5), { slug: "twin", likeness: 0.93 }).reasons[0]!,
    /93 % the same as the article twin/,
  );
});

test("without a model the marks are a formula's, and say so", () => {
  const verdict = judgeByMeasures({
    ...measures,
    coverage: 50,
    structure: 100,
    relevance: 0,
    liveliness: 74,
  });
  assert.equal(verdict.judge, "deterministic-rubric");
  assert.deepEqual(verdict.marks, { interest: 4, organisation: 5, relevance: 1, coverage: 3 });
  assert.match(verdict.findings[0]!, /^relevance is 1 of 5/);
  assert.equal(judgeByMeasures({ ...measures, coverage: null }).marks.coverage, 5);
});

test("claims are what stands before each citation, numbered alike for judge and writer", () => {
  const claims = claimsOf(aDraft());
  assert.deepEqual(claims, [
    { text: "Heat pumps move heat.", sources: [] },
    { text: "Underfloor heating is content with 35 °C.", sources: [0] },
    { text: "A refrigerant boils far below zero", sources: [0] },
    { text: "and takes up heat even from cold air", sources: [0] },
    { text: "They draw most on the coldest evening", sources: [1] },
    { text: "Owners keep a wood stove", sources: [] },
  ]);
  const text = numberedText(aDraft());
  for (const [i, claim] of claims.entries()) assert.ok(text.includes(`(${i + 1}) ${claim.text}`), text);
});

test("of a judge's answer counts what speaks of the article", () => {
  const mark = (value: number) => ({ reason: "", mark: value });
  const answer = {
    unsupported: [
      { claim: 3, why: "not said" },
      { claim: 3, why: "again" },
      { claim: 99, why: "no such claim" },
    ],
    ...{ interest: mark(4), organisation: mark(3), relevance: mark(5), coverage: mark(2) },
    findings: [" Shorter. ", ""],
  };
  const verdict = verdictFrom(answer, aDraft(), "stub/judge");
  assert.deepEqual(verdict.unsupported, [{ claim: "A refrigerant boils far below zero", why: "again" }]);
  assert.equal(verdict.support, 5 / 6);
  assert.deepEqual(verdict.findings, ["Shorter."]);
  const findings = findingsFor(score(verdict), verdict);
  assert.match(findings[0]!, /Not supported by the sources: "A refrigerant boils/);
  assert.ok(findings.some((finding) => finding.startsWith("coverage has 2 of 5 marks")));
  assert.throws(
    () => verdictFrom({ ...answer, interest: mark(7) }, aDraft(), "j"),
    /the mark 7, which is not 1 to 5/,
  );
});

test("a figure that no source has is no supported claim, whatever the judge said", () => {
  const draft = aDraft({ summary: "It costs 98,765 euros." });
  const checked = withFiguresChecked(aVerdict(5), draft, aTopic());
  assert.deepEqual(checked.unsupported, [
    { claim: "It costs 98,765 euros.", why: "no source has the figure 98765" },
  ]);
  assert.equal(checked.support, 5 / 6);
  assert.equal(withFiguresChecked(aVerdict(5), aDraft(), aTopic()).support, 1);
});
