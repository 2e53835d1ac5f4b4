/** How work ends early: at its deadline, when its attempt is over, when the process leaves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { type BatchContext, defineWorkflow, type TaskContext, type WorkflowOptions } from "./index.ts";
import { manualClock, playOrchestrator } from "./testing.ts";

const Kind = z.object({ kind: z.string() });

/** Tasks of four kinds: `quick` returns, `waits` ends with the signal, `stuck` never ends, `late` ends when told. */
function aWorkflow(options: WorkflowOptions = {}) {
  const started = Promise.withResolvers<TaskContext>();
  const late = Promise.withResolvers<string>();
  const workflow = defineWorkflow(
    {
      type: "endings",
      input: Kind,
      concurrency: 4,
      async run({ input }, context) {
        if (input.kind === "quick") return "quick";
        started.resolve(context);
        if (input.kind === "late") return late.promise;
        return new Promise((_resolve, reject) => {
          if (input.kind === "waits")
            context.signal.addEventListener("abort", () => reject(context.signal.reason));
        });
      },
    },
    { log: () => {}, ...options },
  );
  return { workflow, started: started.promise, finishLate: late.resolve };
}

const kinds = (...all: string[]) => all.map((kind) => ({ payload: { kind } }));

test("heartbeats show the mean progress and the latest message, and promise the next one", async () => {
  const clock = manualClock();
  await using orchestrator = await playOrchestrator({ clock });
  const { workflow, started, finishLate } = aWorkflow({ clock });
  const sent = await orchestrator.dispatch(workflow, { tasks: kinds("late", "quick") });
  const context = await started;
  await orchestrator.received("checkpoint");
  context.progress(0.25, "a quarter");
  const before = orchestrator.callsOf("heartbeat").length;
  assert.equal(await clock.pass("heartbeat"), 5_000);
  const beat = await orchestrator.received("heartbeat", before + 1);
  assert.deepEqual(beat.body, { attempt: 1, progress: 0.625, message: "a quarter", next_within_seconds: 20 });
  finishLate("done");
  assert.equal((await sent.callback).status, "completed");
  await workflow.idle();
  assert.deepEqual(clock.waits(), []);
});

test("a heartbeat answered stale aborts the work, and nothing is reported", async () => {
  const clock = manualClock();
  await using orchestrator = await playOrchestrator({ clock });
  const { workflow, started } = aWorkflow({ clock });
  await orchestrator.dispatch(workflow, { tasks: kinds("stuck", "waits", "quick") });
  const { signal } = await started;
  await orchestrator.received("checkpoint");
  await orchestrator.received("heartbeat");
  orchestrator.faults.stale = true;
  await clock.pass("heartbeat");
  await workflow.idle();
  assert.equal(signal.aborted, true);
  assert.match(String(signal.reason), /stale/);
  assert.equal(orchestrator.callsOf("callback").length, 0);
  assert.deepEqual(clock.waits(), []);
});

test("a checkpoint answered stale ends the work as well", async () => {
  await using orchestrator = await playOrchestrator();
  const workflow = defineWorkflow(
    {
      type: "endings",
      input: Kind,
      async run(_task, { step }) {
        orchestrator.faults.stale = true;
        await step("one", async () => 1);
        await step("two", async () => assert.fail("the attempt was over"));
      },
    },
    { log: () => {} },
  );
  await orchestrator.dispatch(workflow, { tasks: kinds("any") });
  await workflow.idle();
  assert.equal(orchestrator.callsOf("callback").length, 0);
});

test("a deadline reports what is finished, and does not wait for work that ignores the signal", async () => {
  const clock = manualClock();
  await using orchestrator = await playOrchestrator({ clock });
  const { workflow, started } = aWorkflow({ clock });
  const tasks = kinds("quick", "waits", "stuck", "stuck", "quick");
  const sent = await orchestrator.dispatch(workflow, { tasks, timeoutSeconds: 60 });
  await started;
  await orchestrator.received("checkpoint", 2);
  await orchestrator.received("heartbeat");
  const start = clock.now();
  await clock.pass("deadline");
  await clock.pass("grace");
  const callback = await sent.callback;
  assert.ok(clock.now() - start < 60_000, "the callback is there before the deadline");
  assert.equal(callback.status, "partial");
  assert.deepEqual(
    callback.items?.map((item) => item.status),
    ["completed", "failed", "failed", "failed", "completed"],
  );
  for (const item of callback.items?.slice(1, 4) ?? []) {
    assert.match(item.error_data?.message ?? "", /^deadline: the attempt had 60 s/);
    assert.equal(item.error_data?.retry_recommended, true);
  }
  await workflow.idle();
  assert.deepEqual(clock.waits(), []);
});

