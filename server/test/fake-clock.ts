/** Owns time in a test: it stands still until the test moves it, in the process and in the database alike. */
import type { Clock } from "#engine/clock.ts";
import { quiet } from "./activity.ts";

/** Where every test begins, unless it says otherwise: a boundary of the heartbeat. */
export const START_MS = Date.UTC(2026, 2, 2, 9, 0, 0);

interface Timer {
  atMs: number;
  /** Timers of one moment fire in the order in which they were set. */
  order: number;
  action: () => void;
}

export interface FakeClock extends Clock {
  /**
   * Lets `ms` pass: everything that falls due happens at its own moment, in order, and what it sets off is
   * awaited before time moves on.
   */
  advance(ms: number): Promise<void>;
  /** As on a machine that slept: time has passed at once, then everything that fell due happens. */
  leap(ms: number): Promise<void>;
  /** Timers that are set now. */
  pending(): number;
  /** A clock of the same time for one house, whose timers can be silenced together. */
  forHouse(): HouseClock;
}

export interface HouseClock extends Clock {
  pending(): number;
  /** Lets everything that the house waits for happen at once, and from now on whatever it will wait for. */
  expire(): void;
}

/** `moveDatabase` sets the database's clock to a moment. */
export function fakeClock(moveDatabase: (ms: number) => Promise<void>, startMs = START_MS): FakeClock {
  let nowMs = startMs;
  let orders = 0;
  const timers = new Set<Timer>();
  const earliest = () =>
    [...timers].reduce<Timer | undefined>(
      (first, timer) =>
        !first || timer.atMs < first.atMs || (timer.atMs === first.atMs && timer.order < first.order)
          ? timer
          : first,
      undefined,
    );
  const moveTo = async (ms: number) => {
    if (ms <= nowMs) return;
    await moveDatabase(ms);
    nowMs = ms;
  };
  const fireDue = () => {
    for (let timer = earliest(); timer && timer.atMs <= nowMs; timer = earliest()) {
      timers.delete(timer);
      timer.action();
    }
  };
  const at = (atMs: number, action: () => void) => {
    const timer = { atMs, order: orders++, action };
    timers.add(timer);
    return () => void timers.delete(timer);
  };

  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    at,
    gather: async () => {},
    async advance(ms) {
      const targetMs = nowMs + ms;
      await quiet();
      for (let timer = earliest(); timer && timer.atMs <= targetMs; timer = earliest()) {
        await moveTo(timer.atMs);
        fireDue();
        await quiet();
      }
      await moveTo(targetMs);
    },
    async leap(ms) {
      await quiet();
      await moveTo(nowMs + ms);
      fireDue();
      await quiet();
    },
    pending: () => timers.size,
    forHouse: () => houseClock({ nowMs: () => nowMs, monotonicMs: () => nowMs, at, gather: async () => {} }),
  };
}

function houseClock(clock: Clock): HouseClock {
  const mine = new Map<() => void, () => void>();
  let expired = false;
  return {
    nowMs: clock.nowMs,
    monotonicMs: clock.monotonicMs,
    gather: clock.gather,
    at(atMs, action) {
      if (expired) {
        const soon = setImmediate(action);
        return () => clearImmediate(soon);
      }
      const fire = () => {
        mine.delete(cancel);
        action();
      };
      const cancelTimer = clock.at(atMs, fire);
      const cancel = () => {
        mine.delete(cancel);
        cancelTimer();
      };
      mine.set(cancel, fire);
      return cancel;
    },
    pending: () => mine.size,
    expire() {
      expired = true;
      for (const [cancel, fire] of [...mine]) {
        cancel();
        setImmediate(fire);
      }
    },
  };
}
