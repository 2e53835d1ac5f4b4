/** Owns the proof of the contract's table: what each answer to a webhook means for the attempt. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { accept, bootingPage, type FakeSubWorkflow, type Reply } from "#test/fake-sub-workflow.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";

/** Seconds after the first at which deliveries came. */
function secondsOf(fake: FakeSubWorkflow): number[] {
  return fake.deliveries.map((delivery) => (delivery.atMs - fake.deliveries[0]!.atMs) / 1000);
}

async function attemptOf(house: TestHouse, fake: FakeSubWorkflow) {
  const execution = await house.execution(fake.last().message.execution_id);
  return { ...execution.attempts.at(-1), status: execution.status };
}

const accepted: Record<string, Reply> = {
  "202 with accepted: true": accept,
  "200 with accepted: true and more": { status: 200, body: { accepted: true, run: 4711 } },
  "409: it has the message already": { status: 409, body: "seen" },
};
for (const [name, reply] of Object.entries(accepted)) {
  test(`${name} is accepted, and nothing is delivered again`, async (t) => {
    const house = await openTestHouse(t);
    const writer = house.workflow("writer");
    writer.always(reply);
    await house.enqueue({});
    const { status, state, accepted_at } = await attemptOf(house, writer);
    assert.deepEqual([status, state], ["MONITORING", "accepted"]);
    assert.equal(Date.parse(accepted_at), house.clock.nowMs());
    await house.leap(40_000);
    assert.equal(writer.deliveries.length, 1);
  });
}

const refused: Record<string, Reply> = {
  "400": { status: 400, body: "bad" },
  "401": { status: 401 },
  "404": { status: 404, body: { message: "The requested webhook is not registered." } },
  "301": { status: 301, headers: { location: "http://127.0.0.1:1/elsewhere" } },
  "308": { status: 308, headers: { location: "/elsewhere" } },
  "a callback that names a foreign task": {
    status: 200,
    body: { status: "completed", items: [{ task_id: crypto.randomUUID(), status: "completed" }] },
  },
  "a callback for another attempt": { status: 200, body: { status: "completed", attempt: 2 } },
  "a callback that is none": { status: 200, body: { status: "completed", items: 3 } },
};
for (const [name, reply] of Object.entries(refused)) {
  test(`${name}: the attempt has failed for good reason, is recorded and counted`, async (t) => {
    const house = await openTestHouse(t);
    const writer = house.workflow("writer");
    writer.always(reply);
    const [id] = await house.enqueue({});
    const { status, state, error } = await attemptOf(house, writer);
    assert.deepEqual([status, state, error.code], ["ERROR_RECOVERY", "refused", "refused"]);
    assert.ok(error.message.length > 5);
    const task = await house.task(id!);
    assert.deepEqual([task.status, task.failures, task.errors.length], ["retrying", 1, 1]);
    await house.leap(40_000);
    assert.equal(writer.deliveries.length, 1, "not delivered again before the back-off is over");
  });
}

const snoozing: Record<string, [reply: Reply, seconds: number]> = {
  "429 without Retry-After": [{ status: 429 }, 5],
  "503 without Retry-After": [{ status: 503 }, 5],
  "429 with Retry-After in seconds": [{ status: 429, headers: { "retry-after": "12" } }, 12],
  "503 with Retry-After as a date": [
    () => ({
      status: 503,
      headers: { "retry-after": new Date(Date.UTC(2026, 2, 2, 9, 0, 20)).toUTCString() },
    }),
    20,
  ],
  "503 with a Retry-After that nobody can read": [{ status: 503, headers: { "retry-after": "soon" } }, 5],
};
for (const [name, [reply, seconds]] of Object.entries(snoozing)) {
  test(`${name} snoozes for ${seconds} s and spends no attempt`, async (t) => {
    const house = await openTestHouse(t);
    const writer = house.workflow("writer");
    writer.next(reply);
    const [id] = await house.enqueue({});
    assert.equal((await attemptOf(house, writer)).state, "snoozed");
    await house.advance(seconds * 1000 - 1);
    assert.equal(writer.deliveries.length, 1);
    await house.advance(1);
    assert.deepEqual(secondsOf(writer), [0, seconds]);
    const [first, second] = writer.deliveries;
    assert.equal(second!.headers["webhook-id"], first!.headers["webhook-id"]);
    assert.equal(second!.message.attempt, 1);
    const task = await house.task(id!);
    assert.deepEqual([task.status, task.failures, task.attempts.length], ["running", 0, 1]);
    const { deadline } = await attemptOf(house, writer);
    assert.equal(Date.parse(deadline), house.clock.nowMs() + 300_000, "the clock starts when it is accepted");
  });
}

test("a busy sub-workflow is asked again and again, longer than a time-out, and then still runs", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { timeout_seconds: 30 } } });
  const writer = house.workflow("writer");
  writer.always({ status: 429 });
  const [id] = await house.enqueue({});
  await house.advance(60_000);
  assert.equal(writer.deliveries.length, 13);
  writer.always(accept);
  await house.advance(5_000);
  const run = writer.last();
  assert.equal(run.message.attempt, 1);
  await house.advance(25_000);
  await run.callback();
  await house.quiet();
  const task = await house.task(id!);
  assert.deepEqual([task.status, task.failures, task.errors], ["completed", 0, []]);
});

