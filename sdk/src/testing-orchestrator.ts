/** Owns a small orchestrator on loopback that keeps to the contract and to the faults a test asks for; decides nothing. */
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Callback, DispatchMessage } from "@master-orchestrator/contract";
import { sign } from "@master-orchestrator/contract/signature";
import { type Clock, systemClock } from "./clock.ts";
import type { Workflow } from "./definition.ts";
import {
  type Book,
  type Call,
  type CallKind,
  type Execution,
  type Faults,
  newBook,
  reply,
} from "./testing-replies.ts";

export interface DispatchOptions {
  tasks: { task_id?: string; content_type?: string; payload: unknown }[];
  /** Default 1. A higher one makes the earlier attempt of `executionId` stale. */
  attempt?: number;
  /** Default: a new one. */
  executionId?: string;
  /** Default: the workflow's own. */
  workflowType?: string;
  priority?: number;
  params?: Record<string, unknown>;
  timeoutSeconds?: number;
  /** Signs the message. */
  secret?: string;
  /** Default: one per attempt, as the orchestrator does. */
  webhookId?: string;
  /** Unix seconds; default now. */
  signedAtSeconds?: number;
  /** Changes the message before it is signed. */
  alter?: (message: Record<string, unknown>) => void;
  /** Changes the headers after. */
  headers?: Record<string, string>;
}

export interface Dispatched {
  /** What the workflow answered. */
  response: Response;
  status: number;
  body: unknown;
  executionId: string;
  taskIds: string[];
  /** The attempt's callback, once it is taken. */
  callback: Promise<Callback>;
}

export interface PlayOptions {
  /** The workflow's clock, when the test moves it. */
  clock?: Clock;
}

export interface PlayedOrchestrator {
  url: string;
  calls: Call[];
  faults: Faults;
  /** The first callback that is taken. */
  callback: Promise<Callback>;
  /** What is kept, by task and key. A test may put something in. */
  checkpoints: Map<string, Map<string, unknown>>;
  callsOf(kind: CallKind): Call[];
  /** Resolves with the `count`-th call of a kind, once it is answered. */
  received(kind: CallKind, count?: number): Promise<Call>;
  /** Delivers a message to a workflow, or to the address of one. */
  dispatch(workflow: Workflow | string, options: DispatchOptions): Promise<Dispatched>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts an orchestrator on a free port of 127.0.0.1. Its answers are those of the contract: strict
 * schemas (422), tokens (401), limits (413), one claim, stale attempts (409), duplicate callbacks.
 */
export async function playOrchestrator(options: PlayOptions = {}): Promise<PlayedOrchestrator> {
  const clock = options.clock ?? systemClock;
  const book = newBook();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const answer = reply(book, clock, request, Buffer.concat(chunks));
      if (answer.cut) return response.destroy();
      response.sendDate = false;
      response.writeHead(answer.status, {
        "content-type": answer.status < 400 ? "application/json" : "application/problem+json",
        date: new Date(clock.now()).toUTCString(),
        ...answer.headers,
      });
      response.end(JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    url,
    calls: book.calls,
    faults: book.faults,
    callback: book.firstCallback.promise,
    checkpoints: book.checkpoints,
    callsOf: (kind) => book.calls.filter((call) => call.kind === kind),
    received: (kind, count = 1) => received(book, kind, count),
    dispatch: (workflow, what) => dispatch(book, clock, url, workflow, what),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function received(book: Book, kind: CallKind, count: number): Promise<Call> {
  return new Promise((resolve) => {
    const look = () => {
      const call = book.calls.filter((each) => each.kind === kind)[count - 1];
      if (!call) return;
      book.watchers.delete(look);
      resolve(call);
    };
    book.watchers.add(look);
    look();
  });
}

async function dispatch(
  book: Book,
  clock: Clock,
  url: string,
  workflow: Workflow | string,
  options: DispatchOptions,
): Promise<Dispatched> {
  const executionId = options.executionId ?? randomUUID();
  const attempt = options.attempt ?? 1;
  const execution = openAttempt(
    book,
    executionId,
    attempt,
    clock.now() + (options.timeoutSeconds ?? 300) * 1000,
  );
  const type = options.workflowType ?? (typeof workflow === "string" ? lastPart(workflow) : workflow.type);
  const message = messageOf(options, { executionId, attempt, type, url, token: execution.token, clock });
  const altered = message as unknown as Record<string, unknown>;
  options.alter?.(altered);
  const bytes = Buffer.from(JSON.stringify(altered));
  const id = options.webhookId ?? `msg_${executionId}_${attempt}`;
  const at = options.signedAtSeconds ?? Math.floor(clock.now() / 1000);
  const signature = options.secret ? sign(options.secret, id, at, bytes) : { "webhook-id": id };
  const address = typeof workflow === "string" ? workflow : "http://workflow.invalid/";
  const request = new Request(address, {
    method: "POST",
    headers: { "content-type": "application/json", ...signature, ...options.headers },
    body: bytes,
  });
  const response = await (typeof workflow === "string" ? fetch(request) : workflow.handle(request));
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => null);
  const taskIds = message.input_data.tasks.map((task) => task.task_id);
  return { response, status: response.status, body, executionId, taskIds, callback: execution.taken.promise };
}

function openAttempt(book: Book, executionId: string, attempt: number, deadlineMs: number): Execution {
  const known = book.executions.get(executionId);
  if (known?.attempt === attempt) return known;
  const execution: Execution = {
    attempt,
    token: `moe_${randomUUID().replaceAll("-", "")}`,
    claimant: null,
    callback: null,
    taken: Promise.withResolvers<Callback>(),
    deadlineMs,
  };
  book.executions.set(executionId, execution);
  if (known) book.staleTokens.add(known.token);
  return execution;
}

function lastPart(address: string): string {
  return new URL(address).pathname.split("/").filter(Boolean).at(-1) ?? "";
}

function messageOf(
  options: DispatchOptions,
  about: { executionId: string; attempt: number; type: string; url: string; token: string; clock: Clock },
): DispatchMessage {
  const { executionId, url } = about;
  const timeoutSeconds = options.timeoutSeconds ?? 300;
  return {
    execution_id: executionId,
    parent_execution_id: null,
    attempt: about.attempt,
    workflow_type: about.type,
    priority: options.priority ?? 50,
    input_data: {
      tasks: options.tasks.map((task) => ({
        task_id: task.task_id ?? randomUUID(),
        content_type: task.content_type ?? "default",
        payload: task.payload as DispatchMessage["context"],
      })),
      params: (options.params ?? {}) as DispatchMessage["context"],
    },
    context: { reason: "a test" },
    timeout_seconds: timeoutSeconds,
    deadline: new Date(about.clock.now() + timeoutSeconds * 1000).toISOString(),
    callback_url: `${url}/api/v1/executions/${executionId}/callback`,
    gateway: { openai_base_url: `${url}/ai/openai/v1`, gemini_base_url: `${url}/ai/gemini` },
    authentication: { type: "bearer", token: about.token },
  };
}
