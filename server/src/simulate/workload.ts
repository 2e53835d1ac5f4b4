/** Owns what a simulation is given to do: which task arrives when, and what it is like. Decides nothing. */
import type { NextTask, WorkflowSettings } from "@master-orchestrator/contract";
import { scheduleRule } from "#core/schedule.ts";
import type { WorkflowView } from "#core/snapshot.ts";
import { estimatesOf } from "#core/supplies.ts";
import { targetViews } from "#core/targets.ts";
import { chance } from "./chance.ts";

/** How a task turns out. The same under every policy, so that only the policies differ. */
export interface Nature {
  /** How long one try takes, alone. */
  durationMs: number;
  /** How many of its first tries fail; infinite for one that never succeeds. */
  failures: number;
  /** What one try costs, in millionths of a dollar. */
  costMicros: number;
  /** Requests that one try makes, evenly over its time; none when left out. */
  calls?: { provider: string; count: number };
  /** Follow-ups that the callback asks for which completes it. */
  asks?: readonly NextTask[];
}

/** A task to come. */
export interface Arrival extends Nature {
  /** When it becomes due, epoch milliseconds. */
  atMs: number;
  workflowType: string;
  contentType: string;
  /** 0 to 100. */
  priority: number;
  /** What its follow-ups know it by; its place among the arrivals when left out. */
  key?: string;
  /** It waits among the topics until a schedule takes it; without such a schedule it is enqueued at once. */
  isTopic?: boolean;
}

/** What a task turns out to be like that the orchestrator itself asked for, and what its own follow-ups know it by. */
export interface Consequence {
  key: string;
  nature: Nature;
}

export interface Workload {
  /** Where virtual time begins, epoch milliseconds. */
  beginsAtMs: number;
  /** Schedules begin no slot after this. */
  endsAtMs: number;
  /** In the order of their arrival. */
  arrivals: readonly Arrival[];
  /** Of a follow-up or a slot, by its idempotency key: the same whenever it is asked. */
  consequence(key: string, lane: LaneName): Consequence;
}

interface LaneName {
  workflowType: string;
  contentType: string;
}

/** Puts arrivals in their order; what arrives at one moment keeps the order it was given in. */
export function workloadOf(
  arrivals: readonly Arrival[],
  beginsAtMs?: number,
  more: Partial<Pick<Workload, "endsAtMs" | "consequence">> = {},
): Workload {
  const sorted = [...arrivals].sort((a, b) => a.atMs - b.atMs);
  return {
    beginsAtMs: beginsAtMs ?? sorted[0]?.atMs ?? 0,
    endsAtMs: sorted.at(-1)?.atMs ?? 0,
    consequence: likeOthers(sorted),
    ...more,
    arrivals: sorted,
  };
}

/** Turns out like one of `known`, drawn by its key: of its lane, else of its workflow, else of all. */
export function likeOthers(known: readonly (Nature & LaneName)[]): Workload["consequence"] {
  const pools = new Map<string, Nature[]>();
  for (const one of known) {
    for (const name of [laneOf(one), one.workflowType, ""]) {
      const pool = pools.get(name);
      if (pool) pool.push(one);
      else pools.set(name, [one]);
    }
  }
  return (key, lane) => {
    const pool = pools.get(laneOf(lane)) ?? pools.get(lane.workflowType) ?? pools.get("");
    if (!pool) return { key, nature: { durationMs: 1, failures: 0, costMicros: 0 } };
    const { durationMs, failures, costMicros, calls } = pool[
      chance(numberOf(key)).int(0, pool.length - 1)
    ] as Nature;
    return { key, nature: { durationMs, failures, costMicros, ...(calls ? { calls } : {}) } };
  };
}

/** A number that goes by a text alone (FNV-1a). */
export function numberOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

export function laneOf(of: { workflowType: string; contentType: string }): string {
  return `${of.workflowType}/${of.contentType}`;
}

/** The lanes of a workload by name, each with its number of tasks. */
export function lanesOf(workload: Pick<Workload, "arrivals">): Map<string, number> {
  const counts = new Map<string, number>();
  for (const arrival of workload.arrivals) {
    const name = laneOf(arrival);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Every lane that could get a task: those of the arrivals, of schedules, and of what follows them. */
export function reachableLanes(
  workload: Workload,
  workflows: Readonly<Record<string, WorkflowView>>,
): string[] {
  const asked = workload.arrivals.flatMap(({ asks = [] }) => asks);
  const slots = Object.values(workflows).flatMap(({ workflowType, schedule }) =>
    schedule && schedule.source === null ? [{ workflowType, contentType: schedule.contentType }] : [],
  );
  const lanes = new Set([...lanesOf(workload).keys(), ...slots.map(laneOf), ...asked.map(laneAfter)]);
  for (const lane of lanes) {
    const { next = [] } = workflows[lane.slice(0, lane.indexOf("/"))] ?? {};
    for (const rule of next) lanes.add(laneAfter(rule));
  }
  return [...lanes].filter((lane) => Object.hasOwn(workflows, lane.slice(0, lane.indexOf("/"))));
}

function laneAfter({
  workflow_type,
  content_type = "default",
}: Pick<NextTask, "workflow_type" | "content_type">) {
  return laneOf({ workflowType: workflow_type, contentType: content_type });
}

/** A workflow as the plan sees it, by its settings. It has a target. */
export function workflowOf(workflowType: string, settings: WorkflowSettings): WorkflowView {
  return {
    workflowType,
    pausedBy: null,
    paused: settings.paused,
    hasTarget: true,
    targets: targetViews(settings, { own: true }),
    maxConcurrent: settings.max_concurrent,
    batchMin: settings.batch.min,
    batchMax: settings.batch.max,
    timeoutMs: settings.timeout_seconds * 1000,
    weight: settings.weight,
    critical: settings.critical,
    secondsPerTask: settings.estimates?.seconds_per_task ?? null,
    estimates: estimatesOf(settings),
    next: settings.next ?? [],
    schedule: settings.schedule ? scheduleRule(settings.schedule) : null,
  };
}