test("a snoozed run holds no slot: another workflow's task gets it meanwhile", async (t) => {
  const policy = { concurrency: { total: 1 } };
  const house = await openTestHouse(t, { policy, workflows: { writer: {}, auditor: {} } });
  house.workflow("writer").next({ status: 429 });
  await house.enqueue({ priority: 90 }, { workflow_type: "auditor", priority: 10 });
  assert.equal(house.workflow("auditor").deliveries.length, 1);
  await house.advance(5_000);
  assert.equal(house.workflow("writer").deliveries.length, 1, "and waits while that one runs");
  await house.workflow("auditor").last().callback();
  await house.quiet();
  assert.equal(house.workflow("writer").deliveries.length, 2);
});

const unknown: Record<string, Reply> = {
  "500": { status: 500, body: "oops" },
  "502": { status: 502 },
  "the page of a booting n8n": bootingPage,
  "204": { status: 204 },
  "200 without accepted: true": { status: 200, body: { message: "Workflow was started" } },
  "a cut connection": "cut",
};
for (const [name, reply] of Object.entries(unknown)) {
  test(`${name}: nobody knows whether it runs, so it is delivered again after 1, 2, 4 s`, async (t) => {
    const house = await openTestHouse(t);
    const writer = house.workflow("writer");
    writer.always(reply);
    const [id] = await house.enqueue({});
    await house.advance(7_000);
    assert.deepEqual(secondsOf(writer), [0, 1, 3, 7]);
    assert.equal(new Set(writer.deliveries.map((one) => one.headers["webhook-id"])).size, 1);
    assert.equal((await house.task(id!)).failures, 0);
    writer.always(accept);
    await house.advance(30_000);
    assert.deepEqual(secondsOf(writer), [0, 1, 3, 7, 15]);
    assert.equal((await attemptOf(house, writer)).state, "accepted");
  });
}

test("redeliveries are at most 30 s apart, inside the deadline; then the attempt counts as undelivered", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { timeout_seconds: 100 } } });
  const writer = house.workflow("writer");
  writer.always({ status: 500 });
  const [id] = await house.enqueue({});
  await house.advance(99_999);
  assert.deepEqual(secondsOf(writer), [0, 1, 3, 7, 15, 31, 61, 91]);
  assert.equal((await house.task(id!)).status, "running");
  await house.advance(1);
  const { status, state, error, deliveries } = await attemptOf(house, writer);
  assert.deepEqual([status, state, deliveries], ["ERROR_RECOVERY", "undelivered", 8]);
  assert.match(error.message, /no sign of life within 100 s and 8 deliveries/);
  assert.equal((await house.task(id!)).failures, 1);
});

test("a sub-workflow that does not listen is called again until it does", async (t) => {
  const house = await openTestHouse(t, {
    workflows: { writer: {}, gone: { webhook_url: "http://127.0.0.1:9/x" } },
  });
  const [id] = await house.enqueue({ workflow_type: "gone" });
  await house.advance(3_000);
  const body = { webhook_url: house.workflow("writer").url, signing_secret: null };
  assert.equal((await house.api("PUT", "/workflows/gone", body)).status, 200);
  await house.advance(4_000);
  assert.deepEqual(house.workflow("writer").last().taskIds, [id]);
});

test("an answer is awaited for 10 s; then it is unknown whether it runs", async (t) => {
  const house = await openTestHouse(t);
  const writer = house.workflow("writer");
  writer.next("hang");
  await house.enqueue({});
  await house.advance(10_999);
  assert.equal(writer.deliveries.length, 1);
  await house.advance(1);
  assert.deepEqual(secondsOf(writer), [0, 11]);
});

test("a target that hangs delays nobody whose message left in the same cycle", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: {}, painter: {} } });
  const [writer, painter] = [house.workflow("writer"), house.workflow("painter")];
  writer.next("hang");
  await house.api("POST", "/orchestrator/pause");
  const [hanging] = await house.enqueue({});
  const [quick] = await house.enqueue({ workflow_type: "painter" });
  await house.api("POST", "/orchestrator/resume");
  await house.quiet();
  await painter.last().callback();
  await house.quiet();
  assert.equal(painter.deliveries.length, 1);
  assert.equal((await house.task(quick!)).status, "completed");
  assert.equal((await house.task(hanging!)).status, "running");
  const { cycles } = (await house.api("GET", "/cycles")).body;
  assert.ok(cycles.some((cycle: { dispatched: number }) => cycle.dispatched === 2));
});

test("a claim is a sign of life: a webhook that hangs is not delivered again", async (t) => {
  const house = await openTestHouse(t);
  const writer = house.workflow("writer");
  writer.next("hang");
  const [id] = await house.enqueue({});
  await house.advance(5_000);
  await writer.last().claim();
  await house.quiet();
  assert.equal((await attemptOf(house, writer)).state, "accepted");
  await house.advance(60_000);
  assert.equal(writer.deliveries.length, 1);
  await writer.last().callback();
  await house.quiet();
  assert.equal((await house.task(id!)).status, "completed");
});

test("a refusal that comes after the claim changes nothing: the run is at work", async (t) => {
  const house = await openTestHouse(t);
  const writer = house.workflow("writer");
  writer.next(async (delivery) => {
    await delivery.claim();
    return { status: 500 };
  });
  await house.enqueue({});
  await house.advance(30_000);
  assert.equal(writer.deliveries.length, 1);
  assert.equal((await attemptOf(house, writer)).state, "accepted");
});
