/** Partitions are there before they are needed, an insert never fails for want of one, and what was there before moves along. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { describe, it, type TestContext } from "node:test";
import { v7 as uuidv7 } from "uuid";
import { DAY_MS, dayOf, dayStartMs } from "#core/utc-day.ts";
import { freshDatabase } from "#test/database.ts";
import { type Database, openDatabase } from "./database.ts";
import { migrate } from "./migrate.ts";
import { dropEmptyPartitions, ensurePartitions, firstId } from "./partitions.ts";
import { insertTransitions, transitionsOf } from "./transitions.ts";

const TODAY = dayStartMs("2026-03-02");

async function database(t: TestContext): Promise<Database> {
  const fresh = await freshDatabase();
  t.after(fresh.close);
  return fresh.db;
}

const write = (db: Database, entityId: string, atMs: number) =>
  insertTransitions(
    db,
    [{ entity: "task", entityId, from: null, to: "queued", reason: "enqueued" }],
    atMs,
    null,
  );

const writeCycle = (db: Database, atMs: number) =>
  db.query(
    `insert into cycles (cycle_id, trigger, started_at, duration_ms, policy_version, dispatched, held, snapshot, decisions, reasons, replica_id)
     values ($1, 'wake', $2, 1, 1, 0, 0, '{}', '[]', '[]', 'r')`,
    [uuidv7({ msecs: atMs }), new Date(atMs)],
  );

/** Which partition the rows of a log lie in. */
const places = async (db: Database, table: string, order: string) =>
  (await db.query(`select tableoid::regclass::text as name from ${table} order by ${order}`)).rows.map(
    (row) => row.name,
  );

describe("partitions", () => {
  it("are made for today and three days ahead, once", async (t) => {
    const db = await database(t);
    const names = await ensurePartitions(db, TODAY + 5);
    const days = ["20260302", "20260303", "20260304", "20260305"];
    assert.deepEqual(names, [
      ...days.map((day) => `transitions_p${day}`),
      ...days.map((day) => `cycles_p${day}`),
    ]);
    assert.deepEqual(await ensurePartitions(db, TODAY + 5), []);
    assert.deepEqual(await ensurePartitions(db, TODAY + DAY_MS), [
      "transitions_p20260306",
      "cycles_p20260306",
    ]);
  });

  it("take the rows of their day, and the default one takes all others", async (t) => {
    const db = await database(t);
    await ensurePartitions(db, TODAY);
    for (const atMs of [TODAY - 40 * DAY_MS, TODAY, TODAY + DAY_MS - 1, TODAY + 400 * DAY_MS]) {
      await write(db, "x", atMs);
      await writeCycle(db, atMs);
    }
    for (const [table, order] of [
      ["transitions", "transition_id"],
      ["cycles", "cycle_id"],
    ] as const) {
      const today = `${table}_p20260302`;
      assert.deepEqual(await places(db, table, order), [
        `${table}_default`,
        today,
        today,
        `${table}_default`,
      ]);
    }
    assert.equal((await transitionsOf(db, "x")).length, 4);
  });

  it("take over what the default one held of their day", async (t) => {
    const db = await database(t);
    await write(db, "x", TODAY);
    await write(db, "x", TODAY + 9 * DAY_MS);
    await ensurePartitions(db, TODAY);
    assert.deepEqual(await places(db, "transitions", "transition_id"), [
      "transitions_p20260302",
      "transitions_default",
    ]);
  });

  it("are made by several replicas at once without any of them failing", async (t) => {
    const db = await database(t);
    const made = await Promise.all([1, 2, 3].map(() => ensurePartitions(db, TODAY)));
    assert.equal(made.flat().length, 8);
  });

  it("go when they are old and empty, and only then", async (t) => {
    const db = await database(t);
    await ensurePartitions(db, TODAY);
    await write(db, "x", TODAY);
    assert.deepEqual(await dropEmptyPartitions(db, TODAY + 2 * DAY_MS), [
      "cycles_p20260302",
      "cycles_p20260303",
      "transitions_p20260303",
    ]);
    assert.equal((await transitionsOf(db, "x")).length, 1);
  });
});

describe("an id of a moment", () => {
  it("is the first that could be made then", () => {
    assert.equal(firstId(TODAY).length, 36);
    assert.ok(firstId(TODAY) < uuidv7({ msecs: TODAY }));
    assert.ok(uuidv7({ msecs: TODAY - 1 }) < firstId(TODAY));
  });
});

describe("an installation that has history already", () => {
  it("keeps every row and every id, and goes on", async (t) => {
    const fresh = await freshDatabase();
    const name = `old_${randomBytes(6).toString("hex")}`;
    await fresh.db.query(`create database ${name} template template0`);
    const url = new URL(fresh.url);
    url.pathname = `/${name}`;
    const db = openDatabase({ url: url.href, maxConnections: 2, onError: () => {} });
    t.after(async () => {
      await db.close();
      await fresh.db.query(`drop database ${name} with (force)`);
      await fresh.close();
    });
    await runUpTo(db, "0004");
    const nowMs = Date.now();
    for (let i = 0; i < 5; i++) {
      await write(db, "x", nowMs - i * 10 * DAY_MS);
      await writeCycle(db, nowMs - i * 10 * DAY_MS);
    }
    // An id that says nothing of its time.
    await db.query(
      "update cycles set cycle_id = 'ffffffff-ffff-4fff-bfff-ffffffffffff' where started_at = (select min(started_at) from cycles)",
    );
    const before = await contents(db);
    await migrate(db);
    await ensurePartitions(db, nowMs);
    assert.deepEqual(await contents(db), before);
    await write(db, "x", nowMs + 2 * DAY_MS);
    const { rows } = await db.query(
      "select transition_id, tableoid::regclass::text as name from transitions order by 1",
    );
    assert.deepEqual(
      rows.map((row) => row.transition_id),
      [1, 2, 3, 4, 5, 6],
    );
    const until = dayOf(nowMs + DAY_MS).replaceAll("-", "");
    const ahead = dayOf(nowMs + 2 * DAY_MS).replaceAll("-", "");
    assert.deepEqual([rows[0]!.name, rows[5]!.name], [`transitions_until${until}`, `transitions_p${ahead}`]);
  });
});

async function contents(db: Database) {
  const { rows } = await db.query(
    `select (select jsonb_agg(to_jsonb(t) order by transition_id) from transitions t) as transitions,
            (select jsonb_agg(to_jsonb(c) order by cycle_id) from cycles c) as cycles`,
  );
  return rows;
}

/** Runs the migrations before a given one, and books them as run. */
async function runUpTo(db: Database, end: string): Promise<void> {
  const folder = new URL("./migrations/", import.meta.url);
  await db.query(`create table schema_migrations (
    name text primary key, checksum text not null, applied_at timestamptz not null default clock_timestamp())`);
  for (const name of (await readdir(folder)).filter((one) => one.endsWith(".sql") && one < end).sort()) {
    const sql = await readFile(new URL(name, folder), "utf8");
    await db.query(sql);
    const checksum = createHash("sha256").update(sql).digest("hex");
    await db.query("insert into schema_migrations (name, checksum) values ($1, $2)", [name, checksum]);
  }
}
