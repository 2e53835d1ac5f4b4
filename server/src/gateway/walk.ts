/** What is known of one AI call on its way through the gateway. Does nothing. */
import type { Readable } from "node:stream";
import type { TraceContext, Tracer } from "@master-orchestrator/contract/trace";
import type { Fallback } from "#core/fallback.ts";
import type { Log } from "#log.ts";
import type { Outbound } from "#outbound/client.ts";
import type { Database } from "#store/database.ts";
import type { Circuit } from "./circuit.ts";
import type { Governor, GovernorClock } from "./governor.ts";
import type { Operation } from "./operations.ts";
import type { Price } from "./prices.ts";
import type { ProviderName, ProviderSettings } from "./providers.ts";
import type { ReadCall } from "./request.ts";
import type { Timing } from "./timing.ts";

/** Whose call it is. */
export interface Attribution {
  executionId: string | null;
  /** Null for a run that was only named: its current attempt, if there is one. */
  attempt: number | null;
  run: string | null;
  actor: string;
}

export interface GatewayCall {
  provider: ProviderName;
  method: "GET" | "POST";
  /** Behind the provider's base, with a leading slash. */
  path: string;
  /** With its question mark, without a key; or empty. */
  search: string;
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
  attribution: Attribution;
  /** Aborts when the caller is gone. */
  gone: AbortSignal;
  /** Where it stands in a trace. No provider is told. */
  trace: TraceContext | null;
}

export interface GatewayAnswer {
  status: number;
  headers: Record<string, string>;
  body: Readable | Uint8Array;
}

export interface GatewayContext {
  db: Database;
  governor: Governor;
  outbound: Outbound;
  clock: GovernorClock;
  log: Log;
  providers: Record<ProviderName, ProviderSettings>;
  replicaId(): string | null;
  /** Null: nothing is traced. */
  tracer: Tracer | null;
}

/** What is sent in place of what came: another model, or the same. */
export interface Target {
  provider: ProviderName;
  model: string;
  fallback: Fallback | null;
  price: Price | null;
}

/** One call on its way. */
export interface Walk {
  context: GatewayContext;
  call: GatewayCall;
  operation: Operation;
  read: ReadCall;
  circuit: Circuit;
  timing: Timing;
  entryId: string;
}

/** Calls end within this time, or are cut off; a little later the sweep takes what nobody settled. */
export const MOST_CALL_MS = 10 * 60_000;
export const DEADLINE_MS = MOST_CALL_MS + 60_000;
