/** Owns the proof of how failure is answered: back-off, attempts, running alone, dead letters and the way back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { completeAtOnce, type Reply } from "#test/fake-sub-workflow.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";

const failAtOnce: Reply = { status: 200, body: { status: "failed", error_data: { message: "it broke" } } };
const between = (value: number, low: number, high: number) =>
  assert.ok(value >= low && value <= high, `${value} is not between ${low} and ${high}`);

/** Seconds between deliveries. */
const gaps = (house: TestHouse) =>
  house
    .workflow("writer")
    .deliveries.map((one, i, all) => (one.atMs - (all[i - 1]?.atMs ?? one.atMs)) / 1000)
    .slice(1);

test("a failed attempt is retried after one minute, then two, with jitter", async (t) => {
  const house = await openTestHouse(t);
  const writer = house.workflow("writer");
  writer.always(failAtOnce);
  const [id] = await house.enqueue({});
  const waiting = await house.task(id!);
  assert.equal(waiting.hold.reason, "backoff");
  assert.equal(waiting.hold.expected_start, waiting.due_at);
  await house.advance(75_000);
  writer.next(completeAtOnce);
  await house.advance(150_000);
  const [one, two] = gaps(house) as [number, number];
  between(one, 48, 72);
  between(two, 96, 144);
  assert.notEqual(one, 60);
  const task = await house.task(id!);
  assert.deepEqual([task.status, task.failures, task.errors.length], ["completed", 2, 2]);
  assert.deepEqual(
    task.attempts.map(({ attempt, state }: { attempt: number; state: string }) => [attempt, state]),
    [
      [1, "failed"],
      [2, "failed"],
      [3, "completed"],
    ],
  );
  const execution = await house.execution(writer.last().message.execution_id);
  assert.deepEqual([execution.status, execution.attempts_used], ["COMPLETED", 3]);
  assert.deepEqual(execution.transitions.map((step: { to: string }) => step.to).slice(2), [
    "ERROR_RECOVERY",
    "DISPATCHING",
    "ERROR_RECOVERY",
    "DISPATCHING",
    "COMPLETED",
  ]);
});

test("two that fail together do not come back at the same moment", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { batch: { max: 1 } } } });
  house.workflow("writer").next(failAtOnce, failAtOnce, failAtOnce);
  await house.enqueue({}, {}, {});
  await house.advance(75_000);
  const times = house
    .workflow("writer")
    .deliveries.slice(3)
    .map((delivery) => delivery.atMs);
  assert.equal(new Set(times).size, 3);
});

test("after three attempts each task goes back alone; five failures make a dead letter with every error", async (t) => {
  const house = await openTestHouse(t);
  const writer = house.workflow("writer");
  writer.always(failAtOnce);
  const settings = { webhook_url: writer.url, batch: { min: 2, max: 10 }, max_concurrent: 2 };
  await house.api("PUT", "/workflows/writer", settings);
  const ids = await house.enqueue({}, {});
  assert.deepEqual(
    writer.deliveries.map((one) => one.taskIds.length),
    [2],
  );
  await house.leap(80_000);
  await house.leap(150_000);
  assert.deepEqual(
    writer.deliveries.map((one) => one.taskIds.length),
    [2, 2, 2],
  );
  const first = await house.execution(writer.last().message.execution_id);
  assert.equal(first.status, "FAILED");
  assert.equal(first.error.message, "it broke");
  const task = await house.task(ids[0]!);
  assert.deepEqual([task.status, task.failures, task.execution_id], ["retrying", 3, null]);
  await house.leap(300_000);
  assert.deepEqual(
    writer.deliveries.map((one) => one.taskIds.length),
    [2, 2, 2, 1, 1],
  );
  assert.match(String(writer.last().message.context.reason), /alone, since it failed before/);
  await house.leap(80_000);
  const dead = await house.task(ids[0]!);
  assert.deepEqual([dead.status, dead.failures, dead.hold], ["dead_lettered", 5, null]);
  assert.equal(dead.execution_ids.length, 2);
  assert.deepEqual(
    dead.errors.map((error: { message: string; attempt: number }) => [error.message, error.attempt]),
    [1, 2, 3, 1, 2].map((attempt) => ["it broke", attempt]),
  );
  const letters = (await house.api("GET", "/dead-letters")).body.dead_letters;
  assert.deepEqual(letters.map((letter: { task_id: string }) => letter.task_id).sort(), [...ids].sort());
  assert.ok(letters.every((letter: { errors: unknown[] }) => letter.errors.length === 5));
  await house.leap(600_000);
  assert.equal(writer.deliveries.length, 7, "and nothing more is tried");
});

test("a poison task drags no neighbour along: what succeeded stays so, and it is retried without them", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { batch: { min: 3 } } } });
  const writer = house.workflow("writer");
  const ids = await house.enqueue({}, {}, {});
  const run = writer.last();
  assert.equal(run.taskIds.length, 3);
  const poison = run.taskIds[1]!;
  const error_data = { message: "poison", stack_trace: "at x", retry_recommended: true };
  const items = run
    .items({ result_data: "ok" })
    .map((item) =>
      item.task_id === poison ? { task_id: poison, status: "failed" as const, error_data } : item,
    );
  assert.equal((await run.callback({ status: "partial", items })).status, 200);
  await house.quiet();
  for (const id of ids) {
    const task = await house.task(id);
    const expected = id === poison ? ["retrying", 1, null] : ["completed", 0, "ok"];
    assert.deepEqual([task.status, task.failures, task.result_data], expected);
  }
  await house.leap(80_000);
  assert.deepEqual(writer.last().taskIds, [poison]);
  assert.equal(writer.last().message.attempt, 2);
});

