/** Ends, again and again, the reservations whose outcome nobody will report, and looks at the governor's clock. */
import type { Log } from "#log.ts";
import type { Database } from "#store/database.ts";
import { settleOverdue } from "#store/ledger.ts";
import type { Governor, GovernorClock } from "./governor.ts";

const EVERY_MS = 15_000;
/** A replica that was not seen for this long will not settle its calls any more. */
const REPLICA_GONE_AFTER_MS = 60_000;

export interface Sweep {
  stop(): Promise<void>;
}

/** Sweeps every 15 s until it is stopped. */
export function startSweep(context: {
  db: Database;
  clock: GovernorClock;
  governor: Governor;
  log: Log;
  onError(error: unknown): void;
}): Sweep {
  const { db, clock, governor, log, onError } = context;
  let stopped = false;
  let cancel = () => {};
  let sweeping: Promise<void> = Promise.resolve();
  const sweep = async () => {
    await governor.watchClock();
    const ended = await settleOverdue(db, REPLICA_GONE_AFTER_MS);
    if (ended.length > 0) log.warn("Calls were charged at their worst case", { calls: ended.length });
  };
  const arm = () => {
    if (stopped) return;
    cancel = clock.at(clock.nowMs() + EVERY_MS, () => {
      sweeping = sweep().catch(onError).finally(arm);
    });
  };
  arm();
  return {
    async stop() {
      stopped = true;
      cancel();
      await sweeping;
    },
  };
}
