/** Decides how far batches and intervals give way as spending or errors grow, or a limit comes near. Slowly, and never beyond its bounds. */
import type { Policy } from "@master-orchestrator/contract";
import type { Adapt } from "./decision.ts";
import { failedOf } from "./health.ts";
import { percentile } from "./latency.ts";
import { highest, type Pressure, pressures } from "./pressure.ts";
import type { Adaptation, LaneView, ScheduleRule, Snapshot, WorkflowView } from "./snapshot.ts";

/** What slows work down. Shares are from 0 to 1. */
export interface Load {
  spentTodayMicros: number;
  budgetMicros: number;
  /** How much of the UTC day has gone by. */
  dayShare: number;
  /** Of the attempts that ended lately, those that failed. */
  errorShare: number;
  /** How long work takes lately (p95), and in the day before; null where too little was done to say. */
  work: { latelySeconds: number; usuallySeconds: number } | null;
  /** The limit that is nearest, but for money; null where there is none. */
  nearest: Pressure | null;
}

const DAY_MS = 86_400_000;
/** Smaller moves are not worth a decision, unless they lead back to none or to the full. */
const SMALLEST_MOVE = 0.02;
/** How much of a limit is used is a sample: so near to where it stands it asks for no move. */
const SAMPLE_WIDTH = 0.2;
const NOTHING = "spending keeps to its pace, errors are few, and work takes no longer than usual";
/** Of fewer tasks a 95th percentile says nothing. */
const LEAST_TASKS = 20;
/** Work that is over within this time is not slow, however quick it was before. */
const NEVER_SLOW_SECONDS = 5;

/** Nothing gives way. */
export const NO_ADAPTATION: Adaptation = { slowness: 0, reason: NOTHING, sinceMs: null };

/**
 * On a tick: one step towards what spending and errors ask for, at most `adapt.step`; null when it
 * stays as it is, and between ticks.
 */
export function decideAdaptation(snapshot: Snapshot): Adapt | null {
  const { spending, policy, nowMs } = snapshot;
  if (spending === null) return null;
  const budgetMicros = Math.round(policy.budget.daily_usd * 1e6);
  const dayShare = (nowMs % DAY_MS) / DAY_MS;
  const { spentTodayMicros } = spending;
  const nearest = highest(pressures(snapshot).filter(({ resource }) => resource !== "budget"));
  const load = {
    spentTodayMicros,
    budgetMicros,
    dayShare,
    errorShare: recentErrors(snapshot),
    nearest,
    work: workOf(snapshot),
  };
  const { slowness } = snapshot.adaptation;
  return moveTowards(wanted(load, policy, slowness), slowness, policy.adapt.step);
}

/** Of all attempts that ended lately, those that failed; 0 while there were too few to say. */
function recentErrors({ health, policy }: Snapshot): number {
  const outcomes = Object.values(health.outcomes);
  const ended = outcomes.reduce((sum, one) => sum + one.ended, 0);
  if (ended < policy.recovery.reduce.min_attempts) return 0;
  return outcomes.reduce((sum, one) => sum + failedOf(one), 0) / ended;
}

function workOf({ health: { work } }: Snapshot): Load["work"] {
  if (work === null) return null;
  const { lately, usually } = work;
  if (Math.min(tasksIn(lately), tasksIn(usually)) < LEAST_TASKS) return null;
  return {
    latelySeconds: percentile(lately, 0.95) as number,
    usuallySeconds: percentile(usually, 0.95) as number,
  };
}

