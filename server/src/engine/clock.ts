/** The one clock of the process: the wall's time, and timers that no step of the wall's clock moves. */

/** Timers longer than this fire at once in Node, so a far moment is approached in steps. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export interface Clock {
  /** Epoch milliseconds. */
  nowMs(): number;
  /** Milliseconds from some moment on, by a measure that nobody can set. */
  monotonicMs(): number;
  /**
   * Calls `action` once, when as much time has passed as `atMs` lies ahead now: a wall's clock that is set
   * forward or back in between changes nothing. Returns the way to take it back.
   */
  at(atMs: number, action: () => void): () => void;
  /** A short wait in which more of the same may come, to be done together. Means nothing else: a test's clock does not wait. */
  gather(ms: number): Promise<void>;
}

export const wallClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  at(atMs, action) {
    const dueMs = performance.now() + (atMs - Date.now());
    let timer: NodeJS.Timeout;
    const arm = () => {
      const restMs = dueMs - performance.now();
      // Timers may fire a little early; a moment never comes before its time.
      if (restMs <= 0) timer = setTimeout(action, 0);
      else timer = setTimeout(() => (performance.now() >= dueMs ? action() : arm()), cut(restMs));
    };
    arm();
    return () => clearTimeout(timer);
  },
  gather: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

function cut(restMs: number): number {
  return Math.min(Math.ceil(restMs), LONGEST_TIMER_MS);
}
