/** Owns what an experiment's numbers say at a moment. Decides nothing (see decide.ts), and invents nothing for few units. */
import type { Arm, Arms, Experiment } from "../library.ts";
import { compare, type Standing } from "../statistics/compare.ts";
import { beta, type Distribution, normal, normalReach } from "../statistics/distributions.ts";
import { type Interval, LEVEL, wilson } from "../statistics/interval.ts";
import { type SampleRatio, sampleRatio } from "../statistics/sample-ratio.ts";
import { alwaysValid } from "../statistics/sequential.ts";

/** Sums of revenue are taken for normal from 355 · skewness² units on (Kohavi, Tang, Xu 2020, chapter 17). */
const UNITS_PER_SKEWNESS = 355;
/** Conversions, and units without one, that a variant needs for its share to be taken for normal. */
const LEAST_OF_EACH = 10;

export interface Effect {
  /** Against the control: shares of conversion, or dollars per unit. Valid at every look. */
  absolute: number;
  low: number;
  high: number;
  /** The same as a share of the control's mean; null when that is nothing. */
  relative: number | null;
  relative_low: number | null;
  relative_high: number | null;
}

export interface VariantResult {
  key: string;
  control: boolean;
  units: number;
  converted: number;
  revenue_usd: number;
  /** Share that converted, or dollars per unit, with its interval at this one look. */
  mean: number | null;
  low: number | null;
  high: number | null;
  chance_best: number | null;
  chance_better: number | null;
  expected_loss: number | null;
  effect: Effect | null;
  /** Guardrails: the effect on the share of units with such an event, valid at every look. */
  guardrails: { goal: string; share: number; effect: Interval | null; harmed: boolean }[];
  /** Why its numbers are not to be relied on yet. */
  missing: string | null;
}

export interface ExperimentResult {
  as_of: string;
  days: number;
  metric: Experiment["metric"];
  units: number;
  crossed_units: number;
  sample_ratio: SampleRatio | null;
  variants: VariantResult[];
}

const DAY_MS = 86_400_000;

interface Mean {
  mean: number;
  /** Of one unit. */
  variance: number;
  units: number;
}

/** Everything that is known of an experiment at `nowMs`. */
export function resultOf(experiment: Experiment, { arms, crossed }: Arms, nowMs: number): ExperimentResult {
  const found = new Map(arms.map((arm) => [arm.variant, arm]));
  const counted = experiment.variants.map(({ key }) => found.get(key) ?? empty(experiment, key));
  const means = counted.map((arm) => meanOf(experiment.metric, arm));
  const standings = standingsOf(experiment.metric, counted, means);
  const units = counted.reduce((sum, arm) => sum + arm.units, 0);
  return {
    as_of: new Date(nowMs).toISOString(),
    days: Math.max(0, (nowMs - experiment.startedAtMs) / DAY_MS),
    metric: experiment.metric,
    units,
    crossed_units: crossed,
    sample_ratio: sampleRatio(
      counted.map((arm) => arm.units),
      experiment.variants.map(({ weight }) => weight),
    ),
    variants: counted.map((arm, i) => ({
      ...{ key: arm.variant, control: i === 0, units: arm.units, converted: arm.converted },
      revenue_usd: arm.revenue.sum,
      ...ownOf(experiment.metric, arm, means[i] as Mean),
      ...standingOf(standings?.[i]),
      effect: i === 0 ? null : effectOf(experiment, means[0] as Mean, means[i] as Mean),
      guardrails: experiment.guardrails.map((guardrail, g) => {
        const [control, own] = [counted[0] as Arm, arm].map((each) =>
          shareOf(each.harmed[g] as number, each.units),
        ) as [Mean, Mean];
        const effect = i === 0 ? null : differenceOf(experiment, control, own);
        const harmed = effect !== null && (guardrail.harm === "more" ? effect.low > 0 : effect.high < 0);
        return { goal: guardrail.goal, share: own.mean, effect, harmed };
      }),
      missing: missingOf(experiment, arm, means[i] as Mean),
    })),
  };
}

function empty({ guardrails }: Experiment, variant: string): Arm {
  const revenue = { sum: 0, squares: 0, cubes: 0 };
  return { variant, units: 0, converted: 0, revenue, harmed: guardrails.map(() => 0) };
}

function shareOf(count: number, units: number): Mean {
  const mean = units === 0 ? 0 : count / units;
  return { mean, variance: mean * (1 - mean), units };
}