test("a task that a partial callback does not name has failed as unreported", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { batch: { min: 2 } } } });
  await house.enqueue({}, {});
  const run = house.workflow("writer").last();
  await run.callback({ status: "partial", items: run.items().slice(0, 1) });
  await house.quiet();
  const task = await house.task(run.taskIds[1]!);
  assert.deepEqual([task.status, task.errors[0].code], ["retrying", "unreported"]);
});

test("retry_recommended: false sends a task to the dead letters at once", async (t) => {
  const house = await openTestHouse(t);
  const [id] = await house.enqueue({});
  const run = house.workflow("writer").last();
  await run.fail({ message: "the topic is forbidden", retry_recommended: false });
  await house.quiet();
  const task = await house.task(id!);
  assert.deepEqual([task.status, task.failures], ["dead_lettered", 1]);
  assert.equal(task.errors[0].message, "the topic is forbidden");
  assert.equal((await house.execution(run.message.execution_id)).status, "FAILED");
});

async function aDeadLetter(house: TestHouse, task: Record<string, unknown> = {}): Promise<string> {
  const [id] = await house.enqueue(task);
  await house.workflow("writer").last().fail({ message: "no", retry_recommended: false });
  await house.quiet();
  return id!;
}

test("a redrive sends dead letters back; a dry run only says which", async (t) => {
  const house = await openTestHouse(t);
  const id = await aDeadLetter(house, { content_type: "news" });
  const other = await aDeadLetter(house, { content_type: "how_to" });
  const dry = await house.api("POST", "/dead-letters/redrive", {
    filter: { content_type: "news" },
    dry_run: true,
  });
  assert.deepEqual(dry.body, { dry_run: true, count: 1, left: 0, task_ids: [id], ignored: [] });
  assert.equal((await house.task(id)).status, "dead_lettered");
  const redriven = await house.api("POST", "/dead-letters/redrive", { filter: { content_type: "news" } });
  assert.deepEqual(redriven.body, { dry_run: false, count: 1, left: 0, task_ids: [id], ignored: [] });
  await house.quiet();
  const task = await house.task(id);
  assert.deepEqual([task.status, task.failures, task.errors.length], ["running", 0, 1]);
  assert.equal((await house.task(other)).status, "dead_lettered");
  await house.workflow("writer").last().callback();
  await house.quiet();
  assert.equal((await house.task(id)).status, "completed");
  const task_ids = [other, id, crypto.randomUUID()];
  const byId = await house.api("POST", "/dead-letters/redrive", { task_ids });
  assert.deepEqual(byId.body.task_ids, [other], "only what is a dead letter is sent back");
  assert.deepEqual(byId.body.ignored, task_ids.slice(1), "and what is none is named");
  assert.equal((await house.api("POST", "/dead-letters/redrive", {})).status, 422);
});

test("a replay asks for the same work again, as new tasks", async (t) => {
  const house = await openTestHouse(t);
  const [id] = await house.enqueue({ payload: { n: 1 }, priority: 70, idempotency_key: "k" });
  const run = house.workflow("writer").last();
  await run.callback();
  await house.quiet();
  const path = `/executions/${run.message.execution_id}/replay`;
  const answer = await house.api("POST", path);
  assert.equal(answer.status, 202);
  assert.equal(answer.body.tasks[0].replays, id);
  await house.quiet();
  const copy = await house.task(answer.body.tasks[0].task_id);
  assert.deepEqual([copy.status, copy.priority, copy.payload], ["running", 70, { n: 1 }]);
  assert.equal((await house.task(id!)).status, "completed");
});

test("an attempt that was cancelled while it ran ends without a failure, and its callback is stale", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { batch: { min: 2 } } } });
  const [id, neighbour] = await house.enqueue({}, {});
  const run = house.workflow("writer").last();
  const one = await house.api("POST", `/tasks/${id}/cancel`);
  assert.deepEqual([one.status, one.body.status], [200, "cancelled"]);
  assert.equal((await house.task(neighbour!)).status, "running", "its neighbour runs on");
  const all = await house.api("POST", `/executions/${run.message.execution_id}/cancel`);
  assert.equal(all.body.status, "CANCELLED");
  const last = await house.task(neighbour!);
  assert.deepEqual([last.status, last.failures], ["cancelled", 0]);
  const late = await run.callback();
  assert.deepEqual([late.status, late.body.code], [409, "stale_attempt"]);
  const again = await house.api("POST", `/executions/${run.message.execution_id}/cancel`);
  assert.equal(again.status, 200, "saying so again changes nothing");
  await house.leap(600_000);
  assert.equal(house.workflow("writer").deliveries.length, 1);
});

test("the result of a task that was cancelled meanwhile is not needed for the rest of the batch", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { batch: { min: 2 } } } });
  await house.enqueue({}, {});
  const run = house.workflow("writer").last();
  await house.api("POST", `/tasks/${run.taskIds[0]}/cancel`);
  assert.equal((await run.callback({ items: run.items() })).status, 200);
  await house.quiet();
  const states = await Promise.all(run.taskIds.map(async (id) => (await house.task(id)).status));
  assert.deepEqual(states, ["cancelled", "completed"]);
});
