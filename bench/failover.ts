/** Measures how long decisions stand still when one of three replicas dies, hangs, or loses the database. */
import pg from "pg";
import { machine, withCluster } from "./cluster.ts";
import { closeLoad, enqueueAtRate, registerStub, type Service, startService, startStub } from "./load.ts";
import { type Passage, startProxy } from "./proxy.ts";

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
/** Tasks enqueued a second through the replicas that live: each of them asks for a decision. */
const RATE = Number(process.env.BENCH_RATE ?? 60);
const REPLICAS = 3;
const LIMIT_MS = 2_000;
/** How long the gap is looked for; a replica hangs for as long. */
const WATCH_MS = 10_000;
const SETTLE_MS = 3_000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** One seat in the fleet: a replica, its way to the database, and whether the load may use it. */
interface Seat {
  name: string;
  database: Passage;
  service: Service;
  inUse: boolean;
}

interface Fleet {
  db: pg.Client;
  seats: Seat[];
  front: Passage;
  /** Takes a replica out of the load, as a load balancer's health check would. */
  takeOut(seat: Seat): void;
  start(seat: Seat): Promise<Service>;
}

interface Failure {
  name: string;
  /** Breaks the replica, watches, and mends it; says what the replica did on waking up, if it had hung. */
  strike(fleet: Fleet, victim: Seat): Promise<void>;
}

const portOf = (service: Service) => Number(new URL(service.base).port);

/** The longest time between two commits of decisions by others than `victim`, from `fromMs` on for the watch. */
async function longestGapMs({ db }: Fleet, victimPid: number, fromMs: number): Promise<number> {
  const { rows } = await db.query(
    `with decided as (
       select extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000 as at from cycles
        where started_at > to_timestamp($1::float8 / 1000) - interval '20 seconds'
          and replica_id not like '%-' || $2::text || '-%'),
     gaps as (select at, at - lag(at) over (order by at) as gap from decided)
     select max(gap) as gap, count(*)::int as decisions from gaps where at between $1 and $1 + $3::float8`,
    [fromMs, victimPid, WATCH_MS],
  );
  if (rows[0].decisions < 10) throw new Error(`only ${rows[0].decisions} decisions were made`);
  return rows[0].gap;
}

/** Whether this replica holds the orchestrator's row while others wait for it. */
async function holdsTheRow({ db }: Fleet, seat: Seat): Promise<boolean> {
  const { rows } = await db.query(
    `select 1 from pg_stat_activity waiting
       cross join unnest(pg_blocking_pids(waiting.pid)) blocker
       join pg_stat_activity holding on holding.pid = blocker
      where waiting.query like '%from orchestrator for update%'
        and holding.application_name = $1 and holding.state = 'idle in transaction' limit 1`,
    [seat.name],
  );
  return rows.length > 0;
}

const KILLED: Failure = {
  name: "kill -9",
  async strike(fleet, victim) {
    victim.service.child.kill("SIGKILL");
    fleet.takeOut(victim);
    await pause(WATCH_MS);
    victim.service = await fleet.start(victim);
  },
};

const STOPPED: Failure = {
  name: "SIGSTOP",
  async strike(fleet, victim) {
    victim.service.child.kill("SIGSTOP");
    fleet.takeOut(victim);
    await pause(WATCH_MS);
    victim.service.child.kill("SIGCONT");
  },
};

const STOPPED_HOLDING: Failure = {
  name: "SIGSTOP while it holds the row",
  async strike(fleet, victim) {
    for (;;) {
      victim.service.child.kill("SIGSTOP");
      await pause(100);
      if (await holdsTheRow(fleet, victim)) break;
      victim.service.child.kill("SIGCONT");
      await pause(50 + Math.random() * 100);
    }
    fleet.takeOut(victim);
    await pause(WATCH_MS);
    victim.service.child.kill("SIGCONT");
  },
};

const TERMINATED: Failure = {
  name: "all its connections ended by the server",
  async strike({ db }, victim) {
    await db.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1", [
      victim.name,
    ]);
    await pause(WATCH_MS);
  },
};

const failureOfTheNetwork = (name: string, how: "cut" | "silence"): Failure => ({
  name,
  async strike(fleet, victim) {
    victim.database[how]();
    fleet.takeOut(victim);
    await pause(WATCH_MS);
    victim.database.mend();
  },
});

const FAILURES = [
  KILLED,
  STOPPED,
  STOPPED_HOLDING,
  TERMINATED,
  failureOfTheNetwork("its way to the database cut", "cut"),
  failureOfTheNetwork("its way to the database silent", "silence"),
];

