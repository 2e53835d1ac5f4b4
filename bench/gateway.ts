/** Measures what the gateway adds to an AI call: direct, through ours, and through @portkey-ai/gateway, in turns in the same run. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import pg from "pg";
import { Agent, request } from "undici";
import { machine, percentile, withCluster } from "./cluster.ts";
import {
  freePort,
  KEY,
  processorMs,
  startOurs,
  startPortkey,
  startProvider,
  startRelay,
} from "./gateways.ts";

/** Calls of each way: one at a time, and at a steady rate. */
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 1_000);
/** Just-in-time compilers, plans and connections are there after so many calls of each way. */
const WARM_UP = Number(process.env.BENCH_WARM_UP ?? 1_000);
/** Calls a second of one way in its turn, and how long a turn is. A call begins at its time, whatever is still open. */
const RATE = Number(process.env.BENCH_RATE ?? 60);
const TURN_MS = 1_000;
const STREAM = process.env.BENCH_STREAM === "1";
const agent = new Agent({ connections: 64, keepAliveTimeout: 60_000 });
const body = JSON.stringify({
  model: "gpt-4o-mini",
  max_tokens: 100,
  ...(STREAM ? { stream: true, stream_options: { include_usage: true } } : {}),
  messages: [{ role: "user", content: "Say hello, please" }],
});

/** How long a call took, and how much of that the service waited for its own statements. */
interface Taken {
  ms: number;
  databaseMs: number;
  /** How much of it the service waited for the provider's first byte. */
  providerMs: number;
}
type Way = "direct" | "relay" | "ours" | "portkey" | "commits";
type Ways = Record<Way, () => Promise<Taken>>;

async function chat(base: string, headers: Record<string, string>): Promise<Taken> {
  const started = performance.now();
  const answer = await request(`${base}/chat/completions`, {
    dispatcher: agent,
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  const text = await answer.body.text();
  const ms = performance.now() - started;
  if (answer.statusCode !== 200 || !text.includes("Hello there")) {
    throw new Error(`${base}: ${answer.statusCode} ${text}`);
  }
  const timing = String(answer.headers["server-timing"] ?? "");
  const leg = (name: string) => Number(new RegExp(`${name};dur=([\\d.]+)`).exec(timing)?.[1] ?? 0);
  return { ms, databaseMs: leg("permit") + leg("ledger"), providerMs: leg("provider") };
}

async function timed(work: () => Promise<unknown>): Promise<Taken> {
  const started = performance.now();
  await work();
  return { ms: performance.now() - started, databaseMs: 0, providerMs: 0 };
}

/** In turns call by call, so that what else the machine does meets all of them alike. */
async function oneAtATime(ways: Ways, rounds: number): Promise<Record<Way, Taken[]>> {
  const taken: Record<Way, Taken[]> = { direct: [], relay: [], ours: [], portkey: [], commits: [] };
  for (let round = 0; round < rounds; round++) {
    for (const way of Object.keys(ways) as Way[]) taken[way].push(await ways[way]());
  }
  return taken;
}

/** In turns of a second, each at the same rate. */
async function atASteadyRate(ways: Ways, rounds: number): Promise<Record<Way, Taken[]>> {
  const taken: Record<Way, Taken[]> = { direct: [], relay: [], ours: [], portkey: [], commits: [] };
  const perTurn = Math.round((RATE * TURN_MS) / 1_000);
  for (let round = 0; round < rounds; round += perTurn) {
    for (const way of Object.keys(ways) as Way[]) {
      const began = performance.now();
      const calls = Array.from({ length: perTurn }, async (_, n) => {
        const atMs = began + (n * 1_000) / RATE;
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, atMs - performance.now())));
        taken[way].push(await ways[way]());
      });
      await Promise.all(calls);
    }
  }
  return taken;
}

interface Figures {
  p50: number;
  p99: number;
}

