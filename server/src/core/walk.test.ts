/** Whatever happens, in whatever order: no illegal step, no cap exceeded, no task lost, none in two places. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Callback, Policy } from "@master-orchestrator/contract";
import {
  aCallback,
  aClaim,
  aDelivery,
  aHeartbeat,
  aWorkflow,
  cancelExecution,
  cancelTask,
  MINUTE,
  redrive,
  SECOND,
  setPriority,
} from "#test/builders.ts";
import { type Chance, forSeeds } from "#test/chance.ts";
import { aWorld, isLive, type World } from "#test/world.ts";
import type { Fact, Run } from "./snapshot.ts";
import { EXECUTION_TRANSITIONS, TASK_TRANSITIONS } from "./states.ts";

const WORKFLOWS = ["w1", "w2"];
const ENDS = ["completed", "dead_lettered", "cancelled"];

function anyWorld(random: Chance): World {
  const policy = Policy.parse({
    concurrency: { total: random.int(1, 6) },
    retry: {
      max_attempts: random.int(1, 4),
      base_seconds: random.oneOf([0, 1, 60]),
      dead_letter_after: random.int(1, 6),
      snooze_limit_seconds: random.oneOf([10, 600]),
    },
  });
  const views = WORKFLOWS.map((workflowType) => {
    const batchMax = random.int(1, 5);
    const timeoutMs = random.oneOf([5, 60, 300]) * SECOND;
    const maxConcurrent = random.int(1, 4);
    return [workflowType, aWorkflow({ workflowType, batchMax, maxConcurrent, timeoutMs })] as const;
  });
  return aWorld(policy, Object.fromEntries(views));
}

function anyCallback(random: Chance, run: Run, taskIds: string[]): Fact {
  const outcome = () => {
    const error_data = { retry_recommended: random.oneOf([true, false, null]) };
    return random.maybe(0.5) ? { status: "completed" as const } : { status: "failed" as const, error_data };
  };
  const named = [...taskIds, "stranger"].filter(() => random.maybe(0.7));
  const callback: Pick<Callback, "status"> & Partial<Callback> = {
    attempt: run.attempt.number,
    status: random.oneOf(["completed", "partial", "failed"] as const),
    items: random.maybe(0.6) ? named.map((task_id) => ({ task_id, ...outcome() })) : undefined,
    metrics: { cost_usd: random.fraction() },
  };
  return aCallback(run, callback);
}

/** Something that could be reported about a run, true or late or about an attempt long gone. */
function anyFact(random: Chance, world: World, run: Run): Fact {
  const taskIds = [...world.tasks.values()]
    .filter((t) => t.executionId === run.executionId)
    .map((t) => t.taskId);
  const anyTask = random.oneOf([...world.tasks.keys()]);
  const attempt = random.maybe(0.9) ? run.attempt.number : random.int(1, 4);
  const delivery = random.maybe(0.8) ? run.attempt.deliveries : random.int(1, 5);
  const outcome = random.oneOf(["accepted", "refused", "snoozed", "unknown"] as const);
  const retryAfterMs = random.oneOf([null, 0, 3 * SECOND, 20 * MINUTE]);
  return random.oneOf<() => Fact>([
    () => aDelivery(run, outcome, { attempt, delivery, retryAfterMs }),
    () => aDelivery(run, "accepted", { attempt }),
    () => aClaim(run, { attempt, atMs: world.nowMs }),
    () =>
      aHeartbeat(run, { attempt, atMs: world.nowMs, nextWithinMs: random.oneOf([null, 2 * SECOND, MINUTE]) }),
    () => anyCallback(random, { ...run, attempt: { ...run.attempt, number: attempt } }, taskIds),
    () => anyCallback(random, run, taskIds),
    () => (random.maybe(0.3) ? cancelExecution(run) : aClaim(run, { atMs: world.nowMs })),
    () => (random.maybe(0.5) ? cancelTask(anyTask) : redrive(anyTask)),
    () => setPriority(anyTask, random.int(0, 100)),
  ])();
}

function disturb(random: Chance, world: World): void {
  for (let i = random.int(0, 3); i > 0; i--) {
    const later = random.maybe(0.2) ? world.nowMs + random.int(1, 600) * SECOND : null;
    world.enqueue({
      workflowType: random.oneOf(WORKFLOWS),
      contentType: random.oneOf(["a", "b"]),
      priority: random.int(0, 100),
      ...(later === null ? {} : { status: "scheduled", dueAtMs: later, agedFromMs: later }),
    });
  }
  const runs = [...world.runs.values()];
  for (let i = random.int(0, 4); i > 0 && runs.length > 0; i--) {
    const live = runs.filter(isLive);
    world.report(anyFact(random, world, random.oneOf(live.length > 0 && random.maybe(0.9) ? live : runs)));
  }
  if (random.maybe(0.05)) world.paused = !world.paused;
  const due = world.nextDueMs();
  world.nowMs = random.maybe(0.4) && due !== null ? due : world.nowMs + random.int(0, 30) * SECOND;
}

/** Every task waits, or is carried by exactly the live run that it names, or has ended. */
function checkTasks(world: World): void {
  for (const task of world.tasks.values()) {
    const run = task.executionId === null ? undefined : world.runs.get(task.executionId);
    if (task.executionId !== null) assert.ok(run && isLive(run), `${task.taskId} is carried by a live run`);
    if (ENDS.includes(task.status) || task.status === "queued" || task.status === "scheduled") {
      assert.equal(task.executionId, null, `${task.taskId} is ${task.status}, and in no run`);
    }
    if (task.status === "running") assert.ok(run, `${task.taskId} runs in a run`);
  }
  for (const run of [...world.runs.values()].filter(isLive)) {
    const carried = [...world.tasks.values()].filter((task) => task.executionId === run.executionId);
    assert.ok(carried.length > 0, `${run.executionId} lives for something`);
    assert.notEqual(run.dueAtMs, null, `${run.executionId} is looked at again`);
  }
}

