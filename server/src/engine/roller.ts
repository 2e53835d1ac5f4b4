/** Counts what has ended, some seconds after each minute: for charts and metrics. Whichever replica comes first does it. */
import type { Database } from "#store/database.ts";
import { rollUp } from "#store/roll-ups.ts";
import type { Clock } from "./clock.ts";

const MINUTE_MS = 60_000;
/** Behind the minute's end: later than the lag that the store allows late commits. */
const AFTER_MINUTE_MS = 20_000;
/** Of a long pause, so much is made up for at once. */
const MAX_PIECES = 400;

export interface Roller {
  stop(): Promise<void>;
}

/** Begins at once, in the background. */
export function startRoller(context: { db: Database; clock: Clock; onError(error: unknown): void }): Roller {
  const { db, clock, onError } = context;
  let stopped = false;
  let cancel = () => {};
  let running: Promise<void> = Promise.resolve();
  const count = async () => {
    for (let pieces = 0; pieces < MAX_PIECES && !stopped; pieces++) if (!(await rollUp(db))) return;
  };
  const run = () => {
    running = count()
      .catch(onError)
      .then(() => {
        if (stopped) return;
        const nextMinute = (Math.floor((clock.nowMs() - AFTER_MINUTE_MS) / MINUTE_MS) + 1) * MINUTE_MS;
        cancel = clock.at(nextMinute + AFTER_MINUTE_MS, run);
      });
  };
  run();
  return {
    async stop() {
      stopped = true;
      cancel();
      await running;
    },
  };
}
