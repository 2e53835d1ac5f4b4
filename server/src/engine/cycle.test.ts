/** Which cycle is a boundary's tick: the first that begins at or after it, by the database's clock. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Policy } from "@master-orchestrator/contract";
import { ensureOrchestrator } from "#store/orchestrator.ts";
import { openOutbox } from "#store/outbox.ts";
import { insertPolicyVersion } from "#store/policies.ts";
import { freshDatabase } from "#test/database.ts";
import { untilBlocked } from "#test/stored.ts";
import { runCycle, type Trigger } from "./cycle.ts";

const INTERVAL_MS = 10_000;
const NOON = Date.UTC(2026, 2, 2, 12, 0, 0);

async function openSite(t: TestContext) {
  const database = await freshDatabase();
  const { db } = database;
  const outbox = await openOutbox(db, () => {});
  t.after(async () => {
    await outbox.stop();
    await database.close();
  });
  await ensureOrchestrator(db);
  await insertPolicyVersion(db, 1, { policy: Policy.parse({}), comment: null, changedBy: "the test" });
  const cycle = (kind: Trigger["kind"], boundaryMs: number, waitMs = 0, patienceMs = 0) =>
    runCycle(
      { db, outbox, replicaId: "r1", localNowMs: Date.now },
      { kind, boundaryMs, intervalMs: INTERVAL_MS, waitMs, patienceMs },
    );
  const ticks = async () => (await db.query("select boundary, drift_ms from ticks order by 1")).rows;
  return { ...database, cycle, ticks };
}

test("a wake-up that begins after the boundary is its tick, and the next one is a wake-up again", async (t) => {
  const { setNow, cycle, ticks } = await openSite(t);
  await setNow(NOON - 1);
  assert.equal((await cycle("wake", NOON)).boundaryMs, null);
  await setNow(NOON + 7);
  assert.equal((await cycle("wake", NOON)).boundaryMs, NOON);
  assert.equal((await cycle("wake", NOON)).boundaryMs, null);
  assert.deepEqual(await ticks(), [{ boundary: NOON, drift_ms: 7 }]);
});

test("a tick that finds its boundary taken does nothing; of several gone by it runs the last", async (t) => {
  const { setNow, cycle, ticks } = await openSite(t);
  await setNow(NOON + 3 * INTERVAL_MS + 5);
  const first = await cycle("tick", NOON);
  assert.deepEqual([first.ran, first.boundaryMs], [true, NOON + 3 * INTERVAL_MS]);
  const second = await cycle("tick", NOON);
  assert.deepEqual([second.ran, second.boundaryMs], [false, null]);
  assert.equal((await ticks()).length, 1);
});

test("a tick that is early waits in the database, and nobody decides meanwhile", async (t) => {
  const { db, cycle, ticks } = await openSite(t);
  const boundaryMs = Date.now() + 1_500;
  const early = cycle("tick", boundaryMs, 5_000);
  await untilSleeping(db);
  const meanwhile = cycle("wake", boundaryMs);
  await untilBlocked(db);
  assert.deepEqual(await ticks(), []);
  const outcome = await early;
  assert.equal(outcome.boundaryMs, boundaryMs);
  assert.ok(outcome.nowMs >= boundaryMs);
  assert.equal((await meanwhile).boundaryMs, null, "it came second");
});

test("a tick whose boundary is further ahead than it may wait gives up, and says how late it is", async (t) => {
  const { setNow, cycle, ticks } = await openSite(t);
  await setNow(NOON - 501);
  const outcome = await cycle("tick", NOON, 500);
  assert.deepEqual([outcome.ran, outcome.boundaryMs, outcome.nowMs], [false, null, NOON - 501]);
  assert.deepEqual(await ticks(), []);
});

test("a sign of life may wait until its patience is over, or until a tick; the outcome says when", async (t) => {
  const { db, setNow, cycle } = await openSite(t);
  await setNow(NOON);
  await db.query(
    "insert into facts (kind, execution_id, attempt, data) values ('claim', gen_random_uuid(), 1, '{}')",
  );
  const left = async () => (await db.query("select count(*)::int as n from facts")).rows[0]?.n;
  await setNow(NOON + 100);
  const early = await cycle("wake", NOON + INTERVAL_MS, 0, 300);
  assert.deepEqual([await left(), early.nextDueMs], [1, NOON + 300]);
  assert.equal((await cycle("wake", NOON, 0, 300)).boundaryMs, NOON, "a tick");
  assert.equal(await left(), 0);
});

/** Resolves when a connection waits in `pg_sleep`. */
async function untilSleeping(db: Awaited<ReturnType<typeof freshDatabase>>["db"]): Promise<void> {
  for (let looks = 0; looks < 5_000; looks++) {
    const { rows } = await db.query(
      "select 1 from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'",
    );
    if (rows.length > 0) return;
  }
  throw new Error("nobody waits in the database");
}
