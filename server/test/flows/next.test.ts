/** Owns the proof of what follows a task: by rule or by callback, once, with its parent, and never without end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Execution, Task } from "@master-orchestrator/contract";
import { completeAtOnce, type Reply } from "#test/fake-sub-workflow.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";

const rule = (workflow_type: string, on = "completed", content_type?: string) =>
  ({ workflow_type, on, ...(content_type ? { content_type } : {}) }) as {
    workflow_type: string;
    on: "completed" | "failed" | "always";
  };
const PIPELINE = { auditor: {}, mourner: {}, writer: { next: [rule("auditor"), rule("mourner", "failed")] } };

async function followUps(house: TestHouse, taskId: string) {
  const { follow_ups } = await house.task(taskId);
  return await Promise.all(follow_ups.map((id: string) => house.task(id)));
}

test("an article that is published is audited next: the same moment, with what came of it", async (t) => {
  const house = await openTestHouse(t, { workflows: PIPELINE });
  const [id] = await house.enqueue({ content_type: "how_to", priority: 80 });
  const run = house.workflow("writer").last();
  await run.callback({ items: run.items({ result_data: { slug: "tea" } }) });
  await house.quiet();

  const parent = await house.task(id!);
  Task.parse(parent);
  assert.deepEqual([parent.status, parent.parent_task_id], ["completed", null]);
  const [audit, ...more] = await followUps(house, id!);
  assert.deepEqual(more, []);
  Task.parse(audit);
  assert.deepEqual(
    [audit.workflow_type, audit.content_type, audit.priority, audit.parent_task_id],
    ["auditor", "default", 80, id],
  );
  const source = {
    ...{ task_id: id, workflow_type: "writer", content_type: "how_to" },
    execution_id: run.message.execution_id,
  };
  assert.deepEqual(audit.payload, { source, result_data: { slug: "tea" } });
  assert.equal(audit.status, "running", "the cycle that started it followed at once");
  const delivered = house.workflow("auditor").last();
  assert.deepEqual(delivered.message.input_data.tasks[0]?.payload, audit.payload);
  assert.equal(house.workflow("mourner").deliveries.length, 0);

  const { rows } = await house.db.query(
    `select kid.created_at = dad.completed_at as at_once, first.reason, first.cycle_id = done.cycle_id as same_cycle
       from tasks kid join tasks dad on dad.task_id = kid.parent_task_id
       join transitions first on first.entity_id = kid.task_id::text and first.from_state is null
       join transitions done on done.entity_id = dad.task_id::text and done.to_state = 'completed'`,
  );
  assert.equal(rows.length, 1);
  assert.deepEqual([rows[0]!.at_once, rows[0]!.same_cycle], [true, true]);
  assert.match(rows[0]!.reason, new RegExp(`^enqueued by task ${id}`));
});

test("each task of a batch has its own follow-up", async (t) => {
  const house = await openTestHouse(t, { workflows: PIPELINE });
  house.workflow("writer").always(completeAtOnce);
  const ids = await house.enqueue(...Array.from({ length: 25 }, () => ({})));
  const listed = (await house.api("GET", "/tasks?workflow_type=auditor&limit=100")).body.tasks;
  assert.equal(listed.length, 25);
  const parents = await Promise.all(listed.map((task: { task_id: string }) => house.task(task.task_id)));
  assert.deepEqual(parents.map((task) => task.parent_task_id).sort(), [...ids].sort());
});

test("a failed attempt is not the end; the dead letter is, and only the first time", async (t) => {
  const policy = { retry: { max_attempts: 1, dead_letter_after: 2, base_seconds: 60, jitter: 0 } };
  const house = await openTestHouse(t, { workflows: PIPELINE, policy });
  const [id] = await house.enqueue({});
  await house.workflow("writer").last().fail({ message: "no quota" });
  await house.quiet();
  assert.deepEqual((await house.task(id!)).follow_ups, []);
  await house.advance(60_000);
  await house.workflow("writer").last().fail({ message: "no quota" });
  await house.quiet();
  assert.equal((await house.task(id!)).status, "dead_lettered");
  const [mourned] = await followUps(house, id!);
  assert.equal(mourned.workflow_type, "mourner");
  assert.deepEqual(mourned.payload.error, { code: "failed", message: "no quota", stack_trace: null });

  await house.api("POST", "/dead-letters/redrive", { task_ids: [id] });
  await house.quiet();
  await house.workflow("writer").last().fail({ message: "no quota", retry_recommended: false });
  await house.quiet();
  assert.equal((await house.task(id!)).status, "dead_lettered");
  assert.equal((await house.task(id!)).follow_ups.length, 1);
});

test("a callback asks for what comes next; an unknown name is left out, on record, and the rest is taken", async (t) => {
  const house = await openTestHouse(t, { workflows: { auditor: {}, writer: {} } });
  const [id] = await house.enqueue({});
  const run = house.workflow("writer").last();
  const next = [
    { workflow_type: "auditr" },
    { workflow_type: "auditor", payload: { url: "/tea" }, priority: 9 },
  ];
  const answer = await run.callback({ next });
  assert.deepEqual([answer.status, answer.body], [200, { accepted: true }]);
  assert.deepEqual((await run.callback({ next })).body, { accepted: false, reason: "duplicate" });
  await house.quiet();
  const followed = await followUps(house, id!);
  assert.deepEqual(
    followed.map((task) => [task.workflow_type, task.priority, task.payload]),
    [["auditor", 9, { url: "/tea" }]],
  );
  const execution = await house.execution(run.message.execution_id);
  Execution.parse(execution);
  assert.equal(execution.status, "COMPLETED");
  const [skipped] = execution.recovery_actions;
  assert.deepEqual([skipped.action, skipped.task_id], ["next_skipped", id]);
  assert.match(skipped.reason, /did you mean "auditor"\?/);
  const refused = await house
    .workflow("auditor")
    .last()
    .callback({
      next: Array.from({ length: 21 }, () => ({ workflow_type: "writer" })),
    });
  assert.deepEqual([refused.status, refused.body.errors[0].path], [422, "/next"]);
  const odd = await house
    .workflow("auditor")
    .last()
    .callback({ next: [{ workflow_type: "a", after: 1 }] } as never);
  assert.equal(odd.status, 422);
});

test("workflows that call for each other come to an end after ten follow-ups, and say so", async (t) => {
  const house = await openTestHouse(t, { workflows: { ping: {}, pong: {} } });
  const calling =
    (other: string): Reply =>
    (delivery) => ({
      status: 200,
      body: { status: "completed", items: delivery.items({ next: [{ workflow_type: other }] }) },
    });
  house.workflow("ping").always(calling("pong"));
  house.workflow("pong").always(calling("ping"));
  await house.enqueue({ workflow_type: "ping" });
  await house.quiet();
  const { tasks } = (await house.api("GET", "/tasks")).body;
  assert.equal(tasks.length, 11);
  assert.ok(tasks.every((task: { status: string }) => task.status === "completed"));
  const { rows } = await house.db.query("select chain_depth from tasks order by chain_depth");
  assert.deepEqual(
    rows.map((row) => row.chain_depth),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
  const last = await house.task(tasks[0].task_id);
  const execution = await house.execution(last.execution_ids[0]);
  assert.match(execution.recovery_actions[0].reason, /the chain has 10 follow-ups, no more/);
});

test("a circle of rules is refused and named; so is a name that nobody has", async (t) => {
  const house = await openTestHouse(t, {
    workflows: { c: {}, b: { next: [rule("c", "failed")] }, a: { next: [rule("b")] } },
  });
  const put = (type: string, next: unknown[]) =>
    house.api("PUT", `/workflows/${type}`, { webhook_url: house.workflow("a").url, next });
  const circle = await put("c", [rule("b", "always", "x"), rule("a")]);
  assert.deepEqual([circle.status, circle.body.code], [422, "validation_failed"]);
  assert.match(circle.body.errors[0].message, /c → b → c/);
  assert.equal(circle.body.errors[0].path, "/next/0/workflow_type");
  assert.match((await put("c", [rule("a")])).body.detail, /c → a → b → c/);
  assert.match((await put("new", [rule("new")])).body.detail, /new → new/);
  assert.equal((await put("new", [rule("a")])).status, 200);
  assert.equal((await put("c", [rule("constructor")])).status, 422);
  const unknown = await put("c", [rule("neww")]);
  assert.deepEqual([unknown.status, unknown.body.code], [422, "unknown_workflow"]);
  assert.deepEqual(unknown.body.errors[0].path, "/next/0/workflow_type");
  assert.match(unknown.body.detail, /did you mean "new"\?/);
  const kept = (await house.api("GET", "/workflows/c")).body;
  assert.equal(kept.settings.next, undefined, "nothing was changed");
});

test("a follow-up of a paused workflow waits, and is not lost", async (t) => {
  const house = await openTestHouse(t, { workflows: PIPELINE });
  await house.api("POST", "/workflows/auditor/pause");
  house.workflow("writer").always(completeAtOnce);
  const [id] = await house.enqueue({});
  const [waiting] = await followUps(house, id!);
  assert.deepEqual([waiting.status, waiting.hold.reason], ["queued", "workflow_paused"]);
  await house.api("POST", "/workflows/auditor/resume");
  await house.quiet();
  assert.equal((await house.task(waiting.task_id)).status, "running");
});
