/** The one decision function: snapshot in, decisions out. Pure: no clock, no chance, no I/O. */
import { decideAdaptation, withAdaptation } from "./adapt.ts";
import { admit, type Occupied } from "./admit.ts";
import type { Advance, Decision, FinishCycle, TaskChange } from "./decision.ts";
import { fold, resume } from "./fold.ts";
import { attemptHasEnded, type FoldContext, isSnoozed, isWorking } from "./folding.ts";
import { measureNeeds } from "./needs.ts";
import { followUps } from "./next.ts";
import { recover, rememberProbes } from "./recovery.ts";
import { reroute } from "./reroute.ts";
import { decideSchedules } from "./schedule.ts";
import type { Fact, NamedTask, Run, Snapshot } from "./snapshot.ts";
import { assertTaskStep, hasEnded } from "./states.ts";
import { rememberTargetProbes } from "./target-breaker.ts";
import { openPlaces, rememberTargets, targetSubject } from "./targets.ts";

export interface Plan {
  decisions: readonly Decision[];
}

/**
 * 1. On a tick: decide how far work gives way to what the day has cost.
 * 2. Fold the facts, and the passing of time, into each run they concern.
 * 3. Open and close recoveries by what the snapshot and those outcomes show.
 * 4. Send elsewhere what its target certainly has not got.
 * 5. Carry out what was asked of single tasks; release those whose time has come.
 * 6. Admit new work into the slots that are free now; say why the rest waits.
 * 7. Enqueue what follows the tasks that have ended, and what a schedule brings round.
 * 8. End the cycles whose children have all ended.
 */
export function plan(read: Snapshot): Plan {
  const adapt = decideAdaptation(read);
  const snapshot = withAdaptation(read, adapt);
  const context: FoldContext = {
    nowMs: snapshot.nowMs,
    listeningSinceMs: snapshot.listeningSinceMs,
    retry: snapshot.policy.retry,
    workflows: snapshot.workflows,
  };
  const folded = foldRuns(snapshot, context);
  const recovered = recover(snapshot, folded.advances);
  const { recoveries, workflows, memories } = recovered;
  const places = openPlaces(snapshot, { memories, recoveries, atTargets: folded.atTargets });
  const rerouted = reroute(folded, { ...snapshot, workflows }, places, context);
  for (const { workflowType } of rerouted.resumed) {
    move(folded.occupied.running, workflowType, false, true);
    move(folded.occupied.snoozed, workflowType, true, false);
  }
  const tasks = changeTasks(snapshot);
  const restarts = dueForRestart(rerouted.runs, snapshot.nowMs);
  const admitted = admit(
    {
      ...withChanged(snapshot, tasks),
      recoveries,
      workflows,
      supplies: suppliesAfter(snapshot, folded.runs),
    },
    restarts,
    folded.occupied,
    places,
  );
  const advances = mergeResumed(rerouted.advances, admitted, context);
  return {
    decisions: [
      ...(adapt ? [adapt] : []),
      ...advances,
      ...tasks,
      ...admitted.filter((decision) => decision.kind !== "resume"),
      ...followUps(folded.advances, snapshot),
      ...decideSchedules(snapshot),
      ...recovered.decisions,
      ...measureNeeds(snapshot, folded.advances),
      ...rememberProbes(recovered, admitted),
      ...rememberTargetProbes(places),
      ...rememberTargets(places, snapshot),
      ...finishCycles(folded.advances, snapshot),
    ],
  };
}

/** What runs need that have ended in this plan, nobody needs any more. */
function suppliesAfter({ supplies }: Snapshot, runs: readonly Run[]): Snapshot["supplies"] {
  const over = new Set(runs.filter((run) => !isWorking(run)).map(({ executionId }) => executionId));
  if (over.size === 0) return supplies;
  return { ...supplies, atWork: supplies.atWork.filter(({ executionId }) => !over.has(executionId)) };
}

function foldRuns(
  snapshot: Snapshot,
  context: FoldContext,
): { runs: Run[]; advances: Advance[]; occupied: Counted; atTargets: Record<string, number> } {
  const facts = factsByRun(snapshot);
  const running: Record<string, number> = { ...snapshot.running };
  const snoozed: Record<string, number> = { ...snapshot.snoozed };
  const atTargets: Record<string, number> = { ...snapshot.atTargets };
  const runs: Run[] = [];
  const advances: Advance[] = [];
  for (const run of snapshot.runs) {
    const outcome = fold(run, facts.get(run.executionId) ?? [], context);
    move(running, run.workflowType, isWorking(run), isWorking(outcome.run));
    move(snoozed, run.workflowType, isSnoozed(run), isSnoozed(outcome.run));
    const { target } = run.attempt;
    if (target !== null)
      move(atTargets, targetSubject(run.workflowType, target), isWorking(run), isWorking(outcome.run));
    runs.push(outcome.run);
    if (outcome.advance) advances.push(outcome.advance);
  }
  return { runs, advances, occupied: { running, snoozed }, atTargets };
}

type Counted = { [K in keyof Occupied]: Record<string, number> };

function move(counts: Record<string, number>, name: string, before: boolean, after: boolean): void {
  counts[name] = (counts[name] ?? 0) + Number(after) - Number(before);
}

