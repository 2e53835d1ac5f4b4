/** What a workflow does with its tasks, seen from the orchestrator that sent them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { defineWorkflow, type TaskContext, TaskRefused } from "./index.ts";
import { playOrchestrator } from "./testing.ts";

const Topic = z.object({ title: z.string().min(1), words: z.int().default(300) });
type Topic = z.output<typeof Topic>;

function aWriter(
  run: (input: Topic, context: TaskContext) => unknown,
  more: { preflight?: () => Promise<void>; concurrency?: number } = {},
) {
  return defineWorkflow(
    { type: "writer", input: Topic, run: async ({ input }, context) => run(input, context), ...more },
    { log: () => {} },
  );
}

const topics = (...titles: unknown[]) => titles.map((title) => ({ payload: { title } }));

test("three tasks are done, and reported in their order", async () => {
  await using orchestrator = await playOrchestrator();
  const workflow = defineWorkflow(
    {
      type: "writer",
      input: Topic,
      async run({ taskId, input, contentType }, context) {
        assert.equal(context.taskId, taskId);
        assert.equal(context.params.site, "example");
        assert.equal(context.priority, 80);
        assert.match(context.gateway.openaiBaseUrl, /\/ai\/openai\/v1$/);
        context.progress(0.5, `writing ${input.title}`);
        context.addCost(0.01, { gemini: 2 });
        return { slug: input.title.toLowerCase(), words: input.words, contentType };
      },
    },
    { log: () => {} },
  );
  const tasks = ["A", "B", "C"].map((title) => ({ content_type: "how_to", payload: { title } }));
  const sent = await orchestrator.dispatch(workflow, { tasks, priority: 80, params: { site: "example" } });
  assert.equal(sent.status, 202);
  assert.deepEqual(sent.body, { accepted: true, execution_id: sent.executionId });
  const callback = await sent.callback;
  await workflow.idle();
  assert.equal(callback.status, "completed");
  assert.equal(callback.execution_id, sent.executionId);
  assert.deepEqual(
    callback.items,
    sent.taskIds.map((task_id, index) => ({
      task_id,
      status: "completed",
      result_data: { slug: "abc"[index], words: 300, contentType: "how_to" },
    })),
  );
  assert.equal(callback.error_data, null);
  assert.equal(callback.metrics?.items_processed, 3);
  assert.equal(callback.metrics?.cost_usd, 0.03);
  assert.deepEqual(callback.metrics?.api_calls, { gemini: 6 });
  assert.equal(orchestrator.calls[0]?.kind, "claim");
  assert.equal(orchestrator.callsOf("callback").length, 1);
  assert.deepEqual(
    orchestrator.calls.filter((call) => call.status !== 200),
    [],
  );
});

test("a task with a bad payload fails for good, with the fields named; the others go on", async () => {
  await using orchestrator = await playOrchestrator();
  const sent = await orchestrator.dispatch(
    aWriter(() => "done"),
    { tasks: topics("A", 7, "C") },
  );
  const callback = await sent.callback;
  assert.equal(callback.status, "partial");
  assert.deepEqual(
    callback.items?.map((item) => item.status),
    ["completed", "failed", "completed"],
  );
  const error = callback.items?.[1]?.error_data ?? {};
  assert.equal(error.retry_recommended, false);
  assert.match(error.message ?? "", /^the payload does not fit: \/title: /);
  assert.deepEqual((error.errors as { path: string }[])[0]?.path, "/title");
  assert.equal(callback.metrics?.items_processed, 2);
});

test("an asynchronous schema works, and says what is wrong", async () => {
  await using orchestrator = await playOrchestrator();
  const input = z.object({ title: z.string().refine(async (title) => title !== "bad", "is bad") });
  const workflow = defineWorkflow({ type: "writer", input, run: async () => 1 }, { log: () => {} });
  const callback = await (await orchestrator.dispatch(workflow, { tasks: topics("good", "bad") })).callback;
  assert.equal(callback.status, "partial");
  assert.match(callback.items?.[1]?.error_data?.message ?? "", /\/title: is bad/);
});

test("a task that throws may be tried again; one that refuses may not", async () => {
  await using orchestrator = await playOrchestrator();
  const workflow = aWriter(({ title }) => {
    if (title === "throws") throw new Error("no network", { cause: new Error("ECONNRESET") });
    if (title === "refuses") throw new TaskRefused("no such site");
    return title;
  });
  const callback = await (await orchestrator.dispatch(workflow, { tasks: topics("throws", "refuses", "ok") }))
    .callback;
  assert.equal(callback.status, "partial");
  const [thrown, refused] = callback.items ?? [];
  assert.equal(thrown?.error_data?.message, "no network");
  assert.equal(thrown?.error_data?.retry_recommended, true);
  assert.match(thrown?.error_data?.stack_trace ?? "", /no network[\s\S]*Caused by: Error: ECONNRESET/);
  assert.equal(refused?.error_data?.message, "no such site");
  assert.equal(refused?.error_data?.retry_recommended, false);
});

test("things thrown that are no errors, and very long ones, are reported within limits", async () => {
  await using orchestrator = await playOrchestrator();
  const thrown: Record<string, unknown> = {
    text: "just text",
    object: { code: 7 },
    nothing: undefined,
    cycle: Object.assign(() => {}, { toJSON: () => { throw new Error("no"); } }), // biome-ignore format: one line each
    long: new Error("x".repeat(1_000_000)),
    nul: "a\0b\ud800c",
  };
  const workflow = aWriter(({ title }) => {
    throw thrown[title];
  });
  const callback = await (await orchestrator.dispatch(workflow, { tasks: topics(...Object.keys(thrown)) }))
    .callback;
  assert.equal(callback.status, "failed");
  const messages = callback.items?.map((item) => item.error_data?.message ?? "") ?? [];
  assert.deepEqual(messages.slice(0, 4), [
    "just text",
    '{"code":7} was thrown',
    "undefined was thrown",
    "something was thrown that cannot be put in words",
  ]);
  assert.equal(messages[4]?.length, 4_000);
  assert.equal(callback.items?.[4]?.error_data?.stack_trace?.length, 20_000);
  assert.equal(messages[5], "a\uFFFDb\uFFFDc");
});

test("preflight comes first: when it throws, no task is started and all may be tried again", async () => {
  await using orchestrator = await playOrchestrator();
  let ran = 0;
  const preflight = async () => {
    throw new Error("the CMS is down");
  };
  const callback = await (
    await orchestrator.dispatch(
      aWriter(() => ran++, { preflight }),
      { tasks: topics("A", "B", 3) },
    )
  ).callback;
  assert.equal(ran, 0);
  assert.equal(callback.status, "failed");
  assert.equal(callback.error_data?.message, "the CMS is down");
  assert.deepEqual(
    callback.items?.map((item) => item.error_data?.retry_recommended),
    [true, true, false],
  );
  assert.equal(callback.metrics?.items_processed, 0);
});

test("a preflight that refuses, refuses every task for good", async () => {
  await using orchestrator = await playOrchestrator();
  const preflight = async () => {
    throw new TaskRefused("this site was closed");
  };
  const workflow = aWriter(() => 1, { preflight });
  const callback = await (await orchestrator.dispatch(workflow, { tasks: topics("A") })).callback;
  assert.equal(callback.items?.[0]?.error_data?.retry_recommended, false);
});

test("no more tasks are worked on at once than the definition says", async () => {
  await using orchestrator = await playOrchestrator();
  let now = 0;
  let most = 0;
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const started = Promise.withResolvers<void>();
  const workflow = aWriter(
    async ({ title }) => {
      most = Math.max(most, ++now);
      if (now === 2) started.resolve();
      await gates[Number(title)]?.promise;
      now--;
    },
    { concurrency: 2 },
  );
  const sent = await orchestrator.dispatch(workflow, { tasks: topics("0", "1", "2", "3", "4") });
  await started.promise;
  for (const gate of gates) gate.resolve();
  assert.equal((await sent.callback).status, "completed");
  assert.equal(most, 2);
});

test("a result that is no JSON fails its task for good, and says why", async () => {
  await using orchestrator = await playOrchestrator();
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  let deep: unknown = 1;
  for (let level = 0; level < 100; level++) deep = [deep];
  const results: Record<string, unknown> = { cycle, big: 1n, code: () => 1, deep, none: undefined };
  const workflow = aWriter(({ title }) => results[title]);
  const sent = await orchestrator.dispatch(workflow, { tasks: topics(...Object.keys(results)) });
  const items = (await sent.callback).items ?? [];
  for (const item of items.slice(0, 4)) {
    assert.match(item.error_data?.message ?? "", /^the result cannot be reported: /);
    assert.equal(item.error_data?.retry_recommended, false);
  }
  assert.deepEqual([items[4]?.status, items[4]?.result_data], ["completed", null]);
});

test("characters that PostgreSQL cannot store are replaced, in names too", async () => {
  await using orchestrator = await playOrchestrator();
  const workflow = aWriter(() => ({ "k\0": "a\0b", half: "\ud83d", whole: "😀", literal: "\\u0000" }));
  const sent = await orchestrator.dispatch(workflow, { tasks: topics("A") });
  assert.deepEqual((await sent.callback).items?.[0]?.result_data, {
    "k\uFFFD": "a\uFFFDb",
    half: "\uFFFD",
    whole: "😀",
    literal: "\\u0000",
  });
});

test("costs that are no numbers are left out; the work is still reported", async () => {
  await using orchestrator = await playOrchestrator();
  const workflow = aWriter((_input, context) => {
    context.addCost(0.1, { openai: 1 });
    context.addCost(0.2);
    context.addCost(Number.NaN, { openai: 5 });
    context.addCost(-1);
    context.progress(Number.NaN);
  });
  const metrics = (await (await orchestrator.dispatch(workflow, { tasks: topics("A") })).callback).metrics;
  assert.equal(metrics?.cost_usd, 0.3);
  assert.deepEqual(metrics?.api_calls, { openai: 1 });
});

test("an empty batch is complete at once", async () => {
  await using orchestrator = await playOrchestrator();
  const callback = await (await orchestrator.dispatch(aWriter(() => 1), { tasks: [] })).callback; // biome-ignore format: short
  assert.deepEqual([callback.status, callback.items], ["completed", []]);
});

test("no log line and no callback holds the execution's token", async () => {
  await using orchestrator = await playOrchestrator();
  const lines: string[] = [];
  const workflow = defineWorkflow(
    {
      type: "writer",
      input: Topic,
      async run(_task, { gateway, log }) {
        log(`calling with ${gateway.token}`, {
          headers: { authorization: `Bearer ${gateway.token}` },
          n: 1n,
        });
        throw new Error(`401 for key ${gateway.token}`);
      },
    },
    { log: (...line) => lines.push(JSON.stringify(line)) },
  );
  const callback = await (await orchestrator.dispatch(workflow, { tasks: topics("A") })).callback;
  await workflow.idle();
  assert.match(callback.items?.[0]?.error_data?.message ?? "", /401 for key \[token\]/);
  assert.ok(lines.some((line) => line.includes("calling with [token]")));
  assert.doesNotMatch(JSON.stringify([lines, callback]), /moe_/);
});
