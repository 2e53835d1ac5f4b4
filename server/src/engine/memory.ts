/**
 * Owns what this process does about its own memory: above the limit it drops caches and collects garbage, and says that it
 * is short; far above it, for long, it asks to be started anew. Pauses nobody: that is the plan's, by what it says.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Policy } from "@master-orchestrator/contract";
import type { Log } from "#log.ts";

/** What can be had again, for the price of asking for it. */
export interface Droppable {
  name: string;
  drop(): void;
}

export interface MemoryContext {
  /** Resident memory of the process; tests inject their own. */
  rssMb(): number;
  monotonicMs(): number;
  caches: readonly Droppable[];
  collectGarbage(): void;
  log: Log;
  /** Called once: neither caches nor garbage explain it, and it goes on. */
  onRunaway(reason: string): void;
}

export interface MemoryWatch {
  /** Looks now, and does what is to be done. */
  look(limits: Policy["memory"]): { rssMb: number; memoryPressed: boolean };
}

/** While memory stays short, caches are dropped and garbage is collected this often: a collection stops everything else. */
const AGAIN_MS = 30_000;

export function createMemoryWatch(context: MemoryContext): MemoryWatch {
  const { caches, log } = context;
  let pressed = false;
  let relievedMs = Number.NEGATIVE_INFINITY;
  let runawaySinceMs: number | null = null;
  let gaveUp = false;

  const relieve = (): number => {
    const beforeMb = context.rssMb();
    for (const cache of caches) cache.drop();
    context.collectGarbage();
    const rssMb = context.rssMb();
    log.warn("Memory is short: caches were dropped and garbage was collected", {
      ...{ rss_before_mb: beforeMb, rss_mb: rssMb },
      dropped: caches.map(({ name }) => name),
    });
    return rssMb;
  };

  const watchRunaway = (rssMb: number, limits: Policy["memory"]) => {
    const nowMs = context.monotonicMs();
    const mostMb = limits.max_rss_mb * limits.drain_above;
    if (rssMb <= mostMb) runawaySinceMs = null;
    else runawaySinceMs ??= nowMs;
    if (gaveUp || runawaySinceMs === null || nowMs - runawaySinceMs < limits.drain_after_seconds * 1000)
      return;
    gaveUp = true;
    context.onRunaway(
      `${rssMb} MB of resident memory for ${limits.drain_after_seconds} s, more than ${limits.drain_above} times ` +
        `the ${limits.max_rss_mb} MB of policy memory.max_rss_mb, after caches were dropped and garbage was collected`,
    );
  };

  return {
    look(limits) {
      let rssMb = context.rssMb();
      const nowMs = context.monotonicMs();
      if (rssMb > limits.max_rss_mb && (!pressed || nowMs - relievedMs >= AGAIN_MS)) {
        rssMb = relieve();
        relievedMs = nowMs;
        // What garbage explains is no shortage.
        pressed ||= rssMb > limits.max_rss_mb * limits.resume_below;
      }
      if (pressed && rssMb <= limits.max_rss_mb * limits.resume_below) {
        pressed = false;
        log.info("Memory is not short any more", { rss_mb: rssMb, limit_mb: limits.max_rss_mb });
      }
      watchRunaway(rssMb, limits);
      return { rssMb, memoryPressed: pressed };
    },
  };
}

/** Of this process, in whole megabytes. */
export function ownRssMb(): number {
  return Math.round(process.memoryUsage.rss() / 1024 ** 2);
}

let collect: (() => void) | undefined;

/** Node hides its collector unless it is told otherwise, which it may be at any time; only a new context sees it then. */
export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString("--expose_gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
}
