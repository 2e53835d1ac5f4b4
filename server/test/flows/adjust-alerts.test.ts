/** Owns the proof of what follows on alerts: an anomaly is looked into, and a missed uptime begins failover, by rule. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Alert, AlertDetail, RecoveryList } from "@master-orchestrator/contract";
import { completeAtOnce } from "#test/fake-sub-workflow.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

async function firing(house: TestHouse, rule: string): Promise<Alert> {
  return await house.until(`the alert ${rule}`, async () => {
    const { body } = await house.api("GET", `/alerts?state=firing&rule=${rule}`);
    return body.alerts[0];
  });
}

test("an anomaly asks the intelligence engine once; what it finds becomes part of the alert", async (t) => {
  // A Monday: the hour from 20:00 on is over.
  const house = await openTestHouse(t, { startMs: Date.UTC(2026, 2, 2, 21, 0, 30), workflows: {} });
  // For five weeks a dollar an hour; in the last full hour fifty.
  await house.db.query(
    `insert into roll_ups (step, at, workflow_type, content_type, completed, cost_micros, wait_buckets, work_buckets, total_buckets)
     select step, date_trunc(step, at, 'UTC'), 'content_pipeline', 'default', count(*) * 10,
            sum(case when at = '2026-03-02T20:00:00Z' then 50000000 else 1000000 end), '{}', '{}', '{}'
       from generate_series(timestamptz '2026-01-26T00:00:00Z', '2026-03-02T20:00:00Z', '1 hour') as at,
            unnest(array['hour', 'day']) as step group by 1, 2`,
  );
  await house.leap(MINUTE);
  const alert = await firing(house, "unusual_spending");
  const read = async () => AlertDetail.parse((await house.api("GET", `/alerts/${alert.alert_id}`)).body);
  const asked = await read();
  assert.equal(asked.investigation?.due_at, "2026-03-03T00:05:00.000Z", "once the day is over");
  assert.equal(asked.investigation?.finding, null);
  const taskId = asked.investigation?.task_id as string;
  const task = await house.task(taskId);
  const { metric, subject, from, to, alert_id } = task.payload.investigate;
  assert.deepEqual([metric, subject, from, to], ["cost_usd", "all", "2026-03-02", "2026-03-03"]);
  assert.deepEqual([alert_id, task.idempotency_key], [alert.alert_id, `alert:${alert.alert_id}`]);
  // First what has ended that day is counted, then the task is due.
  await house.leap(Date.UTC(2026, 2, 3, 0, 1) - house.clock.nowMs());
  await house.leap(Date.UTC(2026, 2, 3, 0, 5, 30) - house.clock.nowMs());
  await house.until("the engine's task", async () => (await house.task(taskId)).status === "completed");
  await house.leap(MINUTE);
  await house.until("the finding", async () => (await read()).investigation?.finding);
  const found = await read();
  assert.match(found.investigation?.finding?.headline as string, /cost/i);
  assert.equal(found.note, found.investigation?.finding?.headline);
  const told = found.transitions.map(({ to }) => to).filter((to) => to.startsWith("investigat"));
  assert.deepEqual(told, ["investigating", "investigated"]);
  const { rows } = await house.db.query(
    "select count(*)::int as n from tasks where idempotency_key like 'alert:%'",
  );
  assert.equal(rows[0]?.n, 1);
});

test("while the heartbeat misses its target a target fails over at its first failure; then it ends", async (t) => {
  const house = await openTestHouse(t, {
    policy: { retry: { base_seconds: 1, max_seconds: 1, jitter: 0 } },
    workflows: { writer: {}, a: {}, b: {} },
  });
  const [a, b] = [house.workflow("a"), house.workflow("b")];
  const targets = [
    { name: "a", webhook_url: a.url },
    { name: "b", webhook_url: b.url },
  ];
  await house.api("PUT", "/workflows/writer", { targets, batch: { max: 1 }, max_concurrent: 4 });
  a.always("cut");
  b.always(completeAtOnce);
  const open = async () => {
    const { recoveries } = RecoveryList.parse((await house.api("GET", "/recoveries?open=true")).body);
    return recoveries.map(({ procedure, subject }) => `${procedure} ${subject}`);
  };
  for (let tick = 0; tick < 10; tick++) await house.leap(5 * MINUTE);
  assert.deepEqual(await open(), []);
  // Nobody ticks for half an hour.
  await house.leap(30 * MINUTE);
  await house.leap(30 * SECOND);
  const alert = await firing(house, "uptime_burns_fast");
  assert.match(alert.words, /"99 % of the ticks run in time" burns \d/);
  await house.api("POST", "/orchestrator/tick");
  await house.until("failover", async () => (await open()).includes("failover orchestrator"));
  const steps = house.logged
    .filter(({ message }) => message === "recovery")
    .map(({ details }) => JSON.stringify(details));
  assert.ok(
    steps.some((step) => /failover/.test(step) && /uptime_burns_fast fires/.test(step)),
    steps.join("\n"),
  );
  await house.enqueue({}, {}, {}, {});
  await house.until("the target that does not answer to be cut off", async () =>
    (await open()).includes("trip_target writer/a"),
  );
  for (let tick = 0; tick < 5; tick++) await house.leap(5 * MINUTE);
  await house.until("failover to be over", async () => {
    const now = await open();
    if (!now.includes("failover orchestrator")) return true;
    await house.leap(MINUTE);
    return false;
  });
});
