/** Reads a simulated world's rows as a snapshot, as `store/snapshot.ts` reads the store's. */
import { MAX_DUE_RUNS, MAX_DUE_TASKS, MAX_RETRIES_PER_WORKFLOW, roomByWorkflow } from "#core/bounds.ts";
import type { NamedTask, Run, RunTask, ScheduleState, Snapshot } from "#core/snapshot.ts";
import { daysMoney } from "#core/supplies.ts";
import { healthIn } from "./recovering.ts";
import { isLive, type Rows, type WorldTask } from "./rows.ts";
import { suppliesIn } from "./supplying.ts";

/** Somebody has listened for heartbeats all along. */
const LISTENING_BEFORE_MS = 86_400_000;

/** `tick`: what is read on ticks alone is read too. */
export function takeSnapshot(rows: Rows, tick: boolean): Snapshot {
  const namedTasks = namedBy(rows);
  const runs = runsOf(rows, namedTasks);
  const dueTasks = [...firstOf(rows.dueTasks.due(rows.nowMs), MAX_DUE_TASKS)].map((taskId) => {
    const { status } = rows.tasks.get(taskId) as WorldTask;
    return { taskId, status };
  });
  const workflows = workflowsNow(rows);
  const { total } = rows.policy.concurrency;
  const supplies = suppliesIn(rows);
  const room = roomByWorkflow({ total, workflows: Object.values(workflows), running: rows.running, runs });
  return {
    nowMs: rows.nowMs,
    paused: rows.paused,
    virtualTime: rows.virtualTime,
    listeningSinceMs: rows.beganMs - LISTENING_BEFORE_MS,
    policyVersion: 1,
    policy: rows.policy,
    workflows,
    running: { ...rows.running },
    snoozed: { ...rows.snoozed },
    atTargets: { ...rows.atTargets },
    targets: [...rows.targets.values()],
    lanes: rows.waiting.lanes((workflowType) => room.get(workflowType) ?? 1),
    runs,
    facts: rows.facts,
    namedTasks,
    dueTasks,
    schedules: schedulesOf(rows),
    adaptation: rows.adaptation,
    spending: tick ? { spentTodayMicros: daysMoney(supplies)?.usedMicros ?? 0 } : null,
    supplies,
    ...healthIn(rows),
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

/** When their time is over, schedules are as if they had been taken away. */
function workflowsNow({ workflows, nowMs, schedulesUntilMs }: Rows): Rows["workflows"] {
  if (nowMs <= schedulesUntilMs) return workflows;
  return Object.fromEntries(
    Object.entries(workflows).map(([type, workflow]) => [type, { ...workflow, schedule: null }]),
  );
}

function schedulesOf(rows: Rows): ScheduleState[] {
  return [...rows.slots].map(([workflowType, slot]) => {
    const { unfinished = 0, lastEndedAtMs = null } = rows.scheduled.get(workflowType) ?? {};
    const rule = rows.workflows[workflowType]?.schedule;
    const waiting = rule?.source === "topics" ? rows.topics.slice(0, rule.perSlot) : [];
    return { workflowType, ...slot, unfinished, lastEndedAtMs, waiting };
  });
}

function* firstOf<T>(values: Iterable<T>, most: number): Generator<T> {
  let count = 0;
  for (const value of values) {
    if (count++ >= most) return;
    yield value;
  }
}
