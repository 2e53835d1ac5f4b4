/** A transaction whose process hangs gives back what it has locked, and what it tries on waking up fails. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Problem } from "@master-orchestrator/contract";
import pg from "pg";
import { freshDatabase } from "#test/database.ts";
import { type Database, openDatabase, type Queryable } from "./database.ts";
import { ensureOrchestrator } from "./orchestrator.ts";
import { isDatabaseOutage } from "./outage.ts";
import { lockOrchestrator } from "./snapshot.ts";

/** Two replicas' databases, one of which is going to hang. */
async function openTwo(t: TestContext) {
  const fresh = await freshDatabase();
  const hanging = openDatabase({ url: fresh.url, maxConnections: 1, onError: () => {} });
  t.after(async () => {
    await hanging.close();
    await fresh.close();
  });
  await ensureOrchestrator(fresh.db);
  await fresh.db.query("create table made (by text)");
  return { hanging, other: fresh.db };
}

/** What another replica does meanwhile: it gets the row although the first one never let go of it. */
async function decide(db: Database): Promise<void> {
  await db.transaction(async (tx) => {
    await lockOrchestrator(tx);
    await tx.query("insert into made values ('the other')");
  });
}

const made = async (db: Database) => (await db.query("select by from made")).rows.map((row) => row.by);

test("a replica that hangs with the row in its hands loses it, and its commit fails", async (t) => {
  const { hanging, other } = await openTwo(t);
  const hung = hanging.transaction(async (tx) => {
    await lockOrchestrator(tx);
    await tx.query("insert into made values ('the one that hung')");
    await decide(other);
  });
  await assert.rejects(hung);
  assert.deepEqual(await made(other), ["the other"]);
  await decide(hanging);
  assert.deepEqual(await made(other), ["the other", "the other"], "and it goes on with a new connection");
});

test("a replica that hangs in the middle of an answer loses the row too", {
  skip: process.platform === "linux" ? false : "only Linux tells a server that nobody reads",
}, async (t) => {
  const { hanging, other } = await openTwo(t);
  const connecting = t.mock.method(pg.Client.prototype, "connect");
  const hung = hanging.transaction(async (tx) => {
    await lockOrchestrator(tx);
    const answer = tx.query("select repeat('x', 1000) from generate_series(1, 50000)");
    const client = connecting.mock.calls[0]?.this as pg.Client & {
      connection: { stream: NodeJS.ReadableStream };
    };
    const { stream } = client.connection;
    stream.pause();
    await Promise.all([answer, decide(other).finally(() => stream.resume())]);
  });
  await assert.rejects(hung);
  assert.deepEqual(await made(other), ["the other"]);
});

test("who finds no free connection in time is told that the database is busy, and what to do", async (t) => {
  const fresh = await freshDatabase();
  const small = openDatabase({ url: fresh.url, maxConnections: 1, waitMs: 1_000, onError: () => {} });
  t.after(async () => {
    await small.close();
    await fresh.close();
  });
  const busy = (error: unknown) => {
    assert.ok(error instanceof Problem);
    assert.deepEqual([error.code, error.details.retry_after_seconds], ["database_busy", 1]);
    assert.match(error.message, /all 1 are in use/);
    assert.ok(isDatabaseOutage(error));
    return true;
  };
  await small.transaction(async () => {
    await Promise.all([
      assert.rejects(small.query("select 1"), busy),
      assert.rejects(
        small.transaction((tx) => tx.query("select 1")),
        busy,
      ),
      assert.rejects(small.plain.query("select 1"), busy),
    ]);
  });
  assert.equal((await small.query("select 1 as one")).rows[0]?.one, 1);
});

test("a pool that shrinks closes what nobody uses, and the rest when it is given back; a pool that grows opens more", async (t) => {
  const fresh = await freshDatabase();
  const pool = openDatabase({ url: fresh.url, maxConnections: 4, onError: () => {} });
  t.after(async () => {
    await pool.close();
    await fresh.close();
  });
  const together = async (count: number) => {
    const all = Promise.withResolvers<void>();
    let inside = 0;
    const one = () =>
      pool.transaction(async (tx) => {
        await tx.query("select 1");
        inside += 1;
        if (inside === count) all.resolve();
        await all.promise;
      });
    await Promise.all(Array.from({ length: count }, one));
  };
  await together(4);
  assert.equal(pool.connections().open, 4);
  pool.resize(2);
  while (pool.connections().open > 2) await new Promise((resolve) => setImmediate(resolve));
  await together(2);
  assert.equal(pool.connections().open, 2);
  pool.resize(3);
  await together(3);
  assert.equal(pool.connections().open, 3);
});

test("what is dear to plan has a connection of its own among those that are allowed; of two none is spared", async (t) => {
  const fresh = await freshDatabase();
  const db = openDatabase({ url: fresh.url, maxConnections: 3, onError: () => {} });
  t.after(async () => {
    await db.close();
    await fresh.close();
  });
  const server = async (asked: Queryable) => (await asked.query("select pg_backend_pid() as id")).rows[0]?.id;
  const steady = await server(db.steady);
  const others = await Promise.all(
    [1, 2, 3].map(() =>
      db.transaction(async (tx) => {
        assert.equal(await server(db.steady), steady, "it waits for nobody");
        return await server(tx);
      }),
    ),
  );
  assert.ok(!others.includes(steady), "and nobody else has it");
  assert.equal(db.connections().open, 3);
  db.resize(2);
  assert.notEqual(await server(db.steady), steady, "with two, all share both");
  while (db.connections().open > 2) await new Promise((resolve) => setImmediate(resolve));
});
