/** The processes of the gateway's bench: a provider, our service, the other gateway. Measures nothing but their processor time. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { request } from "undici";

export const KEY = "bench-admin-key-0123456789abcdef";

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function pathOf(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}

export interface Started {
  child: ChildProcess;
  url: string;
}

export function startProvider(): Promise<Started> {
  return startScript("provider.ts");
}

/** Sends everything on to `providerUrl`. */
export async function startRelay(providerUrl: string): Promise<Started> {
  return startScript("relay.ts", [new URL(providerUrl).origin]);
}

async function startScript(name: string, given: string[] = []): Promise<Started> {
  const child = fork(pathOf(name), given, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const port = await new Promise<number>((resolve) =>
    child.once("message", (message) => resolve((message as { port: number }).port)),
  );
  return { child, url: `http://127.0.0.1:${port}/v1` };
}

export async function startOurs(at: {
  databaseUrl: string;
  dataDir: string;
  port: number;
  providerUrl: string;
}): Promise<ChildProcess> {
  const child = spawn(process.execPath, [pathOf("../server/src/main.ts")], {
    env: {
      ...process.env,
      DATABASE_URL: at.databaseUrl,
      DATA_DIR: at.dataDir,
      PORT: String(at.port),
      ORCHESTRATOR_ADMIN_KEY: KEY,
      OPENAI_API_KEY: "bench",
      OPENAI_BASE_URL: at.providerUrl,
      LOG_LEVEL: "warn",
      ...(process.env.BENCH_NODE_OPTIONS ? { NODE_OPTIONS: process.env.BENCH_NODE_OPTIONS } : {}),
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise<void>((resolve) => {
    child.stdout?.on("data", (data) => String(data).includes("is ready") && resolve());
  });
  const answer = await request(`http://127.0.0.1:${at.port}/api/v1/policy`, {
    method: "PUT",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ policy: { providers: { openai: { requests_per_minute: 6_000 } } } }),
  });
  await answer.body.dump();
  return child;
}

export async function startPortkey(port: number): Promise<ChildProcess> {
  const script = pathOf("../node_modules/@portkey-ai/gateway/build/start-server.js");
  const child = spawn(process.execPath, [script, `--port=${port}`, "--headless"], { stdio: "ignore" });
  for (let tries = 0; tries < 100; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    const up = await request(`http://127.0.0.1:${port}/`).catch(() => null);
    await up?.body.dump();
    if (up) return child;
  }
  throw new Error("the other gateway did not start");
}

/** Processor time of a process so far, where the system tells: unlike a latency it is the same on a busy machine. */
export async function processorMs({ pid }: ChildProcess): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
    .map(Number);
  return ((user ?? Number.NaN) + (system ?? Number.NaN)) * 10;
}
