/** Owns the server process of one cluster: finding it, adopting it, starting and stopping it. Never decides who may use it. */
import { type ChildProcess, execFileSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, renameSync, statSync, unlinkSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Problem } from "@master-orchestrator/contract";
import pg from "pg";
import type { Cluster } from "./cluster.ts";
import { spawnAs, takeOwnership } from "./identity.ts";

export interface Running {
  pid: number;
  port: number;
  /** A session of ours in database `postgres`, proof that the server is the cluster's. The caller ends it. */
  session: pg.Client;
  /** Whether it ran before we came. */
  adopted: boolean;
}

const READY_WITHIN_MS = 20_000;
const STOPPED_WITHIN_MS = 10_000;
const SPAWNS = 6;
const POLL_MS = 15;
const LOG_LIMIT_BYTES = 10 * 1024 * 1024;

/**
 * Adopts the server of the cluster or starts one, and waits until it answers, at most 20 s.
 * `port` insists on that port; else a free one is taken. `signal` gives up and stops what was started.
 * Throws Problem `database_unavailable`, with what to do.
 */
export async function launch(cluster: Cluster, signal: AbortSignal, port?: number): Promise<Running> {
  const deadline = performance.now() + READY_WITHIN_MS;
  let child: ChildProcess | null = null;
  let spawns = 0;
  try {
    for (;;) {
      signal.throwIfAborted();
      const seen = sight(cluster);
      if (seen?.ready) {
        const session = await logIn(cluster, seen.port);
        if (session) return { pid: seen.pid, port: seen.port, session, adopted: seen.pid !== child?.pid };
      } else if (!seen && (child === null || hasEnded(child))) {
        // Why it ended may pass (port taken in between, another process was first, old backends still ending).
        if (spawns === SPAWNS) throw notStarted(cluster, "did not start");
        if (spawns > 0) await pause(50 * 2 ** spawns);
        spawns++;
        child = await start(cluster, port ?? (await freePort()));
      }
      if (performance.now() > deadline) {
        const advice = "give it time (after a crash it replays its journal) and start again";
        throw notStarted(cluster, `was not ready within ${READY_WITHIN_MS / 1000} s`, advice);
      }
      await pause(POLL_MS);
    }
  } catch (error) {
    // Not for slowness: recovery after a crash may take its time, and the next start finds the server ready.
    const tooSlow = error instanceof Problem && performance.now() > deadline;
    if (child?.pid !== undefined && !hasEnded(child) && !tooSlow) await endProcess(child.pid);
    throw error;
  }
}

/** Fast shutdown, waiting at most 10 s. False: it still runs then, and goes on shutting down on its own. */
export async function shutDown(cluster: Cluster, running: Running): Promise<boolean> {
  // The pid may belong to something else by now; the file and the process together do not lie.
  if (sight(cluster)?.pid !== running.pid) return true;
  return endProcess(running.pid);
}

async function endProcess(pid: number): Promise<boolean> {
  const deadline = performance.now() + STOPPED_WITHIN_MS;
  try {
    process.kill(pid, "SIGINT");
  } catch {
    return !isAlive(pid);
  }
  while (isAlive(pid)) {
    if (performance.now() > deadline) return false;
    await pause(POLL_MS);
  }
  return true;
}

/** The living server that the cluster's pid file names; clears a file that names a stranger's process. */
function sight(cluster: Cluster): { pid: number; port: number; ready: boolean } | null {
  const file = join(cluster.path, "postmaster.pid");
  const text = readIfThere(file);
  const [pidLine, , , port, , , , status] = (text ?? "").split("\n");
  const pid = Math.abs(Number(pidLine));
  if (text === null || !(pid > 0) || !isAlive(pid)) return null; // PostgreSQL itself replaces a dead one's file
  if (commandOf(pid).includes(cluster.path)) {
    return { pid, port: Number(port), ready: status?.trim() === "ready" };
  }
  // After a reboot or in a new container the pid is another program's; PostgreSQL would refuse to start.
  if (isAlive(pid) && readIfThere(file) === text) {
    cluster.log("warn", `removing a stale postmaster.pid: process ${pid} is not PostgreSQL`, { file });
    unlinkSync(file);
  }
  return null;
}

/** A session in the server, or null while it starts up or shuts down. Throws if it is not the cluster's. */
async function logIn(cluster: Cluster, port: number): Promise<pg.Client | null> {
  const session = new pg.Client({
    ...{
      host: "127.0.0.1",
      port,
      user: "postgres",
      password: cluster.password,
      database: "postgres",
      ssl: false,
    },
    application_name: `master-orchestrator pid ${process.pid}`,
    connectionTimeoutMillis: 3000,
  });
  session.on("error", () => {}); // "end" follows and is what counts; unheard, an error ends the process
  try {
    await session.connect();
    const { rows } = await session.query("show data_directory");
    if ((await realpath(rows[0].data_directory)) === cluster.path) return session;
  } catch (error) {
    void session.end().catch(() => {});
    if ((error as { code?: string }).code !== "28P01") return null;
    const hint = `Restore ${join(cluster.dataDir, "postgres-password")} from the backup that ${cluster.path} came from.`;
    throw new Problem("database_unavailable", "The database refuses its password.", hint, { cause: error });
  }
  await session.end();
  throw notStarted(cluster, `is not the server on port ${port}`);
}

async function start(cluster: Cluster, port: number): Promise<ChildProcess> {
  const { identity, binaries, path, settings } = cluster;
  await takeOwnership(identity, path);
  const all: Record<string, string> = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    max_connections: "100",
    shared_buffers: "128MB",
    random_page_cost: "1.1", // no disk that spins: looking rows up by key costs what reading them in a row does
    timezone: "UTC",
    log_timezone: "UTC",
    log_checkpoints: "off", // a line every few minutes would only fill the log
    logging_collector: "off",
    ...settings,
  };
  const args = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const log = openLog(cluster);
  const child = spawnAs(identity, binaries.postgres, ["-D", path, ...args], ["ignore", log, log]);
  child.on("error", () => {}); // it has no pid then, and counts as ended
  child.unref();
  closeSync(log);
  return child;
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** Whether a process runs. A dead one that nobody has collected yet (as in containers without init) does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  const state = readIfThere(`/proc/${pid}/stat`)?.replace(/^.*\) /s, "")[0];
  return state !== "Z" && state !== "X";
}

function commandOf(pid: number): string {
  if (process.platform === "linux") return readIfThere(`/proc/${pid}/cmdline`) ?? "";
  try {
    return execFileSync("ps", ["-ww", "-o", "command=", "-p", String(pid)], { encoding: "utf8" });
  } catch {
    return "";
  }
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

const logFile = (cluster: Cluster) => join(cluster.dataDir, "postgres.log");

function openLog(cluster: Cluster): number {
  const file = logFile(cluster);
  const { size } = statSync(file, { throwIfNoEntry: false }) ?? { size: 0 };
  if (size > LOG_LIMIT_BYTES) renameSync(file, `${file}.1`);
  return openSync(file, "a", 0o600);
}

function notStarted(cluster: Cluster, what: string, advice = "mend the cause and start again"): Problem {
  const said = (readIfThere(logFile(cluster)) ?? "").trim().split("\n").slice(-3).join(" | ");
  const hint = `See ${logFile(cluster)}, ${advice}. It ends with: ${said}`;
  return new Problem("database_unavailable", `PostgreSQL in ${cluster.path} ${what}.`, hint);
}