async function openFleet(databaseUrl: string, db: pg.Client): Promise<Fleet> {
  const seats: Seat[] = [];
  const inUse = () => seats.filter((seat) => seat.inUse);
  let turn = 0;
  const front = await startProxy(() => portOf((inUse()[turn++ % inUse().length] as Seat).service));
  const start = (seat: { name: string; database: Passage }) => {
    const url = new URL(databaseUrl);
    url.port = String(seat.database.port);
    url.searchParams.set("application_name", seat.name);
    return startService(url.href, { PUBLIC_URL: `http://127.0.0.1:${front.port}`, LOG_LEVEL: "error" });
  };
  for (let n = 1; n <= REPLICAS; n++) {
    const own = { name: `replica-${n}`, database: await startProxy(() => Number(new URL(databaseUrl).port)) };
    seats.push({ ...own, service: await start(own), inUse: true });
  }
  return {
    ...{ db, seats, front, start },
    takeOut(seat) {
      seat.inUse = false;
      front.dropTo(portOf(seat.service));
    },
  };
}

/** What the replica's log says of the cycle that it woke up in. */
function lastWords(service: Service, from: number): string | null {
  const lines = service.output().slice(from).split("\n");
  const failed = lines.find((line) => line.includes("A cycle failed and was rolled back"));
  if (!failed) return null;
  const { error } = JSON.parse(failed) as { error?: { message?: string; code?: string } };
  return `${error?.code ?? ""} ${error?.message ?? failed}`.trim();
}

/** What was begun before the replica was stopped and committed after it woke: there must be none. */
async function committedInTheirSleep({ db }: Fleet, fromMs: number): Promise<number> {
  const { rows } = await db.query(
    `select count(*)::int as n from cycles
      where started_at < to_timestamp($1::float8 / 1000)
        and pg_xact_commit_timestamp(xmin) > to_timestamp(($1::float8 + $2::float8) / 1000)`,
    [fromMs, WATCH_MS - 500],
  );
  return rows[0].n;
}

async function measure(fleet: Fleet, failure: Failure): Promise<boolean> {
  const gaps: number[] = [];
  const words = new Set<string>();
  let late = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await pause(SETTLE_MS);
    const victim = fleet.seats[round % REPLICAS] as Seat;
    const { service } = victim;
    const said = service.output().length;
    const fromMs = Date.now();
    await failure.strike(fleet, victim);
    await pause(1_500);
    gaps.push(await longestGapMs(fleet, service.child.pid as number, fromMs));
    late += await committedInTheirSleep(fleet, fromMs);
    const spoken = lastWords(service, said);
    if (spoken) words.add(spoken);
    victim.inUse = true;
  }
  const worst = Math.max(...gaps);
  const median = gaps.sort((a, b) => a - b)[Math.floor(gaps.length / 2)] as number;
  const held = worst <= LIMIT_MS && late === 0;
  console.log(
    `${failure.name.padEnd(42)} median ${median.toFixed(0).padStart(5)} ms  max ${worst.toFixed(0).padStart(5)} ms  ` +
      `≤ 2 s: ${held ? "yes" : "NO"}  (${ROUNDS} times)`,
  );
  for (const line of words) console.log(`    what it was in the middle of failed: ${line}`);
  if (late > 0) console.log(`    ${late} decisions of before were committed on waking up`);
  return held;
}

await withCluster(
  async (databaseUrl) => {
    const db = new pg.Client(databaseUrl);
    await db.connect();
    const stub = await startStub();
    const fleet = await openFleet(databaseUrl, db);
    const ending = { now: false };
    try {
      await registerStub((fleet.seats[0] as Seat).service.base, stub.url);
      const bases = () => fleet.seats.filter((seat) => seat.inUse).map((seat) => seat.service.base);
      const load = enqueueAtRate({ bases, rate: RATE, until: () => ending.now, forgiving: true });
      await pause(SETTLE_MS);
      const quietMs = Date.now();
      await pause(WATCH_MS);
      const baseline = await longestGapMs(fleet, 0, quietMs);
      console.log(`${"the longest gap, undisturbed".padEnd(42)} ${baseline.toFixed(0).padStart(12)} ms`);
      let held = true;
      for (const failure of FAILURES) held = (await measure(fleet, failure)) && held;
      ending.now = true;
      await load;
      if (!held) process.exitCode = 1;
      console.log(`${REPLICAS} replicas, ${RATE} tasks a second; ${await machine()}`);
    } finally {
      ending.now = true;
      for (const { service, database } of fleet.seats) {
        database.mend();
        service.child.kill("SIGCONT");
        await service.stop();
        await database.close();
      }
      await fleet.front.close();
      stub.stop();
      await closeLoad();
      await db.end();
    }
  },
  { track_commit_timestamp: "on" },
);
