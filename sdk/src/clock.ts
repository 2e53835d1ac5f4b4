/** Owns time and chance for the sdk, so that tests can move both; never decides what to wait for. */

export interface Clock {
  /** Wall clock, milliseconds since 1970. */
  now(): number;
  /** Monotonic milliseconds; only differences mean something. */
  elapsed(): number;
  /** From 0 up to, not including, 1. */
  random(): number;
  /**
   * Resolves after `ms`, or at once when `signal` aborts; never rejects.
   * `why` names the wait ("heartbeat", "callback"), for tests that let exactly that wait pass.
   */
  sleep(ms: number, why: string, signal?: AbortSignal): Promise<void>;
}

/** The machine's own clock. Its waits hold the process open until they end or are aborted. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  random: () => Math.random(),
  sleep(ms, _why, signal) {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const wake = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      signal?.addEventListener("abort", wake, { once: true });
    });
  },
};

/** The wait before try number `tries + 1`: `firstMs`, doubled each time up to `mostMs`, a fifth more or less. */
export function backoffMs(clock: Clock, tries: number, firstMs: number, mostMs: number): number {
  const base = Math.min(firstMs * 2 ** Math.min(tries, 30), mostMs);
  return Math.round(base * (0.8 + 0.4 * clock.random()));
}
