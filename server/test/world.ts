/** Owns a world in memory: tasks and runs that live by plans alone, as rows do in the store, and complain of a wrong one. */
import assert from "node:assert/strict";
import type { Policy, TaskStatus } from "@master-orchestrator/contract";
import type { Advance, Decision, Dispatch, Retry, TaskChange } from "#core/decision.ts";
import { DELIVERY_LOST_AFTER_MS } from "#core/folding.ts";
import { plan } from "#core/plan.ts";
import type { Fact, LaneView, Run, RunTask, Snapshot, WorkflowView } from "#core/snapshot.ts";
import { hasEnded } from "#core/states.ts";
import { aSnapshot, deepFrozen, freshId, NOW } from "./builders.ts";

export interface WorldTask {
  taskId: string;
  workflowType: string;
  contentType: string;
  status: TaskStatus;
  priority: number;
  agedFromMs: number;
  dueAtMs: number;
  failures: number;
  runsAlone: boolean;
  executionId: string | null;
}

export interface World {
  nowMs: number;
  paused: boolean;
  readonly tasks: ReadonlyMap<string, WorldTask>;
  /** Every run there ever was, as it stands now; `tasks` of a run are those that it carries. */
  readonly runs: ReadonlyMap<string, Run>;
  /** Every step that was taken, as `from → to`. */
  readonly taken: ReadonlySet<string>;
  enqueue(task: Partial<WorldTask> & Pick<WorldTask, "workflowType">): WorldTask;
  /** To be folded in by the next cycle. */
  report(fact: Fact): void;
  /** One cycle: snapshot, plan, apply. Returns what was decided. */
  cycle(): readonly Decision[];
  /** The next moment after now at which something becomes due by itself; null if nothing will. */
  nextDueMs(): number | null;
}

export const isLive = (run: Run) => !hasEnded(run.status);

