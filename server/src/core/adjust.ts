/** Judges what a lane's tasks cost: whether it has become dearer, and whether a change has helped. Reads and changes nothing. */
import type { AdjustPolicy, Efficiency, Verdict } from "@master-orchestrator/contract";

/** What ended and was charged in one full hour of a lane. */
export interface LaneHour {
  atMs: number;
  completed: number;
  deadLettered: number;
  costMicros: number;
}

/** Standard deviations beyond which a difference is no chance: 95 %, and 99.9 % where somebody looks every hour. */
const BEYOND_CHANCE = 1.96;
const BEYOND_MANY_LOOKS = 3.29;
/** Of fewer hours nobody knows how much they vary. */
const LEAST_HOURS = 3;

/**
 * The cost per completed task over some hours, and its standard error as that of a ratio of two sums (Cochran, Sampling
 * Techniques, 6.3): from how much each hour's cost lies off what its tasks would have cost at the common ratio.
 */
export function efficiencyOf(hours: readonly LaneHour[]): Efficiency {
  const sum = (of: (hour: LaneHour) => number) => hours.reduce((total, hour) => total + of(hour), 0);
  const completed = sum((hour) => hour.completed);
  const costMicros = sum((hour) => hour.costMicros);
  const ratio = completed > 0 ? costMicros / completed : null;
  const n = hours.length;
  const squares =
    ratio === null
      ? 0
      : sum((hour) => (hour.costMicros - ratio * hour.completed) ** 2) * (n / Math.max(1, n - 1));
  return {
    hours: n,
    completed,
    dead_lettered: sum((hour) => hour.deadLettered),
    cost_usd: costMicros / 1e6,
    cost_per_task_usd: ratio === null ? null : ratio / 1e6,
    standard_error_usd: ratio === null || n < LEAST_HOURS ? null : Math.sqrt(squares) / completed / 1e6,
  };
}

export interface Comparison {
  /** By how much the later one costs more for a task; negative: less. */
  dearerShare: number;
  /** In standard errors of the difference. */
  z: number;
}

/** Null where one of them cannot be judged. */
export function compare(earlier: Efficiency, later: Efficiency): Comparison | null {
  const [a, b] = [earlier.cost_per_task_usd, later.cost_per_task_usd];
  const [errorA, errorB] = [earlier.standard_error_usd, later.standard_error_usd];
  if (a === null || b === null || errorA === null || errorB === null || a === 0) return null;
  return { dearerShare: b / a - 1, z: deviations(b - a, Math.hypot(errorA, errorB)) };
}

/** Costs that do not vary at all differ beyond any doubt, but for what lies below a millionth of a dollar. */
function deviations(difference: number, error: number): number {
  if (Math.abs(difference) < 1e-6) return 0;
  return error > 0 ? difference / error : Math.sign(difference) * Number.POSITIVE_INFINITY;
}

/** Whether a lane's tasks have become dearer than its own baseline; null where nothing is to be said. */
export function hasBecomeDearer(
  baseline: Efficiency,
  window: Efficiency,
  rules: Pick<AdjustPolicy, "dearer_share" | "least_tasks">,
): string | null {
  if (Math.min(baseline.completed, window.completed) < rules.least_tasks) return null;
  const found = compare(baseline, window);
  if (!found || found.dearerShare < rules.dearer_share || found.z < BEYOND_CHANCE) return null;
  const cost = `${usd(window.cost_per_task_usd)} a task instead of ${usd(baseline.cost_per_task_usd)}`;
  return `${percent(found.dearerShare)} dearer than before: ${cost}, over ${window.completed} tasks`;
}

export interface Judgement {
  /** Null: it has to be measured further. */
  verdict: Verdict | null;
  words: string;
}

type Rules = Pick<
  AdjustPolicy,
  "least_tasks" | "least_saving_share" | "measure_hours" | "measure_within_hours" | "failures_share"
>;

/** What a change has come to after so many full hours. A hurt is told as soon as it is certain, all else at the end. */
export function judgeAdjustment(
  before: Efficiency,
  after: Efficiency,
  hoursGone: number,
  rules: Rules,
): Judgement {
  const late = hoursGone >= rules.measure_within_hours;
  if (after.completed < rules.least_tasks) {
    const words = `${after.completed} tasks completed since, of ${rules.least_tasks} that are needed`;
    return late ? { verdict: "did_nothing", words: `${words}: nothing is proven` } : { verdict: null, words };
  }
  const cost = compare(before, after);
  const over = hoursGone >= rules.measure_hours;
  const beyond = over ? BEYOND_CHANCE : BEYOND_MANY_LOOKS;
  const worse = moreFailures(before, after);
  if (worse.share >= rules.failures_share && worse.z >= beyond) {
    const words = `${percent(worse.share)} more of the tasks end as dead letters`;
    return { verdict: "hurt", words };
  }
  if (cost === null) {
    const words = "the hours measured are too few to know how much they vary";
    return late ? { verdict: "did_nothing", words } : { verdict: null, words };
  }
  const words = `${usd(after.cost_per_task_usd)} a task after ${usd(before.cost_per_task_usd)} (${signed(cost.dearerShare)}), over ${after.completed} tasks`;
  if (cost.dearerShare > 0 && cost.z >= beyond) return { verdict: "hurt", words };
  if (!over) return { verdict: null, words };
  const helped = -cost.dearerShare >= rules.least_saving_share && cost.z <= -BEYOND_CHANCE;
  return { verdict: helped ? "helped" : "did_nothing", words };
}

/** Dead letters of what ended, by the test of two proportions. */
function moreFailures(before: Efficiency, after: Efficiency): { share: number; z: number } {
  const ended = (one: Efficiency) => one.completed + one.dead_lettered;
  const [a, b] = [ended(before), ended(after)];
  if (a === 0 || b === 0) return { share: 0, z: 0 };
  const share = after.dead_lettered / b - before.dead_lettered / a;
  const pooled = (before.dead_lettered + after.dead_lettered) / (a + b);
  return { share, z: deviations(share, Math.sqrt(pooled * (1 - pooled) * (1 / a + 1 / b))) };
}

export function usd(amount: number | null): string {
  return amount === null ? "nothing known" : `$${amount.toFixed(4)}`;
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function signed(share: number): string {
  return share < 0 ? `${percent(-share)} less` : `${percent(share)} more`;
}
