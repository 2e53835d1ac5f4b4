/** Owns the proof of what a running attempt may say, and what becomes of one that is silent, late or superseded. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Delivery } from "#test/fake-sub-workflow.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";

const stateOf = async (house: TestHouse, run: Delivery) =>
  (await house.execution(run.message.execution_id)).attempts[run.message.attempt - 1];

test("a heartbeat shows progress and answers the deadline", async (t) => {
  const house = await openTestHouse(t);
  await house.enqueue({});
  const run = house.workflow("writer").last();
  await run.claim();
  await house.quiet();
  await house.advance(3_000);
  const answer = await run.heartbeat({ progress: 0.4, message: "outline done" });
  const deadline = new Date(house.clock.nowMs() + 297_000).toISOString();
  assert.deepEqual([answer.status, answer.body], [200, { recorded: true, deadline }]);
  await house.advance(1_000);
  const { progress, message, last_heartbeat_at } = await stateOf(house, run);
  assert.deepEqual([progress, message], [0.4, "outline done"]);
  assert.equal(Date.parse(last_heartbeat_at), house.clock.nowMs() - 1_000);
  for (const wrong of [
    { progress: 1.1 },
    { progress: "half" },
    { progres: 0.5 },
    { next_within_seconds: 0 },
  ]) {
    const refused = await run.heartbeat(wrong);
    assert.deepEqual([refused.status, refused.body.code], [422, "validation_failed"]);
  }
});

test("who promised a heartbeat and falls silent is lost, and tried again", async (t) => {
  const house = await openTestHouse(t);
  const writer = house.workflow("writer");
  const [id] = await house.enqueue({});
  const run = writer.last();
  await run.claim();
  await run.heartbeat({ next_within_seconds: 15 });
  await house.advance(14_000);
  await run.heartbeat({ next_within_seconds: 15 });
  await house.advance(14_999);
  assert.equal((await stateOf(house, run)).state, "accepted");
  await house.advance(1);
  const { state, error } = await stateOf(house, run);
  assert.deepEqual([state, error.code], ["lost", "lost"]);
  assert.match(error.message, /promised a heartbeat/);
  assert.equal((await house.task(id!)).status, "retrying");
  await house.advance(75_000);
  assert.equal(writer.last().message.attempt, 2);
  assert.equal(writer.deliveries.length, 2);
});

test("a promise that comes with the claim counts, also if the run dies before its first heartbeat", async (t) => {
  const house = await openTestHouse(t);
  const [id] = await house.enqueue({});
  const run = house.workflow("writer").last();
  const claim = { attempt: 1, claimant: "run 1", next_within_seconds: 20 };
  assert.equal((await run.call("POST", "claim", claim)).status, 200);
  await house.quiet();
  await house.advance(19_999);
  assert.equal((await stateOf(house, run)).state, "accepted");
  await house.advance(1);
  assert.equal((await stateOf(house, run)).state, "lost");
  assert.equal((await house.task(id!)).status, "retrying");
});

test("who promised nothing may be silent until the time-out", async (t) => {
  const house = await openTestHouse(t);
  const [id] = await house.enqueue({});
  const run = house.workflow("writer").last();
  await run.claim();
  await run.heartbeat({ progress: 0.1 });
  await house.advance(5_000);
  await house.leap(294_999);
  assert.equal((await stateOf(house, run)).state, "accepted");
  await house.advance(1);
  const { state, error } = await stateOf(house, run);
  assert.deepEqual([state, error.message], ["timed_out", "no callback within 300 s of the start"]);
  const task = await house.task(id!);
  assert.deepEqual([task.status, task.failures, task.errors[0].code], ["retrying", 1, "timed_out"]);
  const execution = await house.execution(run.message.execution_id);
  assert.equal(execution.status, "ERROR_RECOVERY");
  assert.ok(execution.error.system_state, "what the system looked like is kept");
  assert.equal(execution.recovery_actions[0].action, "retry_later");
});

test("the clock of an attempt starts when it is accepted, not when it is dispatched", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { timeout_seconds: 60 } } });
  const writer = house.workflow("writer");
  writer.next({ status: 500 });
  await house.enqueue({});
  await house.advance(1_000);
  const run = writer.last();
  await house.advance(59_999);
  assert.equal((await stateOf(house, run)).state, "accepted");
  await house.advance(1);
  assert.equal((await stateOf(house, run)).state, "timed_out");
});

test("a result that comes after the time-out is taken: paid work is not thrown away", async (t) => {
  const house = await openTestHouse(t);
  const writer = house.workflow("writer");
  const [id] = await house.enqueue({});
  const run = writer.last();
  await house.leap(300_000);
  assert.equal((await house.task(id!)).status, "retrying");
  const metrics = { cost_usd: 0.05 };
  const answer = await run.callback({ items: run.items({ result_data: "late" }), metrics });
  assert.deepEqual([answer.status, answer.body], [200, { accepted: true }]);
  await house.quiet();
  const task = await house.task(id!);
  assert.deepEqual([task.status, task.result_data, task.failures], ["completed", "late", 1]);
  const execution = await house.execution(run.message.execution_id);
  assert.deepEqual([execution.status, execution.cost_usd], ["COMPLETED", 0.05]);
  await house.leap(120_000);
  assert.equal(writer.deliveries.length, 1, "and no second attempt is made");
});

test("a failure that comes after the time-out is not counted twice", async (t) => {
  const house = await openTestHouse(t);
  const [id] = await house.enqueue({});
  const run = house.workflow("writer").last();
  await house.leap(300_000);
  assert.equal((await run.fail()).status, 200);
  await house.quiet();
  const task = await house.task(id!);
  assert.deepEqual([task.status, task.failures], ["retrying", 1]);
});

test("once attempt 2 is dispatched, attempt 1 is stale: whatever it says changes nothing", async (t) => {
  const house = await openTestHouse(t);
  const writer = house.workflow("writer");
  const [id] = await house.enqueue({});
  const old = writer.last();
  await house.leap(300_000);
  await house.leap(80_000);
  const current = writer.last();
  assert.equal(current.message.attempt, 2);
  const before = await house.execution(old.message.execution_id);
  const said = [
    await old.callback(),
    await old.claim(),
    await old.heartbeat(),
    await old.save("step", id!, 1),
    await old.saved(id!),
    await old.call("POST", "callback", { attempt: 1, status: "completed" }, current.token),
  ];
  for (const answer of said) assert.deepEqual([answer.status, answer.body.code], [409, "stale_attempt"]);
  await house.quiet();
  assert.deepEqual(await house.execution(old.message.execution_id), before);
  assert.deepEqual((await current.callback()).body, { accepted: true });
  await house.quiet();
  assert.equal((await house.task(id!)).status, "completed");
});

test("the same callback again is a duplicate, another one is stale; both change nothing", async (t) => {
  const house = await openTestHouse(t);
  const [id] = await house.enqueue({});
  const run = house.workflow("writer").last();
  const callback = { items: run.items({ result_data: 1 }) };
  assert.deepEqual((await run.callback(callback)).body, { accepted: true });
  const duplicate = { accepted: false, reason: "duplicate" };
  assert.deepEqual((await run.callback(callback)).body, duplicate);
  await house.quiet();
  const again = await run.callback(callback);
  assert.deepEqual([again.status, again.body], [200, duplicate], "also when the execution has ended");
  const other = await run.fail();
  assert.deepEqual([other.status, other.body.code], [409, "stale_attempt"]);
  await house.quiet();
  const task = await house.task(id!);
  assert.deepEqual([task.status, task.result_data, task.failures], ["completed", 1, 0]);
});

test("of many callbacks at the same moment one is taken", async (t) => {
  const house = await openTestHouse(t);
  await house.enqueue({});
  const run = house.workflow("writer").last();
  const answers = await Promise.all(Array.from({ length: 6 }, () => run.callback()));
  assert.deepEqual(answers.map((answer) => answer.body.accepted).sort(), [
    false,
    false,
    false,
    false,
    false,
    true,
  ]);
});

test("a callback that makes no sense is refused and leaves the attempt as it is", async (t) => {
  const house = await openTestHouse(t);
  const [id] = await house.enqueue({});
  const run = house.workflow("writer").last();
  const stranger = crypto.randomUUID();
  const wrong = [
    { status: "done" as "completed" },
    { status: "partial" as const },
    { attempt: 2 },
    { execution_id: stranger },
    { items: [{ task_id: stranger, status: "completed" as const }] },
    { items: [...run.items(), ...run.items()] },
    { item: [] } as object,
    { metrics: { cost_usd: -1 } },
  ];
  for (const callback of wrong) {
    const answer = await run.callback(callback);
    assert.equal(answer.status, 422, JSON.stringify(callback));
    assert.ok(answer.body.hint && answer.body.errors[0].path, answer.text);
  }
  await house.quiet();
  assert.equal((await house.task(id!)).status, "running");
  const unknown = await run.call("POST", `../${stranger}/callback`, { attempt: 1, status: "completed" });
  assert.equal(unknown.status, 403, "the token opens nothing but its own execution");
  assert.equal((await run.callback()).status, 200);
});

test("what a step produced is there for a later attempt, and for a later execution of the task", async (t) => {
  const policy = { retry: { max_attempts: 2 } };
  const house = await openTestHouse(t, { policy });
  const writer = house.workflow("writer");
  const [id, neighbour] = await house.enqueue({}, {});
  const first = writer.deliveries.find((run) => run.taskIds.includes(id!))!;
  assert.deepEqual((await first.save("outline", id!, { parts: [1, 2] })).body, { saved: true });
  assert.equal((await first.save("draft", id!, "text")).status, 200);
  assert.equal((await first.save("draft", id!, "a better text")).status, 200);
  if (!first.taskIds.includes(neighbour!)) {
    assert.equal((await first.save("outline", neighbour!, 1)).status, 404, "a foreign task");
    assert.equal((await first.saved(neighbour!)).status, 404);
  }
  await first.fail();
  await house.quiet();
  await house.leap(80_000);
  const second = writer.deliveries.findLast((run) => run.taskIds.includes(id!))!;
  assert.equal(second.message.attempt, 2);
  const kept = (await second.saved(id!)).body.checkpoints;
  assert.deepEqual(
    kept.map(({ key, value }: { key: string; value: unknown }) => [key, value]),
    [
      ["draft", "a better text"],
      ["outline", { parts: [1, 2] }],
    ],
  );
  await second.fail();
  await house.quiet();
  await house.leap(300_000);
  const third = writer.deliveries.findLast((run) => run.taskIds.includes(id!))!;
  assert.notEqual(third.message.execution_id, second.message.execution_id);
  assert.equal((await third.saved(id!)).body.checkpoints.length, 2);
});

test("a checkpoint may have 1 MB, and its key plain characters", async (t) => {
  const house = await openTestHouse(t);
  const [id] = await house.enqueue({});
  const run = house.workflow("writer").last();
  assert.equal((await run.save("large", id!, "x".repeat(1_048_000))).status, 200);
  const larger = await run.save("larger", id!, "x".repeat(1_100_000));
  assert.deepEqual([larger.status, larger.body.code], [413, "payload_too_large"]);
  assert.equal((await run.save("a%20b", id!, 1)).status, 422);
  assert.equal((await run.saved(id!)).body.checkpoints.length, 1);
});

test("an execution token opens its own attempt's calls, and nothing else", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { batch: { max: 1 } } } });
  await house.enqueue({}, {});
  const [one, other] = house.workflow("writer").deliveries as [Delivery, Delivery];
  const body = { attempt: 1, claimant: "x" };
  const callback = { attempt: 1, status: "completed" };
  // The neighbour of the last letter differs in bits alone that base64 leaves unused.
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const last = letters.indexOf(one.token.at(-1) as string);
  const damaged = `${one.token.slice(0, -1)}${letters[last ^ 1]}`;
  for (const [path, sent] of [
    ["claim", body],
    ["callback", callback],
  ] as const) {
    assert.equal((await one.call("POST", path, sent, other.token)).status, 403, `${path}: a foreign token`);
    assert.equal((await one.call("POST", path, sent, damaged)).status, 401, `${path}: a damaged token`);
    assert.equal((await one.call("POST", path, sent, null)).status, 401, `${path}: no token`);
  }
  assert.equal((await one.call("POST", "claim", body, "the-admin-key-of-the-tests")).status, 403);
  assert.equal((await one.call("POST", "callback", callback, "the-admin-key-of-the-tests")).status, 401);
  for (const [method, path] of [
    ["GET", "/tasks"],
    ["GET", `/executions/${one.message.execution_id}`],
    ["POST", "/orchestrator/pause"],
    ["GET", "/policy"],
  ] as const) {
    assert.equal((await house.api(method, path, undefined, one.token)).status, 403, path);
  }
  assert.equal((await one.claim()).status, 200);
});
