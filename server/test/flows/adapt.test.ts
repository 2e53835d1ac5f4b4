/** Owns the proof that a day that costs too much is slowed down: tick by tick, visibly, and back when it eases. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Workflow } from "@master-orchestrator/contract";
import type { Reply } from "#test/fake-sub-workflow.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";

const TICK = 10_000;
/** Six o'clock: a quarter of the day. */
const startMs = Date.UTC(2026, 2, 2, 6);

const costing =
  (cost_usd: number): Reply =>
  (delivery) => ({
    status: 200,
    body: { status: "completed", items: delivery.items(), metrics: { cost_usd } },
  });

async function adapted(house: TestHouse) {
  return Workflow.parse((await house.api("GET", "/workflows/writer")).body).adapted;
}

test("spending ahead of the day's pace shrinks batches and stretches intervals, one step a tick", async (t) => {
  const house = await openTestHouse(t, {
    startMs,
    policy: { budget: { daily_usd: 100 }, adapt: { step: 0.25 } },
    env: { TICK_INTERVAL: "10s" },
    workflows: {
      writer: {
        schedule: { every_seconds: 3600 },
        max_concurrent: 1,
        estimates: { cost_usd_per_task: 0.01 },
      },
    },
  });
  assert.deepEqual(await adapted(house), {
    ...{ slowness: 0, batch_max: 10, every_seconds: 3600, per_slot: null, since: null },
    reason: "spending keeps to its pace, errors are few, and work takes no longer than usual",
  });
  house.workflow("writer").always(costing(60));
  await house.enqueue({});
  assert.equal((await adapted(house)).slowness, 0, "between ticks nothing moves");
  await house.advance(TICK);
  const first = await adapted(house);
  assert.deepEqual([first.slowness, first.batch_max, first.every_seconds], [0.25, 8, 6300]);
  assert.match(
    first.reason,
    /35 % of the budget ahead of the day's pace: \$60.00 of \$100.00 spent with 25 %/,
  );
  assert.equal(first.since, new Date(startMs + TICK).toISOString());
  await house.advance(3 * TICK);
  assert.deepEqual(
    [(await adapted(house)).slowness, (await adapted(house)).batch_max, (await adapted(house)).every_seconds],
    [1, 3, 14_400],
  );
  const { rows } = await house.db.query(
    `select decision from cycles, jsonb_array_elements(decisions) decision
      where decision->>'kind' = 'adapt' order by cycle_id`,
  );
  assert.deepEqual(
    rows.map(({ decision }) => [decision.from, decision.to]),
    [
      [0, 0.25],
      [0.25, 0.5],
      [0.5, 0.75],
      [0.75, 1],
    ],
  );
  const logged = house.logged.filter(({ message }) => message === "adapt").map(({ details }) => details);
  assert.deepEqual(logged.length, 4, "each move is in the log");
  assert.match(
    JSON.stringify(logged[0]),
    /"from":0,"to":0.25,"reason":"spending is 35 % of the budget ahead/,
  );
  house.workflow("writer").always({ status: 202, body: { accepted: true } });
  await house.enqueue(...Array.from({ length: 12 }, () => ({})));
  assert.equal(house.workflow("writer").last().message.input_data.tasks.length, 3);
  // The next UTC day has cost nothing yet.
  await house.leap(18 * 3_600_000);
  await house.advance(TICK);
  assert.ok((await adapted(house)).slowness < 1);
});
