/** The service as a process of its own, in the time that there is. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { freePort } from "../gateways.ts";
import type { Site } from "./site.ts";

const KEY = "bench-admin-key-0123456789abcdef";
const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 20_000;

/** Starts it as `npm start` does. Rejects when it is not ready in a minute. */
export async function realSite(at: {
  databaseUrl: string;
  dataDir: string;
  providers: Record<string, string>;
}): Promise<Site> {
  const port = await freePort();
  const errors: string[] = [];
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL("../../server/src/main.ts", import.meta.url))],
    {
      env: {
        ...process.env,
        ...{ DATABASE_URL: at.databaseUrl, DATA_DIR: at.dataDir, PORT: String(port) },
        ...{ ORCHESTRATOR_ADMIN_KEY: KEY, OUTBOUND_ALLOW: "127.0.0.1" },
        ...at.providers,
      },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const ended = once(child, "exit");
  const ready = new Promise<void>((resolve) => {
    let line = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const lines = (line + text).split("\n");
      line = lines.pop() ?? "";
      for (const each of lines) {
        if (each.includes("is ready")) resolve();
        if (each.includes('"level":"error"')) errors.push(each.slice(0, 300));
      }
    });
  });
  const late = AbortSignal.timeout(READY_WITHIN_MS);
  await Promise.race([
    ready,
    ended.then(() => Promise.reject(new Error("the service ended before it was ready"))),
    once(late, "abort").then(() => Promise.reject(new Error("the service was not ready in a minute"))),
  ]);
  return {
    url: `http://127.0.0.1:${port}`,
    key: KEY,
    errors,
    async passUntil(atMs) {
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, atMs - Date.now())));
    },
    async stop() {
      child.kill("SIGTERM");
      const kill = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN_MS);
      await ended;
      clearTimeout(kill);
    },
  };
}
