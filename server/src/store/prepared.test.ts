/** Statements by key are planned once for each connection to the server itself; a name that was lost is made anew. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type pg from "pg";
import { freshDatabase } from "#test/database.ts";
import { openDatabase } from "./database.ts";
import { isDatabaseOutage } from "./outage.ts";
import { createPreparer } from "./prepared.ts";

async function openOne(t: TestContext) {
  const fresh = await freshDatabase();
  // One connection, so that what was prepared before is there again.
  const db = openDatabase({ url: fresh.url, maxConnections: 1, onError: () => {} });
  t.after(async () => {
    await db.close();
    await fresh.close();
  });
  await db.query("create table kept (id int primary key, name text)");
  await db.query("insert into kept select n, 'row ' || n from generate_series(1, 1000) n");
  return db;
}

const FIND = "select * from kept where id = $1";
const PREPARED = "select statement from pg_prepared_statements where statement like $1";

test("a statement by key is prepared once, in transactions and alone; others are not", async (t) => {
  const db = await openOne(t);
  const named = async () => (await db.query(PREPARED, ["%from kept%"])).rows.map((row) => row.statement);
  for (let id = 1; id <= 3; id++) await db.query(FIND, [id]);
  assert.deepEqual(await named(), []);
  const found = await db.transactionByKey(async (tx) => {
    const both = await Promise.all([tx.query(FIND, [1]), tx.query(FIND, [2])]);
    return both.map(({ rows }) => rows[0]?.name);
  });
  assert.deepEqual(found, ["row 1", "row 2"]);
  assert.equal((await db.byKey.query(FIND, [3])).rows[0]?.name, "row 3");
  assert.deepEqual(await named(), [FIND]);
});

test("it reads no whole table, also where its plan was made while the table was empty", async (t) => {
  const db = await openOne(t);
  await db.query("truncate kept");
  for (let times = 0; times < 8; times++) await db.byKey.query(FIND, [7]);
  const plan = await db.byKey.query(`explain (format json) ${FIND.replace("$1", "7")}`);
  assert.match(JSON.stringify(plan.rows), /Index Scan/);
  assert.equal(
    (await db.query("show enable_seqscan")).rows[0]?.enable_seqscan,
    "on",
    "the rest of the pool is free to",
  );
});

test("a statement alone is committed when it has answered, and leaves nothing when it fails", async (t) => {
  const db = await openOne(t);
  await db.byKey.query("update kept set name = $2 where id = $1", [1, "changed"]);
  assert.equal((await db.query(FIND, [1])).rows[0]?.name, "changed");
  await assert.rejects(db.byKey.query("insert into kept values ($1, 'twice')", [1]), /duplicate key/);
  assert.equal((await db.byKey.query(FIND, [2])).rows[0]?.name, "row 2", "the connection goes on");
});

test("after its columns have changed it fails once, as something that passes, and is prepared anew", async (t) => {
  const db = await openOne(t);
  await db.byKey.query(FIND, [1]);
  await db.query("alter table kept add column more text default 'more'");
  await assert.rejects(db.byKey.query(FIND, [1]), (error) => isDatabaseOutage(error));
  assert.equal((await db.byKey.query(FIND, [1])).rows[0]?.more, "more");
});

test("behind a proxy nothing has a name: whoever greets is not whoever answers", async () => {
  const sent: unknown[] = [];
  const client = {
    processID: 4711,
    async query(statement: unknown) {
      sent.push(statement);
      return { rows: [{ pid: 815 }] };
    },
  } as unknown as pg.ClientBase;
  const preparer = createPreparer();
  await preparer.onConnect(client);
  await preparer.query(client, FIND, [1]);
  assert.equal(sent[1], FIND, "a text, without a name");
});

test("a server that does not know a name after all is sent no more of them", async () => {
  const sent: unknown[] = [];
  const client = {
    processID: 815,
    async query(statement: unknown) {
      sent.push(statement);
      if (typeof statement === "object")
        throw Object.assign(new Error("no such statement"), { code: "26000" });
      return { rows: [{ pid: 815 }] };
    },
  } as unknown as pg.ClientBase;
  const preparer = createPreparer();
  await preparer.onConnect(client);
  await assert.rejects(preparer.query(client, FIND, [1]), (error) => isDatabaseOutage(error));
  await preparer.query(client, FIND, [1]);
  assert.equal(sent.at(-1), FIND);
});
