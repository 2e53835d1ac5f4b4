/** Owns the recommendations of an audit: what to do, what it would bring, the best first. Applies nothing. */
import type { Checked } from "../check.ts";
import type { Recommendation } from "../library.ts";
import { RULES, type RuleId } from "../rules/catalog.ts";
import type { Subject } from "../rules/rule.ts";
import { gainOf } from "../score.ts";
import { type Advice, BY_RULE, type Suggestions } from "./advice.ts";
import { altAdvice, linkAdvice } from "./markup.ts";
import { canonicalAdvice, jsonLdAdvice } from "./structured.ts";
import { descriptionAdvice, titleAdvice } from "./texts.ts";

/** One recommendation for each breach that costs something, or for several that one change mends. */
export function recommend(
  checked: Checked,
  subject: Subject | null,
  suggested: Suggestions | null,
): Recommendation[] {
  const { findings } = checked;
  const broken = new Set<string>(findings.map(({ rule }) => rule));
  const advice = subject
    ? [
        ...canonicalAdvice(subject, broken),
        ...titleAdvice(subject, broken, suggested),
        ...descriptionAdvice(subject, broken, suggested),
        ...linkAdvice(subject, broken),
        ...altAdvice(subject, broken),
        ...jsonLdAdvice(subject, findings),
      ]
    : [];
  const advised = new Set<RuleId>();
  const first = advice.flatMap((one): Advice[] => {
    // Two changes for one breach would be in each other's way: the first adviser has it.
    const rules = one.rules.filter((rule) => !advised.has(rule));
    for (const rule of rules) advised.add(rule);
    return rules.length > 0 ? [{ ...one, rules }] : [];
  });
  const rest = findings
    .filter(({ rule, severity }) => severity !== "info" && !advised.has(rule))
    .map(
      ({ rule, message }): Advice => ({
        rules: [rule],
        detail: message,
        changes: [],
        basis: BY_RULE,
        share: 1,
      }),
    );
  const kept = new Map(rest.map((one) => [one.rules[0]!, one]));
  return [...first, ...kept.values()]
    .map((one) => asRecommendation(one, checked))
    .sort((a, b) => b.gain - a.gain || b.changes.length - a.changes.length || a.rule.localeCompare(b.rule));
}

function asRecommendation(
  { rules, detail, changes, basis, share }: Advice,
  checked: Checked,
): Recommendation {
  const [rule] = rules as [RuleId];
  const whole = gainOf(rules, checked.findings, checked.measured);
  // What a person has to do mends all of it; a change mends what it reaches.
  const gain = changes.length > 0 ? Math.round(whole * share * 10) / 10 : whole;
  return { rule, title: RULES[rule].advice, detail: detail.slice(0, 1_000), gain, changes, basis };
}
