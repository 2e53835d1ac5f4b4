/** Makes up what could make a lane's tasks cheaper, from what its calls and runs have cost. Expects and decides nothing. */
import type {
  AdjustmentKind,
  AdjustPolicy,
  DayHours,
  Policy,
  PolicyField,
} from "@master-orchestrator/contract";
import { type LaneHour, percent, usd } from "./adjust.ts";
import { fieldAt } from "./adjust-change.ts";
import { cheaperHours } from "./adjust-hours.ts";
import { hoursInWords, isWithin, utcHourOf } from "./hours.ts";
import { laneName } from "./share.ts";

/** What a lane's calls of one model used and cost. */
export interface ModelUse {
  provider: string;
  model: string;
  calls: number;
  inputTokens: number;
  cachedInputTokens: number;
  outputTokens: number;
  costMicros: number;
}

/** Runs of a lane that ended at the first attempt, by how many tasks they carried. */
export interface RunSize {
  tasks: number;
  runs: number;
  /** Of the cost per task of each run. */
  meanMicros: number;
  varianceMicros: number;
}

export interface LaneEvidence {
  workflowType: string;
  contentType: string;
  /** What the workflow takes at once. */
  batchMin: number;
  batchMax: number;
  /** All that the lane was charged in the window, and the tasks it completed. */
  costMicros: number;
  completed: number;
  models: readonly ModelUse[];
  sizes: readonly RunSize[];
  /** What ended and was charged, by full hours of the window and of the days before it. */
  hours: readonly LaneHour[];
}

/** How a lane's costs differ from those recorded. */
export type LaneCosts =
  | { lane: string; by: "factor"; factor: number }
  /** What a task costs in a run of at least so many tasks; ascending, the first from 1 on. */
  | { lane: string; by: "size"; steps: readonly { from: number; micros: number }[] }
  /** What a task costs whose run begins within hours of the UTC day, and outside of them. */
  | { lane: string; by: "hours"; hours: DayHours; inside: number; outside: number };

export interface Candidate {
  kind: AdjustmentKind;
  title: string;
  why: string;
  fields: PolicyField[];
  /** For the simulator: what the recorded past would cost without and with it. */
  costs: { current: LaneCosts | null; proposed: LaneCosts };
}

export interface Market {
  policy: Policy;
  /** Models that the house has called lately, with their provider. */
  known: readonly { provider: string; model: string }[];
  /** What such a use would cost at another model, in millionths of a dollar; null for one without a price. */
  costAt(use: ModelUse, provider: string, model: string): number | null;
}

type Rules = Pick<AdjustPolicy, "least_saving_share" | "least_tasks">;

/** With fewer runs of a size nothing is derived from them. */
const LEAST_RUNS = 10;
const BEYOND_CHANCE = 1.96;

/** At most one of each kind: the one that saves most by the figures at hand. */
export function candidatesFor(lane: LaneEvidence, market: Market, rules: Rules): Candidate[] {
  return [
    cheaperModel(lane, market, rules),
    otherBatch(lane, market.policy, rules),
    otherHours(lane, market.policy, rules),
  ].filter((candidate) => candidate !== null);
}

/** The dearest exchange that saves: of one model that the lane calls for one that the house knows. */
function cheaperModel(lane: LaneEvidence, market: Market, rules: Rules): Candidate | null {
  const name = laneName(lane);
  const options = lane.models.flatMap((use) => {
    const path = ["lanes", name, "models", use.model];
    if (fieldAt(market.policy, path) !== null) return [];
    return alternatives(use, market).flatMap(({ provider, model }) => {
      const micros = market.costAt(use, provider, model);
      return micros === null ? [] : [{ use, path, provider, model, micros, saves: use.costMicros - micros }];
    });
  });
  const best = options.reduce<(typeof options)[number] | null>(
    (a, b) => (a === null || b.saves > a.saves ? b : a),
    null,
  );
  if (!best || lane.costMicros <= 0) return null;
  const share = best.saves / lane.costMicros;
  if (share < rules.least_saving_share) return null;
  const { use, provider, model, path } = best;
  const after: Record<string, string> = provider === use.provider ? { to: model } : { to: model, provider };
  return {
    kind: "model",
    title: `${name}: ${model} instead of ${use.model}`,
    why: `${use.calls} calls of ${use.model} cost ${usd(use.costMicros / 1e6)}; as many tokens cost ${usd(best.micros / 1e6)} at ${model}. What it writes may differ: failures are measured, style is not`,
    fields: [{ path, before: null, after }],
    costs: { current: null, proposed: { lane: name, by: "factor", factor: 1 - share } },
  };
}

/** Where the policy names a fallback, that one; and what is called elsewhere in the house, of the same provider. */
function alternatives(use: ModelUse, { policy, known }: Market) {
  const named = policy.fallbacks
    .filter(({ model }) => model === use.model)
    .map(({ to, provider }) => ({ provider: provider ?? use.provider, model: to }));
  const called = known.filter(({ provider, model }) => provider === use.provider && model !== use.model);
  return [...named, ...called];
}

