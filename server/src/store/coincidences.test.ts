/** What an investigation is told of the house: changes by people, recoveries, failures, deployments, each within its days. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NOW } from "#test/builders.ts";
import { openStore } from "#test/stored.ts";
import { coincidences } from "./coincidences.ts";
import { insertTransitions } from "./transitions.ts";

const DAY_MS = 86_400_000;
const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10);

test("everything that happened in the house within the days is told, oldest first, and nothing of other days", async (t) => {
  const { db } = await openStore(t, { lawless: true });
  const at = Math.floor(NOW / DAY_MS) * DAY_MS;
  const policy = {
    entity: "policy",
    entityId: "7",
    from: null,
    to: "active",
    reason: "budget halved",
  } as const;
  await insertTransitions(db, [policy], at + 2_000, null);
  await insertTransitions(db, [{ ...policy, entityId: "8" }], at + 2 * DAY_MS, null);
  await insertTransitions(db, [{ ...policy, entity: "task", entityId: "x" }], at + 3_000, null);
  await db.query(
    `insert into recoveries (recovery_id, procedure, subject, state, cause, entry_rule, exit_rule, opened_at, since_at)
     values (gen_random_uuid(), 'trip_breaker', 'writer', 'open', 'five failures in a row', '', '', $1, $1)`,
    [new Date(at + 4_000)],
  );
  await db.query(
    `insert into roll_ups (step, at, workflow_type, content_type, completed, dead_lettered, wait_buckets, work_buckets, total_buckets)
     values ('day', $1, 'writer', 'news', 8, 2, '{}', '{}', '{}'), ('day', $1, 'writer', 'how_to', 5, 0, '{}', '{}', '{}'),
            ('day', $1, 'quiet', 'x', 5, 0, '{}', '{}', '{}')`,
    [new Date(at)],
  );
  await db.query("insert into replicas (replica_id, started_at, seen_at) values ('r1', $1, $1)", [
    new Date(at + 5_000),
  ]);
  const day = { from: dayOf(at), to: dayOf(at + DAY_MS), limit: 10 };
  const told = (await coincidences(db, day)).filter(({ subject }) => subject !== "schema");
  assert.deepEqual(
    told.map(({ kind, subject, what }) => [kind, subject, what]),
    [
      ["failures", "writer", "2 of 15 tasks of that day were dead-lettered"],
      ["policy", "7", "active: budget halved"],
      ["recovery", "writer", "trip_breaker: five failures in a row"],
      ["deployment", "r1", "a replica was started"],
    ],
  );
  const newest = await coincidences(db, { ...day, limit: 1 });
  assert.deepEqual(newest.length, 1);
});
