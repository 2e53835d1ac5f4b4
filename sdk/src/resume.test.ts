/** Nothing is paid twice: what an attempt finished, the next one finds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { defineWorkflow, type TaskContext } from "./index.ts";
import { manualClock, playOrchestrator } from "./testing.ts";

const Named = z.object({ name: z.string() });

function aWorkflow(run: (name: string, context: TaskContext) => Promise<unknown>, clock = manualClock()) {
  return defineWorkflow(
    { type: "steps", input: Named, run: ({ input }, context) => run(input.name, context) },
    { log: () => {}, clock },
  );
}

test("after a crash between work and callback, finished tasks and steps are not done again", async () => {
  await using orchestrator = await playOrchestrator();
  const done: string[] = [];
  const reached = Promise.withResolvers<void>();
  const work = (crash: boolean) => async (name: string, context: TaskContext) => {
    done.push(`run ${name}`);
    const draft = await context.step("draft", async () => {
      done.push(`draft ${name}`);
      return { text: `about ${name}`, at: new Date(0) };
    });
    // The same in the first attempt as in a later one.
    assert.deepEqual(draft, { text: `about ${name}`, at: "1970-01-01T00:00:00.000Z" });
    if (crash && name === "slow") {
      reached.resolve();
      await new Promise(() => {});
    }
    return context.step("image", async () => {
      done.push(`image ${name}`);
      return `${draft.text}.png`;
    });
  };
  const tasks = [{ payload: { name: "quick" } }, { payload: { name: "slow" } }];
  const first = await orchestrator.dispatch(aWorkflow(work(true)), { tasks });
  await reached.promise;
  // quick: draft, image, result; slow: draft.
  await orchestrator.received("checkpoint", 4);
  const { executionId } = first;
  const same = tasks.map((task, index) => ({ ...task, task_id: first.taskIds[index] as string }));
  const second = await orchestrator.dispatch(aWorkflow(work(false)), {
    tasks: same,
    executionId,
    attempt: 2,
  });
  const callback = await second.callback;
  assert.equal(callback.attempt, 2);
  assert.deepEqual(
    callback.items?.map((item) => item.result_data),
    ["about quick.png", "about slow.png"],
  );
  assert.deepEqual(done.sort(), [
    "draft quick",
    "draft slow",
    "image quick",
    "image slow",
    "run quick",
    "run slow",
    "run slow",
  ]);
});

test("a task's checkpoints are read once, at addresses and keys that are encoded", async () => {
  await using orchestrator = await playOrchestrator();
  const workflow = aWorkflow(async (_name, { step }) => {
    await step("a:b", async () => 1);
    return step("c", async () => 2);
  });
  const sent = await orchestrator.dispatch(workflow, { tasks: [{ payload: { name: "one" } }] });
  await sent.callback;
  assert.equal(orchestrator.callsOf("checkpoints").length, 1);
  assert.deepEqual(
    orchestrator.callsOf("checkpoint").map((call) => call.path.split("/").at(-1)),
    ["a%3Ab", "c", "sdk%3Aresult"],
  );
});

test("a step asked for twice is done once; one that failed may be tried again", async () => {
  await using orchestrator = await playOrchestrator();
  let tries = 0;
  const workflow = aWorkflow(async (_name, { step }) => {
    const flaky = async () => {
      if (++tries === 1) throw new Error("once");
      return tries;
    };
    await assert.rejects(step("flaky", flaky), /once/);
    return Promise.all([step("flaky", flaky), step("flaky", flaky)]);
  });
  const sent = await orchestrator.dispatch(workflow, { tasks: [{ payload: { name: "one" } }] });
  assert.deepEqual((await sent.callback).items?.[0]?.result_data, [2, 2]);
});

test("step keys that the orchestrator would refuse, or that are the sdk's own, are refused at once", async () => {
  await using orchestrator = await playOrchestrator();
  const workflow = aWorkflow(async (name, { step }) => step(name, async () => 1));
  const names = ["with space", "../claim", "", "x".repeat(101), "sdk:result"];
  const sent = await orchestrator.dispatch(workflow, { tasks: names.map((name) => ({ payload: { name } })) });
  for (const item of (await sent.callback).items ?? [])
    assert.match(item.error_data?.message ?? "", /^step ".*keys? /);
  assert.equal(orchestrator.callsOf("checkpoint").length, 0);
});

test("a step that cannot be kept does not fail the work: it is only done again by a later attempt", async () => {
  const clock = manualClock();
  await using orchestrator = await playOrchestrator({ clock });
  const workflow = aWorkflow(async (_name, { step }) => {
    const big = await step("big", async () => "x".repeat(1_100_000));
    const odd = await step("odd", async () => 10n);
    orchestrator.faults.refuseCheckpoints = 100;
    const lost = await step("lost", async () => "here");
    orchestrator.faults.refuseCheckpoints = 0;
    return [big.length, String(odd), lost];
  }, clock);
  const sent = await orchestrator.dispatch(workflow, { tasks: [{ payload: { name: "one" } }] });
  for (let tries = 0; tries < 3; tries++) await clock.pass("checkpoint");
  assert.deepEqual((await sent.callback).items?.[0]?.result_data, [1_100_000, "10", "here"]);
});

test("work does not start before it is known what an earlier attempt has done", async () => {
  const clock = manualClock();
  await using orchestrator = await playOrchestrator({ clock });
  orchestrator.faults.refuseCheckpoints = 3;
  let runs = 0;
  const workflow = aWorkflow(async () => ++runs, clock);
  const sent = await orchestrator.dispatch(workflow, { tasks: [{ payload: { name: "one" } }] });
  for (let tries = 0; tries < 3; tries++) {
    assert.equal(runs, 0);
    await clock.pass("checkpoints");
  }
  assert.equal((await sent.callback).status, "completed");
});