/** Runs from one size on against smaller ones: whichever are cheaper for a task, beyond chance. */
function otherBatch(lane: LaneEvidence, policy: Policy, rules: Rules): Candidate | null {
  const name = laneName(lane);
  const all = pooled(lane.sizes);
  if (!all || all.meanMicros <= 0) return null;
  const options = lane.sizes.flatMap(({ tasks: from }) => {
    const small = pooled(lane.sizes.filter(({ tasks }) => tasks < from));
    const large = pooled(lane.sizes.filter(({ tasks }) => tasks >= from));
    if (!small || !large || Math.min(small.runs, large.runs) < LEAST_RUNS) return [];
    const error = Math.sqrt(small.varianceMicros / small.runs + large.varianceMicros / large.runs);
    const difference = Math.abs(small.meanMicros - large.meanMicros);
    if (difference < 1 || difference < BEYOND_CHANCE * error) return [];
    const larger = large.meanMicros < small.meanMicros;
    const size = larger ? from : from - 1;
    if (size < lane.batchMin || size > lane.batchMax) return [];
    return [
      {
        from,
        small,
        large,
        larger,
        size,
        saves: all.meanMicros - Math.min(small.meanMicros, large.meanMicros),
      },
    ];
  });
  const best = options.reduce<(typeof options)[number] | null>(
    (a, b) => (a === null || b.saves > a.saves ? b : a),
    null,
  );
  if (!best || best.saves / all.meanMicros < rules.least_saving_share) return null;
  const { from, small, large, larger, size } = best;
  const path = ["lanes", name, larger ? "batch_min" : "batch_max"];
  const before = fieldAt(policy, path) as number | null;
  if (before === size) return null;
  const costs: LaneCosts = {
    ...{ lane: name, by: "size" },
    steps: [
      { from: 1, micros: small.meanMicros },
      { from, micros: large.meanMicros },
    ],
  };
  const what = (of: { runs: number; meanMicros: number }) => `${usd(of.meanMicros / 1e6)} (${of.runs} runs)`;
  return {
    kind: "batch",
    title: `${name}: ${larger ? `at least ${size}` : `at most ${size}`} tasks to a run`,
    why: `a task costs ${what(large)} in runs of ${from} or more, and ${what(small)} in smaller ones: ${percent(best.saves / all.meanMicros)} off the mean`,
    fields: [{ path, before, after: size }],
    costs: { current: costs, proposed: costs },
  };
}

/** At other hours than now: those at which tasks have cost less, day after day. */
function otherHours(lane: LaneEvidence, policy: Policy, rules: Rules): Candidate | null {
  const found = cheaperHours(lane.hours, rules);
  if (!found) return null;
  const name = laneName(lane);
  const { hours, insideUsd, outsideUsd, days, cheaperOn, savingShare } = found;
  const words = hoursInWords(hours);
  const path = ["lanes", name, "hours"];
  const before = fieldAt(policy, path) as DayHours | null;
  if (before?.join() === hours.join()) return null;
  const costs: LaneCosts = {
    ...{ lane: name, by: "hours", hours },
    ...{ inside: insideUsd * 1e6, outside: outsideUsd * 1e6 },
  };
  return {
    kind: "hours",
    title: `${name}: tasks start from ${words}`,
    why: `a task costs ${usd(insideUsd)} from ${words}, and ${usd(outsideUsd)} at other hours, less on ${cheaperOn} of ${days} days: ${percent(savingShare)} off the mean. Until those hours begin, tasks wait`,
    fields: [{ path, before, after: hours }],
    costs: { current: costs, proposed: costs },
  };
}

/** Groups of runs taken together: what a task of theirs costs, and how much runs vary around that. */
function pooled(sizes: readonly RunSize[]): Omit<RunSize, "tasks"> | null {
  const runs = sizes.reduce((sum, size) => sum + size.runs, 0);
  if (runs === 0) return null;
  const tasks = sizes.reduce((sum, size) => sum + size.runs * size.tasks, 0);
  const meanMicros = sizes.reduce((sum, size) => sum + size.runs * size.tasks * size.meanMicros, 0) / tasks;
  const squares = sizes.reduce(
    (sum, size) =>
      sum + (size.runs - 1) * size.varianceMicros + size.runs * (size.meanMicros - meanMicros) ** 2,
    0,
  );
  return { runs, meanMicros, varianceMicros: runs > 1 ? squares / (runs - 1) : 0 };
}

/** What one try of a task costs in a run of so many that begins at a moment. */
export function costIn(
  costs: LaneCosts | undefined,
  costMicros: number,
  { tasks, atMs }: { tasks: number; atMs: number },
): number {
  if (!costs) return costMicros;
  if (costs.by === "hours") {
    return Math.round(isWithin(costs.hours, utcHourOf(atMs)) ? costs.inside : costs.outside);
  }
  if (costs.by === "factor") return Math.round(costMicros * costs.factor);
  const step = costs.steps.findLast(({ from }) => tasks >= from);
  return step ? Math.round(step.micros) : costMicros;
}
