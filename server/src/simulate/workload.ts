/** Owns what a simulation is given to do: which task arrives when, and what it is like. Decides nothing. */
import type { WorkflowSettings } from "@master-orchestrator/contract";
import type { WorkflowView } from "#core/snapshot.ts";

/** A task to come. The same under every policy, so that only the policies differ. */
export interface Arrival {
  /** When it becomes due, epoch milliseconds. */
  atMs: number;
  workflowType: string;
  contentType: string;
  /** 0 to 100. */
  priority: number;
  /** How long one try takes, alone. */
  durationMs: number;
  /** How many of its first tries fail; infinite for one that never succeeds. */
  failures: number;
  /** What one try costs, in millionths of a dollar. */
  costMicros: number;
}

export interface Workload {
  /** Where virtual time begins, epoch milliseconds. */
  beginsAtMs: number;
  /** In the order of their arrival. */
  arrivals: readonly Arrival[];
}

/** Puts arrivals in their order; what arrives at one moment keeps the order it was given in. */
export function workloadOf(arrivals: readonly Arrival[], beginsAtMs?: number): Workload {
  const sorted = [...arrivals].sort((a, b) => a.atMs - b.atMs);
  return { beginsAtMs: beginsAtMs ?? sorted[0]?.atMs ?? 0, arrivals: sorted };
}

export function laneOf(of: { workflowType: string; contentType: string }): string {
  return `${of.workflowType}/${of.contentType}`;
}

/** The lanes of a workload by name, each with its number of tasks. */
export function lanesOf(workload: Workload): Map<string, number> {
  const counts = new Map<string, number>();
  for (const arrival of workload.arrivals) {
    const name = laneOf(arrival);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * A workflow as the plan sees it, by its settings. It has a target, and neither follow-ups nor a schedule:
 * what those enqueue counts among the arrivals.
 */
export function workflowOf(workflowType: string, settings: WorkflowSettings): WorkflowView {
  return {
    workflowType,
    paused: settings.paused,
    hasTarget: true,
    maxConcurrent: settings.max_concurrent,
    batchMin: settings.batch.min,
    batchMax: settings.batch.max,
    timeoutMs: settings.timeout_seconds * 1000,
    weight: settings.weight,
    secondsPerTask: settings.estimates?.seconds_per_task ?? null,
    next: [],
    schedule: null,
  };
}
