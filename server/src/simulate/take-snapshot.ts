/** Reads a simulated world's rows as a snapshot, within the bounds of `store/snapshot.ts`, but for schedules. */
import type { NamedTask, Run, RunTask, Snapshot } from "#core/snapshot.ts";
import { isLive, type Rows, type WorldTask } from "./rows.ts";

/** The bounds of one cycle, as the store has them: what is left over is the next cycle's. */
const MAX_DUE_RUNS = 1_000;
const MAX_RETRIES_PER_WORKFLOW = 50;
const MAX_DUE_TASKS = 1_000;
const MAX_HEADS_PER_LEVEL = 500;
/** Somebody has listened for heartbeats all along. */
const LISTENING_BEFORE_MS = 86_400_000;

export function takeSnapshot(rows: Rows): Snapshot {
  const namedTasks = namedBy(rows);
  const runs = runsOf(rows, namedTasks);
  const dueTasks = [...firstOf(rows.dueTasks.due(rows.nowMs), MAX_DUE_TASKS)].map((taskId) => {
    const { status } = rows.tasks.get(taskId) as WorldTask;
    return { taskId, status };
  });
  return {
    nowMs: rows.nowMs,
    paused: rows.paused,
    virtualTime: rows.virtualTime,
    listeningSinceMs: rows.beganMs - LISTENING_BEFORE_MS,
    policyVersion: 1,
    policy: rows.policy,
    workflows: rows.workflows,
    running: { ...rows.running },
    snoozed: { ...rows.snoozed },
    lanes: rows.waiting.lanes(roomIn(rows, runs)),
    runs,
    facts: rows.facts,
    namedTasks,
    dueTasks,
    schedules: [],
    liveChildren: Object.fromEntries(
      runs.flatMap(({ parentId }) => (parentId ? [[parentId, rows.children.get(parentId) ?? 0]] : [])),
    ),
  };
}

function namedBy(rows: Rows): NamedTask[] {
  const ids = new Set(rows.facts.flatMap((fact) => ("taskId" in fact ? [fact.taskId] : [])));
  return [...ids].flatMap((taskId) => {
    const task = rows.tasks.get(taskId);
    if (!task) return [];
    const { status, executionId, dueAtMs, failures } = task;
    return [{ taskId, status, executionId, dueAtMs, failures }];
  });
}

/** Live runs that a fact concerns or whose time has come, by their names. */
function runsOf(rows: Rows, namedTasks: readonly NamedTask[]): Run[] {
  const ids = new Set(dueRunIds(rows));
  for (const fact of rows.facts) if ("executionId" in fact) ids.add(fact.executionId);
  for (const task of namedTasks) if (task.executionId) ids.add(task.executionId);
  return [...ids].sort().flatMap((executionId) => {
    const run = rows.runs.get(executionId);
    return run && isLive(run) ? [{ ...run, tasks: carriedBy(rows, executionId) }] : [];
  });
}

/** Of those between attempts only as many of each workflow as could start, so that a pile of them hides nobody. */
function dueRunIds(rows: Rows): string[] {
  const ids: string[] = [];
  const retries: Record<string, number> = {};
  let atWork = 0;
  for (const executionId of rows.dueRuns.due(rows.nowMs)) {
    const { status, workflowType } = rows.runs.get(executionId) as Run;
    if (status !== "ERROR_RECOVERY") {
      atWork += 1;
      if (atWork <= MAX_DUE_RUNS) ids.push(executionId);
      continue;
    }
    const before = retries[workflowType] ?? 0;
    if (before >= MAX_RETRIES_PER_WORKFLOW || rows.workflows[workflowType]?.paused) continue;
    retries[workflowType] = before + 1;
    ids.push(executionId);
  }
  return ids;
}

/** The tasks that an execution carries, by their names. */
export function carriedBy(rows: Rows, executionId: string): RunTask[] {
  return [...(rows.carried.get(executionId) ?? [])].sort().map((id) => {
    const task = rows.tasks.get(id) as WorldTask;
    const { taskId, status, priority, agedFromMs, failures, chainDepth } = task;
    return { taskId, status, priority, agedFromMs, failures, chainDepth };
  });
}

/** How many tasks of a workflow this cycle could start at the most, and one more, as in `store/snapshot.ts`. */
function roomIn(rows: Rows, runs: readonly Run[]): (workflowType: string) => number {
  const working = Object.values(rows.running).reduce((sum, count) => sum + count, 0);
  const inAll = rows.policy.concurrency.total - working + runs.length;
  return (workflowType) => {
    const workflow = rows.workflows[workflowType];
    if (!workflow) return 1;
    const mayEnd = runs.filter((run) => run.workflowType === workflowType).length;
    const own = workflow.maxConcurrent - (rows.running[workflowType] ?? 0) + mayEnd;
    const slots = Math.max(0, Math.min(inAll, own));
    return Math.min(MAX_HEADS_PER_LEVEL, slots * workflow.batchMax) + 1;
  };
}

function* firstOf<T>(values: Iterable<T>, most: number): Generator<T> {
  let count = 0;
  for (const value of values) {
    if (count++ >= most) return;
    yield value;
  }
}
