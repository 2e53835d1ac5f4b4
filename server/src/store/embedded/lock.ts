/** Owns the lock that gives a data directory to one process at a time. Never starts or stops a server. */
import { setTimeout as pause } from "node:timers/promises";
import { Problem } from "@master-orchestrator/contract";
import type pg from "pg";
import { isAlive } from "./launch.ts";

const KEY = 0x6d6f7263; // "morc"
const GRACE_MS = 3000;

const HOLDER = `
  select a.application_name as name from pg_locks l join pg_stat_activity a on a.pid = l.pid
  where l.locktype = 'advisory' and l.granted and l.classid = 0 and l.objid = ${KEY} and l.objsubid = 1`;

/**
 * Takes the lock for as long as `session` lives. Throws Problem `data_dir_in_use` if a living process holds it;
 * a dead one's connection gets up to 3 s to fall. Other errors mean that the session was lost.
 */
export async function takeLock(session: pg.Client, dataDir: string): Promise<void> {
  const deadline = performance.now() + GRACE_MS;
  for (;;) {
    const { rows } = await session.query(`select pg_try_advisory_lock(${KEY}) as taken`);
    if (rows[0].taken) return;
    const holder = (await session.query(HOLDER)).rows[0]?.name as string | undefined;
    const pid = Number(/ pid (\d+)$/.exec(holder ?? "")?.[1]);
    const isGone = holder === undefined || (pid > 0 && !isAlive(pid));
    if (!isGone || performance.now() > deadline) throw inUse(dataDir, pid || undefined);
    await pause(25);
  }
}

function inUse(dataDir: string, pid: number | undefined): Problem {
  const by = pid ? `by process ${pid}` : "by another process";
  const hint = "Stop that process, or give this one a directory and a port of its own: DATA_DIR and PORT.";
  return new Problem("data_dir_in_use", `The data directory ${dataDir} is in use ${by}.`, hint, {
    dataDir,
    pid,
  });
}
