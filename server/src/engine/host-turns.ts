/** Owns the waiting for a turn at a host of other people's, which all replicas share. Sends nothing itself. */
import { OutboundFailure } from "#outbound/failure.ts";
import type { Database } from "#store/database.ts";
import { endTurn, takeTurn } from "#store/host-turns.ts";
import type { Clock } from "./clock.ts";

export interface HostTurns {
  /**
   * Runs `work` when nobody else asks `host`; afterwards the host is left alone for `pauseMs`. Rejects with OutboundFailure when
   * it is not free within twenty seconds, and with the signal's reason when that aborts first.
   */
  pass<T>(host: string, pauseMs: number, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

/** Longer than any one request may take: who has died by then holds nobody up. */
const LEASE_MS = 60_000;
const WAIT_MS = 20_000;
/** The database is asked again this often at the least: a turn may end early. */
const ASK_AGAIN_MS = 500;

export function openHostTurns(db: Database, clock: Clock): HostTurns {
  const sleep = (ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      const wake = () => {
        cancel();
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const cancel = clock.at(clock.nowMs() + ms, wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  async function take(host: string, signal: AbortSignal): Promise<string> {
    const giveUpAt = clock.monotonicMs() + WAIT_MS;
    for (;;) {
      signal.throwIfAborted();
      const turn = await takeTurn(db, host, LEASE_MS);
      if (turn.taken) return turn.until;
      if (clock.monotonicMs() >= giveUpAt) {
        throw new OutboundFailure(
          "timeout",
          `${host} is being asked by others of us, and was not free in time`,
        );
      }
      await sleep(Math.max(1, Math.min(turn.waitMs, ASK_AGAIN_MS)), signal);
    }
  }
  return {
    async pass(host, pauseMs, signal, work) {
      const until = await take(host, signal);
      try {
        return await work();
      } finally {
        await endTurn(db, host, until, pauseMs);
      }
    },
  };
}