function factsByRun(snapshot: Snapshot): Map<string, Fact[]> {
  const executionOf = new Map(snapshot.namedTasks.map((task) => [task.taskId, task.executionId]));
  const grouped = new Map<string, Fact[]>();
  for (const fact of snapshot.facts) {
    if (fact.kind === "close_recovery") continue;
    const executionId = "executionId" in fact ? fact.executionId : executionOf.get(fact.taskId);
    if (!executionId) continue;
    const facts = grouped.get(executionId);
    if (facts) facts.push(fact);
    else grouped.set(executionId, [fact]);
  }
  return grouped;
}

/** Runs between attempts, and snoozed ones, whose moment has come: they ask for a slot again. */
function dueForRestart(runs: readonly Run[], nowMs: number): Run[] {
  return runs.filter(
    (run) =>
      !hasEnded(run.status) &&
      run.dueAtMs !== null &&
      run.dueAtMs <= nowMs &&
      (run.attempt.state === "snoozed" || attemptHasEnded(run.attempt.state)),
  );
}

/** What was asked of tasks that no run carries, and what has become due. */
function changeTasks(snapshot: Snapshot): Decision[] {
  const decisions: Decision[] = [];
  // Requests are carried out in their order, each upon what the one before has left.
  const named = new Map(snapshot.namedTasks.map((task) => [task.taskId, task]));
  const change = (taskChange: TaskChange) => {
    const { taskId, from, to } = taskChange;
    assertTaskStep(from, to);
    const task = named.get(taskId);
    if (task) named.set(taskId, { ...task, status: to });
    decisions.push({ kind: "change_task", change: taskChange });
  };
  for (const fact of snapshot.facts) {
    if (!("taskId" in fact)) continue;
    const task = named.get(fact.taskId);
    if (!task) continue;
    if (fact.kind === "set_priority") {
      decisions.push({
        kind: "set_priority",
        taskId: task.taskId,
        priority: fact.priority,
        actor: fact.actor,
      });
    } else if (fact.kind === "redrive" && task.status === "dead_lettered") {
      change(redriven(task, fact.actor, snapshot.nowMs));
    } else if (fact.kind === "cancel_task" && task.executionId === null && isWaiting(task)) {
      const reason = "cancelled by request";
      change({
        taskId: task.taskId,
        from: task.status,
        to: "cancelled",
        reason,
        actor: fact.actor,
        leaves: true,
      });
    }
  }
  for (const task of snapshot.dueTasks) {
    if ((named.get(task.taskId) ?? task).status !== task.status) continue;
    const reason = task.status === "scheduled" ? "its time has come" : "its wait after a failure is over";
    change({ taskId: task.taskId, from: task.status, to: "queued", reason, actor: "orchestrator" });
  }
  return decisions;
}

/** A task that this very plan cancels is not admitted by it; a new priority counts at once. */
function withChanged(snapshot: Snapshot, decisions: readonly Decision[]): Snapshot {
  const gone = new Set(decisions.flatMap((d) => (d.kind === "change_task" ? [d.change.taskId] : [])));
  const priorities = new Map(
    decisions.flatMap((d) => (d.kind === "set_priority" ? [[d.taskId, d.priority] as const] : [])),
  );
  if (gone.size + priorities.size === 0) return snapshot;
  const lanes = snapshot.lanes.map((lane) => {
    const heads = lane.heads
      .filter((task) => !gone.has(task.taskId))
      .map((task) => ({ ...task, priority: priorities.get(task.taskId) ?? task.priority }));
    return { ...lane, heads, depth: lane.depth - (lane.heads.length - heads.length) };
  });
  return { ...snapshot, lanes };
}

function isWaiting(task: NamedTask): boolean {
  return task.status === "queued" || task.status === "scheduled" || task.status === "retrying";
}

function redriven(task: NamedTask, actor: string, nowMs: number): TaskChange {
  const reason = "sent back by a person; its failures count from zero again";
  return {
    taskId: task.taskId,
    from: "dead_lettered",
    to: "queued",
    reason,
    actor,
    failures: 0,
    dueAtMs: nowMs,
    // Else a thousand of last week would go before everything of today.
    agedFromMs: nowMs,
    runsAlone: true,
  };
}

/** A resumed run that facts moved in this same cycle is still one decision. */
function mergeResumed(
  advances: readonly Advance[],
  admitted: readonly Decision[],
  context: FoldContext,
): Advance[] {
  const resumed = admitted.flatMap((decision) =>
    decision.kind === "resume" ? [sentTo(decision.target, resume(decision.run, context))] : [],
  );
  const again = new Map(resumed.map((advance) => [advance.executionId, advance]));
  const kept = advances.map((advance) => {
    const later = again.get(advance.executionId);
    if (!later) return advance;
    again.delete(advance.executionId);
    return { ...advance, attempt: later.attempt, dueAtMs: later.dueAtMs, deliver: true };
  });
  return [...kept, ...again.values()];
}

function sentTo(target: string | null, advance: Advance): Advance {
  return { ...advance, attempt: { ...advance.attempt, target } };
}

function finishCycles(advances: readonly Advance[], snapshot: Snapshot): FinishCycle[] {
  const live: Record<string, number> = { ...snapshot.liveChildren };
  for (const advance of advances) {
    const last = advance.steps.at(-1);
    if (advance.parentId !== null && last && hasEnded(last.to)) {
      live[advance.parentId] = (live[advance.parentId] ?? 0) - 1;
    }
  }
  return Object.entries(live)
    .filter(([parentId, count]) => count <= 0 && (snapshot.liveChildren[parentId] ?? 0) > 0)
    .map(([executionId]) => ({ kind: "finish_cycle", executionId }));
}
