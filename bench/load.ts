/** The load that benchmarks share: the service and a stub sub-workflow as processes, and tasks at a steady rate. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { createPoster } from "./post.ts";

const MAX_WAITING_REQUESTS = 400;
const ANSWERED_WITHIN_MS = 30_000;
/** Four times what 1,000 a second need at 100 ms each: more would only wait at the stub instead of in the queue. */
const IN_FLIGHT = 1_000;
const KEY = "bench-admin-key-0123456789abcdef";
/** Enough that no request waits for another one's answer at the rates that are measured. */
const poster = createPoster({ connections: 100, withinMs: ANSWERED_WITHIN_MS });

export interface Service {
  base: string;
  child: ChildProcess;
  /** What it has written so far, its log included. */
  output(): string;
  /** Asks it to stop, and waits until it has. */
  stop(): Promise<void>;
}

export interface Stub {
  url: string;
  pid: number;
  stop(): void;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A process of its own that runs a file of this folder and says by message what it is ready with. */
export async function startBeside<T>(
  file: string,
  args: string[] = [],
): Promise<{ child: ChildProcess; ready: T }> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const [ready] = (await once(child, "message")) as [T];
  return { child, ready };
}

export async function startStub(): Promise<Stub> {
  const { child, ready } = await startBeside<{ port: number }>("stub.ts");
  const url = `http://127.0.0.1:${ready.port}/`;
  return { url, pid: child.pid as number, stop: () => void child.kill() };
}

/** Starts the real service as a process and waits until it is ready. */
export async function startService(databaseUrl: string, env: NodeJS.ProcessEnv = {}): Promise<Service> {
  const dataDir = await mkdtemp(`${tmpdir()}/bench-`);
  const port = await freePort();
  const main = fileURLToPath(new URL("../server/src/main.ts", import.meta.url));
  const child = spawn(process.execPath, [main], {
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      DATA_DIR: dataDir,
      PORT: String(port),
      ORCHESTRATOR_ADMIN_KEY: KEY,
      OUTBOUND_ALLOW: "127.0.0.1",
      LOG_LEVEL: "warn",
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  process.once("exit", () => child.kill("SIGKILL"));
  let output = "";
  const ended = once(child, "close").then(() => rm(dataDir, { recursive: true, force: true }));
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        if (output.includes("is ready")) resolve();
      });
    }
    child.once("close", () => reject(new Error(`the service did not start:\n${output}`)));
  });
  return {
    base: `http://127.0.0.1:${port}`,
    child,
    output: () => output,
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

export async function call(base: string, method: "POST" | "PUT", path: string, body: unknown): Promise<void> {
  const { status, text } = await poster.post(base + path, { method, token: KEY, body });
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
}

/**
 * Registers the stub as a sub-workflow of one task to an execution, with room for all that comes. What is measured is what
 * the service can do: that it takes on less while its cycles are slow (other work on the machine) is turned off.
 */
export async function registerStub(base: string, url: string): Promise<void> {
  const settings = { webhook_url: url, batch: { min: 1, max: 1 }, max_concurrent: IN_FLIGHT };
  await call(base, "PUT", "/api/v1/workflows/stub", settings);
  const policy = {
    concurrency: { total: IN_FLIGHT },
    high_load: { waiting_above: 1_000_000 },
    recovery: { reduce: { cycle_p95_ms: 60_000 } },
  };
  await call(base, "PUT", "/api/v1/policy", { policy });
}

/**
 * Enqueues `rate` tasks a second until `until` says so, one task a request, in turn through the services that
 * `bases` names at that moment; returns how many were sent. A rate above what they can do measures their capacity.
 * A request that fails is the caller's failure, unless `forgiving`: then its task counts as not sent.
 */
export async function enqueueAtRate(load: {
  bases(): string[];
  rate: number;
  until(elapsedMs: number): boolean;
  forgiving?: boolean;
}): Promise<number> {
  const started = performance.now();
  const open = new Set<Promise<void>>();
  let asked = 0;
  let failed = 0;
  for (;;) {
    const elapsedMs = performance.now() - started;
    if (load.until(elapsedMs)) break;
    const due = Math.floor((elapsedMs / 1000) * load.rate);
    const bases = load.bases();
    for (; asked < due && open.size < MAX_WAITING_REQUESTS; asked++) {
      const base = bases[asked % bases.length] as string;
      const task = { workflow_type: "stub", payload: { n: asked } };
      const sending = call(base, "POST", "/api/v1/tasks", task).catch((error) => {
        if (!load.forgiving) throw error;
        failed++;
      });
      open.add(sending);
      sending.finally(() => open.delete(sending)).catch(() => {});
    }
    if (open.size >= MAX_WAITING_REQUESTS) await Promise.race(open);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await Promise.all(open);
  return asked - failed;
}

/** Closes what the load keeps open, so that the benchmark's process can end. */
export async function closeLoad(): Promise<void> {
  poster.close();
}
