/** Owns the proof of adjustments in the house: a lane becomes dearer, what is proposed is approved, measured, kept or taken back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Adjustment, AdjustmentDetail, AdjustmentList } from "@master-orchestrator/contract";
import { nextActivity } from "#test/activity.ts";
import type { Delivery, Reply } from "#test/fake-sub-workflow.ts";
import { call, openGateway } from "#test/gateway-caller.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";
import { send } from "#test/http.ts";

const HOUR_MS = 3_600_000;
const RULES = {
  window_hours: 4,
  baseline_days: 1,
  least_tasks: 10,
  measure_hours: 3,
  measure_within_hours: 8,
};
const LANE = "writer/default";

const PATIENCE_MS = 60_000;

/** To some seconds behind the next full hour: first what ended is counted, then the adjuster looks. */
async function nextHour(house: TestHouse): Promise<void> {
  const now = house.clock.nowMs();
  const boundary = (Math.floor(now / HOUR_MS) + 1) * HOUR_MS;
  await house.leap(boundary + 30_000 - now);
  await house.leap(15_000);
}

/** The simulator works in a thread of its own: however long that takes here, the test's own limit is the only one. */
async function awaited(house: TestHouse, state: Adjustment["state"]): Promise<Adjustment> {
  const giveUpAt = performance.now() + PATIENCE_MS;
  while (performance.now() < giveUpAt) {
    const { body } = await house.api("GET", `/adjustments?state=${state}&lane=${LANE}`);
    const [found] = AdjustmentList.parse(body).adjustments;
    if (found) return found;
    await nextActivity(100);
  }
  const { rows } = await house.db.query(
    "select step, at, content_type, completed, cost_micros from roll_ups where step = 'hour'",
  );
  const { body } = await house.api("GET", "/adjustments");
  const seen = { rows, body, logged: house.logged.slice(-10), now: house.clock.nowMs() };
  throw new Error(`no adjustment is ${state}: ${JSON.stringify(seen)}`);
}

const done = (delivery: Delivery, cost_usd: number): Reply => ({
  status: 200,
  body: { status: "completed", items: delivery.items(), metrics: { cost_usd } },
});

test("a lane becomes dearer, larger batches are proposed, approved, measured and kept; what was changed since is left", async (t) => {
  const house = await openTestHouse(t, {
    policy: { adjust: RULES, alerts: { enabled: false } },
    workflows: { writer: { max_concurrent: 3, batch: { min: 1, max: 5 } } },
  });
  // A run costs ten cents, whatever it carries, and a task one.
  house
    .workflow("writer")
    .always((delivery: Delivery) => done(delivery, 0.1 + 0.01 * delivery.taskIds.length));
  const tasks = (count: number) => Array.from({ length: count }, () => ({}));
  for (let hour = 0; hour < 3; hour++) {
    await house.enqueue(...tasks(15));
    await nextHour(house);
  }
  for (let hour = 0; hour < 4; hour++) {
    await house.enqueue(...tasks(5));
    await house.enqueue(...tasks(15));
    await nextHour(house);
  }
  const proposed = await awaited(house, "proposed");
  assert.deepEqual(proposed.changes, [{ path: ["lanes", LANE, "batch_min"], before: null, after: 5 }]);
  assert.ok(
    Math.abs((proposed.baseline.cost_per_task_usd as number) - 0.03) < 1e-9,
    JSON.stringify(proposed),
  );
  assert.match(proposed.why, /dearer than before: \$0\.0400 a task instead of \$0\.0300/);
  assert.ok(proposed.expected.saving_share > 0.2, JSON.stringify(proposed.expected));
  assert.equal(proposed.expected.completed.proposed, 80);
  const path = `/adjustments/${proposed.adjustment_id}`;
  const version = (await house.api("GET", "/policy")).body.version;
  assert.equal((await house.api("POST", `${path}/roll-back`)).status, 409, "nothing is in force yet");
  const approved = await house.api("POST", `${path}/approve`, { note: "let us see" });
  assert.equal(approved.status, 200, approved.text);
  const inForce = (await house.api("GET", "/policy")).body;
  assert.deepEqual([inForce.version, inForce.policy.lanes[LANE].batch_min], [version + 1, 5]);
  assert.match(inForce.comment, new RegExp(proposed.adjustment_id));
  assert.equal((await house.api("POST", `${path}/approve`)).status, 409);
  await nextHour(house);
  for (let hour = 0; hour < 3; hour++) {
    await house.enqueue(...tasks(5));
    await house.enqueue(...tasks(15));
    await nextHour(house);
  }
  await awaited(house, "kept");
  const kept = AdjustmentDetail.parse((await house.api("GET", path)).body);
  assert.deepEqual([kept.verdict, kept.after?.completed], ["helped", 60]);
  assert.deepEqual(
    kept.steps.map(({ to, actor }) => [to, actor === "orchestrator"]),
    [
      ["proposed", true],
      ["approved", false],
      ["measuring", true],
      ["kept", true],
    ],
  );
  await house.api("PUT", "/policy", { policy: { lanes: { [LANE]: { batch_min: 2 } } } });
  const superseded = (await house.api("POST", `${path}/roll-back`)).body;
  assert.equal(superseded.state, "superseded");
  assert.match(superseded.reason, /lanes\.writer\/default\.batch_min since: left as it is/);
  assert.equal((await house.api("GET", "/policy")).body.policy.lanes[LANE].batch_min, 2);
});

