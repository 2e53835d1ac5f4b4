/**
 * Processor time by process, from /proc: what a lifecycle costs is steadier than how long it takes on a machine that
 * others use too. Knows Linux only; elsewhere there is nothing to read.
 */
import { readdirSync, readFileSync } from "node:fs";

/** What `/proc/<pid>/stat` counts in, on every Linux that Node runs on. */
const TICK_MS = 10;

/** Milliseconds of processor time so far, by name. */
export type CpuTimes = Record<string, number>;

interface Stat {
  parent: number;
  ownMs: number;
  /** Of children that have ended and were waited for. */
  endedMs: number;
}

function statOf(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name may hold spaces and brackets: what counts comes after the last one.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const ms = (first: number) => (Number(fields[first]) + Number(fields[first + 1])) * TICK_MS;
    return { parent: Number(fields[1]), ownMs: ms(11), endedMs: ms(13) };
  } catch {
    return null;
  }
}

/** Of a process that is there; 0 where that cannot be read. */
export function parentOf(pid: number): number {
  return statOf(pid)?.parent ?? 0;
}

/** `pids` by name; of a process in `withChildren` its children count as well, also those that have ended. */
export function cpuTimes(pids: Record<string, number>, withChildren: readonly string[] = []): CpuTimes {
  const times: CpuTimes = {};
  for (const [name, pid] of Object.entries(pids)) {
    const own = statOf(pid);
    if (own) times[name] = own.ownMs + (withChildren.includes(name) ? own.endedMs + childrenMs(pid) : 0);
  }
  return times;
}

function childrenMs(pid: number): number {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return all.reduce((sum, name) => {
    const stat = statOf(Number(name));
    return stat?.parent === pid ? sum + stat.ownMs : sum;
  }, 0);
}

/** What each lifecycle cost between two readings, in one line. */
export function cpuLine(
  before: CpuTimes,
  after: CpuTimes,
  { lifecycles, seconds }: { lifecycles: number; seconds: number },
): string {
  const each = Object.keys(after).map((name) => ({
    name,
    ms: ((after[name] ?? 0) - (before[name] ?? 0)) / lifecycles,
  }));
  if (each.length === 0) return "processor time: unknown on this system";
  const sum = each.reduce((total, one) => total + one.ms, 0);
  const busy = (sum * lifecycles) / 1000 / seconds;
  const parts = each.map(({ name, ms }) => `${name} ${ms.toFixed(2)}`).join(", ");
  return `processor time to a lifecycle: ${sum.toFixed(2)} ms (${parts}); ${busy.toFixed(2)} processors busy`;
}
