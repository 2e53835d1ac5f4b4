/** Owns the test suite's PostgreSQL: a throw-away server, or the one of TEST_DATABASE_URL, and its template database. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { openDatabase } from "#store/database.ts";
import { startEmbedded } from "#store/embedded/index.ts";
import { migrate } from "#store/migrate.ts";
import { openOutbox } from "#store/outbox.ts";

/** What test processes have to know, handed down in their environment. */
export interface TestCluster {
  /** Of a user who may create databases. */
  adminUrl: string;
  /** Holds the schema of the service and of its outbox; every test's database is a copy of it. */
  template: string;
}

export interface StartedCluster extends TestCluster {
  stop(): Promise<void>;
}

/** Nothing here has to survive a power loss, and many test files may run at once on a large machine. */
const SETTINGS = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  autovacuum: "off",
  max_connections: "400",
};

const ADMIN_URL = "TEST_CLUSTER_ADMIN_URL";
const TEMPLATE = "TEST_CLUSTER_TEMPLATE";

/** The cluster that the global setup started, if there was one. */
export function inheritedCluster(): TestCluster | null {
  const { [ADMIN_URL]: adminUrl, [TEMPLATE]: template } = process.env;
  return adminUrl && template ? { adminUrl, template } : null;
}

/** Hands a cluster down to the processes that this one starts. */
export function bequeath(cluster: TestCluster): void {
  process.env[ADMIN_URL] = cluster.adminUrl;
  process.env[TEMPLATE] = cluster.template;
}

/** Starts a server (unless TEST_DATABASE_URL names one, PostgreSQL 15 or later) and makes the template. */
export async function startCluster(): Promise<StartedCluster> {
  const given = process.env.TEST_DATABASE_URL;
  const server = given ? { url: given, stop: async () => {} } : await startServer();
  const template = `orchestrator_template_${randomBytes(4).toString("hex")}`;
  try {
    await administer(server.url, `create database ${template}`);
    await fill(databaseUrl(server.url, template));
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    adminUrl: server.url,
    template,
    async stop() {
      if (given) await administer(server.url, `drop database if exists ${template} with (force)`);
      await server.stop();
    },
  };
}

async function startServer(): Promise<{ url: string; stop(): Promise<void> }> {
  const dataDir = await mkdtemp(join(tmpdir(), "orchestrator-test-"));
  const server = await startEmbedded({ dataDir, settings: SETTINGS, log: () => {} });
  // A run that is broken off ends the server too: it is told so by name, at the last moment there is.
  const pidFile = join(dataDir, "postgres", "postmaster.pid");
  const abandon = () => {
    try {
      process.kill(Number(readFileSync(pidFile, "utf8").split("\n")[0]), "SIGQUIT");
    } catch {
      // It has stopped by itself.
    }
  };
  process.once("exit", abandon);
  return {
    url: server.url,
    async stop() {
      await server.stop();
      process.off("exit", abandon);
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function fill(url: string): Promise<void> {
  const onError = (error: Error) => {
    throw error;
  };
  const db = openDatabase({ url, maxConnections: 2, onError });
  await migrate(db);
  const outbox = await openOutbox(db, onError);
  await outbox.stop();
  await db.close();
}

/** The address of another database of the same server. */
export function databaseUrl(adminUrl: string, database: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${database}`;
  return url.href;
}

/** Runs one statement on a connection of its own, outside of any transaction. */
export async function administer(adminUrl: string, statement: string, values: unknown[] = []) {
  const client = new pg.Client({ connectionString: adminUrl, application_name: "test-administration" });
  await client.connect();
  try {
    return await client.query(statement, values);
  } finally {
    await client.end();
  }
}
