/** Owns the proof of what lanes are counted to: by status, up to a limit, in full, and as the last hour had it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MINUTE, NOW, WORKFLOW } from "#test/builders.ts";
import { freshDatabase } from "#test/database.ts";
import { openStore } from "#test/stored.ts";
import { completedLastHour, laneCounts, waitingCounts } from "./lane-counts.ts";
import { rollUp } from "./roll-ups.ts";

const DEFAULT = { workflowType: WORKFLOW, contentType: "default" };
const NEWS = { workflowType: WORKFLOW, contentType: "news" };

test("a lane is counted by status, no further than asked", async (t) => {
  const store = await openStore(t, {
    workflows: { [WORKFLOW]: { max_concurrent: 1, batch: { min: 1, max: 1 } } },
  });
  await store.enqueue({ priority: 90 }, {}, { content_type: "news" });
  await store.enqueue({ not_before: new Date(NOW + 60 * MINUTE).toISOString() });
  await store.cycle();
  await store.pass(90_000);
  await store.enqueue({ priority: 10 }, { priority: 20 });
  const none = { scheduled: 0, retrying: 0, running: 0 };
  assert.deepEqual(await laneCounts(store.db, 100), [
    { ...none, ...DEFAULT, depth: 3, scheduled: 1, running: 1 },
    { ...none, ...NEWS, depth: 1 },
  ]);
  assert.equal((await laneCounts(store.db, 2))[0]?.depth, 2);
  const ageing = { boost_after_minutes: 30, boost_per_minute: 10 };
  const counted = await waitingCounts(store.db, [DEFAULT], [0, 20, 100], ageing);
  assert.deepEqual(
    [...counted].map(([lane, { depth, ahead }]) => [lane, depth, [...ahead.values()]]),
    [[`${WORKFLOW}/default`, 3, [3, 2, 0]]],
  );
});

test("the last hour is the same whether its minutes are rolled up or not", async (t) => {
  const { db, setNow, close } = await freshDatabase();
  t.after(close);
  await setNow(NOW);
  await db.query("update roll_up_progress set rolled_until = $1", [new Date(NOW)]);
  await db.query(
    `insert into tasks (task_id, workflow_type, content_type, priority, status, payload, request_hash, created_by, created_at,
            due_at, aged_from, started_at, completed_at)
     select gen_random_uuid(), $1, 'default', 50, 'completed', '{}', '', 'the test', at, at, at, at, at
       from unnest($2::timestamptz[]) at`,
    [WORKFLOW, [10_000, 70_000, 30 * MINUTE].map((ms) => new Date(NOW + ms))],
  );
  await setNow(NOW + 60 * MINUTE);
  const lane = `${WORKFLOW}/default`;
  assert.equal((await completedLastHour(db)).get(lane), 3);
  while (await rollUp(db));
  assert.equal((await completedLastHour(db)).get(lane), 3);
  await setNow(NOW + 61 * MINUTE);
  assert.equal((await completedLastHour(db)).get(lane), 2, "the first minute is out of it");
});