/** Of a proportion or a sample, with the variance of one unit, as GrowthBook's engine has it. */
export function meanOf(
  metric: Experiment["metric"],
  arm: Pick<Arm, "units" | "converted" | "revenue">,
): Mean {
  const { units, revenue } = arm;
  if (metric === "conversion") return shareOf(arm.converted, units);
  if (units < 2) return { mean: units === 0 ? 0 : revenue.sum, variance: 0, units };
  const variance = (revenue.squares - revenue.sum ** 2 / units) / (units - 1);
  return { mean: revenue.sum / units, variance: Math.max(0, variance), units };
}

/** A variant's own mean and its interval. */
function ownOf(metric: Experiment["metric"], arm: Arm, { mean, variance, units }: Mean) {
  if (units === 0) return { mean: null, low: null, high: null };
  if (metric === "conversion") return { mean, ...(wilson(arm.converted, units) as Interval) };
  const reach = normalReach(LEVEL) * Math.sqrt(variance / units);
  return { mean, low: mean - reach, high: mean + reach };
}

function standingOf(standing: Standing | undefined) {
  return {
    chance_best: standing?.best ?? null,
    chance_better: standing?.better ?? null,
    expected_loss: standing?.loss ?? null,
  };
}

/** Null before every variant has units, and some revenue where it is about that. */
function standingsOf(
  metric: Experiment["metric"],
  arms: readonly Arm[],
  means: readonly Mean[],
): Standing[] | null {
  const beliefs = arms.map((arm, i): Distribution | null => {
    const { mean, variance, units } = means[i] as Mean;
    if (units === 0) return null;
    // A flat prior: before the first unit each share is as likely as any other.
    if (metric === "conversion") return beta(1 + arm.converted, 1 + units - arm.converted);
    return variance > 0 ? normal(mean, Math.sqrt(variance / units)) : null;
  });
  return beliefs.every((belief) => belief !== null) ? compare(beliefs as Distribution[]) : null;
}

type Tuned = Pick<Experiment, "alpha" | "minSample" | "variants">;

/** Each treatment gets an equal part of the error that is allowed in all (Bonferroni). */
function alphaOf({ alpha, variants }: Tuned): number {
  return alpha / (variants.length - 1);
}

function differenceOf(experiment: Tuned, control: Mean, own: Mean): Interval | null {
  const variance = control.variance / control.units + own.variance / own.units;
  if (!(variance > 0)) return null;
  return alwaysValid(
    {
      value: own.mean - control.mean,
      standardError: Math.sqrt(variance),
      units: control.units + own.units,
    },
    alphaOf(experiment),
    experiment.minSample * 2,
  );
}

/** The effect on the metric: absolute, and relative by the delta method. Null without variance. */
export function effectOf(experiment: Tuned, control: Mean, own: Mean): Effect | null {
  const absolute = differenceOf(experiment, control, own);
  if (absolute === null) return null;
  const effect = { absolute: own.mean - control.mean, low: absolute.low, high: absolute.high };
  if (control.mean === 0) return { ...effect, relative: null, relative_low: null, relative_high: null };
  const variance =
    own.variance / (control.mean ** 2 * own.units) +
    (control.variance * own.mean ** 2) / (control.mean ** 4 * control.units);
  const relative = (own.mean - control.mean) / Math.abs(control.mean);
  const interval = alwaysValid(
    { value: relative, standardError: Math.sqrt(variance), units: control.units + own.units },
    alphaOf(experiment),
    experiment.minSample * 2,
  );
  return { ...effect, relative, relative_low: interval.low, relative_high: interval.high };
}

/** Why a variant's numbers say too little for a decision in anybody's favour; null when they say enough. */
function missingOf({ metric, minSample }: Experiment, arm: Arm, { mean, variance }: Mean): string | null {
  const { units, converted, revenue } = arm;
  if (units < minSample) return `not enough data: ${units} units of ${minSample}`;
  if (metric === "conversion") {
    if (Math.min(converted, units - converted) >= LEAST_OF_EACH) return null;
    return `not enough data: ${converted} of ${units} units converted; ${LEAST_OF_EACH} with and without are needed`;
  }
  if (!(variance > 0)) return "not enough data: no unit brought revenue";
  const third = revenue.cubes / units - (3 * mean * revenue.squares) / units + 2 * mean ** 3;
  const skewness = third / variance ** 1.5;
  const needed = Math.ceil(UNITS_PER_SKEWNESS * skewness ** 2);
  if (units >= needed) return null;
  return `not enough data: revenue is so uneven (skewness ${skewness.toFixed(1)}) that ${needed} units are needed`;
}
