/**
 * 500 articles through the whole service, as a day brings them, with providers that are slow, limited and sometimes in
 * trouble. Without arguments a whole day in simulated time, with `--hours N` a part of it; `--minutes N` in real time, at
 * `--rate` times a day's pace.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import pg from "pg";
import { openDatabase } from "../server/src/store/database.ts";
import { migrate } from "../server/src/store/migrate.ts";
import { send } from "../server/test/http.ts";
import { machine, withCluster } from "./cluster.ts";
import { A_DAY_MS, type Arrival, dayArrivals } from "./day/arrivals.ts";
import { type DayProvider, dayProvider } from "./day/provider.ts";
import { realSite } from "./day/real.ts";
import { dayFigures, report } from "./day/report.ts";
import { SIMULATED_START_MS, simulatedClock, simulatedSite } from "./day/simulated.ts";
import type { Site } from "./day/site.ts";

const PER_DAY = 500;
/** What was asked for last may take so long before the day is counted as over. */
const REST_MS = 20 * 60_000;
const STEP_MS = 5_000;

const { values } = parseArgs({
  options: {
    hours: { type: "string", default: "24" },
    minutes: { type: "string" },
    rate: { type: "string", default: "1" },
    seed: { type: "string", default: "1" },
  },
});
const seed = Number(values.seed);
const rate = Number(values.rate);
const minutes = values.minutes === undefined ? null : Number(values.minutes);
const lastsMs = minutes === null ? Number(values.hours) * 3_600_000 : minutes * 60_000;
const count = Math.max(1, Math.round((PER_DAY * rate * lastsMs) / A_DAY_MS));
if (![seed, rate, lastsMs].every((n) => Number.isFinite(n) && n > 0)) {
  console.error("bench:day: --hours, --minutes, --rate and --seed take numbers above 0");
  process.exit(2);
}

/** Sends what is due when it is due, then waits for the rest. */
async function runDay(
  site: Site,
  arrivals: readonly Arrival[],
  { startMs, db }: { startMs: number; db: pg.Client },
) {
  const open = async () => {
    const { rows } = await db.query(
      "select count(*)::int as n from tasks where status not in ('completed', 'dead_lettered', 'cancelled')",
    );
    return rows[0].n as number;
  };
  const idle = async () => (await open()) === 0;
  for (const { atMs, topics } of arrivals) {
    await site.passUntil(startMs + atMs, idle);
    const tasks = topics.map(({ contentType, payload, key }) => ({
      ...{ workflow_type: "content_pipeline", content_type: contentType, payload, idempotency_key: key },
    }));
    const answer = await send(`${site.url}/api/v1/tasks`, { method: "POST", body: { tasks }, key: site.key });
    if (answer.status !== 202) throw new Error(`POST /api/v1/tasks: ${answer.status} ${answer.text}`);
  }
  const lastMs = startMs + (arrivals.at(-1)?.atMs ?? 0);
  for (let ms = STEP_MS; ms <= REST_MS && !(await idle()); ms += STEP_MS)
    await site.passUntil(lastMs + ms, idle);
}

const started = performance.now();
/** Time stands still there while the disk is waited for. */
const settings: Record<string, string> =
  minutes === null ? { fsync: "off", synchronous_commit: "off", full_page_writes: "off" } : {};
await withCluster(async (databaseUrl) => {
  const dataDir = await mkdtemp(join(tmpdir(), "bench-day-"));
  const db = new pg.Client({ connectionString: databaseUrl });
  await db.connect();
  const ends: (() => unknown)[] = [];
  try {
    const { provider, site, startMs } =
      minutes === null
        ? await simulated(databaseUrl, dataDir, { db, ends })
        : await inRealTime(databaseUrl, dataDir, ends);
    console.log(headline());
    await runDay(site, dayArrivals(count, lastsMs, seed), { startMs, db });
    const day = await dayFigures(db);
    await site.stop();
    const met = report(day, provider.figures(), site.errors);
    console.log(
      `\n  ${((performance.now() - started) / 1000).toFixed(0)} s of this machine: ${await machine(minutes === null ? "off" : "on")}`,
    );
    process.exitCode = met ? 0 : 1;
  } finally {
    for (const end of ends.toReversed()) await end();
    await db.end();
    await rm(dataDir, { recursive: true, force: true });
  }
}, settings);

function headline(): string {
  const pace = `${((count * A_DAY_MS) / lastsMs).toFixed(0)} a day`;
  const how =
    minutes === null
      ? "simulated time: real HTTP, database, pipeline, gateway; waits pass at once"
      : `real time, ${minutes} min${rate === 1 ? "" : ` at ${rate} times a day's pace, which is harder than the day`}`;
  return `\n${count} articles at the pace of ${pace}, seed ${seed}; ${how}\n`;
}

interface Started {
  provider: DayProvider;
  site: Site;
  startMs: number;
}

async function simulated(
  databaseUrl: string,
  dataDir: string,
  { db, ends }: { db: pg.Client; ends: (() => unknown)[] },
): Promise<Started> {
  const { clock, end } = await simulatedClock(databaseUrl);
  ends.push(end);
  const schema = openDatabase({ url: databaseUrl, maxConnections: 2, onError: () => {} });
  await migrate(schema);
  await schema.close();
  await db.query(
    "create or replace function orchestrator_now() returns timestamptz language sql volatile as 'select now from bench_clock'",
  );
  const wait = (ms: number) => new Promise<void>((resolve) => void clock.at(clock.nowMs() + ms, resolve));
  const provider = await dayProvider({ seed, nowMs: clock.nowMs, wait, after: (done) => ends.push(done) });
  const site = await simulatedSite({ databaseUrl, dataDir, clock, providers: provider.stub.env });
  return { provider, site, startMs: SIMULATED_START_MS };
}

async function inRealTime(databaseUrl: string, dataDir: string, ends: (() => unknown)[]): Promise<Started> {
  const wait = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms));
  const provider = await dayProvider({ seed, nowMs: Date.now, wait, after: (done) => ends.push(done) });
  const site = await realSite({ databaseUrl, dataDir, providers: provider.stub.env });
  return { provider, site, startMs: Date.now() };
}
