/** Owns the proof of figures: what ends is counted once, in every step of time, and told to Prometheus and to charts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "@master-orchestrator/contract";
import { rollUp } from "#store/roll-ups.ts";
import { completeAtOnce } from "#test/fake-sub-workflow.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";

const MINUTE = 60_000;

async function metrics(house: TestHouse): Promise<Map<string, number>> {
  const response = await fetch(`${house.url}/metrics`);
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  const lines = (await response.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

async function history(house: TestHouse, query = "") {
  const answer = await house.api("GET", `/metrics/history${query}`);
  assert.equal(answer.status, 200, answer.text);
  return History.parse(answer.body);
}

test("what ends is counted once, however many replicas there are, in its minute, hour and day", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { max_concurrent: 1, batch: { max: 1 } } } });
  await house.replica();
  const writer = house.workflow("writer");
  writer.always(completeAtOnce);
  await house.enqueue(...Array.from({ length: 5 }, (_, n) => ({ content_type: "news", payload: { n } })));
  await house.advance(MINUTE);
  await house.enqueue({ content_type: "news", payload: { n: 6 } });
  await house.advance(3 * MINUTE);
  const byMinute = await history(house, "?step=minute");
  assert.deepEqual(
    byMinute.points.map((point) => point.completed),
    [5, 1],
  );
  assert.deepEqual(
    byMinute.points.map((point) => point.attempts_ended),
    [5, 1],
  );
  for (const step of ["hour", "day"]) {
    const [point, ...more] = (await history(house, `?step=${step}&to=2026-03-03T00:00:00Z`)).points;
    assert.deepEqual([point?.completed, point?.success_share, more.length], [6, 1, 0]);
  }
  const lane = 'content_type="news"';
  const told = await metrics(house);
  assert.equal(
    told.get(`orchestrator_tasks_ended_total{workflow_type="writer",${lane},outcome="completed"}`),
    6,
  );
  assert.equal(told.get(`orchestrator_task_end_to_end_seconds_count{workflow_type="writer",${lane}}`), 6);
  assert.equal(
    told.get(`orchestrator_task_end_to_end_seconds_bucket{workflow_type="writer",${lane},le="+Inf"}`),
    6,
  );
  assert.equal(told.get('orchestrator_attempts_total{workflow_type="writer"}'), 6);
});

test("waiting and working are told apart, and a reported cost is the lane's", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: {} } });
  const writer = house.workflow("writer");
  await house.api("POST", "/workflows/writer/pause");
  const [taskId] = await house.enqueue({ payload: {} });
  await house.advance(40_000);
  await house.api("POST", "/workflows/writer/resume");
  await house.quiet();
  await house.advance(80_000);
  const { execution_ids: executionIds } = await house.task(taskId!);
  await writer.last().callback({ status: "completed", metrics: { cost_usd: 0.25 } });
  assert.equal(executionIds.length, 1);
  await house.advance(3 * MINUTE);
  const [point] = (await history(house, "?step=hour&to=2026-03-02T10:00:00Z")).points;
  const { wait, work, total } = point!;
  assert.deepEqual(
    [wait?.mean_seconds, work?.mean_seconds, total?.mean_seconds].map((s) => Math.round(s!)),
    [40, 80, 120],
  );
  assert.deepEqual([point?.cost_usd, point?.cost_per_task_usd], [0.25, 0.25]);
});

test("a queue, a day's money and the providers' limits stand in the figures", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: {} } });
  await house.api("POST", "/orchestrator/pause");
  await house.enqueue({ content_type: "news", payload: {} }, { content_type: "news", payload: {} });
  await house.advance(90_000);
  const told = await metrics(house);
  const lane = '{workflow_type="writer",content_type="news"}';
  assert.equal(told.get(`orchestrator_queue_depth${lane}`), 2);
  assert.equal(told.get(`orchestrator_queue_oldest_age_seconds${lane}`), 90);
  const { body: queue } = await house.api("GET", "/queue");
  assert.deepEqual([queue.oldest_age_seconds, queue.lanes[0].oldest_age_seconds], [90, 90]);
  assert.equal(told.get("orchestrator_paused"), 1);
  assert.equal(told.get('orchestrator_budget_usd{part="cap"}'), 500);
  assert.ok((told.get("orchestrator_process_resident_memory_bytes") ?? 0) > 1e6);
});

test("a long pause of the service is made up for in pieces, and nothing is counted twice", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: {} } });
  house.workflow("writer").always(completeAtOnce);
  await house.enqueue({ payload: {} });
  await house.leap(50 * 3_600_000);
  while (await rollUp(house.db));
  assert.equal(await rollUp(house.db), false);
  const { rows } = await house.db.query("select sum(completed) as n from roll_ups where step = 'ever'");
  assert.deepEqual(rows, [{ n: 1 }]);
});

test("a step, a range or a lane that is none is refused", async (t) => {
  const house = await openTestHouse(t);
  for (const query of [
    "?step=week",
    "?from=2026-03-02T10:00:00Z&to=2026-03-02T09:00:00Z",
    "?lane=x",
    "?content_type=A",
  ]) {
    assert.equal((await house.api("GET", `/metrics/history${query}`)).status, 422, query);
  }
});
