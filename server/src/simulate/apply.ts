/** Carries out a plan on a simulated world, as `store/apply.ts` does on rows; a plan that does not fit stops it. */
import type {
  Adapt,
  Advance,
  Decision,
  Dispatch,
  Enqueue,
  RememberTarget,
  Retry,
  ScheduleSlot,
  Share,
  SwitchWorkflow,
  TakeWork,
  TaskChange,
} from "#core/decision.ts";
import { DELIVERY_LOST_AFTER_MS, isSnoozed, isWorking } from "#core/folding.ts";
import { laneName } from "#core/share.ts";
import type { Run } from "#core/snapshot.ts";
import { hasEnded } from "#core/states.ts";
import { targetSubject } from "#core/targets.ts";
import { addOutcomes, takeStep } from "./recovering.ts";
import { dayOf, isLive, type NewWorldTask, type Rows, type WorldTask } from "./rows.ts";
import { beginUse, endUse } from "./supplying.ts";

export function applyDecisions(rows: Rows, decisions: readonly Decision[]): void {
  rows.posted = [];
  rows.enqueued = [];
  for (const decision of decisions) {
    if (decision.kind === "advance") advance(rows, decision);
    else if (decision.kind === "change_task") change(rows, decision.change);
    else if (decision.kind === "set_priority") setPriority(rows, decision);
    else if (decision.kind === "enqueue") enqueueOnce(rows, decision);
    else if (decision.kind === "schedule") rows.slots.set(decision.workflowType, slotOf(decision));
    else if (decision.kind === "forget_schedule") rows.slots.delete(decision.workflowType);
    else if (decision.kind === "take_work") takeWork(rows, decision);
    else if (decision.kind === "adapt") rows.adaptation = adaptation(decision, rows.nowMs);
    else if (decision.kind === "count_outcomes") addOutcomes(rows, decision);
    else if (decision.kind === "remember_target") rememberTarget(rows, decision);
    else if (decision.kind === "measure_need")
      rows.supplying.needs.set(laneName(decision.need), decision.need);
    else if (decision.kind === "recovery") takeStep(rows, decision);
    else if (decision.kind === "switch_workflow") switchWorkflow(rows, decision);
  }
  const cycleId = decisions.some(({ kind }) => kind === "dispatch") ? named(rows, "cycle") : null;
  for (const decision of decisions) {
    if (decision.kind === "dispatch") open(rows, decision, cycleId);
    else if (decision.kind === "retry") startAgain(rows, decision);
    else if (decision.kind === "share") moveLanes(rows, decision);
    else if (decision.kind === "finish_cycle") finishCycle(rows, decision.executionId);
  }
}

function rememberTarget(rows: Rows, { memory }: RememberTarget): void {
  rows.targets.set(targetSubject(memory.workflowType, memory.name), memory);
}

function switchWorkflow(rows: Rows, { workflowType, paused }: SwitchWorkflow): void {
  const workflow = rows.workflows[workflowType];
  demand(workflow !== undefined, `there is no ${workflowType}`);
  const pausedBy = paused ? "orchestrator" : null;
  rows.workflows = { ...rows.workflows, [workflowType]: { ...workflow, paused, pausedBy } };
}

/** A new task, with everything that is left out as if it were enqueued now. */
export function enqueue(rows: Rows, over: NewWorldTask): WorldTask {
  const task: WorldTask = {
    taskId: named(rows, "task"),
    contentType: "default",
    status: "queued",
    priority: 50,
    agedFromMs: rows.nowMs,
    dueAtMs: rows.nowMs,
    failures: 0,
    runsAlone: false,
    executionId: null,
    chainDepth: 0,
    bySchedule: false,
    ...over,
  };
  rows.tasks.set(task.taskId, task);
  place(rows, task);
  return task;
}

/** Names sort as they were given, like the store's. */
function named(rows: Rows, kind: string): string {
  rows.named += 1;
  return `${kind}-${String(rows.named).padStart(9, "0")}`;
}

function enqueueOnce(rows: Rows, decision: Enqueue): void {
  const { idempotencyKey, workflowType, contentType, priority, chainDepth, parentTaskId } = decision;
  if (rows.keys.has(idempotencyKey)) return;
  rows.keys.add(idempotencyKey);
  const bySchedule = decision.createdBy === "schedule";
  const task = enqueue(rows, { workflowType, contentType, priority, chainDepth, bySchedule });
  rows.enqueued.push({ task, parentTaskId, idempotencyKey });
  if (bySchedule) moveScheduled(rows, task, 1);
}

