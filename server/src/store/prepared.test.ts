/** Statements by key are planned once for each connection to the server itself; a name that was lost is made anew. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import pg from "pg";
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

/** A connection that greets as `greeting`, takes batches, and lets them end as `end` says; returns what it was sent. */
function fakeClient(greeting: number, end: (batch: Batch) => void) {
  const sent: unknown[][] = [];
  const wire = new Proxy(
    { stream: { cork() {}, uncork() {} } },
    {
      get: (target, message) =>
        message === "stream" ? target.stream : (content: unknown) => sent.push([message, content]),
    },
  );
  const client = {
    processID: 815,
    query(asked: unknown) {
      if (typeof asked === "string") return Promise.resolve({ rows: [{ pid: greeting }] });
      const batch = asked as Batch;
      batch.submit(wire);
      end(batch);
    },
  } as unknown as pg.ClientBase;
  return { client, sent };
}

interface Batch {
  submit(connection: unknown): void;
  handleCommandComplete(message: { text: string }): void;
  handleReadyForQuery(): void;
  handleError(error: unknown): void;
}

const succeeds = (batch: Batch) => {
  batch.handleCommandComplete({ text: "UPDATE 2" });
  batch.handleReadyForQuery();
};
const CHANGE = "update kept set name = $1";
const types = pg.types as unknown as pg.CustomTypesConfig;

test("behind a proxy nothing has a name: whoever greets is not whoever answers", async () => {
  const { client, sent } = fakeClient(4711, succeeds);
  const preparer = createPreparer(types);
  await preparer.onConnect(client);
  for (const _ of [1, 2]) {
    sent.length = 0;
    assert.deepEqual(await preparer.queryByName(client, CHANGE, ["new"]), { rows: [], rowCount: 2 });
    assert.deepEqual(sent[0], ["parse", { name: "", text: CHANGE }]);
  }
});

test("what a connection has taken in once is neither parsed nor described again", async () => {
  const { client, sent } = fakeClient(815, succeeds);
  const preparer = createPreparer(types);
  await preparer.onConnect(client);
  await preparer.queryByName(client, CHANGE, ["new"]);
  assert.deepEqual(
    sent.splice(0).map(([message]) => message),
    ["parse", "bind", "describe", "execute", "sync"],
  );
  await preparer.queryByName(client, CHANGE, ["newer"]);
  assert.deepEqual(
    sent.map(([message]) => message),
    ["bind", "execute", "sync"],
  );
});

test("a name whose batch failed may or may not be there: it is closed before it is given again", async () => {
  let fails = true;
  const { client, sent } = fakeClient(815, (batch) =>
    fails ? batch.handleError(new Error("deadlock")) : succeeds(batch),
  );
  const preparer = createPreparer(types);
  await preparer.onConnect(client);
  await assert.rejects(preparer.queryByName(client, CHANGE, ["new"]), /deadlock/);
  fails = false;
  sent.length = 0;
  await preparer.queryByName(client, CHANGE, ["new"]);
  assert.deepEqual(
    sent.map(([message]) => message),
    ["close", "parse", "bind", "describe", "execute", "sync"],
  );
});

test("a server that does not know a name after all is sent no more of them", async () => {
  const { client, sent } = fakeClient(815, (batch) =>
    batch.handleError(Object.assign(new Error("no such statement"), { code: "26000" })),
  );
  const preparer = createPreparer(types);
  await preparer.onConnect(client);
  await assert.rejects(preparer.queryByName(client, CHANGE, ["new"]), (error) => isDatabaseOutage(error));
  sent.length = 0;
  await assert.rejects(preparer.queryByName(client, CHANGE, ["new"]));
  assert.deepEqual(sent[0], ["parse", { name: "", text: CHANGE }]);
});

test("a batch stands or falls as a whole, and the connection goes on", async (t) => {
  const db = await openOne(t);
  const sent = db.transactionByKey((tx) =>
    Promise.allSettled([
      tx.query("update kept set name = $1 where id = 1", ["changed"]),
      tx.query("insert into kept values ($1, 'twice')", [1]),
      tx.query(FIND, [2]),
    ]).then((all) => {
      assert.deepEqual(
        all.map((one) => one.status),
        ["rejected", "rejected", "rejected"],
      );
      throw new Error("as all of them");
    }),
  );
  await assert.rejects(sent, /as all of them/);
  assert.equal((await db.byKey.query(FIND, [1])).rows[0]?.name, "row 1");
  assert.equal((await db.byKey.query("select null::int as none, 7::bigint as seven", [])).rows[0]?.seven, 7);
});

test("a row that cannot be read fails its statement, not the process", async (t) => {
  const db = await openOne(t);
  t.mock.method(Date, "parse", () => {
    throw new Error("unreadable");
  });
  await assert.rejects(db.byKey.query("select '2026-01-01Z'::timestamptz as at", []), /unreadable/);
  t.mock.restoreAll();
  assert.deepEqual((await db.byKey.query("select '1970-01-01Z'::timestamptz as at", [])).rows, [{ at: 0 }]);
});
