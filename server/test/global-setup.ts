/** Owns what is started once for a whole run of the suite: one PostgreSQL with a template database. */
import { bequeath, type StartedCluster, startCluster } from "./cluster.ts";

let cluster: StartedCluster | undefined;

export async function globalSetup(): Promise<void> {
  cluster = await startCluster();
  bequeath(cluster);
}

export async function globalTeardown(): Promise<void> {
  await cluster?.stop();
}