function slotOf({ everyMs, slotMs, lastRunMs }: ScheduleSlot) {
  return { everyMs, lastSlotMs: slotMs, lastRunMs };
}

function takeWork(rows: Rows, { workIds }: TakeWork): void {
  const taken = new Set(workIds);
  demand(
    rows.topics.filter(({ workId }) => taken.has(workId)).length === taken.size,
    "work is taken that is not there",
  );
  rows.topics = rows.topics.filter(({ workId }) => !taken.has(workId));
}

function adaptation({ slowness, reason }: Adapt, nowMs: number) {
  return { slowness, reason, sinceMs: nowMs };
}

/** Keeps count of a schedule's tasks that have not ended. */
function moveScheduled(rows: Rows, { workflowType }: WorldTask, by: 1 | -1): void {
  const before = rows.scheduled.get(workflowType);
  rows.scheduled.set(workflowType, {
    unfinished: (before?.unfinished ?? 0) + by,
    lastEndedAtMs: by < 0 ? rows.nowMs : (before?.lastEndedAtMs ?? null),
  });
}

const isOver = ({ status }: WorldTask) =>
  status === "completed" || status === "dead_lettered" || status === "cancelled";

/** Puts a task where its state says that it is looked for. */
function place(rows: Rows, task: WorldTask): void {
  if (task.status === "queued") rows.waiting.add(task);
  const rests = task.executionId === null && (task.status === "scheduled" || task.status === "retrying");
  rows.dueTasks.set(task.taskId, rests ? task.dueAtMs : null);
}

function change(rows: Rows, taskChange: TaskChange): void {
  const task = known(rows, taskChange.taskId);
  demand(task.status === taskChange.from, `${task.taskId} is ${task.status}, not ${taskChange.from}`);
  rows.taken.add(`${taskChange.from} → ${taskChange.to}`);
  if (task.status === "queued") rows.waiting.remove(task);
  const wasOver = isOver(task);
  task.status = taskChange.to;
  if (task.bySchedule && isOver(task) !== wasOver) moveScheduled(rows, task, wasOver ? 1 : -1);
  task.failures = taskChange.failures ?? task.failures;
  task.dueAtMs = taskChange.dueAtMs ?? task.dueAtMs;
  task.agedFromMs = taskChange.agedFromMs ?? task.agedFromMs;
  task.runsAlone = taskChange.runsAlone ?? task.runsAlone;
  if (taskChange.leaves && task.executionId !== null) {
    rows.carried.get(task.executionId)?.delete(task.taskId);
    task.executionId = null;
  }
  place(rows, task);
}

function setPriority(rows: Rows, { taskId, priority }: { taskId: string; priority: number }): void {
  const task = known(rows, taskId);
  if (task.status === "queued") rows.waiting.remove(task);
  task.priority = priority;
  if (task.status === "queued") rows.waiting.add(task);
}

function advance(rows: Rows, decision: Advance): void {
  const run = rows.runs.get(decision.executionId);
  demand(run !== undefined && isLive(run), `${decision.executionId} is moved, and is not live`);
  let { status } = run;
  for (const step of decision.steps) {
    demand(step.from === status, `${run.executionId} is ${status}, and a step begins at ${step.from}`);
    rows.taken.add(`${step.from} → ${step.to}`);
    status = step.to;
  }
  const ended = hasEnded(status);
  demand(decision.attempt.number === run.attempt.number, `${run.executionId} changes its attempt's number`);
  demand((decision.dueAtMs === null) === ended, "a live run is looked at again, an ended one never");
  demand((decision.end !== null) === ended, `${run.executionId} ends without an ending, or the reverse`);
  for (const taskChange of decision.tasks) change(rows, taskChange);
  const day = rows.runDays.get(run.executionId) ?? dayOf(rows.nowMs);
  const metered = decision.attempt.ended ? endUse(rows, run.executionId) : 0;
  const charged = Math.max(0, decision.costMicros - metered);
  rows.spentMicros.set(day, (rows.spentMicros.get(day) ?? 0) + charged);
  if (ended) rows.runDays.delete(run.executionId);
  const moved: Run = { ...run, status, attempt: decision.attempt, dueAtMs: decision.dueAtMs };
  putRun(rows, moved);
  if (decision.deliver) rows.posted.push(moved);
  if (!ended) return;
  demand((rows.carried.get(run.executionId)?.size ?? 0) === 0, `${run.executionId} ended and carries tasks`);
  rows.carried.delete(run.executionId);
  if (run.parentId !== null) rows.children.set(run.parentId, (rows.children.get(run.parentId) ?? 0) - 1);
}

