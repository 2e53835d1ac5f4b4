/** Measures whole lifecycles: enqueue over HTTP → decision → signed webhook → claim → callback → completed. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { Agent, request } from "undici";
import { machine, withCluster } from "./cluster.ts";

const SECONDS = Number(process.env.BENCH_SECONDS ?? 30);
/** Enqueued per second; more than the service can do measures its capacity. */
const RATE = Number(process.env.BENCH_RATE ?? 1000);
const DRAIN_SECONDS = 60;
const MAX_WAITING_REQUESTS = 400;
const KEY = "bench-admin-key-0123456789abcdef";
const agent = new Agent({ connections: 16 });

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

async function startStub(): Promise<{ child: ChildProcess; url: string }> {
  const child = fork(pathOf("stub.ts"), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const port = await new Promise<number>((resolve) =>
    child.once("message", (message) => resolve((message as { port: number }).port)),
  );
  return { child, url: `http://127.0.0.1:${port}/` };
}

async function startService(databaseUrl: string, dataDir: string, port: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [pathOf("../server/src/main.ts")], {
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      DATA_DIR: dataDir,
      PORT: String(port),
      ORCHESTRATOR_ADMIN_KEY: KEY,
      OUTBOUND_ALLOW: "127.0.0.1",
      LOG_LEVEL: "warn",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise<void>((resolve) => {
    child.stdout?.on("data", (data) => String(data).includes("is ready") && resolve());
  });
  return child;
}

async function call(base: string, method: "POST" | "PUT", path: string, body: unknown): Promise<void> {
  const answer = await request(base + path, {
    dispatcher: agent,
    method,
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await answer.body.text();
  if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
}

/** Enqueues at RATE for SECONDS, one task a request; returns how many were taken. */
async function enqueueAtRate(base: string): Promise<number> {
  const started = performance.now();
  const open = new Set<Promise<void>>();
  let sent = 0;
  while (performance.now() - started < SECONDS * 1000) {
    const due = Math.floor(((performance.now() - started) / 1000) * RATE);
    for (; sent < due; sent++) {
      const sending = call(base, "POST", "/api/v1/tasks", { workflow_type: "stub", payload: { n: sent } });
      open.add(sending);
      sending.finally(() => open.delete(sending)).catch(() => {});
    }
    if (open.size > MAX_WAITING_REQUESTS) await Promise.race(open);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await Promise.all(open);
  return sent;
}

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
  const dataDir = await mkdtemp(`${tmpdir()}/bench-`);
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  const db = new pg.Client(databaseUrl);
  await db.connect();
  const commits = await commitsPerSecond(db);
  const stub = await startStub();
  const service = await startService(databaseUrl, dataDir, port);
  try {
    await call(base, "PUT", "/api/v1/workflows/stub", {
      webhook_url: stub.url,
      batch: { min: 1, max: 1 },
      max_concurrent: 1000,
    });
    const policy = { concurrency: { total: 1000 }, high_load: { waiting_above: 1_000_000 } };
    await call(base, "PUT", "/api/v1/policy", { policy });
    const started = performance.now();
    const sent = await enqueueAtRate(base);
    await report(db, sent, started, commits);
  } finally {
    service.kill("SIGTERM");
    await new Promise((resolve) => service.once("exit", resolve));
    stub.child.kill();
    await agent.close();
    await db.end();
    await rm(dataDir, { recursive: true, force: true });
  }
});
