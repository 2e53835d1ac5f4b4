/** Says every few seconds that this replica is here. Elects nobody. */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
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
  await seeReplica(db, replicaId);
  let cancel = () => {};
  let stopped = false;
  let announcing: Promise<void> = Promise.resolve();
  const arm = () => {
    if (stopped) return;
    cancel = clock.at(clock.nowMs() + EVERY_MS, () => {
      announcing = seeReplica(db, replicaId).catch(onError).finally(arm);
    });
  };
  arm();
  return {
    replicaId,
    async stop() {
      stopped = true;
      cancel();
      await announcing;
      await forgetReplica(db, replicaId).catch(onError);
    },
  };
}
