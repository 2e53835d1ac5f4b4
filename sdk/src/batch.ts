/** Owns one attempt from its claim to its callback: deadline, heartbeats, endings; never does a task's work. */
import type { DispatchMessage } from "@master-orchestrator/contract";
import type { Channel } from "./channel.ts";
import type { Clock } from "./clock.ts";
import type { BatchContext, Log } from "./definition.ts";
import { endingOf, WorkEnded } from "./ending.ts";
import { armDeadline, beat } from "./heartbeat.ts";
import { fail, type Ledger, openLedger, pulseOf } from "./ledger.ts";
import { composeCallback, deliver } from "./report.ts";
import { type AnyDefinition, workOff } from "./tasks.ts";
import { type Tracing, traceHeaders } from "./trace.ts";

/** How long work that was told to stop may take to do so before it is reported as unfinished. */
const SHUTDOWN_GRACE_MS = 2_000;
/** Work ends this long before the deadline, so that its callback is there in time. */
const MAX_MARGIN_MS = 2_000;

export interface Batch {
  definition: AnyDefinition;
  message: DispatchMessage;
  channel: Channel;
  clock: Clock;
  log: Log;
  tracer: Tracing["tracer"];
  heartbeatMs: number;
  /** How far the orchestrator's wall clock is ahead of ours. */
  skewMs: number;
  /** Ends the work; aborted by this attempt alone. */
  ending: AbortController;
  /** Aborts when the process is leaving: work ends, results are still reported. */
  stopping: AbortSignal;
  /** Aborts when the process leaves for good. */
  leaving: AbortSignal;
}

/** Runs a claimed attempt to its end. Resolves when its callback is delivered, or needs none. */
export async function runBatch(batch: Batch): Promise<void> {
  const { channel, clock, ending, log, message, stopping } = batch;
  const start = clock.elapsed();
  const ledger = openLedger(message);
  const over = new AbortController();
  const margin = Math.min(MAX_MARGIN_MS, message.timeout_seconds * 50);
  const left = (deadlineMs: number) => deadlineMs - clock.now() - batch.skewMs;
  const deadline = armDeadline(clock, firstDeadlineMs(message, left) - margin, () =>
    ending.abort(new WorkEnded("deadline", `the attempt had ${message.timeout_seconds} s`)),
  );
  const onStopping = () => ending.abort(new WorkEnded("shutdown", "the workflow's process is stopping"));
  if (stopping.aborted) onStopping();
  stopping.addEventListener("abort", onStopping, { once: true });
  const onDeadline = (deadlineMs: number) => deadline.moveTo(left(deadlineMs) - margin);
  const beats = beat(channel, clock, batch.heartbeatMs, () => pulseOf(ledger), onDeadline, over.signal);
  try {
    await workUntilEnded(batch, ledger, margin);
    deadline.cancel();
    const ended = endingOf(ending.signal);
    if (ended?.kind === "stale") return log("info", "the attempt is over; its work was stopped", {});
    failTheUnfinished(ledger, ended);
    const callback = composeCallback(message, ledger, clock.elapsed() - start);
    await deliver(channel, callback, { clock, log }, batch.leaving);
  } finally {
    stopping.removeEventListener("abort", onStopping);
    deadline.cancel();
    over.abort();
    await beats;
  }
}

/** The clock of an attempt starts when it is accepted, so a deadline that is past by then was written before. */
function firstDeadlineMs(message: DispatchMessage, left: (deadlineMs: number) => number): number {
  const timeoutMs = message.timeout_seconds * 1000;
  const byMessage = left(Date.parse(message.deadline));
  return byMessage > 0 ? Math.min(timeoutMs, byMessage) : timeoutMs;
}

/** Resolves when the work is done, or was ended and had its time to notice. */
async function workUntilEnded(batch: Batch, ledger: Ledger, margin: number): Promise<void> {
  const { clock, definition, channel, ending, log, tracer } = batch;
  const done = new AbortController();
  const context = batchContext(batch);
  const work = workOff({ definition, context, ledger, channel, log, tracing: { tracer, clock } });
  const { signal } = ending;
  await Promise.race([
    work,
    abortOf(AbortSignal.any([signal, done.signal])).then(() => {
      const kind = endingOf(signal)?.kind;
      const grace = kind === "deadline" ? margin / 2 : kind === "shutdown" ? SHUTDOWN_GRACE_MS : 0;
      return clock.sleep(grace, "grace", done.signal);
    }),
  ]);
  done.abort();
}

function abortOf(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function failTheUnfinished(ledger: Ledger, ended: WorkEnded | null): void {
  for (const entry of ledger.entries) {
    if (entry.verdict !== null) continue;
    const how = entry.started ? "it was not finished in time" : "it was not started";
    fail(entry, { message: `${ended?.message ?? "ended"}; ${how}`, retry_recommended: true });
  }
}

function batchContext(batch: Batch): BatchContext {
  const { clock, message, log } = batch;
  return {
    executionId: message.execution_id,
    attempt: message.attempt,
    priority: message.priority,
    params: message.input_data.params,
    taskIds: message.input_data.tasks.map((task) => task.task_id),
    signal: batch.ending.signal,
    gateway: {
      openaiBaseUrl: message.gateway.openai_base_url,
      geminiBaseUrl: message.gateway.gemini_base_url,
      token: message.authentication.token,
      headers: traceHeaders,
    },
    clock,
    log: (text, details) => log("info", text, details ?? {}),
  };
}
