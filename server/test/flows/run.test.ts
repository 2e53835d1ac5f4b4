/** Owns the proof of a task's ordinary way: enqueued, dispatched, claimed, called back, completed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DispatchMessage, Execution, Task } from "@master-orchestrator/contract";
import { accept, completeAtOnce, SIGNING_SECRET } from "#test/fake-sub-workflow.ts";
import { openTestHouse } from "#test/house.ts";

test("a task is dispatched, claimed, called back and completed, and every step is on record", async (t) => {
  const house = await openTestHouse(t);
  const [id] = await house.enqueue({ content_type: "how_to", priority: 80, payload: { title: "Tea" } });
  const run = house.workflow("writer").last();
  assert.equal((await house.task(id!)).status, "running");
  assert.deepEqual((await run.claim("n8n run 4711")).body, { claimed: true });
  await house.quiet();
  await house.advance(41_000);
  const items = run.items({ result_data: { slug: "tea" } });
  const metrics = { duration_ms: 41_000, items_processed: 1, cost_usd: 0.11, api_calls: { gemini: 6 } };
  const answer = await run.callback({ items, result_data: { words: 900 }, metrics });
  assert.deepEqual([answer.status, answer.body], [200, { accepted: true }]);
  await house.quiet();

  const task = await house.task(id!);
  Task.parse(task);
  assert.equal(task.status, "completed");
  assert.deepEqual(task.result_data, { slug: "tea" });
  assert.deepEqual([task.failures, task.errors, task.hold, task.rank], [0, [], null, null]);
  assert.deepEqual(task.execution_ids, [run.message.execution_id]);
  assert.equal(task.attempts[0].state, "completed");

  const execution = await house.execution(run.message.execution_id);
  Execution.parse(execution);
  assert.equal(execution.status, "COMPLETED");
  assert.equal(execution.cost_usd, 0.11);
  assert.deepEqual(execution.result, { words: 900 });
  assert.deepEqual(execution.attempts[0].metrics, metrics);
  assert.equal(execution.attempts[0].claimant, "n8n run 4711");
  assert.equal(execution.tasks[0].task_id, id);
  assert.deepEqual(
    execution.transitions.map((step: { to: string }) => step.to),
    ["IDLE", "DISPATCHING", "MONITORING", "COMPLETED"],
  );
});

test("a cycle's own execution lives as long as its children, and counts how they ended", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { batch: { max: 1 }, max_concurrent: 2 } } });
  await house.enqueue({}, {});
  const [first, second] = house.workflow("writer").deliveries;
  const parentId = first!.message.parent_execution_id!;
  assert.equal(second!.message.parent_execution_id, parentId);
  await first!.callback();
  await house.quiet();
  const half = await house.execution(parentId);
  assert.deepEqual([half.workflow_type, half.status], ["master_orchestrator", "MONITORING"]);
  await second!.callback({ status: "failed", error_data: { retry_recommended: false, message: "no" } });
  await house.quiet();
  const whole = await house.execution(parentId);
  assert.equal(whole.status, "COMPLETED");
  assert.deepEqual(whole.result, { completed: 1, failed: 1 });
  assert.deepEqual(whole.children.map((child: { status: string }) => child.status).sort(), [
    "COMPLETED",
    "FAILED",
  ]);
  assert.deepEqual(
    whole.transitions.map((step: { to: string }) => step.to),
    ["IDLE", "ANALYZING", "DISPATCHING", "MONITORING", "COMPLETED"],
  );
  const listed = await house.api("GET", `/executions?parent_execution_id=${parentId}`);
  assert.equal(listed.body.executions.length, 2);
});

test("an answer that has a status is the callback: the task is done at once", async (t) => {
  const house = await openTestHouse(t);
  house.workflow("writer").always((delivery) => ({
    status: 200,
    body: {
      execution_id: delivery.message.execution_id,
      status: "completed",
      items: delivery.items({ result_data: 7 }),
    },
  }));
  const [id] = await house.enqueue({});
  const task = await house.task(id!);
  assert.deepEqual([task.status, task.result_data], ["completed", 7]);
});

test("an answer that fails its tasks is a failed attempt, with its words", async (t) => {
  const house = await openTestHouse(t);
  house.workflow("writer").always({
    status: 200,
    body: { status: "failed", error_data: { message: "no quota", stack_trace: "at write (draft.js:7)" } },
  });
  const [id] = await house.enqueue({});
  const task = await house.task(id!);
  assert.deepEqual([task.status, task.failures], ["retrying", 1]);
  assert.equal(task.errors[0].message, "no quota");
  assert.equal(task.errors[0].stack_trace, "at write (draft.js:7)");
});

test("the message says all that a sub-workflow needs, and is signed over its very bytes", async (t) => {
  const house = await openTestHouse(t, {
    workflows: {
      writer: { auth: { type: "header", name: "X-Api-Key", value: "s3cret" }, params: { tone: 1 } },
    },
    env: { PUBLIC_URL: "https://o.example.org/base" },
  });
  await house.enqueue({ content_type: "how_to", priority: 80, payload: { title: "Tea" } });
  const { message, headers, signed } = house.workflow("writer").last();
  DispatchMessage.parse(message);
  assert.deepEqual(message.input_data.tasks[0]?.payload, { title: "Tea" });
  assert.deepEqual(message.input_data.params, { tone: 1 });
  assert.deepEqual([message.attempt, message.priority, message.timeout_seconds], [1, 80, 300]);
  assert.equal(message.deadline, new Date(house.clock.nowMs() + 300_000).toISOString());
  const base = "https://o.example.org/base";
  assert.equal(message.callback_url, `${base}/api/v1/executions/${message.execution_id}/callback`);
  assert.equal(message.gateway.openai_base_url, `${base}/ai/openai/v1`);
  assert.equal(message.gateway.gemini_base_url, `${base}/ai/gemini`);
  assert.equal(message.context.cycle_id, message.parent_execution_id);
  assert.match(String(message.context.reason), /ranks first/);
  assert.equal(headers["x-api-key"], "s3cret");
  assert.equal(headers["content-type"], "application/json");
  assert.equal(headers["webhook-timestamp"], String(house.clock.nowMs() / 1000));
  assert.match(headers["webhook-signature"]!, /^v1,[A-Za-z0-9+/]{43}=$/);
  assert.equal(signed, true);
  assert.match(headers.traceparent!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
});

test("bearer and basic credentials go into the Authorization header", async (t) => {
  const house = await openTestHouse(t, {
    workflows: {
      writer: { auth: { type: "bearer", token: "abc" } },
      auditor: { auth: { type: "basic", user: "u", password: "p" }, signing_secret: null },
    },
  });
  await house.enqueue({}, { workflow_type: "auditor" });
  assert.equal(house.workflow("writer").last().headers.authorization, "Bearer abc");
  const { headers } = house.workflow("auditor").last();
  assert.equal(headers.authorization, `Basic ${btoa("u:p")}`);
  assert.equal(headers["webhook-signature"], undefined, "without a secret nothing is signed");
  assert.ok(headers["webhook-id"]);
});

test("every delivery of one attempt bears the same id, and the next attempt another", async (t) => {
  const house = await openTestHouse(t);
  const writer = house.workflow("writer");
  writer.next({ status: 500 }, { status: 404 });
  await house.enqueue({});
  await house.advance(1_000);
  await house.leap(80_000);
  const [first, again, second] = writer.deliveries.map((delivery) => delivery.headers["webhook-id"]);
  assert.equal(first, again);
  assert.notEqual(second, again);
  assert.deepEqual(
    writer.deliveries.map((delivery) => delivery.message.attempt),
    [1, 1, 2],
  );
  assert.equal(writer.deliveries[0]!.token, writer.deliveries[1]!.token);
  assert.notEqual(writer.deliveries[2]!.token, writer.deliveries[1]!.token);
  assert.ok(writer.deliveries.every((delivery) => delivery.signed));
  const traces = writer.deliveries.map((delivery) => delivery.headers.traceparent!.split("-")[1]);
  assert.equal(new Set(traces).size, 1, "one trace for the whole execution");
});

test("a webhook that is delivered twice runs once: only the first claim counts", async (t) => {
  const house = await openTestHouse(t);
  const writer = house.workflow("writer");
  writer.next("cut");
  const [id] = await house.enqueue({});
  await house.advance(1_000);
  const [first, second] = writer.deliveries;
  assert.deepEqual((await first!.claim("run 1")).body, { claimed: true });
  const refused = await second!.claim("run 2");
  assert.deepEqual([refused.status, refused.body.code], [409, "already_claimed"]);
  assert.equal((await first!.claim("run 1")).status, 200, "the same claimant again");
  await first!.callback();
  await house.quiet();
  assert.equal((await house.task(id!)).attempts.length, 1);
  assert.equal((await house.task(id!)).status, "completed");
});

test("two claims at the same moment: one wins", async (t) => {
  const house = await openTestHouse(t);
  await house.enqueue({});
  const run = house.workflow("writer").last();
  const answers = await Promise.all(["a", "b", "c", "d"].map((claimant) => run.claim(claimant)));
  assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, 409, 409, 409]);
});

test("a workflow that does not claim works all the same", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { accept: "any_2xx" } } });
  house.workflow("writer").always({ status: 200, body: "ok" });
  const [id] = await house.enqueue({});
  const run = house.workflow("writer").last();
  assert.equal((await house.execution(run.message.execution_id)).status, "MONITORING");
  await run.callback({ status: "completed", result_data: { n: 1 } });
  await house.quiet();
  const task = await house.task(id!);
  assert.deepEqual([task.status, task.result_data], ["completed", { n: 1 }]);
});

test("a callback may be signed instead of bearing the token", async (t) => {
  const { sign } = await import("@master-orchestrator/contract/signature");
  const house = await openTestHouse(t);
  const [id] = await house.enqueue({});
  const run = house.workflow("writer").last();
  const body = Buffer.from(JSON.stringify({ attempt: 1, status: "completed" }));
  const post = (secret: string) =>
    fetch(run.message.callback_url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...sign(secret, "msg_1", house.clock.nowMs() / 1000, body),
      },
      body,
    });
  assert.equal((await post("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")).status, 401);
  assert.equal((await house.task(id!)).status, "running");
  assert.equal((await post(SIGNING_SECRET)).status, 200);
  await house.quiet();
  assert.equal((await house.task(id!)).status, "completed");
});

test("a hundred tasks flow through in batches, each exactly once", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { max_concurrent: 5 } } });
  const writer = house.workflow("writer");
  writer.always(completeAtOnce);
  const ids = await house.enqueue(...Array.from({ length: 100 }, (_, n) => ({ payload: { n } })));
  await house.until("the last task", async () => {
    const { body } = await house.api("GET", "/queue");
    return body.lanes[0]?.completed_last_hour === 100;
  });
  const delivered = writer.deliveries.flatMap((delivery) => delivery.taskIds);
  assert.deepEqual(delivered.sort(), ids.sort());
  assert.ok(writer.deliveries.every((delivery) => delivery.taskIds.length <= 10));
  writer.always(accept);
});
