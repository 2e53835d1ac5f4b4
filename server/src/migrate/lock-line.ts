/** Owns waiting for a lock: looks again until it is free, the caller has gone, or the time is over. Knows no HTTP. */
import type { Database } from "#store/database.ts";
import {
  countRefusal,
  joinLine,
  keepPlace,
  type LeaseRow,
  type LockAsk,
  leaveLockLine,
  lockState,
  releaseLease,
  takeLock,
} from "#store/locks.ts";

/** The part of the process's clock that waiting needs. */
export interface LineClock {
  nowMs(): number;
  at(atMs: number, action: () => void): () => void;
}

export type Acquired =
  | { kind: "granted"; lease: LeaseRow }
  /** `holder` null: others stand before it in the line. */
  | { kind: "locked"; holder: string | null; freeWithinMs: number }
  /** The caller has gone, or this process stops. */
  | { kind: "given_up" };

export interface LockLine {
  acquire(ask: Omit<LockAsk, "ticket">, options: { waitMs: number; signal: AbortSignal }): Promise<Acquired>;
  /** False if the lease is not held any more. */
  release(name: string, leaseId: string): Promise<boolean>;
  /** Somebody may have it now: lets those of this process look. */
  freed(name: string): void;
  /** Nobody waits here any longer. */
  stop(): void;
}

/** How often one who waits looks, unless this process itself has freed the lock. */
const LOOK_EVERY_MS = 250;
/** A place whose owner has not looked for so long is given up: its process has ended. */
const PLACE_KEPT_MS = 5_000;

export function createLockLine({ db, clock }: { db: Database; clock: LineClock }): LockLine {
  const waiting = new Map<string, Set<() => void>>();
  const stopping = new AbortController();
  const freed = (name: string) => {
    for (const look of [...(waiting.get(name) ?? [])]) look();
  };

  /** Resolves after a while, when the lock was freed here, or when the caller has gone. */
  const pause = (name: string, untilMs: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      const looks = waiting.get(name) ?? new Set();
      waiting.set(name, looks);
      const end = () => {
        cancel();
        looks.delete(end);
        if (looks.size === 0) waiting.delete(name);
        signal.removeEventListener("abort", end);
        resolve();
      };
      const cancel = clock.at(Math.min(clock.nowMs() + LOOK_EVERY_MS, untilMs), end);
      looks.add(end);
      signal.addEventListener("abort", end, { once: true });
      if (signal.aborted) end();
    });

  async function waitInLine(
    ask: Omit<LockAsk, "ticket">,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<LeaseRow | null> {
    const untilMs = clock.nowMs() + waitMs;
    const ticket = await joinLine(db, { ...ask, ticket: null }, PLACE_KEPT_MS);
    let lease: LeaseRow | null = null;
    try {
      for (;;) {
        lease = await takeLock(db, { ...ask, ticket });
        if (lease || signal.aborted || clock.nowMs() >= untilMs) return lease;
        await pause(ask.name, untilMs, signal);
        await keepPlace(db, ticket, PLACE_KEPT_MS);
      }
    } finally {
      if (!lease) await leaveLockLine(db, ticket);
    }
  }

  return {
    async acquire(ask, { waitMs, signal: left }) {
      const signal = AbortSignal.any([left, stopping.signal]);
      const lease =
        (await takeLock(db, { ...ask, ticket: null })) ??
        (waitMs > 0 ? await waitInLine(ask, waitMs, signal) : null);
      if (lease && signal.aborted) {
        // Nobody is there to take the answer: without this the lock would be held until it expires.
        if (await releaseLease(db, ask.name, lease.leaseId)) freed(ask.name);
        return { kind: "given_up" };
      }
      if (lease) return { kind: "granted", lease };
      if (signal.aborted) return { kind: "given_up" };
      await countRefusal(db, ask.name);
      const { holder, expiresAtMs, nowMs } = await lockState(db, ask.name);
      return {
        kind: "locked",
        holder,
        freeWithinMs: expiresAtMs === null ? LOOK_EVERY_MS : expiresAtMs - nowMs,
      };
    },
    async release(name, leaseId) {
      const released = await releaseLease(db, name, leaseId);
      if (released) freed(name);
      return released;
    },
    freed,
    stop: () => stopping.abort(),
  };
}
