/** Owns the proof that several replicas, and restarts, lose nothing and do nothing twice. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Orchestrator } from "@master-orchestrator/contract";
import { accept, completeAtOnce } from "#test/fake-sub-workflow.ts";
import { openTestHouse } from "#test/house.ts";
import { send } from "#test/http.ts";

test("two replicas on one database share the work, and no task runs twice", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { max_concurrent: 10 } } });
  const other = await house.replica();
  const writer = house.workflow("writer");
  writer.always(completeAtOnce);
  const sent = await Promise.all(
    Array.from({ length: 30 }, (_, n) =>
      (n % 2 ? house : other).api("POST", "/tasks", {
        tasks: Array.from({ length: 4 }, () => ({ workflow_type: "writer" })),
      }),
    ),
  );
  const ids = sent.flatMap(({ body }) => body.tasks.map((task: { task_id: string }) => task.task_id));
  await house.quiet();
  await house.until("the last task", async () => {
    await house.advance(1_000);
    return (await other.api("GET", "/queue")).body.lanes[0]?.completed_last_hour === 120;
  });
  assert.deepEqual(writer.deliveries.flatMap((run) => run.taskIds).sort(), ids.sort());
  // Who decided in that crowd is nobody's business; in the quiet, each decides about what it was asked.
  for (const replica of [house, other]) {
    await replica.api("POST", "/tasks", { workflow_type: "writer" });
    await house.quiet();
  }
  const { rows } = await house.db.query(
    "select replica_id from cycles where dispatched > 0 group by replica_id",
  );
  assert.equal(rows.length, 2, "both can decide");
});

test("both replicas are seen, and a stopped one is gone", async (t) => {
  const house = await openTestHouse(t);
  const other = await house.replica();
  await house.advance(20_000);
  const seen = (await house.api("GET", "/orchestrator")).body;
  Orchestrator.parse(seen);
  assert.equal(seen.replicas.length, 2);
  await other.stop();
  assert.equal((await house.api("GET", "/orchestrator")).body.replicas.length, 1);
});

test("while a replica drains it says that it is not ready, and what it has in its hands is still recorded", async (t) => {
  const house = await openTestHouse(t);
  const answered = Promise.withResolvers<void>();
  house.workflow("writer").next(async () => {
    await answered.promise;
    return accept;
  });
  const { body } = await house.api("POST", "/tasks", { workflow_type: "writer" });
  await house.until("the delivery", () => house.workflow("writer").deliveries.length === 1);
  const stopping = house.stop();
  const ready = await send(`${house.url}/readyz`, {});
  assert.deepEqual([ready.status, ready.body.parts.loop.ok], [503, false]);
  answered.resolve();
  await stopping;
  const again = await house.replica();
  const task = await again.task(body.tasks[0].task_id);
  assert.deepEqual([task.status, task.attempts.length], ["running", 1]);
  assert.equal(house.workflow("writer").deliveries.length, 1, "it was delivered once");
});

test("a killed replica is missed after a while, though it said no goodbye", async (t) => {
  const house = await openTestHouse(t);
  const other = await house.replica();
  await other.kill();
  assert.equal((await house.api("GET", "/orchestrator")).body.replicas.length, 2);
  await house.advance(20_000);
  assert.equal((await house.api("GET", "/orchestrator")).body.replicas.length, 1);
});

test("a house that stops and starts again carries on: its runs are called back as if nothing had been", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { batch: { max: 1 }, max_concurrent: 1 } } });
  const [id, waiting] = await house.enqueue({}, {});
  const run = house.workflow("writer").last();
  await run.claim();
  await house.stop();
  await house.leap(60_000);
  const again = await house.replica();
  await again.quiet();
  assert.equal((await again.task(id!)).status, "running");
  assert.equal(house.workflow("writer").deliveries.length, 1);
  const path = `/executions/${run.message.execution_id}/callback`;
  const answer = await again.api("POST", path, { attempt: 1, status: "completed" }, run.token);
  assert.deepEqual(answer.body, { accepted: true });
  await again.quiet();
  assert.equal((await again.task(id!)).status, "completed");
  assert.equal((await again.task(waiting!)).status, "running");
});

test("a house that is killed with a delivery in its hands: the next one delivers it again, with the same id", async (t) => {
  const house = await openTestHouse(t);
  const writer = house.workflow("writer");
  writer.next("hang");
  const [id] = await house.enqueue({});
  await house.kill();
  const again = await house.replica();
  await house.advance(20_000);
  const [first, second] = writer.deliveries;
  assert.equal(writer.deliveries.length, 2);
  assert.equal(second!.headers["webhook-id"], first!.headers["webhook-id"]);
  await second!.callback();
  await house.quiet();
  const task = await again.task(id!);
  assert.deepEqual([task.status, task.failures, task.attempts.length], ["completed", 0, 1]);
});

test("facts that nobody had time to fold in are folded in by the next house", async (t) => {
  const house = await openTestHouse(t);
  const [id] = await house.enqueue({});
  const run = house.workflow("writer").last();
  await house.stop();
  const { recordCallback } = await import("#store/facts.ts");
  const callback = { attempt: 1, status: "completed" as const };
  assert.equal((await recordCallback(house.db, run.message.execution_id, callback)).verdict, "taken");
  const again = await house.replica();
  await again.quiet();
  assert.equal((await again.task(id!)).status, "completed");
});

test("time in which nobody listened does not count as a run's silence", async (t) => {
  const house = await openTestHouse(t);
  const writer = house.workflow("writer");
  const [id] = await house.enqueue({});
  await writer.last().claim();
  await writer.last().heartbeat({ next_within_seconds: 15 });
  await house.quiet();
  await house.advance(1_000);
  await house.kill();
  await house.leap(60_000);
  const again = await house.replica();
  await house.advance(14_000);
  assert.equal((await again.task(id!)).status, "running");
  const path = `/executions/${writer.last().message.execution_id}/heartbeat`;
  assert.equal((await again.api("POST", path, { next_within_seconds: 15 }, writer.last().token)).status, 200);
  await house.advance(14_000);
  assert.equal((await again.task(id!)).status, "running");
  await house.advance(1_000);
  assert.equal((await again.task(id!)).status, "retrying", "it was heard again, and now fell silent");
});
