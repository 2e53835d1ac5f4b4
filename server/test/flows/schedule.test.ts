/** Owns the proof of schedules: a task for each slot, once, made up for once, and the reason when there is none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Workflow } from "@master-orchestrator/contract";
import { completeAtOnce } from "#test/fake-sub-workflow.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";

const MINUTE = 60_000;
/** Half a minute after a slot of one minute, and of an hour. */
const startMs = Date.UTC(2026, 2, 2, 9, 0, 30);
const everyMinute = { monitor: { schedule: { every_seconds: 60 } } };

async function stateOf(house: TestHouse) {
  const { body } = await house.api("GET", "/workflows/monitor");
  Workflow.parse(body);
  return body.schedule_state;
}

/** The tasks of the schedule, oldest first. */
async function scheduled(house: TestHouse) {
  const { rows } = await house.db.query(
    "select task_id, status, payload, idempotency_key, created_by, priority, content_type from tasks order by task_id",
  );
  return rows;
}

const slotsOf = async (house: TestHouse) => (await scheduled(house)).map((row) => row.payload.scheduled_for);

async function decisions(house: TestHouse, workflowType = "monitor"): Promise<unknown[]> {
  const { rows } = await house.db.query(
    `select decision from cycles, jsonb_array_elements(decisions) decision
      where decision->>'kind' = 'schedule' and decision->>'workflow_type' = $1 order by cycle_id`,
    [workflowType],
  );
  return rows.map(({ decision }) => [decision.slot.slice(11, 19), decision.run, decision.reason]);
}

test("a schedule enqueues one task for each slot, from the next slot on", async (t) => {
  const schedule = { every_seconds: 60, payload: { depth: 2 }, priority: 70, content_type: "news" };
  const house = await openTestHouse(t, { startMs, workflows: { monitor: { schedule } } });
  house.workflow("monitor").always(completeAtOnce);
  assert.deepEqual(await stateOf(house), {
    last_slot: "2026-03-02T09:00:00.000Z",
    next_slot: "2026-03-02T09:01:00.000Z",
    last_decision: "first_seen",
    cause: "the schedule is new: it begins with the next slot",
    decided_at: "2026-03-02T09:00:30.000Z",
  });
  await house.advance(29_999);
  assert.deepEqual(await scheduled(house), []);
  await house.advance(1);
  const [task, ...more] = await scheduled(house);
  assert.deepEqual(more, []);
  assert.deepEqual(task, {
    task_id: task!.task_id,
    status: "completed",
    payload: { depth: 2, scheduled_for: "2026-03-02T09:01:00.000Z" },
    idempotency_key: "schedule:monitor:2026-03-02T09:01:00.000Z",
    created_by: "schedule",
    priority: 70,
    content_type: "news",
  });
  assert.equal(house.workflow("monitor").last().atMs, startMs + 30_000, "it started at its slot");
  await house.advance(MINUTE);
  assert.deepEqual(await slotsOf(house), ["2026-03-02T09:01:00.000Z", "2026-03-02T09:02:00.000Z"]);
  const listed = (await house.api("GET", "/workflows")).body.workflows;
  const state = listed.find(
    (one: { workflow_type: string }) => one.workflow_type === "monitor",
  ).schedule_state;
  assert.deepEqual([state.last_slot, state.last_decision], ["2026-03-02T09:02:00.000Z", "run"]);
});

test("slots that were missed while nobody ran are made up for once", async (t) => {
  const house = await openTestHouse(t, { startMs, workflows: everyMinute });
  house.workflow("monitor").always(completeAtOnce);
  await house.stop();
  await house.leap(47 * MINUTE);
  const again = await house.replica();
  const twin = await house.replica();
  await again.quiet();
  assert.deepEqual(await slotsOf(again), ["2026-03-02T09:47:00.000Z"]);
  await house.advance(30_000);
  assert.deepEqual(await slotsOf(twin), ["2026-03-02T09:47:00.000Z", "2026-03-02T09:48:00.000Z"]);
});

test("while the task of a slot has not ended, the next slots do not run, and say so once each", async (t) => {
  const house = await openTestHouse(t, { startMs, workflows: everyMinute });
  await house.advance(2 * MINUTE + 45_000);
  assert.equal((await scheduled(house)).length, 1);
  assert.equal((await stateOf(house)).last_decision, "previous_run_not_over");
  await house.workflow("monitor").last().callback();
  await house.quiet();
  assert.equal((await scheduled(house)).length, 1, "a slot that was decided stays decided");
  await house.advance(MINUTE);
  assert.equal((await scheduled(house)).length, 2);
  assert.deepEqual(await decisions(house), [
    ["09:00:00", false, "first_seen"],
    ["09:01:00", true, "run"],
    ["09:02:00", false, "previous_run_not_over"],
    ["09:03:00", false, "previous_run_not_over"],
    ["09:04:00", true, "run"],
  ]);
});

