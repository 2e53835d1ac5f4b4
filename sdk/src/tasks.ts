/** Owns the work of a batch: payloads, preflight, each task once, a few at a time; never reports it. */
import { type ErrorData, fieldProblems } from "@master-orchestrator/contract";
import { parseTraceparent } from "@master-orchestrator/contract/trace";
import type { z } from "zod";
import type { Channel } from "./channel.ts";
import { type Notebook, openNotebook } from "./checkpoints.ts";
import {
  type BatchContext,
  type Log,
  type TaskContext,
  TaskRefused,
  type WorkflowDefinition,
} from "./definition.ts";
import { endingOf } from "./ending.ts";
import { addCost, complete, type Entry, fail, type Ledger } from "./ledger.ts";
import { type Outcome, outcomeOf } from "./next.ts";
import { errorDataOf, fit, messageOf, NotStorable } from "./result.ts";
import { type Tracing, traced } from "./trace.ts";

const DEFAULT_CONCURRENCY = 3;
/** The contract's limit on a heartbeat's message. */
const MAX_MESSAGE_CHARS = 1_000;

// biome-ignore lint/suspicious/noExplicitAny: an author's own types end where the wire begins.
export type AnyDefinition = WorkflowDefinition<z.ZodType, any>;

export interface Work {
  definition: AnyDefinition;
  context: BatchContext;
  ledger: Ledger;
  channel: Channel;
  log: Log;
  tracing: Tracing;
}

/**
 * Brings every entry of the ledger to a verdict, or stops where the signal aborts. Never rejects.
 * Work that ignores the signal goes on; what it returns later is still kept as a checkpoint.
 */
export async function workOff(work: Work): Promise<void> {
  const { definition, context, ledger } = work;
  for (const entry of ledger.entries) await checkPayload(work, entry);
  const ready = ledger.entries.filter((entry) => entry.verdict === null);
  if (ready.length === 0) return;
  try {
    await definition.preflight?.(context);
  } catch (error) {
    ledger.batchError = errorData(work, error);
    for (const entry of ready) fail(entry, ledger.batchError);
    return;
  }
  const rest = ready.values();
  const worker = async () => {
    for (const entry of rest) {
      if (context.signal.aborted) return;
      await traced(work.tracing, spanOf(work, entry), () => runTask(work, entry));
    }
  };
  const atOnce = Math.min(definition.concurrency ?? DEFAULT_CONCURRENCY, ready.length);
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** A task's work lies in the task's own trace, whatever came with it. */
function spanOf({ definition, context }: Work, entry: Entry) {
  const attributes = {
    "orchestrator.task_id": entry.taskId,
    "orchestrator.execution_id": context.executionId,
    "orchestrator.attempt": context.attempt,
  };
  const failure = () =>
    entry.verdict?.status === "failed" ? (entry.verdict.error.message ?? "the task failed") : null;
  return {
    name: `work ${definition.type}`,
    parent: parseTraceparent(entry.traceparent),
    attributes,
    failure,
  };
}

async function checkPayload(work: Work, entry: Entry): Promise<void> {
  const { definition } = work;
  const { token } = work.context.gateway;
  try {
    const parsed = await definition.input.safeParseAsync(entry.payload);
    if (parsed.success) {
      entry.input = parsed.data;
      return;
    }
    const errors = describeMisfit(definition.input, entry.payload, parsed.error)
      .slice(0, 20)
      .map(({ path, message }) => ({ path: fit(path, 300, token), message: fit(message, 300, token) }));
    const words = errors.map(({ path, message }) => `${path}: ${message}`).join("; ");
    const message = fit(`the payload does not fit: ${words}`, 4_000, token);
    fail(entry, { message, retry_recommended: false, errors });
  } catch (error) {
    // A transform or refinement of the schema threw: the same payload would make it throw again.
    fail(entry, errorDataOf(error, false, token));
  }
}

function describeMisfit(schema: z.ZodType, payload: unknown, error: z.ZodError) {
  try {
    const errors = fieldProblems(schema, payload);
    if (errors.length > 0) return errors;
  } catch {
    // An asynchronous schema cannot be asked again; zod's own words will do.
  }
  return error.issues.map((issue) => ({ path: `/${issue.path.join("/")}`, message: issue.message }));
}

async function runTask(work: Work, entry: Entry): Promise<void> {
  const { definition, channel, context, log } = work;
  const about = { task_id: entry.taskId };
  const warn = (message: string, details: Record<string, unknown>) =>
    log("warn", message, { ...about, ...details });
  const notebook = openNotebook(channel, entry.taskId, context.signal, warn, work.tracing);
  entry.started = true;
  try {
    const earlier = await notebook.earlierResult();
    if (earlier) {
      log("info", "an earlier attempt has done this task; its result is returned", about);
      complete(entry, earlier, true);
      return;
    }
    const task = { taskId: entry.taskId, contentType: entry.contentType, input: entry.input };
    const outcome = asOutcome(await definition.run(task, taskContext(work, entry, notebook)));
    if (outcome.result.mended)
      warn("a result held NUL characters or lone surrogates; they are U+FFFD now", {});
    const late = entry.verdict !== null;
    // Before it is kept: what is finished is reported, even if the attempt ends in between.
    complete(entry, outcome, false);
    const kept = await notebook.keepResult(outcome);
    if (late) warn("a task ended after its attempt was reported", { kept });
    else if (entry.verdict?.status === "completed") entry.verdict.kept = kept;
  } catch (error) {
    const data = errorData(work, error);
    if (entry.verdict === null) warn("a task failed", { error: data.message, retry: data.retry_recommended });
    fail(entry, data);
  }
}

/** What cannot be reported will be no better the next time: the code has to change. */
function asOutcome(returned: unknown): Outcome {
  try {
    return outcomeOf(returned);
  } catch (error) {
    if (!(error instanceof NotStorable)) throw error;
    throw new TaskRefused(`the result cannot be reported: ${error.message}`);
  }
}

function taskContext(work: Work, entry: Entry, notebook: Notebook): TaskContext {
  const { context, ledger, log } = work;
  return {
    ...context,
    taskId: entry.taskId,
    log: (message, details) => log("info", message, { ...details, task_id: entry.taskId }),
    step: (key, doStep) => notebook.step(key, doStep),
    progress(fraction, message) {
      if (Number.isFinite(fraction) && entry.verdict === null)
        entry.progress = Math.min(Math.max(fraction, 0), 1);
      if (message !== undefined) ledger.message = fit(message, MAX_MESSAGE_CHARS, context.gateway.token);
    },
    addCost(usd, calls = {}) {
      if (addCost(ledger, usd, calls)) return;
      // Work that is paid for does not fail over its bill.
      log("warn", "addCost takes numbers of 0 or more; nothing was added", {
        task_id: entry.taskId,
        usd,
        calls,
      });
    },
  };
}

/** What an author's code threw, for the wire. After the signal has aborted, that is why. */
function errorData(work: Work, thrown: unknown): ErrorData {
  const { signal, gateway } = work.context;
  // By name as well: the package may be installed twice.
  const refused = thrown instanceof Error && thrown.name === "TaskRefused";
  const data = errorDataOf(thrown, !refused, gateway.token);
  const ending = endingOf(signal);
  if (!ending || refused || thrown === ending) return data;
  return { ...data, message: `${ending.message} (${messageOf(data.message).slice(0, 500)})` };
}
