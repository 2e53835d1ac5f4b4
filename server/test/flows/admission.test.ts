/** Owns the proof of who may start and who waits: limits, holds with their reasons, rank, switches. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Explanation, Queue } from "@master-orchestrator/contract";
import { completeAtOnce } from "#test/fake-sub-workflow.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";

const alone = { batch: { max: 1 } };
const startsOf = (house: TestHouse, type = "writer") =>
  house.workflow(type).deliveries.flatMap((delivery) => delivery.taskIds);
async function complete(house: TestHouse, index: number, type = "writer"): Promise<void> {
  await house.workflow(type).deliveries[index]!.callback();
  await house.quiet();
}

test("a workflow runs at most max_concurrent at once; the rest is held, and everywhere with the same reason", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { ...alone, max_concurrent: 2 } } });
  const ids = await house.enqueue({}, {}, {});
  assert.equal(startsOf(house).length, 2);
  const waiting = ids.find((id) => !startsOf(house).includes(id))!;
  const task = await house.task(waiting);
  assert.deepEqual([task.status, task.rank, task.hold.reason], ["queued", 1, "concurrency_workflow"]);
  assert.match(task.hold.cause, /writer runs at its limit of 2 at once/);
  assert.equal(task.hold.expected_start, new Date(house.clock.nowMs() + 300_000).toISOString());

  const explained = (await house.api("GET", `/tasks/${waiting}/explain`)).body;
  Explanation.parse(explained);
  assert.equal(explained.hold.reason, "concurrency_workflow");
  assert.deepEqual(
    explained.gates.map(({ gate, passed }: { gate: string; passed: boolean }) => [gate, passed]),
    [
      ["due", true],
      ["orchestrator", true],
      ["workflow", true],
      ["circuit", true],
      ["hours", true],
      ["workflow_concurrency", false],
    ],
  );
  const running = house.workflow("writer").deliveries.map((run) => run.message.execution_id);
  assert.deepEqual(
    explained.slot_holders.map((holder: { execution_id: string }) => holder.execution_id).sort(),
    running.sort(),
  );
  assert.match(explained.verdict, /It waits as number 1 of its lane/);

  const queue = (await house.api("GET", "/queue")).body;
  Queue.parse(queue);
  assert.equal(queue.depth, 1);
  const { lane, depth, running: busy, hold } = queue.lanes[0];
  assert.deepEqual([lane, depth, busy, hold.reason], ["writer/default", 1, 2, "concurrency_workflow"]);

  const cycles = (await house.api("GET", "/cycles")).body.cycles;
  const decided = await Promise.all(
    cycles.map(
      async ({ cycle_id }: { cycle_id: string }) => (await house.api("GET", `/cycles/${cycle_id}`)).body,
    ),
  );
  const holding = decided.find((cycle) => cycle.dispatched === 2);
  assert.deepEqual(
    holding.reasons.map(({ reason, tasks }: { reason: string; tasks: number }) => [reason, tasks]),
    [["concurrency_workflow", 1]],
  );

  await house.advance(1_000);
  await complete(house, 0);
  assert.equal((await house.task(waiting)).status, "running");
  const past = await house.api(
    "GET",
    `/tasks/${waiting}/explain?at=${new Date(house.clock.nowMs() - 500).toISOString()}`,
  );
  assert.deepEqual([past.body.status, past.body.hold.reason], ["queued", "concurrency_workflow"]);
});

test("in all no more than the policy's total run at once, and it is a change of the policy away", async (t) => {
  const policy = { concurrency: { total: 3 } };
  const workflows = { writer: alone, auditor: alone };
  const house = await openTestHouse(t, { policy, workflows });
  const ids = await house.enqueue({}, {}, { workflow_type: "auditor" }, { workflow_type: "auditor" });
  const running = [...startsOf(house), ...startsOf(house, "auditor")];
  assert.equal(running.length, 3);
  const held = await house.task(ids.find((id) => !running.includes(id))!);
  assert.equal(held.hold.reason, "concurrency_total");
  assert.match(held.hold.cause, /3 runs at once are allowed in all/);
  const put = await house.api("PUT", "/policy", { policy: { concurrency: { total: 4 } } });
  assert.equal(put.status, 200);
  await house.quiet();
  assert.equal((await house.task(held.task_id)).status, "running");
});

test("a short queue is spread over the free slots, a long one goes in full batches", async (t) => {
  const policy = { batching: { full_batches_above_depth: 40 } };
  const house = await openTestHouse(t, { policy, workflows: { writer: { max_concurrent: 3 } } });
  const sizes = () => house.workflow("writer").deliveries.map((delivery) => delivery.taskIds.length);
  await house.enqueue(...Array.from({ length: 9 }, () => ({})));
  assert.deepEqual(sizes(), [3, 3, 3]);
  await house.enqueue(...Array.from({ length: 60 }, () => ({})));
  for (const index of [0, 1, 2]) await complete(house, index);
  assert.deepEqual(sizes().slice(3), [10, 10, 10]);
});

test("what is in one content type never shares a batch with another", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { batch: { min: 10 } } } });
  await house.enqueue(...Array.from({ length: 8 }, (_, n) => ({ content_type: n % 2 ? "news" : "how_to" })));
  const batches = house
    .workflow("writer")
    .deliveries.map((delivery) => delivery.message.input_data.tasks.map((task) => task.content_type).join());
  assert.deepEqual(batches.sort(), ["how_to,how_to,how_to,how_to", "news,news,news,news"]);
});

test("the higher priority goes first, among equals the older; a change of priority reorders", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { ...alone, max_concurrent: 1 } } });
  const [running] = await house.enqueue({});
  const [old] = await house.enqueue({ priority: 50 });
  await house.advance(1_000);
  const [young] = await house.enqueue({ priority: 50 });
  const [urgent] = await house.enqueue({ priority: 90 });
  const rankOf = async (id: string) => (await house.task(id)).rank;
  assert.deepEqual(await Promise.all([urgent!, old!, young!].map(rankOf)), [1, 2, 3]);
  const patched = await house.api("PATCH", `/tasks/${young}`, { priority: 95 });
  assert.deepEqual([patched.status, patched.body.priority, patched.body.rank], [200, 95, 1]);
  for (const index of [0, 1, 2]) await complete(house, index);
  assert.deepEqual(startsOf(house), [running, young, urgent, old]);
  const refused = await house.api("PATCH", `/tasks/${running}`, { priority: 1 });
  assert.deepEqual([refused.status, refused.body.code], [409, "conflict"], "what is over has no priority");
});

test("waiting makes up for priority: after the boost's age an old task overtakes", async (t) => {
  const house = await openTestHouse(t, {
    workflows: { writer: { ...alone, max_concurrent: 1, timeout_seconds: 7200 } },
  });
  await house.enqueue({});
  const [old] = await house.enqueue({ priority: 10 });
  await house.leap(70 * 60_000);
  const [urgent] = await house.enqueue({ priority: 50 });
  const task = await house.task(old!);
  assert.equal(task.score, 10 * 10 + 70 + (70 - 30) * 10);
  assert.deepEqual([task.rank, (await house.task(urgent!)).rank], [1, 2]);
});

test("tasks of one request start in the order in which they were sent", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { max_concurrent: 1 } } });
  house.workflow("writer").always(completeAtOnce);
  const ids = await house.enqueue(...Array.from({ length: 35 }, (_, n) => ({ payload: { n } })));
  await house.until("the last start", () => startsOf(house).length === ids.length);
  assert.deepEqual(startsOf(house), ids);
});

test("a paused orchestrator admits nothing; what runs goes on", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: alone } });
  await house.enqueue({});
  const paused = await house.api("POST", "/orchestrator/pause");
  assert.deepEqual(
    [paused.status, paused.body.paused, paused.body.paused_by],
    [200, true, "the admin key (admin)"],
  );
  const [id] = await house.enqueue({});
  assert.equal((await house.task(id!)).hold.reason, "orchestrator_paused");
  assert.equal((await house.task(id!)).hold.expected_start, null);
  await complete(house, 0);
  await house.leap(600_000);
  assert.equal(startsOf(house).length, 1);
  const resumed = await house.api("POST", "/orchestrator/resume", {});
  assert.equal(resumed.body.paused, false);
  await house.quiet();
  assert.equal((await house.task(id!)).status, "running");
});

test("a paused workflow is passed over while others run", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: alone, auditor: alone } });
  assert.equal((await house.api("POST", "/workflows/writer/pause")).body.settings.paused, true);
  const [id] = await house.enqueue({}, { workflow_type: "auditor" });
  assert.equal((await house.task(id!)).hold.reason, "workflow_paused");
  assert.equal(startsOf(house, "auditor").length, 1);
  await house.api("POST", "/workflows/writer/resume");
  await house.quiet();
  assert.equal((await house.task(id!)).status, "running");
});

test("a task is not started before its time, and at it is", async (t) => {
  const house = await openTestHouse(t);
  const at = new Date(house.clock.nowMs() + 90_000).toISOString();
  const [id] = await house.enqueue({ not_before: at });
  const task = await house.task(id!);
  assert.deepEqual([task.status, task.hold.reason, task.hold.expected_start], ["scheduled", "not_due", at]);
  await house.advance(89_999);
  assert.equal(startsOf(house).length, 0);
  await house.advance(1);
  assert.deepEqual(startsOf(house), [id]);
  const [past] = await house.enqueue({ not_before: "2020-01-01T00:00:00Z" });
  assert.equal((await house.task(past!)).status, "running", "a past moment means now");
});

test("a queued, a scheduled and a running task can be cancelled, what is over cannot", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { ...alone, max_concurrent: 1 } } });
  const not_before = new Date(house.clock.nowMs() + 3_600_000).toISOString();
  const [running] = await house.enqueue({});
  const [queued, scheduled] = await house.enqueue({}, { not_before });
  for (const id of [queued, scheduled, running]) {
    const answer = await house.api("POST", `/tasks/${id}/cancel`);
    assert.deepEqual([answer.status, answer.body.status, answer.body.hold], [200, "cancelled", null]);
    assert.equal((await house.api("POST", `/tasks/${id}/cancel`)).status, 200, "again");
  }
  const stale = await house.workflow("writer").last().callback();
  assert.deepEqual([stale.status, stale.body.code], [409, "stale_attempt"]);
  const [done] = await house.enqueue({});
  await complete(house, 1);
  const refused = await house.api("POST", `/tasks/${done}/cancel`);
  assert.deepEqual([refused.status, refused.body.code], [409, "conflict"]);
  await house.leap(3_600_000);
  assert.deepEqual(startsOf(house), [running, done]);
});

test("a task that waits for its retry can be cancelled", async (t) => {
  const house = await openTestHouse(t);
  const [id] = await house.enqueue({});
  const run = house.workflow("writer").last();
  await run.fail();
  await house.quiet();
  const answer = await house.api("POST", `/tasks/${id}/cancel`);
  assert.deepEqual([answer.status, answer.body.status], [200, "cancelled"]);
  assert.equal((await house.execution(run.message.execution_id)).status, "CANCELLED");
  await house.leap(120_000);
  assert.equal(startsOf(house).length, 1);
});