/** From now on every sub-workflow answers at once and well. */
function comeToRest(world: World): void {
  world.paused = false;
  for (let cycles = 0; cycles < 2_000; cycles++) {
    for (const run of [...world.runs.values()].filter(isLive)) {
      if (run.attempt.state === "sent" || run.attempt.state === "accepted") {
        world.report(aCallback(run, { status: "completed" }));
      }
    }
    const decisions = world.cycle();
    const due = world.nextDueMs();
    if (due === null && decisions.length === 0) return;
    if (due !== null) world.nowMs = due;
  }
  assert.fail("2,000 cycles are not enough to come to rest");
}

describe("a house in which anything happens", () => {
  it("never takes an illegal step, takes every legal one, and never loses a task", () => {
    const taken = new Set<string>();
    forSeeds(120, (random) => {
      const world = anyWorld(random);
      for (let i = 0; i < 60; i++) {
        disturb(random, world);
        world.cycle();
        checkTasks(world);
      }
      comeToRest(world);
      checkTasks(world);
      const left = [...world.tasks.values()].filter((task) => !ENDS.includes(task.status));
      assert.deepEqual(left, [], "every task has ended");
      for (const step of world.taken) taken.add(step);
    });
    const drawn = Object.entries({ ...EXECUTION_TRANSITIONS, ...TASK_TRANSITIONS })
      .flatMap(([from, targets]) => targets.map((to) => `${from} → ${to}`))
      .filter((step) => !step.includes("ANALYZING"));
    assert.deepEqual([...taken].sort(), drawn.sort());
  });

  it("never works at more than its limits, of a workflow and in all", () => {
    forSeeds(60, (random) => {
      const total = random.int(1, 5);
      const limits = WORKFLOWS.map((workflowType) =>
        aWorkflow({ workflowType, maxConcurrent: random.int(1, 3), batchMax: 2 }),
      );
      const world = aWorld(
        Policy.parse({ concurrency: { total }, retry: { base_seconds: random.oneOf([0, 5]) } }),
        Object.fromEntries(limits.map((view) => [view.workflowType, view])),
      );
      for (let i = 0; i < 80; i++) {
        for (let n = random.int(0, 3); n > 0; n--) world.enqueue({ workflowType: random.oneOf(WORKFLOWS) });
        for (const run of [...world.runs.values()].filter(isLive)) {
          // Only answers that are in time: who takes a message that was withdrawn is beyond anybody's power.
          if (run.attempt.state === "sent" && random.maybe(0.5)) {
            world.report(
              aDelivery(run, random.oneOf(["accepted", "refused", "snoozed", "unknown"] as const)),
            );
          } else if (run.attempt.state === "accepted" && random.maybe(0.4)) {
            world.report(aCallback(run, { status: random.oneOf(["completed", "failed"] as const) }));
          }
        }
        world.nowMs += random.int(0, 20) * SECOND;
        world.cycle();
        const working = [...world.runs.values()].filter(
          (run) => isLive(run) && ["sent", "accepted"].includes(run.attempt.state),
        );
        assert.ok(working.length <= total, `${working.length} of ${total}`);
        for (const view of limits) {
          const mine = working.filter((run) => run.workflowType === view.workflowType);
          assert.ok(
            mine.length <= view.maxConcurrent,
            `${mine.length} of ${view.maxConcurrent} ${view.workflowType}`,
          );
        }
      }
    });
  });

  it("counts no more failures of a task than it was dispatched, and dead letters at the limit exactly", () => {
    forSeeds(60, (random) => {
      const deadLetterAfter = random.int(1, 6);
      const world = aWorld(
        Policy.parse({
          retry: { base_seconds: 1, dead_letter_after: deadLetterAfter, max_attempts: random.int(1, 3) },
        }),
        { w1: aWorkflow({ workflowType: "w1", batchMax: 3 }) },
      );
      for (let i = random.int(1, 12); i > 0; i--) world.enqueue({ workflowType: "w1" });
      const dispatched = new Map<string, number>();
      for (let i = 0; i < 400 && [...world.tasks.values()].some((task) => !ENDS.includes(task.status)); i++) {
        for (const run of [...world.runs.values()].filter(isLive)) {
          if (run.attempt.state === "sent") {
            const broken = random.oneOf([aDelivery(run, "refused"), aCallback(run, { status: "failed" })]);
            world.report(random.maybe(0.1) ? aCallback(run, { status: "completed" }) : broken);
          }
        }
        for (const decision of world.cycle()) {
          if (decision.kind !== "dispatch" && decision.kind !== "retry") continue;
          for (const taskId of decision.taskIds) dispatched.set(taskId, (dispatched.get(taskId) ?? 0) + 1);
        }
        world.nowMs = world.nextDueMs() ?? world.nowMs;
      }
      for (const task of world.tasks.values()) {
        const tries = dispatched.get(task.taskId) ?? 0;
        if (task.status === "dead_lettered") {
          assert.deepEqual([task.failures, tries], [deadLetterAfter, deadLetterAfter]);
        } else {
          assert.equal(task.status, "completed");
          assert.ok(task.failures < deadLetterAfter && tries === task.failures + 1);
        }
      }
    });
  });
});