test("a paused workflow, hours, a cooldown: no run, with the reason", async (t) => {
  const house = await openTestHouse(t, { startMs, workflows: everyMinute });
  house.workflow("monitor").always(completeAtOnce);
  const reason = async () => (await stateOf(house)).last_decision;
  const put = async (schedule: object | null) => {
    const answer = await house.api("PUT", "/workflows/monitor", {
      ...{ webhook_url: house.workflow("monitor").url, schedule },
    });
    assert.equal(answer.status, 200, answer.text);
    await house.quiet();
  };
  await house.api("POST", "/workflows/monitor/pause");
  await house.advance(MINUTE);
  assert.equal(await reason(), "paused");
  await house.api("POST", "/workflows/monitor/resume");
  await put({ every_seconds: 60, hours: [9, 10], time_zone: "Europe/Berlin" });
  await house.advance(MINUTE);
  assert.equal(await reason(), "outside_hours");
  await put({ every_seconds: 60, hours: [10, 11], time_zone: "Europe/Berlin", cooldown_seconds: 90 });
  await house.advance(MINUTE);
  assert.equal(await reason(), "run");
  await house.advance(MINUTE);
  assert.equal(await reason(), "cooling_down");
  await house.advance(MINUTE);
  assert.equal(await reason(), "run");
  assert.equal((await scheduled(house)).length, 2);
});

test("a schedule that was taken away and given again begins anew", async (t) => {
  const house = await openTestHouse(t, { startMs, workflows: everyMinute });
  const put = async (schedule: object | null) => {
    const { url } = house.workflow("monitor");
    await house.api("PUT", "/workflows/monitor", { webhook_url: url, schedule });
    await house.quiet();
  };
  await put(null);
  assert.equal(await stateOf(house), null);
  await house.advance(5 * MINUTE);
  assert.deepEqual(await scheduled(house), []);
  await put({ every_seconds: 60 });
  assert.deepEqual(await scheduled(house), []);
  assert.equal((await stateOf(house)).last_decision, "first_seen");
  await house.advance(30_000);
  assert.equal((await scheduled(house)).length, 1);
});

const wrong: [what: string, schedule: object, path: string][] = [
  ["no interval", {}, "/schedule/every_seconds"],
  ["an unknown time zone", { every_seconds: 60, time_zone: "Europe/Berlinn" }, "/schedule/time_zone"],
  ["hours that are none", { every_seconds: 60, hours: [8, 25] }, "/schedule/hours/1"],
  ["hours of no length", { every_seconds: 60, hours: [8, 8] }, "/schedule/hours"],
  ["one hour", { every_seconds: 60, hours: [8] }, "/schedule/hours"],
  [
    "hours in which no slot ever begins",
    { every_seconds: 86_400, hours: [9, 10], time_zone: "Europe/Berlin" },
    "/schedule/hours",
  ],
  ["a source that nobody knows", { every_seconds: 60, source: "topic" }, "/schedule/source"],
  ["tasks of a slot without a source", { every_seconds: 60, per_slot: 5 }, "/schedule/per_slot"],
  ["a payload besides a source", { every_seconds: 60, source: "topics", payload: {} }, "/schedule/source"],
  ["an unknown field", { every_seconds: 60, cooldown: 5 }, "/schedule/cooldown"],
];
test("hours that some slot begins in are taken: in winter alone, after days, over midnight", async (t) => {
  const house = await openTestHouse(t);
  const schedules = [
    // Midnight UTC is one o'clock in winter, and two in summer.
    { every_seconds: 86_400, hours: [1, 2], time_zone: "Europe/Berlin" },
    { every_seconds: 86_400, hours: [2, 3], time_zone: "Europe/Berlin" },
    { every_seconds: 90_000, hours: [23, 0] },
    { every_seconds: 86_400, hours: [22, 6] },
    { every_seconds: 3600, hours: [9, 10], time_zone: "Australia/Lord_Howe" },
  ];
  for (const schedule of schedules) {
    const { url } = house.workflow("writer");
    const answer = await house.api("PUT", "/workflows/x", { webhook_url: url, schedule });
    assert.equal(answer.status, 200, answer.text);
  }
});

test("a schedule that means nothing is refused, with the field", async (t) => {
  const house = await openTestHouse(t);
  for (const [what, schedule, path] of wrong) {
    const answer = await house.api("PUT", "/workflows/x", {
      webhook_url: house.workflow("writer").url,
      schedule,
    });
    assert.deepEqual([answer.status, answer.body.errors?.[0].path], [422, path], `${what}: ${answer.text}`);
  }
});
