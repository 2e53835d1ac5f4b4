/** What a callback does to a run and its tasks: in time, partial, with advice, on the last attempt, and late. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  aCallback,
  aDelivery,
  aFailedRun,
  aPolicy,
  aRun,
  aRunTask,
  aWorkflow,
  aWorkingRun,
  deepFrozen,
  MINUTE,
  NOW,
  SECOND,
  WORKFLOW,
} from "#test/builders.ts";
import type { Advance } from "./decision.ts";
import { fold } from "./fold.ts";
import type { FoldContext } from "./folding.ts";
import type { Fact, Run } from "./snapshot.ts";

const RETRY = { ...aPolicy().retry, jitter: 0 };
const CONTEXT: FoldContext = {
  nowMs: NOW,
  listeningSinceMs: NOW - 3_600 * SECOND,
  retry: RETRY,
  workflows: { [WORKFLOW]: aWorkflow() },
};

function folded(run: Run, facts: Fact[]): Advance {
  const { advance } = fold(deepFrozen(run), deepFrozen(facts), CONTEXT);
  assert.ok(advance, "something changes");
  return advance;
}
const steps = (advance: Advance) => advance.steps.map((step) => `${step.from} → ${step.to}`);
const two = () => aWorkingRun({ tasks: [aRunTask({ taskId: "a" }), aRunTask({ taskId: "b" })] });
const done = (taskId: string, result_data?: string) => ({
  task_id: taskId,
  status: "completed" as const,
  result_data,
});
const failed = (
  taskId: string,
  error_data: { message?: string; retry_recommended?: boolean; stack_trace?: string },
) => ({
  task_id: taskId,
  status: "failed" as const,
  error_data,
});

describe("a callback: completed", () => {
  it("ends the run and gives every task its own result", () => {
    const run = two();
    const items = [done("a", "one"), done("b", "two")];
    const advance = folded(run, [aCallback(run, { status: "completed", items, result_data: "all" })]);
    assert.deepEqual(steps(advance), ["MONITORING → COMPLETED"]);
    assert.deepEqual(
      advance.tasks.map((task) => [task.taskId, task.from, task.to, task.leaves, task.result]),
      [
        ["a", "running", "completed", true, "one"],
        ["b", "running", "completed", true, "two"],
      ],
    );
    assert.equal(advance.attempt.state, "completed");
    assert.equal(advance.attempt.ended, true);
    assert.deepEqual(advance.end, { result: "all", failure: null });
    assert.equal(advance.dueAtMs, null);
  });

  it("without items holds for every task, with the result of the whole", () => {
    const run = two();
    const advance = folded(run, [aCallback(run, { status: "completed", result_data: { words: 3 } })]);
    assert.deepEqual(
      advance.tasks.map((task) => [task.to, task.result]),
      [
        ["completed", { words: 3 }],
        ["completed", { words: 3 }],
      ],
    );
  });

  it("without any result completes with none", () => {
    const run = two();
    const advance = folded(run, [aCallback(run, { status: "completed", items: [done("a")] })]);
    assert.deepEqual(
      advance.tasks.map((task) => [task.taskId, task.to, task.result]),
      [
        ["a", "completed", null],
        ["b", "completed", null],
      ],
    );
  });

  it("is believed before any other sign of life: the answer was the callback", () => {
    const run = aRun();
    assert.deepEqual(steps(folded(run, [aCallback(run, { status: "completed" })])), [
      "DISPATCHING → COMPLETED",
    ]);
  });

  it("is taken at the very moment of the time-out: the fact counts before the clock", () => {
    const run = aWorkingRun({ dueAtMs: NOW, attempt: { deadlineAtMs: NOW } });
    assert.deepEqual(steps(folded(run, [aCallback(run, { status: "completed" })])), [
      "MONITORING → COMPLETED",
    ]);
  });

  it("keeps its metrics, and its cost in millionths of a dollar", () => {
    const run = two();
    const metrics = { cost_usd: 0.1100004, duration_ms: 41_000, api_calls: { gemini: 6 } };
    const advance = folded(run, [aCallback(run, { status: "completed", metrics })]);
    assert.equal(advance.costMicros, 110_000);
    assert.deepEqual(advance.attempt.metrics, metrics);
    assert.equal(folded(run, [aCallback(run, { status: "failed" })]).costMicros, 0);
  });
});

describe("a callback: failed", () => {
  it("fails every task, keeps message and stack trace, and plans the next attempt", () => {
    const run = two();
    const error_data = { message: "no quota", stack_trace: "at x" };
    const advance = folded(run, [aCallback(run, { status: "failed", error_data })]);
    assert.deepEqual(steps(advance), ["MONITORING → ERROR_RECOVERY"]);
    assert.equal(advance.attempt.state, "failed");
    assert.deepEqual(
      advance.tasks.map((task) => [task.to, task.failures, task.leaves, task.failure]),
      Array(2).fill(["retrying", 1, undefined, { code: "failed", message: "no quota", stackTrace: "at x" }]),
    );
    assert.equal(advance.dueAtMs, NOW + MINUTE);
    assert.equal(advance.end, null);
  });

  it("costs what it says: a failed attempt has been paid as well", () => {
    const run = two();
    const metrics = { cost_usd: 0.000001 };
    assert.equal(folded(run, [aCallback(run, { status: "failed", metrics })]).costMicros, 1);
  });

  it("without a message still says something", () => {
    const run = two();
    assert.equal(
      folded(run, [aCallback(run, { status: "failed" })]).tasks[0]!.failure?.message,
      "no message was given",
    );
  });
});

describe("a callback: partial", () => {
  it("completes what succeeded; the rest stays with the run for its next attempt", () => {
    const run = two();
    const items = [done("a", "one"), failed("b", { message: "too short" })];
    const { advance, run: after } = fold(run, [aCallback(run, { status: "partial", items })], CONTEXT);
    assert.deepEqual(steps(advance!), ["MONITORING → ERROR_RECOVERY"]);
    assert.equal(advance!.attempt.state, "partial");
    assert.equal(advance!.attempt.failure?.message, "too short");
    assert.deepEqual(
      advance!.tasks.map((task) => [task.taskId, task.to, task.leaves]),
      [
        ["a", "completed", true],
        ["b", "retrying", undefined],
      ],
    );
    assert.deepEqual(
      after.tasks.map((task) => [task.taskId, task.status, task.failures]),
      [["b", "retrying", 1]],
    );
  });

  it("that does not name a task has not done it", () => {
    const run = two();
    const advance = folded(run, [aCallback(run, { status: "partial", items: [done("a")] })]);
    assert.deepEqual(
      advance.tasks.map((task) => [task.to, task.failure?.code]),
      [
        ["completed", undefined],
        ["retrying", "unreported"],
      ],
    );
  });

  it("counts item by item, whatever its own status says", () => {
    const run = two();
    const allDone = folded(run, [aCallback(run, { status: "partial", items: [done("a"), done("b")] })]);
    assert.deepEqual(steps(allDone), ["MONITORING → COMPLETED"]);
    const noneDone = folded(run, [
      aCallback(run, { status: "completed", items: [failed("a", {}), failed("b", {})] }),
    ]);
    assert.equal(noneDone.attempt.state, "failed");
    assert.deepEqual(steps(noneDone), ["MONITORING → ERROR_RECOVERY"]);
  });

  it("says nothing about tasks that the run does not carry", () => {
    const run = two();
    const advance = folded(run, [
      aCallback(run, { status: "completed", items: [done("a"), done("stranger")] }),
    ]);
    assert.deepEqual(
      advance.tasks.map((task) => task.taskId),
      ["a", "b"],
    );
  });
});

describe("a task goes to the dead letters", () => {
  it("at once where the sub-workflow advises against a retry; its neighbour is tried again", () => {
    const run = two();
    const items = [failed("a", { message: "refused by law", retry_recommended: false }), failed("b", {})];
    const advance = folded(run, [aCallback(run, { status: "failed", items })]);
    assert.deepEqual(
      advance.tasks.map((task) => [task.taskId, task.to, task.failures, task.leaves ?? false]),
      [
        ["a", "dead_lettered", 1, true],
        ["b", "retrying", 1, false],
      ],
    );
    assert.match(advance.tasks[0]!.reason, /advises against/);
    assert.equal(advance.tasks[0]!.failure?.message, "refused by law");
    assert.deepEqual(steps(advance), ["MONITORING → ERROR_RECOVERY"]);
  });

  it("all of them where the advice is for the whole, and the run has failed", () => {
    const run = two();
    const error_data = { message: "no", retry_recommended: false };
    const advance = folded(run, [aCallback(run, { status: "failed", error_data })]);
    assert.deepEqual(steps(advance), ["MONITORING → FAILED"]);
    assert.deepEqual(
      advance.tasks.map((task) => task.to),
      ["dead_lettered", "dead_lettered"],
    );
    assert.equal(advance.end?.failure?.message, "no");
    assert.equal(advance.dueAtMs, null);
  });

  it("with its fifth failure, on whatever attempt, and with every count kept", () => {
    const run = aWorkingRun({
      tasks: [aRunTask({ taskId: "a", failures: 4 }), aRunTask({ taskId: "b", failures: 3 })],
    });
    const advance = folded(run, [aCallback(run, { status: "failed" })]);
    assert.deepEqual(
      advance.tasks.map((task) => [task.to, task.failures, task.reason]),
      [
        ["dead_lettered", 5, "5 failures"],
        ["retrying", 4, "no message was given"],
      ],
    );
  });
});

describe("a failed callback of the last attempt", () => {
  it("ends the run; what is not done goes back to wait, from now on alone, by its own count of failures", () => {
    const run = aWorkingRun({
      tasks: [aRunTask({ taskId: "a", failures: 2 }), aRunTask({ taskId: "b", failures: 2 })],
      attempt: { number: 3 },
    });
    const advance = folded(run, [aCallback(run, { status: "partial", items: [done("a")] })]);
    assert.deepEqual(steps(advance), ["MONITORING → FAILED"]);
    const [a, b] = advance.tasks;
    assert.deepEqual([a!.to, a!.leaves], ["completed", true]);
    assert.deepEqual([b!.to, b!.leaves, b!.runsAlone, b!.failures], ["retrying", true, true, 3]);
    assert.equal(b!.dueAtMs, NOW + 4 * MINUTE);
    assert.equal(advance.dueAtMs, null);
  });
});

describe("a callback after the time-out, before the next attempt", () => {
  const late = () =>
    aFailedRun({
      dueAtMs: NOW + 40 * SECOND,
      tasks: ["a", "b"].map((taskId) => aRunTask({ taskId, status: "retrying", failures: 1 })),
    });

  it("completes: paid work is not thrown away, and the retry is cancelled", () => {
    const run = late();
    const metrics = { cost_usd: 0.5 };
    const advance = folded(run, [aCallback(run, { status: "completed", metrics })]);
    assert.deepEqual(steps(advance), ["ERROR_RECOVERY → COMPLETED"]);
    assert.deepEqual(
      advance.tasks.map((task) => [task.from, task.to, task.failures]),
      Array(2).fill(["retrying", "completed", undefined]),
    );
    assert.equal(advance.dueAtMs, null);
    assert.equal(advance.costMicros, 500_000);
    assert.equal(advance.attempt.state, "completed");
  });

  it("partial: completes what it can; the rest keeps its count and its moment", () => {
    const run = late();
    const { advance, run: after } = fold(
      run,
      [aCallback(run, { status: "partial", items: [done("b")] })],
      CONTEXT,
    );
    assert.deepEqual(
      advance!.tasks.map((task) => [task.taskId, task.to]),
      [["b", "completed"]],
    );
    assert.deepEqual(steps(advance!), []);
    assert.equal(advance!.dueAtMs, NOW + 40 * SECOND);
    assert.deepEqual(
      after.tasks.map((task) => [task.taskId, task.failures]),
      [["a", 1]],
    );
  });

  it("failed: changes no task and no state, and counts no second failure", () => {
    const run = late();
    const advance = folded(run, [aCallback(run, { status: "failed", metrics: { cost_usd: 0.2 } })]);
    assert.deepEqual([advance.steps, advance.tasks, advance.end], [[], [], null]);
    assert.equal(advance.dueAtMs, NOW + 40 * SECOND);
    assert.equal(advance.costMicros, 200_000, "but what it cost is known now");
  });

  it("failed, and advising against a retry: that advice is taken", () => {
    const run = late();
    const advance = folded(run, [
      aCallback(run, { status: "failed", error_data: { retry_recommended: false } }),
    ]);
    assert.deepEqual(
      advance.tasks.map((task) => [task.to, task.failures]),
      Array(2).fill(["dead_lettered", 1]),
    );
    assert.deepEqual(steps(advance), ["ERROR_RECOVERY → FAILED"]);
  });

  it("in the same cycle as a refusal is taken too: one failure is counted, then the work is done", () => {
    const run = two();
    const advance = folded(run, [aDelivery(run, "refused"), aCallback(run, { status: "completed" })]);
    assert.deepEqual(steps(advance), ["MONITORING → ERROR_RECOVERY", "ERROR_RECOVERY → COMPLETED"]);
    assert.deepEqual(
      advance.tasks.map((task) => `${task.taskId}: ${task.from} → ${task.to}`),
      [
        "a: running → retrying",
        "b: running → retrying",
        "a: retrying → completed",
        "b: retrying → completed",
      ],
    );
    assert.equal(advance.dueAtMs, null);
  });
});
