/** Owns a clock that stands still until a test moves it; never waits by itself. */
import type { Clock } from "./clock.ts";

export interface ManualClock extends Clock {
  /** Moves time, and wakes in order everybody whose wait ends by then. */
  advance(ms: number): void;
  /**
   * Waits until somebody sleeps for `why` ("heartbeat", "callback", "deadline", "claim", "checkpoint",
   * "checkpoints", "grace", "stop"), moves time to the end of that sleep, and resolves with its length in ms.
   */
  pass(why: string): Promise<number>;
  /** What is being waited for now. */
  waits(): { why: string; ms: number }[];
}

interface Sleeper {
  why: string;
  ms: number;
  dueMs: number;
  wake: () => void;
}

/** A clock that starts at `startMs` (default: the real time, so that signatures fit) and never jitters. */
export function manualClock(startMs: number = Date.now()): ManualClock {
  let nowMs = startMs;
  const sleepers = new Set<Sleeper>();
  const watchers = new Set<() => void>();

  function advance(ms: number): void {
    const untilMs = nowMs + ms;
    for (;;) {
      const due = [...sleepers].filter((each) => each.dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs)[0];
      if (!due) break;
      nowMs = Math.max(nowMs, due.dueMs);
      due.wake();
    }
    nowMs = untilMs;
  }

  return {
    now: () => nowMs,
    elapsed: () => nowMs,
    random: () => 0.5,
    sleep(ms, why, signal) {
      return new Promise((resolve) => {
        if (ms <= 0 || signal?.aborted) return resolve();
        const wake = () => {
          sleepers.delete(sleeper);
          signal?.removeEventListener("abort", wake);
          resolve();
        };
        const sleeper: Sleeper = { why, ms, dueMs: nowMs + ms, wake };
        sleepers.add(sleeper);
        signal?.addEventListener("abort", wake, { once: true });
        for (const look of [...watchers]) look();
      });
    },
    advance,
    pass(why) {
      return new Promise((resolve) => {
        const look = () => {
          const sleeper = [...sleepers].find((each) => each.why === why);
          if (!sleeper) return;
          watchers.delete(look);
          advance(Math.max(0, sleeper.dueMs - nowMs));
          resolve(sleeper.ms);
        };
        watchers.add(look);
        look();
      });
    },
    waits: () => [...sleepers].map(({ why, ms }) => ({ why, ms })),
  };
}
