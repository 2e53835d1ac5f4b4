/** Owns how much one cycle looks at: what is left over is the next cycle's, which follows at once. Reads nothing. */
import type { Run, WorkflowView } from "./snapshot.ts";

export const MAX_FACTS = 2_000;
/** Runs at work whose time has come. */
export const MAX_DUE_RUNS = 1_000;
/** Runs between attempts, of each workflow: a pile of them hides nobody. */
export const MAX_RETRIES_PER_WORKFLOW = 50;
export const MAX_DUE_TASKS = 1_000;
/** Tasks of one priority level of a lane. */
export const MAX_HEADS_PER_LEVEL = 500;

/** What tells how much could be started. */
export interface Capacity {
  /** Policy `concurrency.total`. */
  total: number;
  workflows: readonly WorkflowView[];
  running: Readonly<Record<string, number>>;
  /** Those that this cycle looks at: each may end. */
  runs: readonly Pick<Run, "workflowType">[];
}

/**
 * How many tasks of each workflow a cycle could start at the most: its free slots, and those that its
 * runs here may free, in full batches. One more, so that the plan sees whether any are left.
 */
export function roomByWorkflow({ total, workflows, running, runs }: Capacity): Map<string, number> {
  const working = Object.values(running).reduce((sum, count) => sum + count, 0);
  const inAll = total - working + runs.length;
  const mayEnd = new Map<string, number>();
  for (const { workflowType } of runs) mayEnd.set(workflowType, (mayEnd.get(workflowType) ?? 0) + 1);
  return new Map(
    workflows.map(({ workflowType, maxConcurrent, batchMax }) => {
      const own = maxConcurrent - (running[workflowType] ?? 0) + (mayEnd.get(workflowType) ?? 0);
      const slots = Math.max(0, Math.min(inAll, own));
      return [workflowType, Math.min(MAX_HEADS_PER_LEVEL, slots * batchMax) + 1];
    }),
  );
}
