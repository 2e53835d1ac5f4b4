/** What work is expected to need: what its workflow says, else what its lane's runs have needed lately. Pure arithmetic. */
import type { Policy } from "@master-orchestrator/contract";
import type { Advance, MeasureNeed } from "./decision.ts";
import { verdictOn } from "./outcomes.ts";
import type { Snapshot, WorkflowView } from "./snapshot.ts";
import { type MeasuredNeed, type RunUse, spentOn } from "./supplies.ts";

/** Of one task; what nobody knows is nothing, but for the cost, which is then null. */
export interface Need {
  calls: Readonly<Record<string, number>>;
  costMicros: number | null;
  /** Of the cost, by provider, as far as that is known. */
  providerMicros: Readonly<Record<string, number>>;
  /** How long a run makes its calls. */
  seconds: number;
}

/** A single run counts for at least this part of what is known of its lane, and for no more once there were ten. */
const LEAST_WEIGHT = 0.1;
/** Smaller moves are not worth a row. */
const SMALLEST_MOVE = 0.005;
const WORTH_COUNTING = 10;

type Lane = { workflowType: string; contentType: string };

/** Estimates count before measurements, each for itself. */
export function needOf(
  { workflowType, contentType }: Lane,
  { workflows, supplies }: Pick<Snapshot, "workflows" | "supplies">,
): Need {
  const measured = supplies.needs.find(
    (one) => one.workflowType === workflowType && one.contentType === contentType,
  );
  const workflow = workflows[workflowType];
  const calls = { ...measured?.calls, ...workflow?.estimates.calls };
  const costMicros = workflow?.estimates.costMicros ?? measured?.costMicros ?? null;
  return {
    calls,
    costMicros,
    providerMicros: byProvider(costMicros, calls, measured),
    seconds: measured?.seconds ?? secondsSaid(workflow),
  };
}

/** A run takes at least as long as one of its tasks. */
function secondsSaid(workflow: WorkflowView | undefined): number {
  return workflow?.secondsPerTask ?? 0;
}

/** By what was metered; without that, what calls a single provider costs there. */
function byProvider(
  costMicros: number | null,
  calls: Need["calls"],
  measured: MeasuredNeed | undefined,
): Need["providerMicros"] {
  if (measured && Object.keys(measured.providerMicros).length > 0) return measured.providerMicros;
  const called = Object.keys(calls).filter((provider) => (calls[provider] as number) > 0);
  return called.length === 1 && costMicros !== null ? { [called[0] as string]: costMicros } : {};
}

/** What the runs that end well in this plan have needed, folded into what was known of their lanes. */
export function measureNeeds(snapshot: Snapshot, advances: readonly Advance[]): MeasureNeed[] {
  const before = new Map(snapshot.supplies.needs.map((need) => [nameOf(need), need]));
  const known = new Map(before);
  const uses = new Map(snapshot.supplies.atWork.map((use) => [use.executionId, use]));
  for (const advance of advances) {
    const use = uses.get(advance.executionId);
    if (!use || use.tasks === 0 || verdictOn(advance) !== "succeeded") continue;
    known.set(nameOf(use), smoothed(known.get(nameOf(use)), sampleOf(use, advance, snapshot.policy)));
  }
  return [...known]
    .filter(([name, need]) => hasMoved(before.get(name), need))
    .map(([, need]) => ({ kind: "measure_need", need }));
}

function nameOf({ workflowType, contentType }: Lane): string {
  return `${workflowType}/${contentType}`;
}

/** What one run has needed for each of its tasks: by the gateway's word or its own, whichever is more. */
function sampleOf(use: RunUse, { costMicros, attempt }: Advance, policy: Policy): Omit<MeasuredNeed, "runs"> {
  const { tasks, workflowType, contentType, ageMs } = use;
  const reported = reportedCalls(attempt.metrics, policy);
  const providers = new Set([...Object.keys(use.calls), ...Object.keys(reported)]);
  const calls = [...providers].map((name): [string, number] => [
    name,
    Math.max(use.calls[name] ?? 0, reported[name] ?? 0) / tasks,
  ]);
  const metered = Object.entries(use.micros).filter(([provider]) => provider !== "");
  return {
    workflowType,
    contentType,
    calls: Object.fromEntries(calls),
    costMicros: Math.max(spentOn(use), costMicros) / tasks,
    providerMicros: Object.fromEntries(metered.map(([name, micros]) => [name, micros / tasks])),
    seconds: Math.max(0, ageMs) / 1000,
  };
}

/** Of providers that the policy knows: names in a report are anybody's. */
function reportedCalls(metrics: unknown, { providers }: Policy): Record<string, number> {
  const { api_calls: calls } = (metrics ?? {}) as { api_calls?: Record<string, unknown> };
  const counted = Object.keys(providers).flatMap((provider) => {
    const count = calls?.[provider];
    return typeof count === "number" && count > 0 ? [[provider, count] as const] : [];
  });
  return Object.fromEntries(counted);
}

function smoothed(known: MeasuredNeed | undefined, sample: Omit<MeasuredNeed, "runs">): MeasuredNeed {
  if (!known) return { ...sample, runs: 1 };
  const weight = Math.max(LEAST_WEIGHT, 1 / (known.runs + 1));
  const towards = (from: number, to: number) => from + weight * (to - from);
  return {
    ...sample,
    runs: known.runs + 1,
    calls: merged(known.calls, sample.calls, towards),
    costMicros: towards(known.costMicros, sample.costMicros),
    providerMicros: merged(known.providerMicros, sample.providerMicros, towards),
    seconds: towards(known.seconds, sample.seconds),
  };
}

function merged(
  known: Readonly<Record<string, number>>,
  sample: Readonly<Record<string, number>>,
  towards: (from: number, to: number) => number,
): Record<string, number> {
  const names = new Set([...Object.keys(known), ...Object.keys(sample)]);
  return Object.fromEntries([...names].map((name) => [name, towards(known[name] ?? 0, sample[name] ?? 0)]));
}

/** In a steady state most runs tell nothing new, and nothing is written. */
function hasMoved(before: MeasuredNeed | undefined, now: MeasuredNeed): boolean {
  if (!before) return true;
  if (before === now) return false;
  if (before.runs < WORTH_COUNTING) return true;
  const figures = (need: MeasuredNeed) => [need.costMicros, need.seconds, ...Object.values(need.calls)];
  const names = Object.keys(now.calls).length !== Object.keys(before.calls).length;
  const then = figures(before);
  return names || figures(now).some((value, i) => differs(value, then[i] as number));
}

function differs(now: number, before: number): boolean {
  return Math.abs(now - before) > SMALLEST_MOVE * Math.max(before, 1e-9);
}
