/** Owns what is known about a running batch: its tasks, their verdicts, progress and cost; never calls anybody. */
import type { DispatchMessage, ErrorData, NextTask } from "@master-orchestrator/contract";
import type { Pulse } from "./heartbeat.ts";
import type { Outcome } from "./next.ts";
import type { Json } from "./result.ts";

/** How a task ended. `kept`: its result is a checkpoint as well by now, so that a retry costs nothing. */
export type Verdict =
  | { status: "completed"; result: Json; next: readonly NextTask[]; bytes: number; kept: boolean }
  | { status: "failed"; error: ErrorData };

export interface Entry {
  readonly taskId: string;
  readonly contentType: string;
  readonly payload: unknown;
  /** Where this attempt stands in the task's trace. */
  readonly traceparent: string | undefined;
  /** What the schema made of the payload, once it is checked. */
  input: unknown;
  started: boolean;
  /** 0 to 1. */
  progress: number;
  verdict: Verdict | null;
}

export interface Ledger {
  /** In the order of the dispatch. */
  readonly entries: Entry[];
  message: string | null;
  costUsd: number;
  apiCalls: Map<string, number>;
  /** What failed before any task, if something did. */
  batchError: ErrorData | null;
}

export function openLedger(dispatch: DispatchMessage): Ledger {
  const entries = dispatch.input_data.tasks.map((task) => ({
    taskId: task.task_id,
    contentType: task.content_type,
    payload: task.payload,
    traceparent: task.traceparent,
    input: undefined,
    started: false,
    progress: 0,
    verdict: null,
  }));
  return { entries, message: null, costUsd: 0, apiCalls: new Map(), batchError: null };
}

export function complete(entry: Entry, { result, next, bytes }: Outcome, kept: boolean): void {
  entry.verdict ??= { status: "completed", result: result.value, next, bytes, kept };
  entry.progress = 1;
}

export function fail(entry: Entry, error: ErrorData): void {
  entry.verdict ??= { status: "failed", error };
  entry.progress = 1;
}

/** What the next heartbeat shows: the mean progress, the latest message. */
export function pulseOf(ledger: Ledger): Pulse {
  const sum = ledger.entries.reduce((total, entry) => total + entry.progress, 0);
  const progress = ledger.entries.length === 0 ? 1 : sum / ledger.entries.length;
  return { progress: Math.round(progress * 1000) / 1000, message: ledger.message };
}

/** Adds to the metrics; false when an amount is not a number of 0 or more, and nothing was added. */
export function addCost(ledger: Ledger, usd: number, calls: Record<string, number>): boolean {
  const amounts = [usd, ...Object.values(calls)];
  if (!amounts.every((amount) => Number.isFinite(amount) && amount >= 0)) return false;
  ledger.costUsd += usd;
  for (const [name, count] of Object.entries(calls)) {
    const provider = name.slice(0, 100);
    ledger.apiCalls.set(provider, (ledger.apiCalls.get(provider) ?? 0) + count);
  }
  return true;
}
