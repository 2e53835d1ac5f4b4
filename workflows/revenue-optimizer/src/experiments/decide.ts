/** Owns the stop rules: when an experiment ends, how, and by which numbers. Reads only a result. */
import type { Experiment } from "../library.ts";
import type { ExperimentResult, VariantResult } from "./result.ts";

export const OUTCOMES = ["win", "lose", "futile", "harm", "max_duration", "invalid"] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface Decision {
  outcome: Outcome;
  /** The variant to go on with: the winner, else the control. */
  variant: string;
  reason: string;
}

/** A guardrail needs fewer units than a win: harm is not waited for. */
const LEAST_UNITS_FOR_HARM = 100;

interface Verdict {
  verdict: "win" | "lose" | "futile" | "harm" | "open";
  reason: string;
}

/** Null: it goes on, for the reason that `waitingFor` gives. */
export function decide(experiment: Experiment, result: ExperimentResult): Decision | null {
  const control = (experiment.variants[0] as { key: string }).key;
  const over = result.days >= experiment.maxDays;
  const ratio = result.sample_ratio;
  const verdicts = result.variants.slice(1).map((each) => ({ each, ...judge(experiment, result, each) }));
  // Harm counts even where variants were not given out as meant, and of one variant alone: it is safer to stop.
  const harmful = verdicts.filter(({ verdict }) => verdict === "harm");
  if (harmful.length > 0) return { outcome: "harm", variant: control, reason: reasonsOf(harmful) };
  if (ratio && !ratio.ok) {
    const reason = `sample-ratio mismatch (chi-square ${number(ratio.chi_square)}, p ${number(ratio.p)}): nothing can be concluded`;
    return over ? { outcome: "invalid", variant: control, reason } : null;
  }
  const winner = verdicts
    .filter(({ verdict }) => verdict === "win")
    .toSorted((a, b) => (b.each.chance_best ?? 0) - (a.each.chance_best ?? 0))[0];
  if (winner) return { outcome: "win", variant: winner.each.key, reason: winner.reason };
  if (verdicts.every(({ verdict }) => verdict !== "open")) {
    const outcome = verdicts.some(({ verdict }) => verdict === "futile") ? "futile" : "lose";
    return { outcome, variant: control, reason: reasonsOf(verdicts) };
  }
  if (!over) return null;
  const reason = `${experiment.maxDays} days are over without a decision: ${reasonsOf(verdicts)}`;
  return { outcome: "max_duration", variant: control, reason };
}

/** What an experiment that goes on waits for, in words. */
export function waitingFor(experiment: Experiment, result: ExperimentResult): string {
  if (result.sample_ratio && !result.sample_ratio.ok) {
    return `sample-ratio mismatch (p ${number(result.sample_ratio.p)}): look for what gives variants out unevenly`;
  }
  const treatments = result.variants.slice(1);
  return reasonsOf(treatments.map((each) => ({ each, ...judge(experiment, result, each) })));
}

function judge(experiment: Experiment, result: ExperimentResult, own: VariantResult): Verdict {
  const control = result.variants[0] as VariantResult;
  const harmed = own.guardrails.find(({ harmed }) => harmed);
  if (harmed?.effect && Math.min(control.units, own.units) >= LEAST_UNITS_FOR_HARM) {
    const { low, high } = harmed.effect;
    return {
      verdict: "harm",
      reason: `${harmed.goal} changed by ${share(low)} to ${share(high)} of units, which is harm`,
    };
  }
  const missing = control.missing ?? own.missing;
  if (missing) return { verdict: "open", reason: missing };
  const { effect, chance_better: chance, expected_loss: loss } = own;
  if (!effect || chance === null || loss === null) {
    return { verdict: "open", reason: "not enough data: no difference can be estimated" };
  }
  const interval = `effect ${number(effect.absolute)} (${number(effect.low)} to ${number(effect.high)}, valid at every look)`;
  if (effect.high < 0) return { verdict: "lose", reason: interval };
  if (effect.low > 0) {
    const most = experiment.maxLoss * Math.abs(control.mean ?? 0);
    const numbers = `${interval}, chance to win ${certainty(chance)}, expected loss ${number(loss)}`;
    if (chance >= experiment.winChance && loss <= most) return { verdict: "win", reason: numbers };
    return { verdict: "open", reason: `${numbers}: the loss may be ${number(most)} at most` };
  }
  if (
    experiment.minEffect > 0 &&
    effect.relative_high !== null &&
    effect.relative_high < experiment.minEffect
  ) {
    const least = share(experiment.minEffect);
    return {
      verdict: "futile",
      reason: `${interval}: at best ${share(effect.relative_high)}, and ${least} were worth having`,
    };
  }
  return { verdict: "open", reason: `${interval}: not clear yet` };
}

function reasonsOf(verdicts: readonly (Verdict & { each: VariantResult })[]): string {
  return verdicts
    .map(({ each, verdict, reason }) => `${each.key}: ${verdict === "open" ? "" : `${verdict}, `}${reason}`)
    .join("; ");
}

/** Three significant digits, in plain notation. */
function number(value: number): string {
  return Number(value.toPrecision(3)).toString();
}

/** Nothing is certain, however it would be rounded. */
const certainty = (chance: number) => (chance > 0.999 ? "over 99.9 %" : share(chance));
const share = (value: number) => `${number(100 * value)} %`;
