/** A result that was paid for arrives: whatever happens between the workflow and the orchestrator. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Callback } from "@master-orchestrator/contract";
import { z } from "zod";
import { defineWorkflow, type WorkflowOptions } from "./index.ts";
import { manualClock, playOrchestrator } from "./testing.ts";

const Size = z.object({ bytes: z.int() });

function aProducer(options: WorkflowOptions) {
  return defineWorkflow(
    { type: "producer", input: Size, run: async ({ input }) => ({ text: "x".repeat(input.bytes) }) },
    { log: () => {}, ...options },
  );
}

const sized = (...sizes: number[]) => sizes.map((bytes) => ({ payload: { bytes } }));

test("a callback refused five times with 503 is taken the sixth time, unchanged", async () => {
  const clock = manualClock();
  await using orchestrator = await playOrchestrator({ clock });
  orchestrator.faults.refuseCallbacks = 5;
  const workflow = aProducer({ clock });
  const sent = await orchestrator.dispatch(workflow, { tasks: sized(10, 20) });
  const waits: number[] = [];
  for (let tries = 0; tries < 5; tries++) waits.push(await clock.pass("callback"));
  await sent.callback;
  await workflow.idle();
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000]);
  const calls = orchestrator.callsOf("callback");
  assert.deepEqual(
    calls.map((call) => call.status),
    [503, 503, 503, 503, 503, 200],
  );
  for (const call of calls) assert.deepEqual(call.body, calls[0]?.body);
  assert.equal((calls.at(-1)?.body as Callback | undefined)?.status, "completed");
});

test("heartbeats go on while the callback is not taken", async () => {
  const clock = manualClock();
  await using orchestrator = await playOrchestrator({ clock });
  orchestrator.faults.refuseCallbacks = 6;
  const workflow = aProducer({ clock });
  const sent = await orchestrator.dispatch(workflow, { tasks: sized(1) });
  for (let tries = 0; tries < 5; tries++) await clock.pass("callback");
  const before = orchestrator.callsOf("heartbeat").length;
  await clock.pass("heartbeat");
  const beat = await orchestrator.received("heartbeat", before + 1);
  assert.deepEqual(beat.body, { attempt: 1, progress: 1, message: null, next_within_seconds: 20 });
  await clock.pass("callback");
  await sent.callback;
  await workflow.idle();
});

test("Retry-After is honoured when it is longer than the wait would be", async () => {
  const clock = manualClock();
  await using orchestrator = await playOrchestrator({ clock });
  Object.assign(orchestrator.faults, { refuseCallbacks: 1, refuseWith: 429, retryAfterSeconds: 42 });
  const workflow = aProducer({ clock });
  const sent = await orchestrator.dispatch(workflow, { tasks: sized(1) });
  assert.equal(await clock.pass("callback"), 42_000);
  await sent.callback;
});

test("a callback whose answer was lost is sent again, and taken as the same one", async () => {
  const clock = manualClock();
  await using orchestrator = await playOrchestrator({ clock });
  orchestrator.faults.cutCallbacks = 1;
  const workflow = aProducer({ clock });
  await orchestrator.dispatch(workflow, { tasks: sized(1) });
  await clock.pass("callback");
  await workflow.idle();
  assert.deepEqual(
    orchestrator.callsOf("callback").map((call) => call.status),
    [0, 200],
  );
});

test("a proxy's page, an empty success and a redirect are no answer; the orchestrator's own refusal is", async () => {
  const clock = manualClock();
  await using orchestrator = await playOrchestrator({ clock });
  const html = { headers: { "content-type": "text/html" } };
  const interludes = [
    new Response("<h1>starting up</h1>", { status: 200, ...html }),
    new Response(null, { status: 204 }),
    Response.json({ status: "ok" }),
    new Response("404 page not found", { status: 404 }),
    new Response(null, { status: 302, headers: { location: "/login" } }),
    Response.json({ code: "unauthorized", detail: "no such key" }, { status: 401 }),
  ];
  const lines: unknown[][] = [];
  const workflow = aProducer({
    clock,
    log: (...line) => lines.push(line),
    async fetch(input, init) {
      return String(input).endsWith("/callback") ? (interludes.shift() as Response) : fetch(input, init);
    },
  });
  await orchestrator.dispatch(workflow, { tasks: sized(1) });
  for (let tries = 0; tries < 5; tries++) await clock.pass("callback");
  await workflow.idle();
  assert.equal(interludes.length, 0);
  const last = lines.at(-1);
  assert.deepEqual(last?.slice(0, 2), ["error", "the callback was refused"]);
});

test("after a day without an answer the callback is given up, and the log says so", async () => {
  const clock = manualClock();
  await using orchestrator = await playOrchestrator({ clock });
  const lines: unknown[] = [];
  const workflow = aProducer({ clock, log: (_level, message) => lines.push(message) });
  Object.assign(orchestrator.faults, { refuseCallbacks: 1_000_000, retryAfterSeconds: 3_600 });
  await orchestrator.dispatch(workflow, { tasks: sized(1) });
  for (let hour = 0; hour < 24; hour++) {
    await orchestrator.received("callback", hour + 1);
    await clock.pass("callback");
  }
  await workflow.idle();
  assert.equal(lines.at(-1), "the callback could not be delivered for a day");
});

test("a callback that the orchestrator finds too large is followed by one that says so", async () => {
  await using orchestrator = await playOrchestrator();
  orchestrator.faults.maxCallbackBytes = 1_000;
  const workflow = aProducer({});
  const sent = await orchestrator.dispatch(workflow, { tasks: [...sized(2_000), { payload: {} }] });
  const callback = await sent.callback;
  assert.equal(callback.status, "failed");
  assert.match(callback.error_data?.message ?? "", /refused the results: HTTP 413 payload_too_large/);
  assert.deepEqual(
    callback.items?.map((item) => item.error_data?.retry_recommended),
    [true, false],
  );
});

test("results that do not fit one callback together: the rest is kept, and returned by the next attempt for free", async () => {
  await using orchestrator = await playOrchestrator();
  const sizes = sized(600_000, 700_000, 500_000);
  const first = await orchestrator.dispatch(aProducer({}), { tasks: sizes });
  const callback = await first.callback;
  assert.equal(callback.status, "partial");
  assert.deepEqual(
    callback.items?.map((item) => item.status),
    ["completed", "failed", "completed"],
  );
  const left = callback.items?.[1];
  assert.match(left?.error_data?.message ?? "", /larger than a callback.*it is kept/);
  assert.equal(left?.error_data?.retry_recommended, true);

  let ran = false;
  const run = async () => {
    ran = true;
  };
  const again = defineWorkflow({ type: "producer", input: Size, run }, { log: () => {} });
  const task_id = first.taskIds[1] as string;
  const second = await orchestrator.dispatch(again, { tasks: [{ task_id, payload: { bytes: 700_000 } }] });
  const result = (await second.callback).items?.[0]?.result_data as { text: string };
  assert.deepEqual([ran, result.text.length], [false, 700_000]);
});

test("a result that no callback can hold fails for good; one too large for a checkpoint is still reported", async () => {
  await using orchestrator = await playOrchestrator();
  const sent = await orchestrator.dispatch(aProducer({}), { tasks: sized(1_600_000, 1_200_000) });
  const callback = await sent.callback;
  assert.equal(callback.items?.[0]?.error_data?.retry_recommended, false);
  assert.match(callback.items?.[0]?.error_data?.message ?? "", /^the result is larger/);
  assert.equal(callback.items?.[1]?.status, "completed");
});
