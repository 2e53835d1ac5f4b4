/** Migrations run once each, whoever starts when, and a database of another version is left alone. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { Problem } from "@master-orchestrator/contract";
import { freshDatabase } from "#test/database.ts";
import { type Database, openDatabase } from "./database.ts";
import { migrate } from "./migrate.ts";

/** A database without any schema of ours, beside the test's own. */
async function emptyDatabase(t: TestContext): Promise<{ url: string; open(): Database }> {
  const fresh = await freshDatabase();
  const name = `empty_${randomBytes(6).toString("hex")}`;
  await fresh.db.query(`create database ${name} template template0`);
  const url = new URL(fresh.url);
  url.pathname = `/${name}`;
  const opened: Database[] = [];
  t.after(async () => {
    for (const db of opened) await db.close();
    await fresh.db.query(`drop database ${name} with (force)`);
    await fresh.close();
  });
  return {
    url: url.href,
    open() {
      const db = openDatabase({ url: url.href, maxConnections: 1, onError: () => {} });
      opened.push(db);
      return db;
    },
  };
}

const applied = async (db: Database) =>
  (await db.query("select name from schema_migrations order by name")).rows.map((row) => row.name);

async function refused(db: Database, words: RegExp): Promise<void> {
  await assert.rejects(
    () => migrate(db),
    (error) => {
      assert.ok(error instanceof Problem);
      assert.equal(error.code, "database_too_new");
      assert.match(error.message, words);
      assert.match(error.hint, /[Nn]othing was changed/);
      return true;
    },
  );
}

describe("migrating", () => {
  it("an empty database runs everything, in order; the second time nothing", async (t) => {
    const db = (await emptyDatabase(t)).open();
    const ran = await migrate(db);
    assert.equal(ran[0], "0001_foundation.sql");
    assert.ok(ran.includes("content/0001_articles.sql") || ran.some((name) => name.startsWith("content/")));
    assert.deepEqual(await applied(db), ran.toSorted());
    assert.deepEqual(await migrate(db), []);
    assert.equal((await db.query("select from tasks")).rowCount, 0);
  });

  it("from four replicas at once runs everything once", async (t) => {
    const { open } = await emptyDatabase(t);
    const replicas = [open(), open(), open(), open()];
    const ran = await Promise.all(replicas.map((db) => migrate(db)));
    assert.equal(ran.filter((names) => names.length > 0).length, 1, "one replica did it all");
    assert.deepEqual(await applied(replicas[0] as Database), ran.flat().toSorted());
  });

  it("a database that holds a migration of a newer version is refused, and left alone", async (t) => {
    const db = (await emptyDatabase(t)).open();
    await migrate(db);
    await db.query("insert into schema_migrations (name, checksum) values ('9999_future.sql', 'x')");
    await refused(db, /9999_future\.sql, which this version does not know/);
  });

  it("a database on which another text of a migration ran is refused", async (t) => {
    const db = (await emptyDatabase(t)).open();
    await migrate(db);
    await db.query("update schema_migrations set checksum = 'other' where name = '0001_foundation.sql'");
    await refused(db, /0001_foundation\.sql differs from the one that ran/);
  });

  it("that fails halfway leaves nothing behind", async (t) => {
    const db = (await emptyDatabase(t)).open();
    await db.query("create table content_blocker (); create schema content");
    await assert.rejects(() => migrate(db), /schema "content" already exists/);
    const { rows } = await db.query(
      "select to_regclass('tasks') as tasks, to_regclass('schema_migrations') as book",
    );
    assert.deepEqual(rows, [{ tasks: null, book: null }]);
  });
});
