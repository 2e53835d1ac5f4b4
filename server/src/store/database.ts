/** Owns the connection to PostgreSQL: one pool, one way to open a transaction. Knows no table. */
import { Problem } from "@master-orchestrator/contract";
import pg from "pg";

// biome-ignore lint/suspicious/noExplicitAny: rows are typed by the function that wrote the statement
export type Row = Record<string, any>;

/** Anything that runs one statement: the pool, or a transaction. */
export interface Queryable {
  query<R extends Row = Row>(
    text: string,
    values?: unknown[],
  ): Promise<{ rows: R[]; rowCount: number | null }>;
}

export interface Database extends Queryable {
  /**
   * Runs `work` in one transaction: committed when it resolves, rolled back when it throws. What it sends
   * without awaiting runs in the order in which it was sent, so a `Promise.all` of statements is one round trip.
   */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
  /** The same pool, but values come as the driver itself gives them: for pg-boss, which expects its `Date`s. */
  plain: Queryable;
  /** Of this process's pool: those that are open, those that somebody uses, and calls that wait for one. */
  connections(): { open: number; inUse: number; waiting: number };
  close(): Promise<void>;
}

const TIMESTAMPTZ = 1184;
const INT8 = 20;
const NUMERIC = 1700;

/** Instants leave the store as epoch milliseconds, counts and money as numbers. */
const types = {
  getTypeParser(oid: number, format?: "text" | "binary") {
    if (oid === TIMESTAMPTZ)
      return (text: string) => Date.parse(text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00"));
    if (oid === INT8 || oid === NUMERIC) return Number;
    return format === "binary" ? pg.types.getTypeParser(oid, "binary") : pg.types.getTypeParser(oid, "text");
  },
};

/**
 * A transaction's statement may run for 30 s. One left idle for 1.5 s loses its connection, with whatever it holds: a
 * process that hangs between two statements would keep a cycle waiting for the rows. Set per transaction, not per
 * session, so that a pooling proxy in between changes nothing.
 */
const BEGIN =
  "begin; set local statement_timeout = '30s'; set local idle_in_transaction_session_timeout = '1500ms'";

/** Connects lazily; at most `maxConnections`; a free one is waited for 10 s. */
export function openDatabase(options: {
  url: string;
  maxConnections: number;
  onError(error: Error): void;
}): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.maxConnections,
    types: types as pg.CustomTypesConfig,
    connectionTimeoutMillis: 10_000,
    // Statements that do not wait for each other's answers travel together, and run in the order in which they were sent.
    pipeline: true,
    idleTimeoutMillis: 30_000,
    // A server that vanished without a word is noticed within 15 s: the system asks every second after the fifth.
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    application_name: "master-orchestrator",
  });
  // Without a listener an idle connection that the server ends (57P01) would end the process.
  let closing = false;
  pool.on("error", (error) => {
    // The pool counts as closed before its connections are: a server that stops next may still cut them.
    if (!closing) options.onError(error);
  });
  return {
    query: (text, values) => pool.query(text, values),
    transaction: (work) => inTransaction(pool, work),
    plain: { query: (text, values) => pool.query({ text, values, types: pg.types } as pg.QueryConfig) },
    connections: () => ({
      open: pool.totalCount,
      inUse: pool.totalCount - pool.idleCount,
      waiting: pool.waitingCount,
    }),
    close() {
      closing = true;
      return pool.end();
    },
  };
}

async function inTransaction<T>(pool: pg.Pool, work: (tx: Queryable) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  const onError = (error: Error) => {
    broken = error;
  };
  client.on("error", onError);
  try {
    const begun = client.query(BEGIN);
    // The first statements need not wait for its answer; if it fails, so do they.
    begun.catch(() => {});
    const result = await work(client);
    await begun;
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback").catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.off("error", onError);
    client.release(broken);
  }
}

/**
 * A transaction whose statements may take minutes each, with files read in between: for maintenance, never for a request,
 * and never with a row that a cycle waits for.
 */
export async function longTransaction<T>(db: Database, work: (tx: Queryable) => Promise<T>): Promise<T> {
  return await db.transaction(async (tx) => {
    await tx.query(
      "set local statement_timeout = '10min'; set local idle_in_transaction_session_timeout = '5s'",
    );
    return await work(tx);
  });
}

/** Resolves if the server answers. */
export async function ping(db: Queryable): Promise<void> {
  await db.query("select 1");
}

/** Waits until the server answers, at most `deadlineMs`. Throws `database_unavailable`. */
export async function awaitDatabase(db: Queryable, deadlineMs: number): Promise<void> {
  const giveUpAt = performance.now() + deadlineMs;
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2000)) {
    try {
      await ping(db);
      return;
    } catch (error) {
      if (performance.now() + pauseMs > giveUpAt) {
        throw new Problem(
          "database_unavailable",
          `PostgreSQL does not answer: ${error instanceof Error ? error.message : String(error)}`,
          "Check DATABASE_URL (host, port, user, password, database) and that the server runs.",
        );
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
