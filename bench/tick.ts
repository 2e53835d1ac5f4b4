/** Measures how late ticks run while the service has more to do than it can: the heartbeat every second, under full load. */
import pg from "pg";
import { machine, percentile, withCluster } from "./cluster.ts";
import { closeLoad, enqueueAtRate, registerStub, startBeside, startService, startStub } from "./load.ts";

const SECONDS = Number(process.env.BENCH_SECONDS ?? 120);
const RATE = Number(process.env.BENCH_RATE ?? 1000);
const INTERVAL_MS = 1_000;
const IDLE_MS = 10_500;

/** A bare timer beside us, whose lateness no program could beat by timers. */
async function startTimer() {
  const { child } = await startBeside<string>("timer.ts");
  let late: number[] = [];
  child.on("message", (message) => late.push((message as { lateMs: number }).lateMs));
  return {
    /** How late it was since the last time that it was asked. */
    read() {
      const read = late;
      late = [];
      return read;
    },
    stop: () => void child.kill(),
  };
}

function line(what: string, values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const ms = (p: number) => `${percentile(sorted, p).toFixed(1).padStart(6)} ms`;
  return `${what.padEnd(46)} p50 ${ms(50)}  p99 ${ms(99)}  max ${ms(100)}  (${sorted.length})`;
}

async function report(db: pg.Client, window: { fromMs: number; toMs: number }): Promise<void> {
  const between = [new Date(window.fromMs), new Date(window.toMs)];
  const { rows } = await db.query(
    `select extract(epoch from t.boundary)::float8 * 1000 as boundary, t.drift_ms::float8 as drift, c.duration_ms::float8 as took
       from ticks t join cycles c using (cycle_id) where t.boundary >= $1 and t.boundary < $2 order by t.boundary`,
    between,
  );
  const drifts = rows.map((row) => row.drift as number);
  const boundaries = Math.floor((window.toMs - window.fromMs) / INTERVAL_MS);
  const { rows: work } = await db.query(
    `select count(*)::int as completed from tasks where completed_at >= $1 and completed_at < $2`,
    between,
  );
  console.log(line("tick: drift, as recorded", drifts));
  console.log(
    line(
      "tick: boundary to decided",
      rows.map((row) => row.drift + row.took),
    ),
  );
  console.log(`${boundaries - rows.length} of ${boundaries} boundaries were skipped`);
  const perSecond = (work[0].completed / boundaries).toFixed(0);
  console.log(`meanwhile ${perSecond} lifecycles a second were completed, of ${RATE} enqueued`);
  const sorted = drifts.sort((a, b) => a - b);
  const held = percentile(sorted, 99) < 20 && percentile(sorted, 100) <= 1_000 && rows.length === boundaries;
  console.log(`p99 under 20 ms, never over 1 s, none skipped: ${held ? "yes" : "NO"}`);
  if (!held) process.exitCode = 1;
}

await withCluster(async (databaseUrl) => {
  const db = new pg.Client(databaseUrl);
  await db.connect();
  const timer = await startTimer();
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  console.log(line("limit: a bare timer, nothing else running", timer.read()));
  const stub = await startStub();
  const service = await startService(databaseUrl, { TICK_INTERVAL: "1s" });
  try {
    await registerStub(service.base, stub.url);
    timer.read();
    const load = enqueueAtRate({
      bases: () => [service.base],
      rate: RATE,
      until: (ms) => ms > (SECONDS + 3) * 1000,
    });
    // The first seconds are the compiler's; from then on every boundary counts.
    const fromMs = Math.ceil((Date.now() + 2_000) / INTERVAL_MS) * INTERVAL_MS;
    const toMs = fromMs + SECONDS * INTERVAL_MS;
    await load;
    console.log(line("limit: a bare timer beside the same load", timer.read()));
    await report(db, { fromMs, toMs });
    console.log(await machine());
  } finally {
    await service.stop();
    stub.stop();
    timer.stop();
    await closeLoad();
    await db.end();
  }
});
