/** Owns the service as a user has it: a process of its own, its terminal, its data directory; and the CLI beside it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isAlive } from "#store/embedded/launch.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const READY_WITHIN_MS = 90_000;

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Service {
  pid: number;
  /** What it has written so far. */
  stdout(): string;
  ended: Promise<Ended>;
  signal(signal: NodeJS.Signals): void;
}

/** One installation: a data directory and a port, empty at first, gone with the test. */
export interface Installation {
  url: string;
  dataDir: string;
  /** Starts the service as `npm start` does, and waits until it says that it is ready. */
  start(): Promise<Service>;
  /** Starts it where it is not expected to become ready. */
  startInVain(): Promise<Ended>;
  /** Runs the command line. */
  cli(...args: string[]): Promise<Ended>;
  /** Of the PostgreSQL that serves the data directory. */
  postmasterPid(): number;
}

/** `settings` are those of its environment that differ from a plain start. */
export async function anInstallation(
  t: TestContext,
  settings: Record<string, string> = {},
): Promise<Installation> {
  const dataDir = join(await mkdtemp(join(tmpdir(), "orchestrator-process-")), "data");
  const port = await freePort();
  const { PATH = "", HOME = "" } = process.env;
  const url = `http://127.0.0.1:${port}`;
  const env = { PATH, HOME, DATA_DIR: dataDir, PORT: String(port), ORCHESTRATOR_URL: url, ...settings };
  const run = (...args: string[]) => spawn(process.execPath, args, { cwd: ROOT, env, stdio: "pipe" });
  const started: ChildProcess[] = [];
  const serve = () => {
    const child = run("server/src/main.ts");
    started.push(child);
    return child;
  };
  const postmasterPid = () =>
    Number(readFileSync(join(dataDir, "postgres", "postmaster.pid"), "utf8").split("\n")[0]);
  t.after(async () => {
    for (const child of started) child.kill("SIGKILL");
    await endPostmaster(postmasterPid);
    await rm(join(dataDir, ".."), { recursive: true, force: true, maxRetries: 5 });
  });
  return {
    url,
    dataDir,
    async start() {
      const child = serve();
      const { written, ended } = listen(child);
      const gaveUp = AbortSignal.timeout(READY_WITHIN_MS);
      while (!written().stdout.includes("is ready: ")) {
        const { stdout, stderr } = written();
        if (child.exitCode !== null || gaveUp.aborted)
          throw new Error(`it is not ready:\n${stdout}${stderr}`);
        await Promise.race([once(child.stdout!, "data", { signal: gaveUp }), ended]).catch(() => {});
      }
      const pid = child.pid as number;
      return { pid, ended, stdout: () => written().stdout, signal: (signal) => void child.kill(signal) };
    },
    startInVain: () => listen(serve()).ended,
    cli: (...args) => listen(run("server/bin/orchestrator.js", ...args)).ended,
    postmasterPid,
  };
}

function listen(child: ChildProcess): {
  written(): { stdout: string; stderr: string };
  ended: Promise<Ended>;
} {
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]!.setEncoding("utf8").on("data", (text) => {
      texts[name] += text;
    });
  }
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, ...texts }));
  return { written: () => texts, ended };
}

async function endPostmaster(postmasterPid: () => number): Promise<void> {
  try {
    const pid = postmasterPid();
    process.kill(pid, "SIGQUIT");
    while (isAlive(pid)) await pause(10);
  } catch {
    // It was gone already.
  }
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
