/** Owns the proof that tests get databases of their own, with a clock that they move. */
import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { freshDatabase } from "./database.ts";

test("a fresh database has the whole schema and nothing in it", async () => {
  const fresh = await freshDatabase();
  const { rows } = await fresh.db.query("select count(*) from schema_migrations");
  assert.ok(rows[0]?.count > 0);
  assert.equal((await fresh.db.query("select from tasks")).rowCount, 0);
  assert.equal((await fresh.db.query("select from pgboss.queue where name = 'bites'")).rowCount, 1);
  await fresh.close();
});

test("two databases know nothing of each other", async () => {
  const [one, other] = await Promise.all([freshDatabase(), freshDatabase()]);
  await one.db.query("create table only_here ()");
  await assert.rejects(other.db.query("select from only_here"), /does not exist/);
  await Promise.all([one.close(), other.close()]);
});

test("time stands still once it was set, and moves only by the test", async () => {
  const fresh = await freshDatabase();
  const now = async () => (await fresh.db.query("select orchestrator_now() as now")).rows[0]?.now;
  assert.ok(Math.abs((await now()) - Date.now()) < 5_000);
  await fresh.setNow(Date.UTC(2026, 0, 1));
  assert.equal(await now(), Date.UTC(2026, 0, 1));
  await fresh.setNow(Date.UTC(2026, 0, 1) + 1);
  assert.equal(await now(), Date.UTC(2026, 0, 1) + 1);
  await fresh.close();
});

test("a connection that is left open is told by name", async () => {
  const fresh = await freshDatabase();
  const forgotten = new pg.Client({ connectionString: fresh.url, application_name: "forgotten" });
  forgotten.on("error", () => {});
  await forgotten.connect();
  await assert.rejects(fresh.close(), /not closed:\n {2}forgotten/);
  await forgotten.end().catch(() => {});
});