function figures(values: readonly number[]): Figures {
  const sorted = [...values].sort((a, b) => a - b);
  return { p50: percentile(sorted, 50), p99: percentile(sorted, 99) };
}

function less(of: Figures, other: Figures): Figures {
  return { p50: of.p50 - other.p50, p99: of.p99 - other.p99 };
}

function show(name: string, { p50, p99 }: Figures): void {
  console.log(
    `  ${name.padEnd(52)} p50 ${p50.toFixed(2).padStart(6)} ms   p99 ${p99.toFixed(2).padStart(6)} ms`,
  );
}

function report(title: string, taken: Record<Way, Taken[]>): void {
  console.log(title);
  const all = (way: Way) => figures(taken[way].map(({ ms }) => ms));
  const direct = all("direct");
  const besides = figures(taken.ours.map(({ ms, databaseMs }) => ms - databaseMs));
  show("direct", direct);
  show("a bare relay (node:http and undici, nothing else)", all("relay"));
  show("ours", all("ours"));
  show("  of that: its two statements, committed", figures(taken.ours.map(({ databaseMs }) => databaseMs)));
  show(
    "  of that: the provider, up to its first byte",
    figures(taken.ours.map(({ providerMs }) => providerMs)),
  );
  show("@portkey-ai/gateway (keeps nothing)", all("portkey"));
  show("two bare commits of one row, by the bench itself", all("commits"));
  const own = less(besides, direct);
  const other = less(all("portkey"), direct);
  show("added by the bare relay", less(all("relay"), direct));
  show("added by ours besides its statements", own);
  show("added by ours in all", less(all("ours"), direct));
  show("added by the other gateway", other);
  console.log(
    `  besides the database ours adds ${(own.p50 / other.p50).toFixed(2)} × what the other adds (p50)`,
  );
}

await withCluster(async (databaseUrl) => {
  const dataDir = await mkdtemp(`${tmpdir()}/bench-`);
  const [ownPort, otherPort] = [await freePort(), await freePort()];
  const provider = await startProvider();
  const relay = await startRelay(provider.url);
  const ours = await startOurs({ databaseUrl, dataDir, port: ownPort, providerUrl: provider.url });
  const portkey = await startPortkey(otherPort);
  const db = new pg.Pool({ connectionString: databaseUrl, max: 8 });
  try {
    await db.query("create table probe (n int)");
    const commit = () => db.query("insert into probe values (1)");
    const ways: Ways = {
      direct: () => chat(provider.url, {}),
      relay: () => chat(relay.url, {}),
      ours: () => chat(`http://127.0.0.1:${ownPort}/ai/openai/v1`, { authorization: `Bearer ${KEY}` }),
      portkey: () =>
        chat(`http://127.0.0.1:${otherPort}/v1`, {
          authorization: "Bearer bench",
          "x-portkey-provider": "openai",
          "x-portkey-custom-host": provider.url,
        }),
      commits: () => timed(async () => [await commit(), await commit()]),
    };
    await oneAtATime(ways, WARM_UP);
    const before = { ours: await processorMs(ours), portkey: await processorMs(portkey) };
    report(`one call at a time, ${ROUNDS} of each way`, await oneAtATime(ways, ROUNDS));
    report(`${RATE} calls a second, ${ROUNDS} of each way`, await atASteadyRate(ways, ROUNDS));
    const own = ((await processorMs(ours)) - before.ours) / (2 * ROUNDS);
    const other = ((await processorMs(portkey)) - before.portkey) / (2 * ROUNDS);
    console.log(`processor time a call: ours ${own.toFixed(2)} ms, the other gateway ${other.toFixed(2)} ms`);
    console.log(`${STREAM ? "streams" : "documents"}; ${await machine()}`);
  } finally {
    await db.end();
    portkey.kill();
    ours.kill("SIGTERM");
    await new Promise((resolve) => ours.once("exit", resolve));
    relay.child.kill();
    provider.child.kill();
    await agent.close();
    await rm(dataDir, { recursive: true, force: true });
  }
});
