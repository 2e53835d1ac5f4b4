/**
 * Measures whole lifecycles: enqueue over HTTP → decision → signed webhook → claim → callback over HTTP → completed,
 * one task to a request and to an execution, beside what the same machine does without us.
 */
import pg from "pg";
import { KEEPS_WAL, machine, recycleWal, withCluster } from "./cluster.ts";
import { cpuLine, cpuTimes, parentOf } from "./cpu.ts";
import {
  call,
  closeLoad,
  enqueueAtRate,
  registerStub,
  type Service,
  type Stub,
  startBeside,
  startService,
  startStub,
} from "./load.ts";

/**
 * Lifecycles a second that are aimed at. The latency is measured at a third of it, then what the service can do, by offering more: in
 * this order, since what an overload leaves behind is cleared by the server within minutes, not at once.
 */
const RATE = Number(process.env.BENCH_RATE ?? 1000);
const MORE = 1.3;
const SECONDS = Number(process.env.BENCH_SECONDS ?? 30);
/** Until the service's code is compiled: its first thousands of lifecycles take twice as long. */
const WARM_UP_SECONDS = 14.5;
const LIMIT_SECONDS = 5;
const DRAIN_SECONDS = 60;
/** What all of it writes, and some more. */
const WAL_FILES = 50;

interface Measured {
  lifecycles: number;
  perSecond: number;
  commits: number;
}

async function completed(db: pg.Client): Promise<number> {
  const { rows } = await db.query("select count(*)::int as n from tasks where status = 'completed'");
  return rows[0].n;
}

/** Waits until nothing waits or runs. One task is looked for: counting them would slow down what is measured. */
async function drained(db: pg.Client): Promise<void> {
  const giveUpAt = performance.now() + DRAIN_SECONDS * 1000;
  const isDrained = async () => {
    const { rows } = await db.query(
      "select exists (select from tasks where status in ('queued', 'running', 'retrying')) as left",
    );
    return !rows[0].left;
  };
  while (!(await isDrained()) && performance.now() < giveUpAt) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Commits so far, of all connections; the server counts them with a delay. */
async function commitsSoFar(db: pg.Client): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const { rows } = await db.query("select sum(xact_commit)::float8 as n from pg_stat_database");
  return rows[0].n;
}

interface Beings {
  db: pg.Client;
  service: Service;
  stub: Stub;
}

/** Whose processor time is read; of the load this process is the maker. */
async function processes({ db, service, stub }: Beings): Promise<Record<string, number>> {
  const { rows } = await db.query("select pg_backend_pid() as pid");
  const postgres = parentOf(rows[0].pid);
  return { service: service.child.pid!, postgres, stub: stub.pid, load: process.pid };
}

async function walPosition(db: pg.Client): Promise<number> {
  const { rows } = await db.query("select pg_current_wal_lsn() - '0/0' as bytes");
  return Number(rows[0].bytes);
}

/** Enqueues at `rate` for `seconds`, waits until all have ended, and says how it went. */
async function run(beings: Beings, rate: number, seconds: number): Promise<Measured> {
  const { db, service } = beings;
  const pids = await processes(beings);
  const before = await completed(db);
  const commitsBefore = await commitsSoFar(db);
  const walBefore = await walPosition(db);
  const cpuBefore = cpuTimes(pids, ["postgres"]);
  const { rows } = await db.query("select clock_timestamp() as at");
  const startedAt = rows[0].at as Date;
  const started = performance.now();
  const sent = await enqueueAtRate({ bases: () => [service.base], rate, until: (ms) => ms > seconds * 1000 });
  await drained(db);
  const tookSeconds = (performance.now() - started) / 1000;
  const lifecycles = (await completed(db)) - before;
  const perSecond = lifecycles / tookSeconds;
  const cpuAfter = cpuTimes(pids, ["postgres"]);
  const wal = (await walPosition(db)) - walBefore;
  const commits = (await commitsSoFar(db)) - commitsBefore;
  if (seconds === WARM_UP_SECONDS) return { lifecycles, perSecond, commits };
  const { rows: latency } = await db.query(
    `select percentile_cont(array[0.5, 0.99]) within group (
              order by extract(epoch from completed_at - created_at) * 1000) as ms
       from tasks where status = 'completed' and created_at >= $1`,
    [startedAt],
  );
  const [p50, p99] = latency[0].ms as [number, number];
  console.log(
    `${Math.round(rate)} offered a second: ${lifecycles} of ${sent} completed, ${perSecond.toFixed(0)} a second; ` +
      `enqueued to completed p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`,
  );
  console.log(
    `  ${cpuLine(cpuBefore, cpuAfter, { lifecycles, seconds: tookSeconds })}; ` +
      `${(wal / lifecycles / 1024).toFixed(1)} KiB of WAL`,
  );
  return { lifecycles, perSecond, commits };
}

/** The same HTTP messages without us, as fast as they go: how many lifecycles a second. */
async function bareHttp(stubUrl: string): Promise<number> {
  const { child, ready } = await startBeside<{ port: number }>("bare.ts", [stubUrl]);
  const base = `http://127.0.0.1:${ready.port}`;
  let done = 0;
  child.on("message", () => done++);
  let ended = false;
  const callers = Array.from({ length: 64 }, async () => {
    while (!ended) await call(base, "POST", "/api/v1/tasks", { workflow_type: "stub", payload: { n: done } });
  });
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const before = done;
  await new Promise((resolve) => setTimeout(resolve, LIMIT_SECONDS * 1_000));
  const perSecond = (done - before) / LIMIT_SECONDS;
  ended = true;
  await Promise.all(callers);
  child.kill();
  return perSecond;
}

/** The same number of commits without us: one row each, on as many connections as the service has writers. */
async function bareCommits(db: pg.Client, url: string, commits: number): Promise<number> {
  await db.query("create table probe (n int)");
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  const started = performance.now();
  let left = commits;
  await Promise.all(
    [1, 2, 3, 4].map(async () => {
      while (left-- > 0) await pool.query("insert into probe values (1)");
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  await pool.end();
  await db.query("drop table probe");
  return seconds;
}

await withCluster(async (databaseUrl) => {
  const db = new pg.Client(databaseUrl);
  await db.connect();
  await recycleWal(db, WAL_FILES);
  const stub = await startStub();
  const service = await startService(databaseUrl);
  const beings = { db, service, stub };
  try {
    await registerStub(service.base, stub.url);
    await run(beings, RATE / 3, WARM_UP_SECONDS);
    await run(beings, RATE / 3, SECONDS);
    const full = await run(beings, RATE * MORE, SECONDS);
    const http = await bareHttp(stub.url);
    console.log(
      `the same HTTP messages without us: ${http.toFixed(0)} a second; we do ${(full.perSecond / http).toFixed(2)} of that`,
    );
    const seconds = await bareCommits(db, databaseUrl, full.commits);
    const ratio = seconds / (full.lifecycles / full.perSecond);
    console.log(
      `its ${full.commits} commits without us, on four connections: ${seconds.toFixed(1)} s, ${ratio.toFixed(2)} of our time ` +
        `(${(full.commits / full.lifecycles).toFixed(2)} commits to a lifecycle)`,
    );
    console.log(await machine());
  } finally {
    await service.stop();
    stub.stop();
    await closeLoad();
    await db.end();
  }
}, KEEPS_WAL);