function open(rows: Rows, decision: Dispatch, parentId: string | null): void {
  const { workflowType, contentType, taskIds } = decision;
  const executionId = named(rows, "run");
  rows.taken.add("IDLE → DISPATCHING");
  rows.carried.set(executionId, new Set());
  rows.runDays.set(executionId, dayOf(rows.nowMs));
  if (parentId !== null) rows.children.set(parentId, (rows.children.get(parentId) ?? 0) + 1);
  const run = { executionId, parentId, workflowType, contentType, tasks: [], taskCount: taskIds.length };
  start(rows, { ...run, ...firstMoments(rows, { ...decision, number: 1 }) }, taskIds, "queued");
}

function startAgain(rows: Rows, decision: Retry): void {
  const run = rows.runs.get(decision.executionId);
  demand(run?.status === "ERROR_RECOVERY", `${decision.executionId} is started again, and has not failed`);
  rows.taken.add("ERROR_RECOVERY → DISPATCHING");
  const moments = firstMoments(rows, { ...decision, number: decision.attempt });
  start(rows, { ...run, ...moments }, decision.taskIds, "retrying");
}

/** A run that was posted just now. */
function firstMoments(
  rows: Rows,
  { number, timeoutMs, target }: { number: number; timeoutMs: number; target: string },
): Pick<Run, "status" | "dueAtMs" | "attempt"> {
  return {
    status: "DISPATCHING",
    dueAtMs: rows.nowMs + DELIVERY_LOST_AFTER_MS,
    attempt: {
      number,
      state: "sent",
      target,
      mayBeThere: false,
      timeoutMs,
      deliveries: 1,
      deliverAtMs: null,
      snoozedSinceMs: null,
      acceptedAtMs: null,
      deadlineAtMs: rows.nowMs + timeoutMs,
      lastHeartbeatAtMs: null,
      silentAtMs: null,
      progress: null,
      message: null,
    },
  };
}

function start(rows: Rows, run: Run, taskIds: readonly string[], from: "queued" | "retrying"): void {
  const { executionId } = run;
  for (const taskId of taskIds) {
    const task = known(rows, taskId);
    const carrier = from === "queued" ? null : executionId;
    demand(task.status === from, `${taskId} is started, and is ${task.status}`);
    demand(task.executionId === carrier, `${taskId} is started by ${executionId}, and is elsewhere`);
    rows.taken.add(`${from} → running`);
    if (from === "queued") rows.waiting.remove(task);
    task.status = "running";
    task.executionId = executionId;
    rows.carried.get(executionId)?.add(taskId);
  }
  putRun(rows, run);
  beginUse(rows, executionId);
  rows.posted.push(run);
}

/** Keeps the run, and what is counted and looked up by it. */
function putRun(rows: Rows, run: Run): void {
  const before = rows.runs.get(run.executionId);
  const add = (counts: Record<string, number>, name: string, by: number) => {
    counts[name] = (counts[name] ?? 0) + by;
  };
  for (const [each, by] of [
    [before, -1],
    [run, 1],
  ] as const) {
    if (each === undefined) continue;
    const { workflowType, attempt } = each;
    if (isSnoozed(each)) add(rows.snoozed, workflowType, by);
    if (!isWorking(each)) continue;
    add(rows.running, workflowType, by);
    if (attempt.target !== null) add(rows.atTargets, targetSubject(workflowType, attempt.target), by);
  }
  rows.runs.set(run.executionId, run);
  rows.dueRuns.set(run.executionId, run.dueAtMs);
}

function moveLanes(rows: Rows, { systemTime, lanes, lifts }: Share): void {
  rows.virtualTime = Math.max(rows.virtualTime, systemTime);
  const named = new Set(lanes.map(laneName));
  for (const { workflowType, by } of lifts) rows.waiting.lift(workflowType, by, named);
  for (const { workflowType, contentType, virtualTime, waits } of lanes)
    rows.waiting.stand(workflowType, contentType, { virtualTime, waited: waits });
}

function finishCycle(rows: Rows, cycleId: string): void {
  demand(rows.children.get(cycleId) === 0, `${cycleId} ends, and has live children`);
  rows.children.delete(cycleId);
}

function known(rows: Rows, taskId: string): WorldTask {
  const task = rows.tasks.get(taskId);
  demand(task !== undefined, `there is no ${taskId}`);
  return task;
}

/** A plan that does not fit the world is a bug: in production it stops the cycle, here the simulation. */
function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(`the plan does not fit: ${otherwise}`);
}