test("a cheaper model is called for the lane once approved, and taken back by rule when tasks cost more with it", async (t) => {
  const { house, provider } = await openGateway(t, {
    policy: { adjust: { ...RULES, window_hours: 3 }, alerts: { enabled: false } },
    workflows: { writer: { batch: { min: 1, max: 4 } } },
  });
  // What was before this house's time: 20 tasks an hour, at a cent each.
  await house.db.query(
    `insert into roll_ups (step, at, workflow_type, content_type, completed, cost_micros, wait_buckets, work_buckets, total_buckets)
     select 'hour', $1::timestamptz - make_interval(hours => n), 'writer', 'default', 20, 200000, '{}', '{}', '{}'
       from generate_series(1, 4) n`,
    [new Date(house.clock.nowMs())],
  );
  const used = async (delivery: Delivery, model: string, tokens: number) => {
    const body = { provider: "openai", model, input_tokens: tokens, output_tokens: 0 };
    const answer = await send(`${house.url}/api/v1/usage`, { method: "POST", key: delivery.token, body });
    assert.equal(answer.status, 200, answer.text);
  };
  house.workflow("writer").always(async (delivery: Delivery) => {
    await used(delivery, "gpt-4o", 100_000);
    if (delivery.message.input_data.tasks[0]?.content_type === "other")
      await used(delivery, "gpt-4o-mini", 1_000);
    return done(delivery, 0);
  });
  const hourOf = async (count: number) => {
    await house.enqueue(...Array.from({ length: count }, () => ({})));
    await nextHour(house);
  };
  await house.enqueue({ content_type: "other" });
  for (let hour = 0; hour < 3; hour++) await hourOf(4);
  const proposed = await awaited(house, "proposed");
  const field = { path: ["lanes", LANE, "models", "gpt-4o"], before: null, after: { to: "gpt-4o-mini" } };
  assert.deepEqual(proposed.changes, [field]);
  assert.ok(proposed.expected.saving_share > 0.9, JSON.stringify(proposed.expected));
  const path = `/adjustments/${proposed.adjustment_id}`;
  assert.equal((await house.api("POST", `${path}/approve`)).status, 200);
  // With the cheaper model it takes ten times as many tokens.
  let asked: { status: number; headers: Record<string, unknown> } | null = null;
  house.workflow("writer").always(async (delivery: Delivery) => {
    const body = { model: "gpt-4o", max_tokens: 20, messages: [{ role: "user", content: "hi" }] };
    asked ??= await call(house, { key: delivery.token, body });
    await used(delivery, "gpt-4o-mini", 4_000_000);
    return done(delivery, 0);
  });
  await nextHour(house);
  for (let hour = 0; hour < 3; hour++) await hourOf(4);
  const back = await awaited(house, "rolled_back");
  const { status, headers } = asked as unknown as { status: number; headers: Record<string, unknown> };
  assert.deepEqual([status, headers["x-orchestrator-fallback"]], [200, "gpt-4o to gpt-4o-mini: lane"]);
  assert.equal(provider.arrivals[0]?.body.model, "gpt-4o-mini");
  assert.deepEqual([back.verdict, back.state], ["hurt", "rolled_back"]);
  assert.match(back.reason, /^it hurt: \$\d\.\d+ a task after \$\d\.\d+/);
  const { policy, changed_by, version } = (await house.api("GET", "/policy")).body;
  assert.deepEqual(
    [policy.lanes[LANE], changed_by, version],
    [{ weight: 1 }, "orchestrator", back.rolled_back_version],
  );
  const again = await house.api("GET", `/adjustments?state=open`);
  assert.deepEqual(again.body.adjustments, [], "it is not proposed again at once");
});

