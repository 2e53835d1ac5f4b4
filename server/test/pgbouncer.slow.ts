/** Owns the proof that everything works through PgBouncer in transaction mode: no statement relies on a session. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import { openDatabase } from "#store/database.ts";
import { checkInvariants } from "#store/invariants.ts";
import { migrate } from "#store/migrate.ts";
import { openOutbox } from "#store/outbox.ts";
import { databaseUrl } from "./cluster.ts";
import { freshDatabase } from "./database.ts";
import { completeAtOnce } from "./fake-sub-workflow.ts";
import { openTestHouse, type TestHouse } from "./house.ts";
import { startPgBouncer } from "./pgbouncer.ts";
import { findProgram } from "./programs.ts";

/** Fewer connections than one replica's pool would like to have, so that sessions are shared all the time. */
const POOL_SIZE = 3;
const skip = findProgram("pgbouncer")
  ? false
  : "pgbouncer is not installed (Debian: apt-get install pgbouncer)";

async function openBehindPgBouncer(t: TestContext): Promise<TestHouse> {
  return await openTestHouse(t, {
    env: { TICK_INTERVAL: "10s" },
    workflows: { writer: { batch: { max: 3 }, max_concurrent: 10 } },
    between: (url) => startPgBouncer(url, POOL_SIZE),
  });
}

async function assertInvariants({ db }: TestHouse): Promise<void> {
  const violated = (await checkInvariants(db)).filter((verdict) => verdict.rows.length > 0);
  assert.deepEqual(violated, []);
}

test("two replicas that start at once bring an empty database up to date through two connections", {
  skip,
}, async (t) => {
  const fresh = await freshDatabase();
  const name = `empty_${randomBytes(6).toString("hex")}`;
  await fresh.db.query(`create database ${name} template template0`);
  const pool = await startPgBouncer(databaseUrl(fresh.url, name), 2);
  t.after(async () => {
    await pool.stop();
    await fresh.db.query(`drop database ${name} with (force)`);
    await fresh.close();
  });
  const errors: Error[] = [];
  const start = async () => {
    const onError = (error: Error) => void errors.push(error);
    const db = openDatabase({ url: pool.url, maxConnections: 10, onError });
    try {
      const ran = await migrate(db);
      const outbox = await openOutbox(db, onError);
      await outbox.stop();
      return ran.length;
    } finally {
      await db.close();
    }
  };
  const ran = await Promise.all([start(), start()]);
  assert.equal(Math.min(...ran), 0, "one of them found nothing left to do");
  assert.ok(Math.max(...ran) > 0);
  assert.deepEqual(errors, []);
});

test("a task's whole life, ticks, checkpoints and a cancellation", { skip }, async (t) => {
  const house = await openBehindPgBouncer(t);
  const writer = house.workflow("writer");
  const [done, unwanted] = await house.enqueue({}, { priority: 90 });
  const run = writer.deliveries.find((delivery) => delivery.taskIds.includes(done!))!;
  assert.deepEqual((await run.claim()).body, { claimed: true });
  assert.equal((await run.claim("another")).status, 409);
  assert.equal((await run.heartbeat({ progress: 0.5 })).status, 200);
  assert.deepEqual((await run.save("outline", done!, { parts: 2 })).body, { saved: true });
  assert.equal((await run.saved(done!)).body.checkpoints.length, 1);
  assert.equal((await house.api("POST", `/tasks/${unwanted}/cancel`)).status, 200);
  await house.quiet();
  assert.equal((await house.task(unwanted!)).status, "cancelled");
  await house.advance(30_000);
  const { rows } = await house.db.query("select drift_ms from ticks order by boundary");
  assert.deepEqual(
    rows.map((row) => row.drift_ms),
    [0, 0, 0],
  );
  assert.deepEqual((await run.callback()).body, { accepted: true });
  assert.deepEqual((await run.callback()).body, { accepted: false, reason: "duplicate" });
  await house.quiet();
  assert.equal((await house.task(done!)).status, "completed");
  // The next transaction may be another server's, which would not know the name.
  assert.deepEqual((await house.db.query("select name from pg_prepared_statements")).rows, []);
  await assertInvariants(house);
});

test("two replicas share a crowd of tasks, in groups and in lists", { skip }, async (t) => {
  const house = await openBehindPgBouncer(t);
  const other = await house.replica();
  const writer = house.workflow("writer");
  writer.always(completeAtOnce);
  const sent = await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      (n % 2 ? house : other).api("POST", "/tasks", {
        tasks: Array.from({ length: 1 + (n % 4) }, () => ({ workflow_type: "writer" })),
      }),
    ),
  );
  const ids = sent.flatMap(({ body }) => body.tasks.map((task: { task_id: string }) => task.task_id));
  await house.quiet();
  await house.until("the last task", async () => {
    await house.advance(1_000);
    return (await other.api("GET", "/queue")).body.lanes[0]?.completed_last_hour === ids.length;
  });
  assert.deepEqual(writer.deliveries.flatMap((run) => run.taskIds).sort(), ids.sort());
  await assertInvariants(house);
});

test("what one transaction sets for itself reaches no other", { skip }, async (t) => {
  const fresh = await freshDatabase();
  const pool = await startPgBouncer(fresh.url, 1);
  const db = openDatabase({ url: pool.url, maxConnections: 2, onError: () => {} });
  t.after(async () => {
    await db.close();
    await pool.stop();
    await fresh.close();
  });
  const settings = async () =>
    (
      await db.query(
        "select pg_backend_pid() as pid, current_setting('statement_timeout') as s, current_setting('idle_in_transaction_session_timeout') as i",
      )
    ).rows[0];
  const before = await settings();
  const within = await db.transaction(async (tx) => {
    const { rows } = await tx.query(
      "select pg_backend_pid() as pid, current_setting('statement_timeout') as s",
    );
    return rows[0];
  });
  assert.equal(within?.pid, before?.pid, "the one session that there is");
  assert.equal(within?.s, "30s");
  assert.deepEqual(await settings(), before);
});
