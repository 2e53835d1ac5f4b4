/** Says every few seconds that this replica is here, and how it does. Elects nobody, judges nothing. */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Database } from "#store/database.ts";
import { forgetReplica, seeReplica } from "#store/orchestrator.ts";
import type { Clock } from "./clock.ts";

const EVERY_MS = 5_000;

export interface Presence {
  replicaId: string;
  stop(): Promise<void>;
}

/** Announces the replica before it returns, then every 5 s. */
export async function startPresence(context: {
  db: Database;
  clock: Clock;
  onError(error: unknown): void;
}): Promise<Presence> {
  const { db, clock, onError } = context;
  const replicaId = `${hostname()}-${process.pid}-${randomBytes(3).toString("hex")}`;
  const delays = monitorEventLoopDelay({ resolution: 20 });
  delays.enable();
  await seeReplica(db, replicaId, loadOf(db, delays));
  let cancel = () => {};
  let stopped = false;
  let announcing: Promise<void> = Promise.resolve();
  const arm = () => {
    if (stopped) return;
    cancel = clock.at(clock.nowMs() + EVERY_MS, () => {
      announcing = seeReplica(db, replicaId, loadOf(db, delays)).catch(onError).finally(arm);
    });
  };
  arm();
  return {
    replicaId,
    async stop() {
      stopped = true;
      cancel();
      delays.disable();
      await announcing;
      await forgetReplica(db, replicaId).catch(onError);
    },
  };
}

/** A sample of this process; the delays are those since the sample before. */
function loadOf(
  db: Database,
  delays: ReturnType<typeof monitorEventLoopDelay>,
): Parameters<typeof seeReplica>[2] {
  // Before its first measurement the histogram says NaN.
  const delayMs = delays.percentile(99) / 1e6;
  delays.reset();
  return {
    rssMb: Math.round(process.memoryUsage.rss() / 1024 ** 2),
    eventLoopDelayMs: Number.isFinite(delayMs) ? Math.round(delayMs * 10) / 10 : null,
    connections: db.connections(),
  };
}