test("other hours are proposed where tasks cost less then, kept to once approved, and taken back by rule when that hurt", async (t) => {
  const house = await openTestHouse(t, {
    policy: { adjust: { ...RULES, baseline_days: 3, measure_within_hours: 24 }, alerts: { enabled: false } },
    workflows: { writer: { max_concurrent: 3, batch: { min: 1, max: 1 } } },
  });
  const begun = house.clock.nowMs();
  const firstHour = new Date(begun).getUTCHours();
  // Twelve hours are cheap, until two from now: so it has been for three days.
  const [from, to] = [(firstHour + 14) % 24, (firstHour + 2) % 24];
  await house.db.query(
    `insert into roll_ups (step, at, workflow_type, content_type, completed, cost_micros, wait_buckets, work_buckets, total_buckets)
     select 'hour', date_trunc('hour', $1::timestamptz) - make_interval(hours => n), 'writer', 'default', 20,
            case when (n + 1) % 24 < 12 then 200000 else 600000 end, '{}', '{}', '{}' from generate_series(1, 72) n`,
    [new Date(begun)],
  );
  let cost = 0.04;
  house.workflow("writer").always((delivery: Delivery) => done(delivery, cost));
  const hourOf = async (count: number) => {
    if (count > 0) await house.enqueue(...Array.from({ length: count }, () => ({})));
    await nextHour(house);
  };
  for (cost of [0.04, 0.04, 0.05, 0.05]) await hourOf(6);
  const proposed = await awaited(house, "proposed");
  assert.equal(proposed.kind, "hours");
  assert.deepEqual(proposed.changes, [{ path: ["lanes", LANE, "hours"], before: null, after: [from, to] }]);
  assert.match(proposed.why, /less on (\d) of \1 days/);
  assert.ok(proposed.expected.saving_share > 0.1, JSON.stringify(proposed.expected));
  assert.equal(proposed.expected.completed.proposed, proposed.expected.completed.current, "as much is done");
  assert.ok((proposed.expected.wait_p95_seconds.proposed as number) > 10 * 3_600, "and has to wait for it");
  const path = `/adjustments/${proposed.adjustment_id}`;
  assert.equal((await house.api("POST", `${path}/approve`)).status, 200);
  const [waiting] = await house.enqueue({});
  const opens = begun - (begun % HOUR_MS) + 14 * HOUR_MS;
  const { hold } = (await house.api("GET", `/tasks/${waiting}`)).body;
  assert.deepEqual([hold.reason, hold.expected_start], ["outside_hours", new Date(opens).toISOString()]);
  const [lane] = (await house.api("GET", "/queue")).body.lanes;
  assert.deepEqual([lane.depth, lane.entitled_share], [1, null], "it competes with nobody until then");
  assert.equal(house.workflow("writer").deliveries.length, 24);
  await house.leap(opens - house.clock.nowMs());
  assert.equal((await house.api("GET", `/tasks/${waiting}`)).body.status, "completed");
  cost = 0.2;
  for (let hour = 0; hour < 3; hour++) await hourOf(6);
  const back = await awaited(house, "rolled_back");
  assert.deepEqual([back.verdict, back.adjustment_id], ["hurt", proposed.adjustment_id]);
  assert.equal((await house.api("GET", "/policy")).body.policy.lanes[LANE].hours, undefined);
});
