/** The one clock of the process: the wall's time, and timers at absolute moments. */

/** Timers longer than this fire at once in Node, so a far moment is approached in steps. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export interface Clock {
  /** Epoch milliseconds. */
  nowMs(): number;
  /** Calls `action` once at or after `atMs`. Returns the way to take it back. */
  at(atMs: number, action: () => void): () => void;
  /** A short wait in which more of the same may come, to be done together. Means nothing else: a test's clock does not wait. */
  gather(ms: number): Promise<void>;
}

export const wallClock: Clock = {
  nowMs: () => Date.now(),
  at(atMs, action) {
    let timer: NodeJS.Timeout;
    const arm = () => {
      const restMs = atMs - Date.now();
      if (restMs <= 0) timer = setTimeout(action, 0);
      else if (restMs > LONGEST_TIMER_MS) timer = setTimeout(arm, LONGEST_TIMER_MS);
      // Timers may fire a millisecond early; a boundary is never run before its time.
      else timer = setTimeout(() => (Date.now() >= atMs ? action() : arm()), restMs);
    };
    arm();
    return () => clearTimeout(timer);
  },
  gather: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};
