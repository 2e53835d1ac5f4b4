/** Owns the proof that a service's own day can be simulated: what it recorded, under its policy and under another. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Callback } from "@master-orchestrator/contract";
import { command } from "#cli/stub-api.ts";
import { completeAtOnce } from "#test/fake-sub-workflow.ts";
import { ADMIN_KEY, openTestHouse, type TestHouse } from "#test/house.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** The command line's clock stands at nine in the morning of this day. */
const endMs = Date.parse("2026-12-01T09:00:00Z");

async function simulated(t: TestContext, house: TestHouse, policy: object) {
  const line = ["simulate", "--history", "--from", "1d", "--policy", "other.json", "--json"];
  const outcome = await command(t, house.url, line, {
    env: { ORCHESTRATOR_API_KEY: ADMIN_KEY },
    files: { "other.json": JSON.stringify(policy) },
  });
  assert.equal(outcome.code, 0, outcome.stderr);
  return { ...JSON.parse(outcome.stdout), said: outcome.stderr };
}

/** Lives through a day, hour by hour: articles by a schedule and by hand, each followed by an audit. */
async function aDay(t: TestContext): Promise<TestHouse> {
  const house = await openTestHouse(t, {
    startMs: endMs - 24 * HOUR - 30 * MINUTE,
    workflows: {
      auditor: {},
      digest: {},
      writer: { schedule: { every_seconds: 3600 }, next: [{ workflow_type: "auditor", on: "completed" }] },
    },
  });
  // A day that is over is work of the intelligence engine's own.
  const put = await house.api("PUT", "/workflows/intelligence_engine", { schedule: null });
  assert.equal(put.status, 200, put.text);
  /** Ends all that is at work there, also what comes while it does. */
  const finish = async (type: string, from: number, more: Partial<Callback> = {}) => {
    const { deliveries } = house.workflow(type);
    let done = from;
    for (await house.quiet(); done < deliveries.length; await house.quiet()) {
      const run = deliveries[done++]!;
      await run.callback({ metrics: { cost_usd: 0.1 * run.taskIds.length }, ...more });
    }
    return done;
  };
  house.workflow("digest").always(completeAtOnce);
  let [written, audited] = [0, 0];
  for (let hour = 0; hour < 24; hour++) {
    await house.leap(30 * MINUTE);
    if (hour === 12) await house.enqueue(...Array.from({ length: 5 }, () => ({ content_type: "news" })));
    await house.leap(MINUTE);
    written = await finish("writer", written);
    await house.leap(MINUTE);
    audited = await finish("auditor", audited, hour === 3 ? { next: [{ workflow_type: "digest" }] } : {});
    await house.leap(28 * MINUTE);
  }
  return house;
}

test("the recorded day is lived again by the same rules, and compared with another policy", async (t) => {
  const house = await aDay(t);
  const { body } = await house.api("GET", "/tasks?limit=500");
  const recorded = body.tasks as { workflow_type: string; status: string }[];
  const countOf = (type: string) => recorded.filter((task) => task.workflow_type === type).length;
  assert.deepEqual(
    [countOf("writer"), countOf("auditor"), countOf("digest")],
    [29, 29, 1],
    "24 slots and 5 sent, each audited",
  );
  assert.ok(recorded.every(({ status }) => status === "completed"));

  const { source, policies, said } = await simulated(t, house, { concurrency: { total: 1, high_load: 1 } });
  assert.match(said, /54 tasks of schedules and follow-ups left out: they come again by rule/);
  assert.deepEqual([source.kind, source.tasks, source.caused], ["history", 5, 54]);
  const [current, other] = policies;
  for (const { figures } of [current, other]) {
    assert.deepEqual([figures.tasks, figures.completed, figures.unfinished], [59, 59, 0]);
    assert.deepEqual(figures.schedules.writer, { first_seen: 1, run: 24 });
    assert.equal(figures.lanes["auditor/default"].tasks, 29);
    assert.equal(figures.cost_usd, 5.8, "the costs that were recorded, under every policy");
    assert.equal(figures.budget.daily_usd, 500);
    assert.ok(figures.budget.dearest_day_usd > 2 && figures.budget.dearest_day_usd < 5.8);
  }
  const waits = policies.map(({ figures }: { figures: { wait_seconds: object } }) => figures.wait_seconds);
  assert.equal(waits[0].p95, 0, "as on the day itself");
  assert.ok(waits[1].max > waits[0].max, `one at a time they wait for one another: ${JSON.stringify(waits)}`);
  assert.deepEqual([current.figures.slots.limit, other.figures.slots.limit], [10, 1]);
});
