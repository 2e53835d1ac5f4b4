/** Measures whole lifecycles: enqueue over HTTP → decision → signed webhook → claim → callback → completed. */
import pg from "pg";
import { machine, withCluster } from "./cluster.ts";
import { closeLoad, enqueueAtRate, registerStub, startService, startStub } from "./load.ts";

const SECONDS = Number(process.env.BENCH_SECONDS ?? 30);
/** Enqueued per second; more than the service can do measures its capacity. */
const RATE = Number(process.env.BENCH_RATE ?? 1000);
const DRAIN_SECONDS = 60;

/** What the same disk does without us: commits of one row a second on one connection. */
async function commitsPerSecond(db: pg.Client): Promise<number> {
  await db.query("create table probe (n int)");
  const started = performance.now();
  let commits = 0;
  while (performance.now() - started < 2000) {
    await db.query("insert into probe values (1)");
    commits++;
  }
  await db.query("drop table probe");
  return commits / 2;
}

async function report(db: pg.Client, sent: number, started: number, commits: number): Promise<void> {
  const giveUpAt = performance.now() + DRAIN_SECONDS * 1000;
  const left = async () =>
    (await db.query("select count(*)::int as n from tasks where status <> 'completed'")).rows[0].n as number;
  while ((await left()) > 0 && performance.now() < giveUpAt) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const seconds = (performance.now() - started) / 1000;
  const { rows } = await db.query(
    `select count(*)::int as n, percentile_cont(array[0.5, 0.99]) within group (
              order by extract(epoch from completed_at - created_at) * 1000) as ms from tasks where status = 'completed'`,
  );
  const { n, ms } = rows[0];
  const rate = n / seconds;
  console.log(`${n} of ${sent} lifecycles completed in ${seconds.toFixed(1)} s: ${rate.toFixed(0)} a second`);
  console.log(
    `enqueued to completed: p50 ${ms[0].toFixed(0)} ms, p99 ${ms[1].toFixed(0)} ms at ${RATE} a second`,
  );
  console.log(
    `${(rate / commits).toFixed(2)} × the ${commits.toFixed(0)} bare commits a second of one connection`,
  );
  console.log(await machine());
}

await withCluster(async (databaseUrl) => {
  const db = new pg.Client(databaseUrl);
  await db.connect();
  const commits = await commitsPerSecond(db);
  const stub = await startStub();
  const service = await startService(databaseUrl);
  try {
    await registerStub(service.base, stub.url);
    const started = performance.now();
    const sent = await enqueueAtRate({
      bases: () => [service.base],
      rate: RATE,
      until: (ms) => ms > SECONDS * 1000,
    });
    await report(db, sent, started, commits);
  } finally {
    await service.stop();
    stub.stop();
    await closeLoad();
    await db.end();
  }
});
