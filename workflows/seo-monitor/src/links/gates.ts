/** Owns the turns at each host: one request at a time, with a pause between two. Sends nothing. */
import type { Clock } from "@master-orchestrator/sdk";

export interface Gates {
  /** Runs `work` when it is its turn at `host` and `pauseMs` have passed since the one before ended. Rejects when `signal` aborts first. */
  pass<T>(host: string, pauseMs: number, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

interface Gate {
  /** Resolves when the last one that was let in has ended. */
  last: Promise<void>;
  waiting: number;
  endedAt: number;
}

/** Hosts that nobody waits for are forgotten when there are more of them. */
const MAX_IDLE = 1_000;

/** The gates of this process; several processes are kept apart behind them, by who sends (`Web`). */
export function openGates(clock: Clock): Gates {
  const gates = new Map<string, Gate>();
  return {
    async pass(host, pauseMs, signal, work) {
      let gate = gates.get(host);
      if (!gate) {
        if (gates.size >= MAX_IDLE) forgetIdle(gates);
        gate = { last: Promise.resolve(), waiting: 0, endedAt: Number.NEGATIVE_INFINITY };
        gates.set(host, gate);
      }
      const before = gate.last;
      const { promise, resolve } = Promise.withResolvers<void>();
      gate.last = promise;
      gate.waiting++;
      try {
        await before;
        const restMs = gate.endedAt + pauseMs - clock.elapsed();
        if (restMs > 0 && !signal.aborted) await clock.sleep(restMs, "politeness", signal);
        signal.throwIfAborted();
        try {
          return await work();
        } finally {
          gate.endedAt = clock.elapsed();
        }
      } finally {
        gate.waiting--;
        resolve();
      }
    },
  };
}

function forgetIdle(gates: Map<string, Gate>): void {
  for (const [host, { waiting }] of gates) if (waiting === 0) gates.delete(host);
}
