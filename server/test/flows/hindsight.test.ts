/** Owns the proof of hindsight: what another policy would have done, and how it all stood at a past moment. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OrchestratorMoment, PolicyPreview } from "@master-orchestrator/contract";
import { completeAtOnce } from "#test/fake-sub-workflow.ts";
import { openTestHouse } from "#test/house.ts";

const MINUTE = 60_000;

test("a preview takes the recorded past through the policy in force and a change of it, and changes nothing", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { batch: { min: 1, max: 1 } } } });
  const nothing = await house.api("POST", "/policy/preview", { policy: {} });
  assert.equal(nothing.status, 409, nothing.text);
  assert.match(nothing.text, /no task of the last 24 hours has run/);
  const version = (await house.api("GET", "/policy")).body.version;
  for (let round = 0; round < 3; round++) {
    await house.enqueue({}, {}, {});
    await house.advance(MINUTE);
    for (const run of house.workflow("writer").deliveries.slice(-3)) {
      await run.callback({ metrics: { duration_ms: 1, items_processed: 1, cost_usd: 0.1 } });
    }
    await house.quiet();
  }
  const asked = await house.api("POST", "/policy/preview", {
    policy: { concurrency: { total: 1, high_load: 1 } },
    hours: 1,
  });
  assert.equal(asked.status, 200, asked.text);
  const { current, proposed, tasks, policy_version } = PolicyPreview.parse(asked.body);
  assert.deepEqual([tasks, policy_version, current.completed, proposed.completed], [9, version, 9, 9]);
  assert.deepEqual([current.slots.peak, proposed.slots.peak], [3, 1]);
  assert.ok(current.wait!.max < 1, JSON.stringify(current.wait));
  assert.ok(proposed.wait!.max > 100, `one after the other: ${JSON.stringify(proposed.wait)}`);
  assert.deepEqual([current.cost_usd, proposed.cost_usd], [0.9, 0.9]);
  assert.deepEqual(
    proposed.lanes.map(({ lane, completed }) => [lane, completed]),
    [["writer/default", 9]],
  );
  assert.equal((await house.api("GET", "/policy")).body.version, version);
  const wrong = await house.api("POST", "/policy/preview", { policy: { concurrency: { totl: 1 } } });
  assert.equal(wrong.status, 422, wrong.text);
});

test("a past moment is told as it was: what ran, what was held and why, under which policy", async (t) => {
  const house = await openTestHouse(t, {
    workflows: { writer: { max_concurrent: 1, batch: { min: 1, max: 1 } } },
  });
  const [first, second] = await house.enqueue({}, {});
  await house.advance(MINUTE);
  const then = new Date(house.clock.nowMs()).toISOString();
  const execution = (await house.task(first!)).execution_id;
  await house.advance(MINUTE);
  house.workflow("writer").always(completeAtOnce);
  await house.workflow("writer").last().callback();
  await house.quiet();
  await house.api("POST", "/orchestrator/pause");
  const read = async (at: string) => {
    const answer = await house.api("GET", `/orchestrator/moment?at=${at}`);
    assert.equal(answer.status, 200, answer.text);
    return OrchestratorMoment.parse(answer.body);
  };
  const past = await read(then);
  assert.deepEqual(
    past.running.map(({ execution_id, workflow_type }) => [execution_id, workflow_type]),
    [[execution, "writer"]],
  );
  assert.deepEqual(
    past.holds.map(({ lane, reason }) => [lane, reason]),
    [["writer/default", "concurrency_workflow"]],
  );
  assert.equal(past.paused, false);
  assert.deepEqual(Object.keys((past.snapshot as { waiting: object }).waiting), ["writer/default"]);
  const now = await read(new Date(house.clock.nowMs()).toISOString());
  assert.deepEqual([now.running, now.holds, now.paused], [[], [], true]);
  const { verdict } = (await house.api("GET", `/tasks/${second}/explain?at=${then}`)).body;
  assert.match(verdict, /waited|waits/i);
  const ahead = new Date(house.clock.nowMs() + MINUTE).toISOString();
  assert.equal((await house.api("GET", `/orchestrator/moment?at=${ahead}`)).status, 422);
});
