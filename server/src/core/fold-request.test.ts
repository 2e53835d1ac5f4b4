/** What a person's request does to a run: cancelling it, or one of its tasks. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  aCallback,
  aFailedRun,
  aPolicy,
  aRun,
  aRunTask,
  aSnoozedRun,
  aWorkflow,
  aWorkingRun,
  cancelExecution,
  cancelTask,
  deepFrozen,
  MINUTE,
  NOW,
  redrive,
  setPriority,
  WORKFLOW,
} from "#test/builders.ts";
import { fold } from "./fold.ts";
import type { FoldContext } from "./folding.ts";
import type { Fact, Run } from "./snapshot.ts";

const CONTEXT: FoldContext = {
  nowMs: NOW,
  listeningSinceMs: NOW - 60 * MINUTE,
  retry: aPolicy().retry,
  workflows: { [WORKFLOW]: aWorkflow() },
};
const folded = (run: Run, ...facts: Fact[]) => fold(deepFrozen(run), deepFrozen(facts), CONTEXT);
const three = () => ["a", "b", "c"].map((taskId) => aRunTask({ taskId }));

describe("cancelling a run", () => {
  const states: [name: string, run: () => Run, from: string, attemptState: string][] = [
    ["being delivered", () => aRun({ tasks: three() }), "DISPATCHING", "cancelled"],
    ["at work", () => aWorkingRun({ tasks: three() }), "MONITORING", "cancelled"],
    ["snoozed", () => aSnoozedRun({ tasks: three() }), "DISPATCHING", "cancelled"],
    ["between attempts", () => aFailedRun(), "ERROR_RECOVERY", "timed_out"],
  ];
  for (const [name, make, from, attemptState] of states) {
    it(`that is ${name} ends it and all its tasks, in the name of who asked`, () => {
      const run = make();
      const { advance, run: after } = folded(run, cancelExecution(run, "ada"));
      assert.deepEqual(
        advance!.steps.map((step) => [step.from, step.to, step.actor]),
        [[from, "CANCELLED", "ada"]],
      );
      assert.deepEqual(
        advance!.tasks.map((task) => [task.taskId, task.to, task.leaves, task.actor]),
        run.tasks.map((task) => [task.taskId, "cancelled", true, "ada"]),
      );
      assert.equal(advance!.attempt.state, attemptState);
      assert.equal(advance!.attempt.ended, true);
      assert.equal(advance!.dueAtMs, null);
      assert.deepEqual(advance!.end, { result: null, failure: null });
      assert.deepEqual(after.tasks, []);
    });
  }

  it("counts no failure", () => {
    const run = aWorkingRun();
    assert.equal(folded(run, cancelExecution(run)).advance!.tasks[0]!.failures, undefined);
  });

  it("twice is cancelling once; what is reported later changes nothing", () => {
    const run = aWorkingRun();
    const once = folded(run, cancelExecution(run)).advance;
    const more = [cancelExecution(run), cancelExecution(run), aCallback(run, { status: "completed" })];
    assert.deepEqual(folded(run, ...more).advance, once);
  });

  it("that has just been completed comes too late", () => {
    const run = aWorkingRun();
    const { advance } = folded(run, aCallback(run, { status: "completed" }), cancelExecution(run));
    assert.deepEqual(
      advance!.steps.map((step) => step.to),
      ["COMPLETED"],
    );
    assert.equal(advance!.tasks.length, 1);
  });

  it("after a failed callback of the same cycle cancels what would have been tried again", () => {
    const run = aWorkingRun();
    const { advance } = folded(run, aCallback(run, { status: "failed" }), cancelExecution(run));
    assert.deepEqual(
      advance!.steps.map((step) => step.to),
      ["ERROR_RECOVERY", "CANCELLED"],
    );
    assert.deepEqual(
      advance!.tasks.map((task) => [task.from, task.to]),
      [
        ["running", "retrying"],
        ["retrying", "cancelled"],
      ],
    );
  });
});

describe("cancelling a task of a run", () => {
  it("takes it out; its neighbours go on", () => {
    const run = aWorkingRun({ tasks: three() });
    const { advance, run: after } = folded(run, cancelTask("b", "ada"));
    assert.deepEqual(
      advance!.tasks.map((task) => [task.taskId, task.to, task.leaves, task.actor]),
      [["b", "cancelled", true, "ada"]],
    );
    assert.deepEqual([advance!.steps, advance!.end], [[], null]);
    assert.equal(advance!.dueAtMs, run.dueAtMs);
    assert.deepEqual(
      after.tasks.map((task) => task.taskId),
      ["a", "c"],
    );
  });

  it("that is its only one ends the run", () => {
    const run = aWorkingRun();
    const { advance } = folded(run, cancelTask(run.tasks[0]!.taskId));
    assert.deepEqual(
      advance!.steps.map((step) => [step.to, step.reason]),
      [["CANCELLED", "its only task was cancelled"]],
    );
    assert.equal(advance!.attempt.state, "cancelled");
  });

  it("one after the other ends the run with the last", () => {
    const run = aWorkingRun({ tasks: three() });
    const { advance } = folded(run, cancelTask("a"), cancelTask("c"), cancelTask("b"));
    assert.deepEqual(
      advance!.tasks.map((task) => `${task.taskId} ${task.to}`),
      ["a cancelled", "c cancelled", "b cancelled"],
    );
    assert.deepEqual(
      advance!.steps.map((step) => step.to),
      ["CANCELLED"],
    );
  });

  it("makes the callback that names it later mean nothing for it", () => {
    const run = aWorkingRun({ tasks: three() });
    const items = ["a", "b", "c"].map((task_id) => ({ task_id, status: "completed" as const }));
    const { advance } = folded(run, cancelTask("b"), aCallback(run, { status: "completed", items }));
    assert.deepEqual(
      advance!.tasks.map((task) => `${task.taskId} ${task.to}`),
      ["b cancelled", "a completed", "c completed"],
    );
    assert.deepEqual(
      advance!.steps.map((step) => step.to),
      ["COMPLETED"],
    );
  });

  it("that its last attempt gave back in this very cycle cancels it all the same", () => {
    const run = aWorkingRun({ tasks: three(), attempt: { number: 3 } });
    const { advance } = folded(run, aCallback(run, { status: "failed" }), cancelTask("b"), cancelTask("b"));
    assert.deepEqual(
      advance!.tasks.map((task) => `${task.taskId} ${task.from} → ${task.to}`),
      ["a running → retrying", "b running → retrying", "c running → retrying", "b retrying → cancelled"],
    );
    const done = folded(run, aCallback(run, { status: "completed" }), cancelTask("b"));
    assert.equal(done.advance!.tasks.length, 3, "but not what was completed");
  });

  it("that it does not carry changes nothing", () => {
    assert.equal(folded(aWorkingRun(), cancelTask("stranger")).advance, null);
  });
});

describe("other requests about a task of a run", () => {
  it("are not for the run", () => {
    const run = aWorkingRun({ tasks: three() });
    assert.equal(folded(run, setPriority("a", 90), redrive("a")).advance, null);
  });
});
