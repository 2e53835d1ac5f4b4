/** Owns the proof of what may be asked of tasks, runs and workflows by hand: twice, at once, too late, of what is not there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openTestHouse, type TestHouse } from "#test/house.ts";

const alone = { batch: { max: 1 }, max_concurrent: 1 };
const NOBODY = "01980000-0000-7000-8000-000000000000";

const asked = async (house: TestHouse, method: string, path: string, body?: unknown) => {
  const answer = await house.api(method, path, body);
  return [answer.status, answer.status < 400 ? (answer.body.status ?? null) : answer.body.code];
};

test("a running task is cancelled once, its run's slot goes to the next, and its result is stale", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: alone } });
  const [running, next] = await house.enqueue({}, {});
  const run = house.workflow("writer").last();
  const both = await Promise.all([1, 2].map(() => asked(house, "POST", `/tasks/${running}/cancel`)));
  assert.deepEqual(both, [
    [200, "cancelled"],
    [200, "cancelled"],
  ]);
  await house.quiet();
  assert.equal((await house.task(next!)).status, "running");
  assert.equal((await house.execution(run.message.execution_id)).status, "CANCELLED");
  assert.equal((await run.callback()).status, 409);
  const { rows } = await house.db.query(
    "select count(*)::int as times from transitions where entity_id = $1 and to_state = 'cancelled'",
    [running],
  );
  assert.equal(rows[0]?.times, 1);
});

test("of two priorities given at once the later one stays, and each is in the history", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: alone } });
  const [, id] = await house.enqueue({}, {});
  await Promise.all([7, 93].map((priority) => house.api("PATCH", `/tasks/${id}`, { priority })));
  await house.quiet();
  const { priority } = await house.task(id!);
  const { history } = (await house.api("GET", `/tasks/${id}/explain`)).body;
  const given = history.map((step: { to: string }) => step.to).slice(1);
  assert.deepEqual(given.toSorted(), ["priority 7", "priority 93"]);
  assert.equal(given.at(-1), `priority ${priority}`);
});

test("what is over or is not there is refused, with the reason", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: alone } });
  const [done] = await house.enqueue({});
  const run = house.workflow("writer").last();
  await run.callback();
  await house.quiet();
  const execution = run.message.execution_id;
  const cycle = run.message.context.cycle_id;
  const dead = (await house.enqueue({}))[0]!;
  await house.workflow("writer").last().fail({ message: "no", retry_recommended: false });
  await house.quiet();
  const cases: [method: string, path: string, status: number, code: string, body?: unknown][] = [
    ["POST", `/tasks/${done}/cancel`, 409, "conflict"],
    ["POST", `/tasks/${dead}/cancel`, 409, "conflict"],
    ["PATCH", `/tasks/${done}`, 409, "conflict", { priority: 1 }],
    ["PATCH", `/tasks/${dead}`, 409, "conflict", { priority: 1 }],
    ["PATCH", `/tasks/${done}`, 422, "validation_failed", { priority: 101 }],
    ["PATCH", `/tasks/${done}`, 422, "validation_failed", {}],
    ["PATCH", `/tasks/${NOBODY}`, 404, "not_found", { priority: 1 }],
    ["POST", `/tasks/${NOBODY}/cancel`, 404, "not_found"],
    ["POST", "/tasks/nonsense/cancel", 404, "not_found"],
    ["POST", `/executions/${execution}/cancel`, 409, "conflict"],
    ["POST", `/executions/${cycle}/cancel`, 409, "conflict"],
    ["POST", `/executions/${cycle}/replay`, 409, "conflict"],
    ["POST", `/executions/${NOBODY}/cancel`, 404, "not_found"],
    ["POST", `/executions/${NOBODY}/replay`, 404, "not_found"],
    ["POST", "/workflows/nobody/pause", 404, "not_found"],
    ["POST", "/workflows/nobody/resume", 404, "not_found"],
  ];
  for (const [method, path, status, code, body] of cases)
    assert.deepEqual(await asked(house, method, path, body), [status, code], `${method} ${path}`);
});

test("a run that has not ended is not replayed: its tasks would be worked on twice at once", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: alone } });
  await house.enqueue({});
  const run = house.workflow("writer").last();
  const path = `/executions/${run.message.execution_id}/replay`;
  const refused = await house.api("POST", path);
  assert.deepEqual([refused.status, refused.body.code], [409, "conflict"]);
  assert.match(refused.body.hint, /cancel it/);
  await run.callback();
  await house.quiet();
  assert.equal((await house.api("POST", path)).status, 202);
});

test("pauses add up: the orchestrator's first, then the workflow's; twice is once", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: alone } });
  const pause = (of: string) => house.api("POST", `/${of}/pause`);
  assert.deepEqual(
    (
      await Promise.all(["orchestrator", "orchestrator", "workflows/writer", "workflows/writer"].map(pause))
    ).map(({ status }) => status),
    [200, 200, 200, 200],
  );
  const [id] = await house.enqueue({});
  const held = async () => {
    await house.quiet();
    const { status, hold } = await house.task(id!);
    return [status, hold?.reason ?? null, hold?.freed_by.event ?? null];
  };
  assert.deepEqual(await held(), ["queued", "orchestrator_paused", "resume"]);
  await house.api("PATCH", `/tasks/${id}`, { priority: 77 });
  assert.equal((await house.task(id!)).priority, 77, "a pause keeps nobody from giving priorities");
  await house.api("POST", "/orchestrator/resume");
  assert.deepEqual(await held(), ["queued", "workflow_paused", "resume"]);
  await house.api("POST", "/workflows/writer/resume");
  assert.deepEqual(await held(), ["running", null, null]);
  const { rows } = await house.db.query(
    "select count(*)::int as times from transitions where entity = 'orchestrator'",
  );
  assert.equal(rows[0]?.times, 2, "paused once, resumed once");
});
