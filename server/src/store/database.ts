/** Owns the connection to PostgreSQL: one pool, one way to open a transaction. Knows no table. */
import { Problem } from "@master-orchestrator/contract";
import pg from "pg";
import type { Answer } from "./batch.ts";
import { createPreparer, type Preparer } from "./prepared.ts";

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
  /**
   * One connection, always the same, for statements that are dear to plan: a connection that meets them for the first time
   * takes ten times as long. Opened when it is first asked for, and counted among the others; of two or fewer none is spared.
   */
  steady: Queryable;
  /**
   * A transaction whose statements come again and again, with few rows of large tables, each found by its key: they are
   * planned once for each connection, and never read a whole table.
   */
  transactionByKey<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
  /** Each of its statements is such a transaction, in one round trip. */
  byKey: Queryable;
  /** The same pool, but values come as the driver itself gives them: for pg-boss, which expects its `Date`s. */
  plain: Queryable;
  /**
   * Of this process's pool: those that are open, those that were in use since the last call (on average, rounded up), and
   * calls that wait for one now.
   */
  connections(): { open: number; inUse: number; waiting: number };
  /** From now on at most so many are open; those that are too many are closed as soon as nobody uses them. */
  resize(maxConnections: number): void;
  close(): Promise<void>;
}

const TIMESTAMPTZ = 1184;
const INT8 = 20;
const NUMERIC = 1700;

