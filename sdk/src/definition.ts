/** Owns what an author writes and is given: the shape of a workflow and its contexts; never runs one. */
import type { Tracer } from "@master-orchestrator/contract/trace";
import type { z } from "zod";
import type { Clock } from "./clock.ts";
import type { WithNext } from "./next.ts";

export interface WorkflowDefinition<S extends z.ZodType, R> {
  /** The name under which it is registered, e.g. `content_pipeline`. */
  type: string;
  /** Schema of one task's payload. A task whose payload does not fit fails for good; the others go on. */
  input: S;
  /** Tasks of one batch that are worked on at once; default 3. */
  concurrency?: number;
  /**
   * Runs once before any task: are the inputs and dependencies there? Throw to fail the attempt,
   * throw `TaskRefused` to refuse its tasks for good.
   */
  preflight?(context: BatchContext): Promise<void>;
  /**
   * Does one task. What it returns becomes the item's `result_data`: JSON, at most 60 levels deep,
   * at most 1 MB to be kept for a later attempt. `withNext(result, […])` asks for follow-ups as well.
   */
  run(task: TaskInput<z.output<S>>, context: TaskContext): Promise<R | WithNext<R>>;
}

export interface TaskInput<I> {
  taskId: string;
  contentType: string;
  /** The payload as the schema gave it back: checked, defaults filled in. */
  input: I;
}

export interface BatchContext {
  executionId: string;
  /** 1 at the first dispatch. */
  attempt: number;
  /** 0 to 100. */
  priority: number;
  /** What the registration gives every run of this workflow. */
  params: Record<string, unknown>;
  /** Every task of the batch, those with a bad payload included. */
  taskIds: string[];
  /**
   * Aborts shortly before the deadline, when the attempt is over (cancelled or superseded), and at
   * shutdown. Pass it on to whatever takes a signal.
   */
  signal: AbortSignal;
  /**
   * Where AI calls go, so that limits and budget hold; `token` takes the place of the provider's key. Send the
   * `headers()` of the moment along, and the calls stand in the task's trace.
   */
  gateway: {
    openaiBaseUrl: string;
    geminiBaseUrl: string;
    token: string;
    headers(): Record<string, string>;
  };
  /** The workflow's own time (`WorkflowOptions.clock`): waits on it pass when a test moves it. */
  clock: Clock;
  log(message: string, details?: Record<string, unknown>): void;
}

export interface TaskContext extends BatchContext {
  taskId: string;
  /**
   * A durable step: what `work` returns is kept under (task, `key`), and a later attempt gets it
   * without doing the work again. Returns the value as JSON gives it back (a `Date` is a string),
   * the same in the first attempt as in a later one. A value larger than 1 MB is not kept, nor is one
   * that is no JSON, which is returned as it is; the log says so. `key`: letters, digits and `. _ : -`,
   * at most 100, not starting with `sdk:`; anything else throws a TypeError.
   */
  step<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** `fraction` from 0 to 1. Shown with the next heartbeat, as the mean over the batch's tasks. */
  progress(fraction: number, message?: string): void;
  /** Adds US dollars and calls per provider to the attempt's metrics; not for calls through the gateway. */
  addCost(usd: number, calls?: Record<string, number>): void;
}

/** Thrown by `run` or `preflight`: trying again is of no use. Sends the task to the dead letters at once. */
export class TaskRefused extends Error {
  override readonly name = "TaskRefused";
}

export interface Workflow {
  readonly type: string;
  /** Answers a dispatch. Accepted work goes on in the background after the answer. Never rejects. */
  handle(request: Request): Promise<Response>;
  /** Resolves when no accepted work is left, callbacks included. */
  idle(): Promise<void>;
  /**
   * Refuses new dispatches (503), aborts the work, and gives what is finished up to 10 s to be
   * reported. Afterwards nothing of the sdk keeps the process alive.
   */
  stop(): Promise<void>;
}

export type LogLevel = "debug" | "info" | "warn" | "error";
export type Log = (level: LogLevel, message: string, details?: Record<string, unknown>) => void;

export interface WorkflowOptions {
  /**
   * The `whsec_…` secret given at registration; dispatches without its signature are then refused
   * (401). A function is asked at each dispatch, so that a secret can be rotated.
   */
  signingSecret?: string | (() => string | undefined);
  /** Who claims, at most 200 characters; has to differ between processes. Default: type, host, process and chance. */
  claimant?: string;
  /** Default: one line of JSON to standard error. The execution's token is struck out before. */
  log?: Log;
  fetch?: typeof fetch;
  clock?: Clock;
  /** Default 5. The orchestrator is promised the next heartbeat within four times as long. */
  heartbeatSeconds?: number;
  /** Takes the spans of tasks and steps, for a trace; without it they are not told. */
  tracer?: Tracer | undefined;
}
