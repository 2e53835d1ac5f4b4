/** A PostgreSQL of the bench's own: embedded, in a temporary directory, with the settings that the service uses. */

import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { startEmbedded } from "../server/src/store/embedded/index.ts";

export async function withCluster<T>(
  work: (url: string) => Promise<T>,
  settings: Record<string, string> = {},
): Promise<T> {
  const dataDir = await mkdtemp(join(tmpdir(), "bench-"));
  const server = await startEmbedded({ dataDir, settings, log: () => {} });
  // A run that is broken off takes its server along.
  process.once("exit", () => endPostmaster(dataDir));
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
  try {
    return await work(server.url);
  } finally {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** With this a server keeps the log's files that `recycleWal` leaves. */
export const KEEPS_WAL = { min_wal_size: "1GB" };

/**
 * Brings the server where one is that has run for a while: `files` files of its log, of 16 MiB each, lie ready to be written again. A new
 * server has none, and stops every commit for 30 to 60 ms whenever it makes one.
 */
export async function recycleWal(db: pg.Client, files: number): Promise<void> {
  for (let i = 0; i < files; i++) {
    await db.query("select pg_logical_emit_message(true, 'bench', 'a file of its own')");
    await db.query("select pg_switch_wal()");
  }
  await db.query("checkpoint");
}

function endPostmaster(dataDir: string): void {
  try {
    const pid = readFileSync(join(dataDir, "postgres", "postmaster.pid"), "utf8").split("\n")[0];
    process.kill(Number(pid), "SIGQUIT");
  } catch {
    // It has stopped by itself.
  }
}

export function percentile(sorted: readonly number[], p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))] as number;
}

/** What the figures were measured on, in one line. */
export async function machine(fsync: "on" | "off" = "on"): Promise<string> {
  const { availableParallelism, cpus, totalmem } = await import("node:os");
  const memory = Math.round(totalmem() / 1024 ** 3);
  return `${availableParallelism()} × ${cpus()[0]?.model.trim()}, ${memory} GiB, Node ${process.versions.node}, PostgreSQL 18 embedded, fsync ${fsync}`;
}