test("tasks that were not started at the deadline say so", async () => {
  const clock = manualClock();
  await using orchestrator = await playOrchestrator({ clock });
  const { workflow, started } = aWorkflow({ clock });
  const tasks = kinds("stuck", "stuck", "stuck", "stuck", "quick");
  const sent = await orchestrator.dispatch(workflow, { tasks, timeoutSeconds: 10 });
  await started;
  await clock.pass("deadline");
  await clock.pass("grace");
  const callback = await sent.callback;
  assert.equal(callback.status, "failed");
  assert.match(callback.items?.[4]?.error_data?.message ?? "", /it was not started/);
  assert.equal(callback.metrics?.items_processed, 4);
});

test("what ends after the deadline is kept for the next attempt", async () => {
  const clock = manualClock();
  await using orchestrator = await playOrchestrator({ clock });
  const { workflow, started, finishLate } = aWorkflow({ clock });
  orchestrator.faults.refuseCallbacks = 1;
  const sent = await orchestrator.dispatch(workflow, { tasks: kinds("late"), timeoutSeconds: 10 });
  await started;
  await clock.pass("deadline");
  await clock.pass("grace");
  await orchestrator.received("callback");
  finishLate("paid for");
  await orchestrator.received("checkpoint");
  assert.equal(orchestrator.checkpoints.get(sent.taskIds[0] as string)?.get("sdk:result"), "paid for");
  await clock.pass("callback");
  assert.equal((await sent.callback).status, "failed");
});

test("clocks that differ by minutes do not shorten the work", async () => {
  const clock = manualClock();
  const theirs = { ...clock, now: () => clock.now() - 240_000 };
  await using orchestrator = await playOrchestrator({ clock: theirs });
  const { workflow, started } = aWorkflow({ clock });
  await orchestrator.dispatch(workflow, { tasks: kinds("waits"), timeoutSeconds: 300 });
  await started;
  await orchestrator.received("heartbeat");
  assert.ok((await clock.pass("deadline")) > 290_000);
  await workflow.idle();
});

test("stop refuses what is new, aborts what runs, and reports what is finished", async () => {
  const clock = manualClock();
  await using orchestrator = await playOrchestrator({ clock });
  const { workflow, started } = aWorkflow({ clock });
  const sent = await orchestrator.dispatch(workflow, { tasks: kinds("quick", "waits", "stuck") });
  await started;
  await orchestrator.received("checkpoint");
  const stopped = workflow.stop();
  const refused = await orchestrator.dispatch(workflow, { tasks: kinds("quick") });
  assert.deepEqual([refused.status, refused.response.headers.get("retry-after")], [503, "5"]);
  await clock.pass("grace");
  const callback = await sent.callback;
  await stopped;
  assert.equal(callback.status, "partial");
  assert.match(callback.items?.[1]?.error_data?.message ?? "", /^shutdown: /);
  assert.match(callback.items?.[2]?.error_data?.message ?? "", /^shutdown: /);
  assert.deepEqual(clock.waits(), []);
});

test("stop gives an orchestrator that does not answer ten seconds, and then leaves", async () => {
  const clock = manualClock();
  await using orchestrator = await playOrchestrator({ clock });
  orchestrator.faults.refuseCallbacks = 1_000;
  const { workflow } = aWorkflow({ clock });
  await orchestrator.dispatch(workflow, { tasks: kinds("quick") });
  await orchestrator.received("callback");
  const stopped = workflow.stop();
  assert.equal(await clock.pass("stop"), 10_000);
  await stopped;
  assert.deepEqual(clock.waits(), []);
});

test("preflight sees the whole batch, and its signal ends it at the deadline", async () => {
  const clock = manualClock();
  await using orchestrator = await playOrchestrator({ clock });
  const seen = Promise.withResolvers<BatchContext>();
  const workflow = defineWorkflow(
    {
      type: "endings",
      input: Kind,
      async preflight(context) {
        seen.resolve(context);
        await new Promise(() => {});
      },
      run: async () => 1,
    },
    { log: () => {}, clock },
  );
  const sent = await orchestrator.dispatch(workflow, { tasks: kinds("a", "b"), attempt: 3 });
  const context = await seen.promise;
  assert.deepEqual([context.attempt, context.taskIds], [3, sent.taskIds]);
  await clock.pass("deadline");
  await clock.pass("grace");
  assert.equal((await sent.callback).status, "failed");
});