/** A world without any task, under one policy. */
export function aWorld(policy: Policy, workflows: Record<string, WorkflowView>): World {
  const tasks = new Map<string, WorldTask>();
  const runs = new Map<string, Run>();
  const taken = new Set<string>();
  let facts: Fact[] = [];
  const carriedBy = (executionId: string): RunTask[] =>
    [...tasks.values()].filter((task) => task.executionId === executionId);
  const runNow = (run: Run): Run => ({ ...run, tasks: carriedBy(run.executionId) });

  function snapshot(nowMs: number, paused: boolean): Snapshot {
    const ids = new Set(facts.flatMap((fact) => ("executionId" in fact ? [fact.executionId] : [])));
    const namedTasks = facts.flatMap((fact) => {
      const task = "taskId" in fact ? tasks.get(fact.taskId) : undefined;
      if (task?.executionId) ids.add(task.executionId);
      return task ? [{ ...task }] : [];
    });
    const live = [...runs.values()].filter(isLive);
    const count = (states: string[]) => {
      const counts: Record<string, number> = {};
      for (const run of live.filter((one) => states.includes(one.attempt.state))) {
        counts[run.workflowType] = (counts[run.workflowType] ?? 0) + 1;
      }
      return counts;
    };
    const due = (run: Run) => run.dueAtMs !== null && run.dueAtMs <= nowMs;
    return aSnapshot({
      nowMs,
      paused,
      policy,
      workflows,
      runs: live.filter((run) => ids.has(run.executionId) || due(run)).map(runNow),
      facts,
      namedTasks,
      running: count(["sent", "accepted"]),
      snoozed: count(["snoozed"]),
      lanes: lanesOf([...tasks.values()].filter((task) => task.status === "queued")),
      dueTasks: [...tasks.values()].filter(
        (task) =>
          (task.status === "scheduled" || task.status === "retrying") &&
          task.executionId === null &&
          task.dueAtMs <= nowMs,
      ),
      liveChildren: { cycle: live.length },
    });
  }

  function change(taskChange: TaskChange): void {
    const task = tasks.get(taskChange.taskId);
    assert.ok(task, `${taskChange.taskId} is known`);
    assert.equal(task.status, taskChange.from, `${task.taskId} is in the state that the plan saw`);
    taken.add(`${taskChange.from} → ${taskChange.to}`);
    task.status = taskChange.to;
    task.failures = taskChange.failures ?? task.failures;
    task.dueAtMs = taskChange.dueAtMs ?? task.dueAtMs;
    task.runsAlone = taskChange.runsAlone ?? task.runsAlone;
    if (taskChange.leaves) task.executionId = null;
  }

  function advance(decision: Advance): void {
    const run = runs.get(decision.executionId);
    assert.ok(run && isLive(run), "only a live run is moved");
    let { status } = run;
    for (const step of decision.steps) {
      assert.equal(step.from, status, "steps follow each other");
      taken.add(`${step.from} → ${step.to}`);
      status = step.to;
    }
    assert.equal(decision.attempt.number, run.attempt.number);
    assert.equal(
      decision.dueAtMs === null,
      hasEnded(status),
      "a live run is looked at again, an ended one never",
    );
    assert.equal(decision.end !== null, hasEnded(status));
    decision.tasks.forEach(change);
    runs.set(run.executionId, { ...run, status, attempt: decision.attempt, dueAtMs: decision.dueAtMs });
    if (hasEnded(status)) assert.deepEqual(carriedBy(run.executionId), [], "an ended run carries nothing");
  }

  function start(executionId: string, decision: Dispatch | Retry, number: number, nowMs: number): void {
    for (const taskId of decision.taskIds) {
      const task = tasks.get(taskId) as WorldTask;
      assert.equal(task.status, decision.kind === "dispatch" ? "queued" : "retrying");
      assert.equal(task.executionId, decision.kind === "dispatch" ? null : executionId);
      taken.add(`${task.status} → running`);
      task.status = "running";
      task.executionId = executionId;
    }
    taken.add(decision.kind === "dispatch" ? "IDLE → DISPATCHING" : "ERROR_RECOVERY → DISPATCHING");
    runs.set(executionId, {
      executionId,
      parentId: "cycle",
      workflowType: decision.workflowType,
      contentType: "any",
      status: "DISPATCHING",
      tasks: [],
      taskCount: decision.taskIds.length,
      dueAtMs: nowMs + DELIVERY_LOST_AFTER_MS,
      attempt: {
        number,
        state: "sent",
        timeoutMs: decision.timeoutMs,
        deliveries: 1,
        deliverAtMs: null,
        snoozedSinceMs: null,
        acceptedAtMs: null,
        deadlineAtMs: nowMs + decision.timeoutMs,
        lastHeartbeatAtMs: null,
        silentAtMs: null,
        progress: null,
        message: null,
      },
    });
  }

  const world: World = {
    nowMs: NOW,
    paused: false,
    tasks,
    runs,
    taken,
    enqueue(over) {
      const task: WorldTask = {
        taskId: freshId("task"),
        contentType: "default",
        status: "queued",
        priority: 50,
        agedFromMs: world.nowMs,
        dueAtMs: world.nowMs,
        failures: 0,
        runsAlone: false,
        executionId: null,
        ...over,
      };
      tasks.set(task.taskId, task);
      return task;
    },
    report: (fact) => void facts.push(fact),
    cycle() {
      const taken = deepFrozen(structuredClone(snapshot(world.nowMs, world.paused)));
      const { decisions } = plan(taken);
      facts = [];
      for (const decision of decisions) {
        if (decision.kind === "advance") advance(decision);
        else if (decision.kind === "change_task") change(decision.change);
        else if (decision.kind === "set_priority") tasks.get(decision.taskId)!.priority = decision.priority;
      }
      for (const decision of decisions) {
        if (decision.kind === "dispatch") start(freshId("run"), decision, 1, world.nowMs);
        if (decision.kind === "retry") start(decision.executionId, decision, decision.attempt, world.nowMs);
      }
      return decisions;
    },
    nextDueMs() {
      const moments = [
        ...[...runs.values()].map((run) => run.dueAtMs),
        ...[...tasks.values()].map((task) =>
          task.executionId === null && (task.status === "scheduled" || task.status === "retrying")
            ? task.dueAtMs
            : null,
        ),
      ].filter((moment) => moment !== null && moment > world.nowMs) as number[];
      return moments.length === 0 ? null : Math.min(...moments);
    },
  };
  return world;
}

function lanesOf(queued: readonly WorldTask[]): LaneView[] {
  const lanes = new Map<string, WorldTask[]>();
  for (const task of queued) {
    const name = `${task.workflowType}/${task.contentType}`;
    lanes.set(name, [...(lanes.get(name) ?? []), task]);
  }
  return [...lanes.values()].map((heads) => {
    const { workflowType, contentType } = heads[0] as WorldTask;
    return { workflowType, contentType, depth: heads.length, virtualTime: null, heads };
  });
}
