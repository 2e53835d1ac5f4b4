/** Says every few seconds that this replica is here, and how it does; takes its share of what the fleet may use. Elects nobody. */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { connectionsEach, type ReplicaLoad } from "#core/health.ts";
import type { Database } from "#store/database.ts";
import { forgetReplica, readFleet, seeReplica } from "#store/orchestrator.ts";
import type { Clock } from "./clock.ts";
import type { MemoryWatch } from "./memory.ts";

const EVERY_MS = 5_000;

export interface Presence {
  replicaId: string;
  stop(): Promise<void>;
}

/** Announces the replica before it returns, then every 5 s. */
export async function startPresence(context: {
  db: Database;
  clock: Clock;
  memory: MemoryWatch;
  onError(error: unknown): void;
}): Promise<Presence> {
  const { db, clock, memory, onError } = context;
  const replicaId = `${hostname()}-${process.pid}-${randomBytes(3).toString("hex")}`;
  const delays = monitorEventLoopDelay({ resolution: 20 });
  delays.enable();
  const announce = async () => {
    const { policy } = await readFleet(db);
    await seeReplica(db, replicaId, { ...memory.look(policy.memory), ...loadOf(db, delays) });
    // Those that came or went since then have their share, or leave it, the next time.
    const { replicas } = await readFleet(db);
    db.resize(connectionsEach(policy.database.max_connections, replicas));
  };
  await announce();
  let cancel = () => {};
  let stopped = false;
  let announcing: Promise<void> = Promise.resolve();
  const arm = () => {
    if (stopped) return;
    cancel = clock.at(clock.nowMs() + EVERY_MS, () => {
      announcing = announce().catch(onError).finally(arm);
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
): Pick<ReplicaLoad, "eventLoopDelayMs" | "connections"> {
  // Before its first measurement the histogram says NaN.
  const delayMs = delays.percentile(99) / 1e6;
  delays.reset();
  return {
    eventLoopDelayMs: Number.isFinite(delayMs) ? Math.round(delayMs * 10) / 10 : null,
    connections: db.connections(),
  };
}
