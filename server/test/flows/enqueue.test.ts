/** Owns the proof of the queue's front door: what is taken, taken once, listed, and found again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EnqueueAnswer, TaskList } from "@master-orchestrator/contract";
import { openTestHouse, type TestHouse } from "#test/house.ts";

/** A house that keeps everything in its queue. */
async function pausedHouse(t: Parameters<typeof openTestHouse>[0]): Promise<TestHouse> {
  const house = await openTestHouse(t);
  await house.api("POST", "/orchestrator/pause");
  return house;
}

test("one task is taken as it is, with the defaults of the contract", async (t) => {
  const house = await pausedHouse(t);
  const answer = await house.api("POST", "/tasks", { workflow_type: "writer" });
  assert.equal(answer.status, 202);
  EnqueueAnswer.parse(answer.body);
  assert.equal(answer.body.tasks.length, 1);
  const { task_id: id, status, duplicate } = answer.body.tasks[0];
  assert.deepEqual([status, duplicate], ["queued", false]);
  const task = await house.task(id);
  assert.deepEqual(
    [task.workflow_type, task.content_type, task.priority, task.payload, task.failures],
    ["writer", "default", 50, {}, 0],
  );
});

test("the same key with the same body is the same task, also while both come at once", async (t) => {
  const house = await pausedHouse(t);
  const body = { workflow_type: "writer", idempotency_key: "topic-42", payload: { a: 1, b: [2] } };
  const answers = await Promise.all(Array.from({ length: 8 }, () => house.api("POST", "/tasks", body)));
  assert.ok(answers.every((answer) => answer.status === 202));
  const told = answers.map((answer) => answer.body.tasks[0]);
  assert.equal(new Set(told.map((task) => task.task_id)).size, 1);
  assert.equal(told.filter((task) => !task.duplicate).length, 1);
  const reordered = { payload: { b: [2], a: 1 }, idempotency_key: "topic-42", workflow_type: "writer" };
  const again = await house.api("POST", "/tasks", reordered);
  assert.deepEqual(
    [again.status, again.body.tasks[0].duplicate],
    [202, true],
    "the order of members is no matter",
  );
});

test("a duplicate tells how the task stands now", async (t) => {
  const house = await openTestHouse(t);
  const body = { workflow_type: "writer", idempotency_key: "k" };
  await house.api("POST", "/tasks", body);
  await house.quiet();
  await house.workflow("writer").last().callback();
  await house.quiet();
  const again = await house.api("POST", "/tasks", body);
  assert.deepEqual([again.body.tasks[0].status, again.body.tasks[0].duplicate], ["completed", true]);
  await house.quiet();
  assert.equal(house.workflow("writer").deliveries.length, 1);
});

test("the same key with another body is a conflict", async (t) => {
  const house = await pausedHouse(t);
  const body = { workflow_type: "writer", idempotency_key: "k", payload: { n: 1 } };
  await house.api("POST", "/tasks", body);
  for (const other of [{ payload: { n: 2 } }, { priority: 51 }, { content_type: "news" }]) {
    const answer = await house.api("POST", "/tasks", { ...body, ...other });
    assert.deepEqual([answer.status, answer.body.code], [409, "idempotency_conflict"]);
    assert.ok(answer.body.hint);
  }
});

test("a batch is taken in its order, with its duplicates in it", async (t) => {
  const house = await pausedHouse(t);
  const task = (n: number, key?: string) => ({
    workflow_type: "writer",
    payload: { n },
    ...(key ? { idempotency_key: key } : {}),
  });
  const tasks = [task(0), task(1, "k"), task(1, "k"), task(2)];
  const answer = await house.api("POST", "/tasks", { tasks });
  assert.deepEqual(
    answer.body.tasks.map((one: { duplicate: boolean }) => one.duplicate),
    [false, false, true, false],
  );
  const [zero, one, twin, two] = answer.body.tasks.map((each: { task_id: string }) => each.task_id);
  assert.equal(one, twin);
  assert.equal((await house.task(zero)).payload.n, 0);
  assert.equal((await house.task(two)).payload.n, 2);
});

test("a batch with one conflict in it is refused as a whole", async (t) => {
  const house = await pausedHouse(t);
  await house.api("POST", "/tasks", { workflow_type: "writer", idempotency_key: "k" });
  const tasks = [
    { workflow_type: "writer" },
    { workflow_type: "writer", idempotency_key: "k", payload: { other: true } },
  ];
  const answer = await house.api("POST", "/tasks", { tasks });
  assert.deepEqual([answer.status, answer.body.code], [409, "idempotency_conflict"]);
  assert.equal(answer.body.errors[0].path, "/tasks/1/idempotency_key");
  assert.equal((await house.db.query("select from tasks")).rowCount, 1);
});

test("ten thousand tasks are taken at once, one more is not", async (t) => {
  const house = await pausedHouse(t);
  const tasks = Array.from({ length: 10_000 }, () => ({ workflow_type: "writer" }));
  const answer = await house.api("POST", "/tasks", { tasks });
  assert.deepEqual([answer.status, answer.body.tasks.length], [202, 10_000]);
  const refused = await house.api("POST", "/tasks", { tasks: [...tasks, tasks[0]] });
  assert.deepEqual([refused.status, refused.body.code], [422, "validation_failed"]);
  assert.equal((await house.api("GET", "/queue")).body.depth, 10_000);
});

test("a list is paged without gaps or repeats, newest first, and filtered", async (t) => {
  const house = await pausedHouse(t);
  const ids: string[] = [];
  for (let n = 0; n < 7; n++) {
    ids.unshift(...(await house.enqueue({ content_type: n % 2 ? "news" : "how_to" })));
    await house.advance(1_000);
  }
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor ? `&cursor=${cursor}` : "";
    const { body } = await house.api("GET", `/tasks?limit=3${query}`);
    TaskList.parse(body);
    seen.push(...body.tasks.map((task: { task_id: string }) => task.task_id));
    cursor = body.next_cursor;
  } while (cursor);
  assert.deepEqual(seen, ids);
  const count = async (query: string) => (await house.api("GET", `/tasks?${query}`)).body.tasks.length;
  assert.equal(await count("content_type=news"), 3);
  assert.equal(await count("status=queued&workflow_type=writer"), 7);
  assert.equal(await count("status=completed"), 0);
  const half = new Date(house.clock.nowMs() - 3_500).toISOString();
  assert.equal(await count(`from=${half}`), 3);
  assert.equal(await count(`to=${half}`), 4);
  assert.equal(await count("status="), 7, "an empty filter is none");
});

test("what is not there is not found, in the words of the contract", async (t) => {
  const house = await pausedHouse(t);
  const id = crypto.randomUUID();
  for (const [method, path] of [
    ["GET", `/tasks/${id}`],
    ["GET", `/tasks/${id}/explain`],
    ["POST", `/tasks/${id}/cancel`],
    ["GET", `/executions/${id}`],
    ["POST", `/executions/${id}/cancel`],
    ["POST", `/executions/${id}/replay`],
    ["GET", `/cycles/${id}`],
    ["GET", "/workflows/nobody"],
    ["GET", "/tasks/not-a-uuid"],
    ["GET", "/nothing"],
  ] as const) {
    const { status, body, headers } = await house.api(method, path);
    assert.deepEqual([path, status, body.code], [path, 404, "not_found"]);
    assert.ok(body.hint && body.detail && body.title && body.type, path);
    assert.match(headers.get("content-type") ?? "", /^application\/problem\+json/);
  }
});
