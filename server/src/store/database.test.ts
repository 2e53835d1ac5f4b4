/** A transaction whose process hangs gives back what it has locked, and what it tries on waking up fails. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type pg from "pg";
import { freshDatabase } from "#test/database.ts";
import { type Database, openDatabase, type Queryable } from "./database.ts";
import { ensureOrchestrator } from "./orchestrator.ts";
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
  const streamOf = (tx: Queryable) =>
    (tx as unknown as pg.Client & { connection: { stream: NodeJS.ReadableStream } }).connection.stream;
  const hung = hanging.transaction(async (tx) => {
    await lockOrchestrator(tx);
    const answer = tx.query("select repeat('x', 1000) from generate_series(1, 50000)");
    const stream = streamOf(tx);
    stream.pause();
    await Promise.all([answer, decide(other).finally(() => stream.resume())]);
  });
  await assert.rejects(hung);
  assert.deepEqual(await made(other), ["the other"]);
});
