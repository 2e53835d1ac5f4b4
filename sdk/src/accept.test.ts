/** Which dispatches a workflow accepts, and what it answers to the others. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { defineWorkflow, type WorkflowOptions } from "./index.ts";
import { type DispatchOptions, manualClock, type PlayedOrchestrator, playOrchestrator } from "./testing.ts";

const SECRET = `whsec_${Buffer.from("a secret of the test").toString("base64")}`;
const OTHER = `whsec_${Buffer.from("somebody else's one").toString("base64")}`;
const tasks = [{ payload: {} }];

function aWorkflow(options: WorkflowOptions = {}, run: () => Promise<unknown> = async () => 1) {
  return defineWorkflow({ type: "probe", input: z.object({}), run }, { log: () => {}, ...options });
}

function codeOf(sent: { body: unknown }): unknown {
  return (sent.body as { code?: unknown } | null)?.code;
}

test("a signed dispatch is accepted; unsigned, foreign, old and altered ones are not", async () => {
  await using orchestrator = await playOrchestrator();
  const workflow = aWorkflow({ signingSecret: SECRET });
  assert.equal((await orchestrator.dispatch(workflow, { tasks, secret: SECRET })).status, 202);
  const now = Math.floor(Date.now() / 1000);
  const refused: Partial<DispatchOptions>[] = [
    {},
    { secret: OTHER },
    { secret: SECRET, signedAtSeconds: now - 301 },
    { secret: SECRET, signedAtSeconds: now + 302 },
    { secret: SECRET, headers: { "webhook-id": "msg_other" } },
    { secret: SECRET, headers: { "webhook-timestamp": String(now - 1) } },
    { secret: SECRET, headers: { "webhook-signature": "v1," } },
  ];
  for (const how of refused) {
    const sent = await orchestrator.dispatch(workflow, { tasks, ...how });
    assert.equal(sent.status, 401, JSON.stringify(how));
    assert.equal(codeOf(sent), "unauthorized");
    assert.equal(sent.response.headers.get("content-type"), "application/problem+json");
  }
  await workflow.idle();
  assert.equal(orchestrator.callsOf("claim").length, 1);
});

test("a secret that is a function is asked each time, so that it can be rotated", async () => {
  await using orchestrator = await playOrchestrator();
  let secret: string | undefined = SECRET;
  const workflow = aWorkflow({ signingSecret: () => secret });
  assert.equal((await orchestrator.dispatch(workflow, { tasks, secret: OTHER })).status, 401);
  secret = OTHER;
  assert.equal((await orchestrator.dispatch(workflow, { tasks, secret: OTHER })).status, 202);
  secret = "";
  assert.equal((await orchestrator.dispatch(workflow, { tasks, secret: OTHER })).status, 500);
  secret = undefined;
  assert.equal((await orchestrator.dispatch(workflow, { tasks })).status, 202);
  await workflow.idle();
});

test("settings that cannot work are refused when the workflow is defined", () => {
  assert.throws(() => aWorkflow({ signingSecret: "" }), /signingSecret/);
  assert.throws(() => aWorkflow({ signingSecret: "whsec_" }), /signingSecret/);
  assert.throws(() => aWorkflow({ heartbeatSeconds: 0 }), /heartbeatSeconds/);
  assert.throws(() => aWorkflow({ claimant: "" }), /claimant/);
  const run = async () => 1;
  assert.throws(() => defineWorkflow({ type: "A-B", input: z.object({}), run }), /type "A-B"/);
  assert.throws(
    () => defineWorkflow({ type: "a", input: z.object({}), run, concurrency: 0 }),
    /concurrency 0/,
  );
});

test("what is no dispatch for this workflow is refused with a reason", async () => {
  await using orchestrator = await playOrchestrator();
  const workflow = aWorkflow();
  const send = (alter: (message: Record<string, unknown>) => void) =>
    orchestrator.dispatch(workflow, { tasks, alter });
  const other = await orchestrator.dispatch(workflow, { tasks, workflowType: "another" });
  assert.deepEqual([other.status, codeOf(other)], [404, "unknown_workflow"]);
  const bad = await send((message) => delete message.attempt);
  assert.deepEqual([bad.status, codeOf(bad)], [422, "validation_failed"]);
  for (const callback_url of [
    "file:///a/callback",
    "http://127.0.0.1/elsewhere",
    "http://127.0.0.1/callback",
  ]) {
    const sent = await send((message) => Object.assign(message, { callback_url }));
    assert.equal(sent.status, 422, callback_url);
  }
  const post = (init: RequestInit) =>
    workflow.handle(new Request("http://w.invalid/", { method: "POST", ...init }));
  assert.equal((await post({ body: "{" })).status, 415);
  const headers = { "content-type": "application/json" };
  assert.equal((await post({ headers, body: "{" })).status, 400);
  assert.equal((await post({ headers, body: "[".repeat(100) })).status, 400);
  assert.equal((await post({ headers, body: new Uint8Array([0x22, 0xff, 0x22]) })).status, 400);
  assert.equal((await post({ headers, body: new Uint8Array(16 * 1024 * 1024 + 1) })).status, 413);
  assert.equal((await workflow.handle(new Request("http://w.invalid/"))).status, 405);
  assert.deepEqual(orchestrator.calls, []);
});

test("fields that are not known are ignored, and ten tasks of 1.4 MB are taken", async () => {
  await using orchestrator = await playOrchestrator();
  const workflow = aWorkflow();
  const large = Array.from({ length: 10 }, () => ({ payload: { text: "x".repeat(1_400_000) } }));
  const sent = await orchestrator.dispatch(workflow, {
    tasks: large,
    alter: (message) => Object.assign(message, { later: { version: 2 } }),
  });
  assert.equal(sent.status, 202);
  assert.equal((await sent.callback).status, "completed");
});

test("a second delivery of an attempt is answered 409 while the first runs, and afterwards", async () => {
  await using orchestrator = await playOrchestrator();
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  const workflow = aWorkflow({}, async () => {
    runs++;
    await gate.promise;
  });
  const task_id = "0198a5c3-0000-7000-8000-000000000001";
  const first = await orchestrator.dispatch(workflow, { tasks: [{ task_id, payload: {} }] });
  const { executionId } = first;
  const again = () => orchestrator.dispatch(workflow, { executionId, tasks: [{ task_id, payload: {} }] });
  assert.deepEqual([first.status, (await again()).status], [202, 409]);
  gate.resolve();
  await first.callback;
  await workflow.idle();
  assert.equal((await again()).status, 409);
  assert.equal(runs, 1);
  assert.equal(orchestrator.callsOf("claim").length, 1);
});

test("of ten deliveries at once, one starts the work", async () => {
  await using orchestrator = await playOrchestrator();
  let runs = 0;
  const workflow = aWorkflow({}, async () => runs++);
  const executionId = "0198a5c3-0000-4000-8000-00000000000a";
  const all = await Promise.all(
    Array.from({ length: 10 }, () => orchestrator.dispatch(workflow, { executionId, tasks })),
  );
  const statuses = all.map((sent) => sent.status).sort();
  await workflow.idle();
  assert.deepEqual(statuses, [202, ...Array.from({ length: 9 }, () => 409)]);
  assert.equal(runs, 1);
});

test("two processes get one delivery each: the one whose claim is second does nothing", async () => {
  await using orchestrator = await playOrchestrator();
  let runs = 0;
  const [one, two] = [aWorkflow({}, async () => runs++), aWorkflow({}, async () => runs++)];
  const executionId = "0198a5c3-0000-4000-8000-00000000000b";
  const first = await orchestrator.dispatch(one, { executionId, tasks });
  const second = await orchestrator.dispatch(two, { executionId, tasks });
  assert.deepEqual([first.status, second.status, codeOf(second)], [202, 409, "already_claimed"]);
  await Promise.all([one.idle(), two.idle()]);
  assert.equal(runs, 1);
  assert.equal(orchestrator.callsOf("callback").length, 1);
});

test("the claim names its attempt and claimant, at an address made of the callback's", async () => {
  await using orchestrator = await playOrchestrator();
  const sent = await orchestrator.dispatch(aWorkflow({ claimant: "probe on host 7" }), { tasks, attempt: 2 });
  const claim = orchestrator.callsOf("claim")[0];
  assert.deepEqual(claim?.body, { attempt: 2, claimant: "probe on host 7", next_within_seconds: 20 });
  assert.equal(claim?.path, `/api/v1/executions/${sent.executionId}/claim`);
  await sent.callback;
});

async function refusedClaim(prepare: (orchestrator: PlayedOrchestrator) => Partial<DispatchOptions>) {
  await using orchestrator = await playOrchestrator();
  let runs = 0;
  const workflow = aWorkflow({}, async () => runs++);
  const sent = await orchestrator.dispatch(workflow, { tasks, ...prepare(orchestrator) });
  await workflow.idle();
  assert.equal(runs, 0);
  assert.equal(orchestrator.callsOf("callback").length, 0);
  return { status: sent.status, code: codeOf(sent) };
}

test("a claim that is refused stops the work and passes the refusal on", async () => {
  const claimed = await refusedClaim((orchestrator) => {
    orchestrator.faults.alreadyClaimed = true;
    return {};
  });
  assert.deepEqual(claimed, { status: 409, code: "already_claimed" });
  const wrongToken = await refusedClaim(() => ({
    alter: (message) => Object.assign(message, { authentication: { type: "bearer", token: "moe_wrong" } }),
  }));
  assert.deepEqual(wrongToken, { status: 401, code: "unauthorized" });
  const unknown = await refusedClaim((orchestrator) => ({
    alter: (message) =>
      Object.assign(message, { callback_url: `${orchestrator.url}/api/v1/executions/none/callback` }),
  }));
  assert.deepEqual(unknown, { status: 404, code: "not_found" });
});

test("the claim of a stale attempt is answered 409", async () => {
  await using orchestrator = await playOrchestrator();
  const executionId = "0198a5c3-0000-4000-8000-00000000000c";
  const workflow = aWorkflow();
  let old: unknown;
  const first = await orchestrator.dispatch(workflow, {
    tasks,
    executionId,
    alter: (message) => {
      old = structuredClone(message);
    },
  });
  await first.callback;
  await (await orchestrator.dispatch(workflow, { tasks, executionId, attempt: 2 })).callback;
  const another = aWorkflow();
  const late = await orchestrator.dispatch(another, {
    tasks,
    executionId,
    attempt: 2,
    alter: (message) => Object.assign(message, old),
  });
  assert.deepEqual([late.status, codeOf(late)], [409, "stale_attempt"]);
});

test("a claim that meets a hiccup is repeated; one that meets an outage answers 503 within 8 s, and may come again", async () => {
  const clock = manualClock();
  await using orchestrator = await playOrchestrator({ clock });
  const workflow = aWorkflow({ clock });
  orchestrator.faults.refuseClaims = 2;
  const brief = orchestrator.dispatch(workflow, { tasks });
  assert.deepEqual([await clock.pass("claim"), await clock.pass("claim")], [250, 500]);
  assert.equal((await brief).status, 202);
  await workflow.idle();

  orchestrator.faults.refuseClaims = 100;
  const start = clock.now();
  const executionId = "0198a5c3-0000-4000-8000-00000000000d";
  const sending = orchestrator.dispatch(workflow, { tasks, executionId });
  for (let tries = 0; tries < 5; tries++) await clock.pass("claim");
  const outage = await sending;
  assert.deepEqual([outage.status, outage.response.headers.get("retry-after")], [503, "5"]);
  assert.ok(clock.now() - start < 8_000);
  orchestrator.faults.refuseClaims = 0;
  const redelivered = await orchestrator.dispatch(workflow, { tasks, executionId });
  assert.equal(redelivered.status, 202);
  await redelivered.callback;
});
