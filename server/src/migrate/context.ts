/** What everything about migrations works with. Made in the house. */
import type { Log } from "#log.ts";
import type { Outbound } from "#outbound/client.ts";
import type { Database } from "#store/database.ts";
import type { N8nApi } from "./n8n-api.ts";

export interface MigrateContext {
  db: Database;
  n8n: N8nApi;
  n8nUrl: string;
  /** Of n8n itself: workflows without a time zone of their own run by it. */
  timeZone: string;
  outbound: Outbound;
  clock: MigrateClock;
  log: Log;
  /** As n8n reaches this service. */
  orchestratorUrl(): string;
  /** A new worker key, which is given to n8n and kept nowhere. */
  issueWorkerKey(name: string): Promise<string>;
  /** What plans would have done with these runs. */
  thinkThrough(runs: readonly ThoughtRun[]): Promise<ThoughtStart[]>;
  /** A fact or a task was recorded: let a cycle look. */
  wake(): void;
}

export interface MigrateClock {
  nowMs(): number;
  at(atMs: number, action: () => void): () => void;
  gather(ms: number): Promise<void>;
}

/** A run as the orchestrator would have been asked for it. */
export interface ThoughtRun {
  workflowType: string;
  atMs: number;
  durationMs: number;
  failed: boolean;
}

/** When it would have started, in the order of the runs; `hold`: the reason why not at once. */
export interface ThoughtStart {
  startMs: number;
  hold: string | null;
  cause: string | null;
}
