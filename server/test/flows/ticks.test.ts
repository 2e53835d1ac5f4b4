/** Owns the proof of the heartbeat: on the boundary, once for each, made up for once when missed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openTestHouse } from "#test/house.ts";

test("ticks stand on the wall clock's boundaries; how late one ran is on record", async (t) => {
  const house = await openTestHouse(t, { startMs: Date.UTC(2026, 2, 2, 9, 3, 20) });
  const before = (await house.api("GET", "/orchestrator")).body;
  assert.deepEqual([before.last_tick, before.next_tick], [null, "2026-03-02T09:05:00.000Z"]);
  await house.leap(99_999);
  assert.equal((await house.api("GET", "/orchestrator")).body.last_tick, null);
  await house.advance(1);
  const first = (await house.api("GET", "/orchestrator")).body;
  const boundary = "2026-03-02T09:05:00.000Z";
  assert.deepEqual(first.last_tick, { boundary, ran_at: boundary, drift_ms: 0 });
  assert.equal(first.next_tick, "2026-03-02T09:10:00.000Z");
  await house.leap(301_234);
  const late = (await house.api("GET", "/orchestrator")).body;
  assert.deepEqual(late.last_tick, {
    boundary: "2026-03-02T09:10:00.000Z",
    ran_at: "2026-03-02T09:10:01.234Z",
    drift_ms: 1234,
  });
  assert.equal(late.next_tick, "2026-03-02T09:15:00.000Z", "and the next one is on its boundary again");
  const [cycle] = (await house.api("GET", "/cycles?trigger=tick")).body.cycles;
  assert.deepEqual([cycle.boundary, cycle.drift_ms], ["2026-03-02T09:10:00.000Z", 1234]);
});

test("a tick runs once for each boundary, however many replicas there are", async (t) => {
  const house = await openTestHouse(t, { env: { TICK_INTERVAL: "10s" } });
  await house.replica();
  await house.replica();
  await house.advance(60_000);
  const { rows } = await house.db.query("select boundary, drift_ms from ticks order by boundary");
  const start = house.clock.nowMs() - 60_000;
  assert.deepEqual(
    rows.map((row) => [row.boundary - start, row.drift_ms]),
    [10, 20, 30, 40, 50, 60].map((seconds) => [seconds * 1000, 0]),
  );
  const cycles = (await house.api("GET", "/cycles?trigger=tick")).body.cycles;
  assert.equal(cycles.length, 6);
});

test("a tick that was missed while nobody ran is made up for once, not once for each boundary", async (t) => {
  const house = await openTestHouse(t, { env: { TICK_INTERVAL: "10s" } });
  await house.advance(10_000);
  await house.stop();
  await house.leap(3_605_000);
  const again = await house.replica();
  await again.replica();
  await house.advance(0);
  const { rows } = await house.db.query("select boundary, drift_ms from ticks order by boundary");
  const start = house.clock.nowMs() - 3_615_000;
  assert.deepEqual(
    rows.map((row) => [row.boundary - start, row.drift_ms]),
    [
      [10_000, 0],
      [3_610_000, 5_000],
    ],
  );
  await house.advance(5_000);
  assert.equal((await again.api("GET", "/cycles?trigger=tick")).body.cycles.length, 3);
});

test("a machine that slept through several boundaries runs one tick when it wakes", async (t) => {
  const house = await openTestHouse(t, { env: { TICK_INTERVAL: "10s" } });
  await house.leap(57_000);
  await house.advance(3_000);
  const { rows } = await house.db.query("select boundary, drift_ms from ticks order by boundary");
  const start = house.clock.nowMs() - 60_000;
  assert.deepEqual(
    rows.map((row) => [row.boundary - start, row.drift_ms]),
    [
      [50_000, 7_000],
      [60_000, 0],
    ],
  );
});

test("every tick is kept as a cycle with what it saw, even if there was nothing to do", async (t) => {
  const house = await openTestHouse(t, { env: { TICK_INTERVAL: "10s" } });
  await house.advance(10_000);
  const [{ cycle_id }] = (await house.api("GET", "/cycles?trigger=tick")).body.cycles;
  const cycle = (await house.api("GET", `/cycles/${cycle_id}`)).body;
  assert.deepEqual([cycle.trigger, cycle.dispatched, cycle.held], ["tick", 0, 0]);
  assert.equal(cycle.snapshot.policy_version, 1);
  const execution = await house.execution(cycle_id);
  assert.deepEqual([execution.workflow_type, execution.status], ["master_orchestrator", "COMPLETED"]);
});

test("a tick by hand runs a cycle now, and is no heartbeat", async (t) => {
  const house = await openTestHouse(t);
  const answer = await house.api("POST", "/orchestrator/tick");
  assert.equal(answer.status, 200);
  assert.ok("cycle_id" in answer.body);
  assert.equal((await house.api("GET", "/orchestrator")).body.last_tick, null);
});

test("the orchestrator's state is that of what runs", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { batch: { max: 1 }, max_concurrent: 1 } } });
  const look = async () => (await house.api("GET", "/orchestrator")).body;
  assert.equal((await look()).state, "IDLE");
  await house.enqueue({}, {});
  const busy = await look();
  assert.deepEqual([busy.state, busy.running, busy.waiting], ["MONITORING", 1, 1]);
  await house.workflow("writer").last().fail();
  await house.quiet();
  assert.equal((await look()).state, "ERROR_RECOVERY");
});
