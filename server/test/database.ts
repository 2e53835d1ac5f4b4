/** Owns a test's own database: fresh from the template, with a clock that the test moves, gone afterwards. */
import { randomBytes } from "node:crypto";
import { after } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Database, openDatabase } from "#store/database.ts";
import {
  administer,
  databaseUrl,
  inheritedCluster,
  type StartedCluster,
  startCluster,
  type TestCluster,
} from "./cluster.ts";

export interface TestDatabase {
  /** A pool for the test's own looks into the tables. */
  db: Database;
  /** For whoever opens connections of their own. */
  url: string;
  /** Stops the database's clock at `ms` (epoch). Without any call it is the real one. */
  setNow(ms: number): Promise<void>;
  /** Drops the database. Rejects if somebody still has a connection to it, and says who. */
  close(): Promise<void>;
}

/** Backends of closed connections are gone within this time, or somebody has not closed theirs. */
const CONNECTIONS_GONE_WITHIN_MS = 1_000;

/** A run of one file without the global setup starts the server here, on first use. */
let own: Promise<StartedCluster> | undefined;
after(async () => {
  await (await own)?.stop();
});

async function cluster(): Promise<TestCluster> {
  const inherited = inheritedCluster();
  if (inherited) return inherited;
  own ??= startCluster();
  return own;
}

/** A database of the test's own, with all migrations. */
export async function freshDatabase(): Promise<TestDatabase> {
  const { adminUrl, template } = await cluster();
  const name = `test_${process.pid}_${randomBytes(4).toString("hex")}`;
  await createFrom(template, name, adminUrl);
  const url = databaseUrl(adminUrl, name);
  const db = openDatabase({ url, maxConnections: 4, onError: () => {} });
  let closing: Promise<void> | undefined;
  let frozen = false;
  return {
    db,
    url,
    async setNow(ms) {
      if (!frozen) await freezeClock(db);
      frozen = true;
      await db.query("update test_clock set now = $1", [new Date(ms)]);
    },
    close() {
      closing ??= (async () => {
        await db.close();
        const left = await leftConnections(adminUrl, name);
        await administer(adminUrl, `drop database ${name} with (force)`);
        if (left.length > 0) throw new Error(`these connections were not closed:\n${left.join("\n")}`);
      })();
      return closing;
    },
  };
}

/** A template may have no connection while it is copied; two files may want to copy it at the same moment. */
async function createFrom(template: string, name: string, adminUrl: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      // Files are copied as they are: with fsync off that is the quickest way to a small database.
      await administer(adminUrl, `create database ${name} template ${template} strategy file_copy`);
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== "55006" || tries === 50) throw error;
      await pause(20);
    }
  }
}

/** From now on the service's time is what stands in one row. */
async function freezeClock(db: Database): Promise<void> {
  await db.query(
    `create table if not exists test_clock (now timestamptz not null);
     insert into test_clock select clock_timestamp() where not exists (select from test_clock);
     create or replace function orchestrator_now() returns timestamptz language sql volatile
       as 'select now from test_clock'`,
  );
}

async function leftConnections(adminUrl: string, name: string): Promise<string[]> {
  const giveUpAt = performance.now() + CONNECTIONS_GONE_WITHIN_MS;
  for (;;) {
    const { rows } = await administer(
      adminUrl,
      `select application_name, state, left(query, 200) as query from pg_stat_activity
        where datname = $1 and backend_type = 'client backend'`,
      [name],
    );
    if (rows.length === 0 || performance.now() > giveUpAt) {
      return rows.map((row) => `  ${row.application_name} (${row.state}), last statement: ${row.query}`);
    }
    await pause(20);
  }
}
