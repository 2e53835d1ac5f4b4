/** Looks after the history by itself: makes partitions ahead and archives what is old enough, at the start and once a day. */
import { Problem } from "@master-orchestrator/contract";
import { DAY_MS, dayOf, dayStartMs } from "#core/utc-day.ts";
import type { Log } from "#log.ts";
import { databaseNowMs } from "#store/orchestrator.ts";
import { ensurePartitions, isBusy } from "#store/partitions.ts";
import { type ArchiveContext, archiveDue } from "./archive.ts";
import type { Clock } from "./clock.ts";

/** Behind midnight: a day is over when the last clock says so. */
const AFTER_MIDNIGHT_MS = 5 * 60_000;
/** Where it could not be done, or not all of it; what was done stays done. */
const AGAIN_AFTER_MS = 3_600_000;

export interface Archivist {
  /** Breaks off the part that is being written; nothing of it is deleted then. */
  stop(): Promise<void>;
}

/** Begins at once, in the background. */
export function startArchivist(context: ArchiveContext & { clock: Clock; log: Log }): Archivist {
  const { clock } = context;
  const ending = new AbortController();
  let cancel = () => {};
  let running = Promise.resolve();
  const run = () => {
    // Of a day that begins meanwhile this run has not taken notice.
    const startedMs = clock.nowMs();
    const midnight = dayStartMs(dayOf(startedMs)) + DAY_MS + AFTER_MIDNIGHT_MS;
    running = maintain(context, ending.signal).then((well) => {
      if (ending.signal.aborted) return;
      cancel = clock.at(well ? midnight : Math.min(midnight, startedMs + AGAIN_AFTER_MS), run);
    });
  };
  run();
  return {
    async stop() {
      ending.abort();
      cancel();
      await running;
    },
  };
}

/** False where it has to be tried again soon. A failure is logged, once. */
async function maintain(context: ArchiveContext & { log: Log }, signal: AbortSignal): Promise<boolean> {
  const { log } = context;
  try {
    const inTime = await makePartitions(context);
    const { archives } = await archiveDue(context, { signal });
    for (const { day, rows, bytes } of archives) log.info("History was archived", { day, rows, bytes });
    return inTime;
  } catch (error) {
    if (signal.aborted) return true;
    // Another replica does it; or it has died at it, and its turn is not over yet.
    if (error instanceof Problem && error.code === "conflict") return false;
    const hint = error instanceof Problem ? error.hint : undefined;
    log.error("The history could not be archived; nothing was deleted", { error, hint });
    return false;
  }
}

/** False where somebody has used the tables for too long. Nothing is lost: days of them are there, and a default one. */
async function makePartitions({ db, log }: ArchiveContext & { log: Log }): Promise<boolean> {
  try {
    await ensurePartitions(db, await databaseNowMs(db));
    return true;
  } catch (error) {
    if (!isBusy(error)) throw error;
    log.info("The partitions of the next days are made later: the tables are in use");
    return false;
  }
}
