/** Brings the schema to this version's state: numbered SQL files, each run once, in order, by one replica at a time. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { Problem } from "@master-orchestrator/contract";
import type { Database, Queryable } from "./database.ts";

const LOCK_ID = 7_201_401;
/** How long another replica's changes to the schema are waited for, and how long one's own may take. */
const LOCK_WITHIN_MS = 300_000;
const LOOK_AGAIN_MS = 100;

interface Migration {
  name: string;
  sql: string;
  checksum: string;
}

/**
 * Runs what is missing, in one transaction under one lock: several replicas may start at once.
 * Returns the names that ran. Throws `database_too_new` when the database holds a migration that
 * this version does not know, and when a file was changed after it had run.
 */
export async function migrate(db: Database): Promise<string[]> {
  const known = [...(await read("./migrations/", "")), ...(await read("./migrations/content/", "content/"))];
  return await underSchemaLock(db, async (tx) => {
    await tx.query(`create table if not exists schema_migrations (
      name text primary key, checksum text not null, applied_at timestamptz not null default clock_timestamp())`);
    const applied = await tx.query<{ name: string; checksum: string }>(
      "select name, checksum from schema_migrations order by name",
    );
    refuseForeign(applied.rows, known);
    const done = new Set(applied.rows.map((row) => row.name));
    const missing = known.filter((migration) => !done.has(migration.name));
    for (const migration of missing) await run(tx, migration);
    return missing.map((migration) => migration.name);
  });
}

/**
 * Runs `work` while no other replica changes the schema. The lock is a transaction's, and who waits for it does so
 * without a connection: behind a pooling proxy with few of them, the one who works may need what a waiting one had.
 */
export async function underSchemaLock<T>(db: Database, work: (tx: Queryable) => Promise<T>): Promise<T> {
  const giveUpAt = performance.now() + LOCK_WITHIN_MS;
  for (;;) {
    const outcome = await db.transaction(async (tx) => {
      await tx.query(`set local statement_timeout = ${LOCK_WITHIN_MS}`);
      await tx.query(`set local idle_in_transaction_session_timeout = ${LOCK_WITHIN_MS}`);
      const { rows } = await tx.query("select pg_try_advisory_xact_lock($1) as locked", [LOCK_ID]);
      return rows[0]?.locked ? { result: await work(tx) } : null;
    });
    if (outcome) return outcome.result;
    if (performance.now() > giveUpAt) {
      throw new Problem(
        "database_unavailable",
        "another replica has been changing the schema for five minutes",
        "See in pg_stat_activity what it waits for, and start again.",
      );
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

async function run(tx: Queryable, migration: Migration): Promise<void> {
  await tx.query(migration.sql);
  await tx.query("insert into schema_migrations (name, checksum) values ($1, $2)", [
    migration.name,
    migration.checksum,
  ]);
}

function refuseForeign(applied: { name: string; checksum: string }[], known: Migration[]): void {
  for (const row of applied) {
    const mine = known.find((migration) => migration.name === row.name);
    if (!mine) {
      throw new Problem(
        "database_too_new",
        `the database holds migration ${row.name}, which this version does not know`,
        "Start the version that wrote it, or a newer one; nothing was changed.",
      );
    }
    if (mine.checksum !== row.checksum) {
      throw new Problem(
        "database_too_new",
        `migration ${row.name} differs from the one that ran on this database`,
        "Never change a migration that has run: add a new one. Nothing was changed.",
      );
    }
  }
}

async function read(folder: string, prefix: string): Promise<Migration[]> {
  const base = new URL(folder, import.meta.url);
  const names = (await readdir(base)).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name)).sort();
  return await Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(name, base), "utf8");
      return { name: prefix + name, sql, checksum: createHash("sha256").update(sql).digest("hex") };
    }),
  );
}
