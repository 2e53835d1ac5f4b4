/** Measures what the gateway adds to an AI call: direct, through ours, and through @portkey-ai/gateway, in turns in the same run. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { Agent, request } from "undici";
import { machine, percentile, withCluster } from "./cluster.ts";

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 1_000);
const WARM_UP = 100;
const KEY = "bench-admin-key-0123456789abcdef";
const agent = new Agent({ connections: 4, keepAliveTimeout: 60_000 });
const body = JSON.stringify({
  model: "gpt-4o-mini",
  max_tokens: 100,
  messages: [{ role: "user", content: "Say hello, please" }],
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function pathOf(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}

async function startProvider(): Promise<{ child: ChildProcess; url: string }> {
  const child = fork(pathOf("provider.ts"), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const port = await new Promise<number>((resolve) =>
    child.once("message", (message) => resolve((message as { port: number }).port)),
  );
  return { child, url: `http://127.0.0.1:${port}/v1` };
}

async function startOurs(databaseUrl: string, dataDir: string, port: number, providerUrl: string) {
  const child = spawn(process.execPath, [pathOf("../server/src/main.ts")], {
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      DATA_DIR: dataDir,
      PORT: String(port),
      ORCHESTRATOR_ADMIN_KEY: KEY,
      OPENAI_API_KEY: "bench",
      OPENAI_BASE_URL: providerUrl,
      LOG_LEVEL: "warn",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise<void>((resolve) => {
    child.stdout?.on("data", (data) => String(data).includes("is ready") && resolve());
  });
  const answer = await request(`http://127.0.0.1:${port}/api/v1/policy`, {
    dispatcher: agent,
    method: "PUT",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ policy: { providers: { openai: { requests_per_minute: 20_000 } } } }),
  });
  await answer.body.dump();
  return child;
}

async function startPortkey(port: number): Promise<ChildProcess> {
  const script = pathOf("../node_modules/@portkey-ai/gateway/build/start-server.js");
  const child = spawn(process.execPath, [script, `--port=${port}`, "--headless"], { stdio: "ignore" });
  for (let tries = 0; tries < 100; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    const up = await request(`http://127.0.0.1:${port}/`, { dispatcher: agent }).catch(() => null);
    await up?.body.dump();
    if (up) return child;
  }
  throw new Error("the other gateway did not start");
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

async function chat(base: string, headers: Record<string, string>): Promise<void> {
  const answer = await request(`${base}/chat/completions`, {
    dispatcher: agent,
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  const text = await answer.body.text();
  if (answer.statusCode !== 200 || !text.includes("Hello there")) {
    throw new Error(`${base}: ${answer.statusCode} ${text}`);
  }
}

/** Processor time of a process so far, where the system tells: unlike a latency it is the same on a busy machine. */
async function processorMs({ pid }: ChildProcess): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
    .map(Number);
  return ((user ?? Number.NaN) + (system ?? Number.NaN)) * 10;
}

interface Round {
  direct: number;
  ours: number;
  portkey: number;
  /** Two commits of one row, one after the other: what a reservation and its settlement cost at least. */
  commits: number;
}

async function measure(ways: Record<keyof Round, () => Promise<unknown>>): Promise<Round[]> {
  const rounds: Round[] = [];
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    // In turns, so that what else the machine does meets all of them alike.
    const measured = {
      direct: await timed(ways.direct),
      ours: await timed(ways.ours),
      portkey: await timed(ways.portkey),
      commits: await timed(ways.commits),
    };
    if (round >= 0) rounds.push(measured);
  }
  return rounds;
}

function report(rounds: readonly Round[]): void {
  const of = (value: (round: Round) => number) => {
    const sorted = rounds.map(value).sort((a, b) => a - b);
    return { p50: percentile(sorted, 50), p99: percentile(sorted, 99) };
  };
  const show = (name: string, { p50, p99 }: { p50: number; p99: number }) =>
    console.log(`${name.padEnd(44)} p50 ${p50.toFixed(2)} ms   p99 ${p99.toFixed(2)} ms`);
  const direct = of((round) => round.direct);
  const ours = of((round) => round.ours);
  const portkey = of((round) => round.portkey);
  const commits = of((round) => round.commits);
  show("direct", direct);
  show("ours (two commits a call)", ours);
  show("@portkey-ai/gateway (keeps nothing)", portkey);
  show("two bare commits", commits);
  const net = { p50: ours.p50 - direct.p50 - commits.p50, p99: ours.p99 - direct.p99 - commits.p99 };
  show("added by ours besides two bare commits", net);
  show("added by ours in all", { p50: ours.p50 - direct.p50, p99: ours.p99 - direct.p99 });
  show("added by the other gateway", { p50: portkey.p50 - direct.p50, p99: portkey.p99 - direct.p99 });
  const ratio = net.p50 / (portkey.p50 - direct.p50);
  console.log(`besides the commits ours adds ${ratio.toFixed(2)} × what the other gateway adds (p50)`);
}

await withCluster(async (databaseUrl) => {
  const dataDir = await mkdtemp(`${tmpdir()}/bench-`);
  const [ownPort, otherPort] = [await freePort(), await freePort()];
  const provider = await startProvider();
  const ours = await startOurs(databaseUrl, dataDir, ownPort, provider.url);
  const portkey = await startPortkey(otherPort);
  const db = new pg.Client(databaseUrl);
  await db.connect();
  try {
    await db.query("create table probe (n int)");
    const commit = () => db.query("insert into probe values (1)");
    const spent = { ours: await processorMs(ours), portkey: await processorMs(portkey) };
    const rounds = await measure({
      direct: () => chat(provider.url, {}),
      ours: () => chat(`http://127.0.0.1:${ownPort}/ai/openai/v1`, { authorization: `Bearer ${KEY}` }),
      portkey: () =>
        chat(`http://127.0.0.1:${otherPort}/v1`, {
          authorization: "Bearer bench",
          "x-portkey-provider": "openai",
          "x-portkey-custom-host": provider.url,
        }),
      commits: async () => {
        await commit();
        await commit();
      },
    });
    report(rounds);
    const calls = ROUNDS + WARM_UP;
    const own = ((await processorMs(ours)) - spent.ours) / calls;
    const other = ((await processorMs(portkey)) - spent.portkey) / calls;
    console.log(`processor time a call: ours ${own.toFixed(2)} ms, the other gateway ${other.toFixed(2)} ms`);
    console.log(`${ROUNDS} calls each, one at a time; ${await machine()}`);
  } finally {
    await db.end();
    portkey.kill();
    ours.kill("SIGTERM");
    await new Promise((resolve) => ours.once("exit", resolve));
    provider.child.kill();
    await agent.close();
    await rm(dataDir, { recursive: true, force: true });
  }
});