/** As PostgreSQL writes it; nearly always in UTC. */
function instantOf(text: string): number {
  if (text.endsWith("+00")) return Date.parse(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`);
  return Date.parse(text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00"));
}

/** Instants leave the store as epoch milliseconds, counts and money as numbers. */
const types = {
  getTypeParser(oid: number, format?: "text" | "binary") {
    if (oid === TIMESTAMPTZ) return instantOf;
    if (oid === INT8 || oid === NUMERIC) return Number;
    return format === "binary" ? pg.types.getTypeParser(oid, "binary") : pg.types.getTypeParser(oid, "text");
  },
};

/**
 * A transaction's statement may run for 30 s. One left idle for 1.5 s loses its connection, with whatever it holds: a
 * process that hangs between two statements would keep a cycle waiting for the rows. Set per transaction, not per
 * session, so that a pooling proxy in between changes nothing.
 */
const LIMITS = { statement_timeout: "30s", idle_in_transaction_session_timeout: "1500ms" };
/** No query yet: a transaction may still say how it is isolated. */
const BEGIN = ["begin", ...Object.entries(LIMITS).map(([name, value]) => `set local ${name} = '${value}'`)];

/**
 * With the statistics of a moment ago the planner would rather read and hash whole tables; and a plan that was made while a
 * table was empty is kept while it grows. And a scan by bitmap never marks the dead entries of an index: in one that holds
 * only what lives, each would read all that has died again.
 */
const LIMITS_BY_KEY = `select ${[
  ...Object.entries(LIMITS),
  ...["seqscan", "hashjoin", "mergejoin", "bitmapscan"].map((way) => [`enable_${way}`, "off"]),
]
  .map(([name, value]) => `set_config('${name}', '${value}', true)`)
  .join(", ")}`;

const WAIT_MS = 10_000;
/** A pool of so few spares none of them: who has a transaction open may need another one beside it. */
const FEW_CONNECTIONS = 2;

/** Connects lazily; at most `maxConnections`. Who finds none free within `waitMs` is refused: Problem `database_busy`. */
export function openDatabase(options: {
  url: string;
  maxConnections: number;
  waitMs?: number;
  onError(error: Error): void;
}): Database {
  const preparer = createPreparer(types as pg.CustomTypesConfig);
  const settings: pg.PoolConfig = {
    onConnect: preparer.onConnect,
    connectionString: options.url,
    types: types as pg.CustomTypesConfig,
    connectionTimeoutMillis: options.waitMs ?? WAIT_MS,
    // Statements that do not wait for each other's answers travel together, and run in the order in which they were sent.
    pipeline: true,
    // A server that vanished without a word is noticed within 15 s: the system asks every second after the fifth.
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    application_name: "master-orchestrator",
  };
  const pool = new pg.Pool({ ...settings, max: options.maxConnections, idleTimeoutMillis: 30_000 });
  // Without a listener an idle connection that the server ends (57P01) would end the process.
  let closing = false;
  const onError = (error: Error) => {
    // The pool counts as closed before its connections are: a server that stops next may still cut them.
    if (!closing) options.onError(error);
  };
  pool.on("error", onError);
  let most = options.maxConnections;
  let spared: pg.Pool | null = null;
  const use = measureUse(pool);
  const fit = () => {
    pool.options.max = spared === null ? most : Math.max(1, most - 1);
    closeSurplus(pool).catch(() => {});
  };
  const steadyPool = () => {
    if (most <= FEW_CONNECTIONS || closing) return pool;
    if (spared === null) {
      spared = new pg.Pool({ ...settings, max: 1, idleTimeoutMillis: 0 });
      spared.on("error", onError);
      fit();
    }
    return spared;
  };
  pool.on("release", () => {
    if (pool.totalCount > pool.options.max) setImmediate(fit);
  });
  return {
    query: (text, values) => busyOr(pool, pool.query(text, values)),
    transaction: (work) => inTransaction(pool, preparer.query, BEGIN, work),
    transactionByKey: (work) => inTransaction(pool, preparer.queryByName, ["begin", LIMITS_BY_KEY], work),
    byKey: {
      query: (text, values) => alone(pool, preparer.queryByName, text, values),
    },
    steady: {
      query: (text, values) => {
        const one = steadyPool();
        return busyOr(one, one.query(text, values));
      },
    },
    plain: {
      query: (text, values) => busyOr(pool, pool.query({ text, values, types: pg.types } as pg.QueryConfig)),
    },
    connections: () => ({
      open: pool.totalCount + (spared?.totalCount ?? 0),
      // It is counted as in use whenever it is there: nobody else may have it.
      inUse: use() + (spared?.totalCount ?? 0),
      waiting: pool.waitingCount,
    }),
    resize(maxConnections) {
      most = maxConnections;
      if (most <= FEW_CONNECTIONS) {
        spared?.end().catch(onError);
        spared = null;
      }
      fit();
    },
    async close() {
      closing = true;
      await Promise.all([pool.end(), spared?.end()]);
    },
  };
}

/** The pool's own words for "none was free in time". */
const NONE_FREE = "timeout exceeded when trying to connect";

/** An error of the pool becomes one that says what to do. */
async function busyOr<T>(pool: pg.Pool, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof Error) || error.message !== NONE_FREE) throw error;
    const { totalCount: open, waitingCount: waiting, options } = pool;
    const seconds = (options.connectionTimeoutMillis ?? WAIT_MS) / 1000;
    throw new Problem(
      "database_busy",
      `no connection to the database was free within ${seconds} s: all ${open} are in use, and ${waiting} calls wait`,
      "Try again shortly. Policy database.max_connections is what all replicas together may open.",
      { cause: error, retry_after_seconds: 1 },
    );
  }
}

/** How many connections were in use on average since it was last asked: a moment's number says little. */
function measureUse(pool: pg.Pool): () => number {
  let sinceMs = performance.now();
  let changedMs = sinceMs;
  let inUse = 0;
  let usedMs = 0;
  const move = (by: number) => {
    const nowMs = performance.now();
    usedMs += inUse * (nowMs - changedMs);
    changedMs = nowMs;
    inUse += by;
  };
  pool.on("acquire", () => move(1));
  pool.on("release", () => move(-1));
  return () => {
    move(0);
    const spanMs = changedMs - sinceMs;
    const mean = spanMs > 0 ? usedMs / spanMs : inUse;
    sinceMs = changedMs;
    usedMs = 0;
    return Math.ceil(mean - 0.05);
  };
}

/** After a limit fell: idle connections beyond it are closed, others when they are given back. */
async function closeSurplus(pool: pg.Pool): Promise<void> {
  while (pool.totalCount > pool.options.max && pool.idleCount > 0 && !pool.ending) {
    const client = await pool.connect();
    client.release(true);
  }
}

/** Lends a connection, which is not given back to others once it is broken. */
async function withClient<T>(pool: pg.Pool, use: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await busyOr(pool, pool.connect());
  let broken: Error | undefined;
  const onError = (error: Error) => {
    broken = error;
  };
  client.on("error", onError);
  try {
    return await use(client);
  } finally {
    client.off("error", onError);
    client.release(broken);
  }
}

/** The beginning goes along with the first statements; if it fails, so do they. */
function inTransaction<T>(
  pool: pg.Pool,
  query: Preparer["query"],
  beginning: readonly string[],
  work: (tx: Queryable) => Promise<T>,
): Promise<T> {
  return withClient(pool, async (client) => {
    try {
      const begun = Promise.all(beginning.map((text) => query(client, text, [])));
      begun.catch(() => {});
      const result = await work({ query: (text, values) => query(client, text, values) });
      await begun;
      await query(client, "commit", []);
      return result;
    } catch (error) {
      await client.query("rollback").catch((failure: Error) => {
        client.emit("error", failure);
      });
      throw error;
    }
  });
}

/** One statement alone: a batch without a beginning of its own is a transaction from its first statement to its end. */
function alone<R extends Row>(
  pool: pg.Pool,
  query: Preparer["query"],
  text: string,
  values: unknown[] = [],
): Promise<Answer<R>> {
  return withClient(pool, async (client) => {
    const [, answer] = await Promise.all([query(client, LIMITS_BY_KEY, []), query<R>(client, text, values)]);
    return answer;
  });
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
