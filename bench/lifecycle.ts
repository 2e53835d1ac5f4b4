/** Measures whole lifecycles: enqueue over HTTP → decision → signed webhook → claim → callback → completed. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { Agent, request } from "undici";

const SECONDS = Number(process.env.BENCH_SECONDS ?? 30);
const RATE = Number(process.env.BENCH_RATE ?? 1000);
const KEY = "bench-admin-key-0123456789abcdef";
const ROOT = new URL("..", import.meta.url).pathname;
const agent = new Agent({ connections: 16 });

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startStub(): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(join(ROOT, "bench/stub.ts"), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const port = await new Promise<number>((resolve) =>
    child.once("message", (message) => resolve((message as { port: number }).port)),
  );
  return { child, port };
}

async function startService(dataDir: string, port: number): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [
      ...(process.env.BENCH_PROF ? ["--cpu-prof", "--cpu-prof-dir=/tmp/prof"] : []),
      join(ROOT, "server/src/main.ts"),
    ],
    {
      cwd: dataDir,
      env: {
        ...process.env,
        DATA_DIR: dataDir,
        PORT: String(port),
        ORCHESTRATOR_ADMIN_KEY: KEY,
        OUTBOUND_ALLOW: "127.0.0.1",
        LOG_LEVEL: "warn",
      },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  await new Promise<void>((resolve) =>
    child.stdout?.on("data", (data) => String(data).includes("is ready") && resolve()),
  );
  return child;
}

async function call(base: string, method: "GET" | "POST" | "PUT", path: string, body?: unknown) {
  const answer = await request(base + path, {
    dispatcher: agent,
    method,
    headers: { authorization: `Bearer ${KEY}`, ...(body ? { "content-type": "application/json" } : {}) },
    body: body ? JSON.stringify(body) : null,
  });
  const json = (await answer.body.json()) as Record<string, unknown>;
  if (answer.statusCode >= 300) throw new Error(`${path}: ${answer.statusCode} ${JSON.stringify(json)}`);
  return json;
}

const dataDir = await mkdtemp(join(tmpdir(), "bench-"));
const port = await freePort();
const base = `http://127.0.0.1:${port}`;
const stub = await startStub();
const service = await startService(dataDir, port);
try {
  await call(base, "PUT", "/api/v1/workflows/stub", {
    webhook_url: `http://127.0.0.1:${stub.port}/`,
    batch: { min: 1, max: 1 },
    max_concurrent: 1000,
  });
  await call(base, "PUT", "/api/v1/policy", {
    policy: { concurrency: { total: 1000 }, high_load: { waiting_above: 1_000_000 } },
  });
  let sent = 0;
  const started = performance.now();
  const end = started + SECONDS * 1000;
  let failures = 0;
  const inFlight = new Set<Promise<unknown>>();
  while (performance.now() < end) {
    const due = Math.floor(((performance.now() - started) / 1000) * RATE);
    while (sent < due) {
      sent++;
      const p = call(base, "POST", "/api/v1/tasks", { workflow_type: "stub", payload: { n: sent } })
        .catch((error) => {
          if (failures++ < 3) console.error(error);
        })
        .finally(() => inFlight.delete(p));
      inFlight.add(p);
    }
    await sleep(5);
    if (inFlight.size > 400) await Promise.race(inFlight);
  }
  await Promise.all(inFlight);
  const enqueuedIn = (performance.now() - started) / 1000;
  const password = (await import("node:fs")).readFileSync(join(dataDir, "postgres-password"), "utf8").trim();
  const pidFile = (await import("node:fs"))
    .readFileSync(join(dataDir, "postgres/postmaster.pid"), "utf8")
    .split("\n");
  const db = new pg.Client(
    `postgres://postgres:${password}@127.0.0.1:${pidFile[3]}/orchestrator?sslmode=disable`,
  );
  await db.connect();
  for (;;) {
    const { rows } = await db.query("select count(*)::int n from tasks where status not in ('completed')");
    if (rows[0].n === 0 || performance.now() > end + 60_000) break;
    await sleep(200);
  }
  const doneIn = (performance.now() - started) / 1000;
  const { rows } = await db.query(
    `select count(*)::int n, percentile_cont(array[0.5,0.99]) within group (order by extract(epoch from completed_at-created_at)*1000) p,
            (select count(*)::int from cycles) cycles, (select avg(duration_ms) from cycles) cycle_ms from tasks where status='completed'`,
  );
  console.log(
    `${rows[0].n}/${sent} lifecycles, enqueued in ${enqueuedIn.toFixed(1)} s, done in ${doneIn.toFixed(1)} s: ${(rows[0].n / doneIn).toFixed(0)}/s; p50 ${rows[0].p[0].toFixed(0)} ms, p99 ${rows[0].p[1].toFixed(0)} ms; ${rows[0].cycles} cycles of ${Number(rows[0].cycle_ms).toFixed(1)} ms; failures ${failures}`,
  );
  await db.end();
} finally {
  service.kill("SIGTERM");
  stub.child.kill();
  await new Promise((resolve) => service.once("exit", resolve));
  await agent.close();
  await rm(dataDir, { recursive: true, force: true });
}