function tasksIn(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** How many times as long as usual work takes; 0 where nobody can say. */
function slowdown(work: Load["work"]): number {
  if (work === null || work.latelySeconds <= NEVER_SLOW_SECONDS) return 0;
  return work.latelySeconds / Math.max(work.usuallySeconds, NEVER_SLOW_SECONDS);
}

/** The slowness that a load asks for, by the reason that asks for most; `current` is where it stands. */
export function wanted(load: Load, policy: Policy, current = 0): { slowness: number; reason: string } {
  const { adapt, budget } = policy;
  const { spentTodayMicros: spent, budgetMicros, dayShare, errorShare, nearest, work } = load;
  const slower = slowdown(work);
  const used = budgetMicros > 0 ? spent / budgetMicros : Math.sign(spent);
  const ahead = used - dayShare;
  const money = `${usd(spent)} of ${usd(budgetMicros)} spent with ${percent(dayShare)} of the day gone`;
  const reasons = [
    {
      slowness: along(used, budget.slow_down_at, budget.critical_only_at),
      reason: `spending nears the day's ceiling: ${money}`,
    },
    {
      slowness: adapt.by === "pace" ? along(ahead, adapt.ahead_from, adapt.ahead_full) : 0,
      reason: `spending is ${percent(ahead)} of the budget ahead of the day's pace: ${money}`,
    },
    {
      slowness: along(errorShare, adapt.errors_from, adapt.errors_full),
      reason: `${percent(errorShare)} of the attempts failed lately`,
    },
    {
      slowness: near(along(slower, adapt.slow_from, adapt.slow_full), current),
      reason: `work takes ${slower.toFixed(1)} times as long as in the day before: ${work?.latelySeconds.toFixed(0)} s (p95)`,
    },
    {
      slowness: near(along(nearest?.share ?? 0, adapt.resources_from, adapt.resources_full), current),
      reason: `a limit comes near: of the ${nearest?.name} ${percent(nearest?.share ?? 0)} are used`,
    },
  ];
  const most = reasons.reduce((a, b) => (b.slowness > a.slowness ? b : a));
  return most.slowness > 0 ? most : { slowness: 0, reason: NOTHING };
}

function near(slowness: number, current: number): number {
  return slowness > 0 && Math.abs(slowness - current) <= SAMPLE_WIDTH ? current : slowness;
}

/** 0 up to `from`, 1 from `to` on, and in between along a straight line. */
function along(value: number, from: number, to: number): number {
  if (value <= from) return 0;
  return value >= to ? 1 : (value - from) / (to - from);
}

function moveTowards(
  goal: { slowness: number; reason: string },
  current: number,
  step: number,
): Adapt | null {
  const way = goal.slowness - current;
  const leadsToEnd = goal.slowness === 0 || goal.slowness === 1;
  if (way === 0 || (Math.abs(way) < SMALLEST_MOVE && !leadsToEnd)) return null;
  const slowness = rounded(current + Math.max(-step, Math.min(step, way)));
  return { kind: "adapt", from: current, slowness, reason: goal.reason };
}

/** The snapshot as it is once the decision holds. */
export function withAdaptation(snapshot: Snapshot, adapt: Adapt | null): Snapshot {
  if (!adapt) return snapshot;
  const { slowness, reason } = adapt;
  return { ...snapshot, adaptation: { slowness, reason, sinceMs: snapshot.nowMs } };
}

type Bounds = Policy["adapt"];

/** How many times as long as set the intervals of schedules are: 1 or more. */
export function intervalFactor(slowness: number, { longest_interval }: Bounds): number {
  return 1 + slowness * (longest_interval - 1);
}

/** The sizes of a lane's batches: as the policy wants them, within what its workflow takes. */
export function laneBatch(
  { batchMin, batchMax }: Pick<WorkflowView, "batchMin" | "batchMax">,
  { workflowType, contentType }: Pick<LaneView, "workflowType" | "contentType">,
  { lanes }: Pick<Policy, "lanes">,
): Pick<WorkflowView, "batchMin" | "batchMax"> {
  const lane = lanes[`${workflowType}/${contentType}`];
  const within = (size: number) => Math.min(batchMax, Math.max(batchMin, size));
  const most = within(lane?.batch_max ?? batchMax);
  return { batchMin: Math.min(most, within(lane?.batch_min ?? batchMin)), batchMax: most };
}

/** The largest batch now; never below the least that the workflow is planned for. */
export function largestBatch(
  { batchMin, batchMax }: Pick<WorkflowView, "batchMin" | "batchMax">,
  slowness: number,
  bounds: Bounds,
): number {
  return Math.max(batchMin, smaller(batchMax, slowness, bounds));
}

/** How many tasks a slot makes of what its source has waiting. */
export function tasksPerSlot(
  { perSlot }: Pick<ScheduleRule, "perSlot">,
  slowness: number,
  bounds: Bounds,
): number {
  return Math.max(1, smaller(perSlot, slowness, bounds));
}

function smaller(size: number, slowness: number, { smallest_batch }: Bounds): number {
  return Math.round(size * (1 - slowness * (1 - smallest_batch)));
}

function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function usd(micros: number): string {
  return `$${(micros / 1e6).toFixed(2)}`;
}
