/** Owns what the played orchestrator answers to each call of a workflow; never calls a workflow. */
import type { IncomingMessage } from "node:http";
import {
  Callback,
  CheckpointBody,
  CheckpointKey,
  ClaimBody,
  HeartbeatBody,
  MAX_CHECKPOINT_BYTES,
  Problem,
  type ProblemCode,
  validate,
} from "@master-orchestrator/contract";
import { parseStrictJson } from "@master-orchestrator/contract/json";
import type { Clock } from "./clock.ts";

export type CallKind = "claim" | "heartbeat" | "checkpoint" | "checkpoints" | "callback" | "unknown";

/** One call that the workflow made, in the order of the answers. */
export interface Call {
  kind: CallKind;
  method: string;
  /** As it was sent, with its query. */
  path: string;
  executionId: string;
  body: unknown;
  /** What it was answered. */
  status: number;
}

/** What goes wrong. A test may set each at any time; a number counts down as it is used. */
export interface Faults {
  /** So many callbacks are answered 503. */
  refuseCallbacks: number;
  /** So many claims are answered 503. */
  refuseClaims: number;
  /** So many reads and writes of checkpoints are answered 503. */
  refuseCheckpoints: number;
  /** The connection is cut for so many callbacks, after they were taken. */
  cutCallbacks: number;
  /** The status of each refusal above; default 503. */
  refuseWith: number;
  /** Sent with each refusal above. */
  retryAfterSeconds: number | null;
  /** Everything but a claim is answered 409 `stale_attempt`. */
  stale: boolean;
  /** Claims are answered 409 `already_claimed`. */
  alreadyClaimed: boolean;
  /** Callbacks larger than this are answered 413. */
  maxCallbackBytes: number;
}

export interface Execution {
  attempt: number;
  token: string;
  claimant: string | null;
  /** The callback that was taken, as it was sent. */
  callback: string | null;
  taken: PromiseWithResolvers<Callback>;
  /** On the played orchestrator's clock. */
  deadlineMs: number;
}

/** Everything that the played orchestrator knows. */
export interface Book {
  executions: Map<string, Execution>;
  staleTokens: Set<string>;
  checkpoints: Map<string, Map<string, unknown>>;
  calls: Call[];
  faults: Faults;
  firstCallback: PromiseWithResolvers<Callback>;
  /** Called after each call that is answered. */
  watchers: Set<() => void>;
}

export interface Reply {
  status: number;
  body: unknown;
  headers: Record<string, string>;
  /** The connection is cut instead of answered. */
  cut: boolean;
}

const MAX_BODY_BYTES = 1_500_000;
const STATUS: Partial<Record<ProblemCode, number>> = {
  already_claimed: 409,
  invalid_json: 400,
  json_too_deep: 400,
  not_found: 404,
  payload_too_large: 413,
  stale_attempt: 409,
  unauthorized: 401,
  validation_failed: 422,
};

export function newBook(): Book {
  const faults: Faults = {
    refuseCallbacks: 0,
    refuseClaims: 0,
    refuseCheckpoints: 0,
    cutCallbacks: 0,
    refuseWith: 503,
    retryAfterSeconds: null,
    stale: false,
    alreadyClaimed: false,
    maxCallbackBytes: MAX_BODY_BYTES,
  };
  return {
    executions: new Map(),
    staleTokens: new Set(),
    checkpoints: new Map(),
    calls: [],
    faults,
    firstCallback: Promise.withResolvers<Callback>(),
    watchers: new Set(),
  };
}

interface Asked {
  kind: CallKind;
  executionId: string;
  /** The checkpoint's key or the query's task. */
  about: string;
}

/** Answers one call, and writes it down. */
export function reply(book: Book, clock: Clock, request: IncomingMessage, bytes: Buffer): Reply {
  const path = request.url ?? "";
  const method = request.method ?? "";
  const asked = route(method, path);
  const body = bytes.length > 0 ? readOrNull(bytes) : null;
  const answer = answerOrProblem(() => judge(book, clock, asked, request.headers.authorization, bytes));
  const { kind, executionId } = asked;
  book.calls.push({ kind, method, path, executionId, body, status: answer.cut ? 0 : answer.status });
  for (const look of [...book.watchers]) look();
  return answer;
}

function route(method: string, path: string): Asked {
  const url = new URL(path, "http://orchestrator.invalid");
  const parts = url.pathname.split("/").map(decodeURIComponent);
  const [, api, version, executions, executionId = "", what = "", key = ""] = parts;
  const known = api === "api" && version === "v1" && executions === "executions";
  const asked = (kind: CallKind, about = ""): Asked => ({ kind, executionId, about });
  if (!known) return asked("unknown");
  if (method === "POST" && (what === "claim" || what === "heartbeat" || what === "callback"))
    return asked(what);
  if (method === "PUT" && what === "checkpoints") return asked("checkpoint", key);
  if (method === "GET" && what === "checkpoints") {
    return asked("checkpoints", url.searchParams.get("task_id") ?? "");
  }
  return asked("unknown");
}

function judge(
  book: Book,
  clock: Clock,
  asked: Asked,
  authorization: string | undefined,
  bytes: Buffer,
): Reply {
  const execution = book.executions.get(asked.executionId);
  const token = authorization?.replace(/^Bearer /, "") ?? "";
  if (asked.kind === "unknown" || !execution) throw refusal("not_found", "no such execution or call");
  const refused = refuseByFault(book, asked.kind);
  if (refused) return refused;
  if (book.staleTokens.has(token)) throw refusal("stale_attempt", "a newer attempt was dispatched");
  if (token !== execution.token) throw refusal("unauthorized", "not the token of this attempt");
  if (bytes.length > MAX_BODY_BYTES) throw refusal("payload_too_large", "a body may have 1.5 MB");
  if (asked.kind === "callback") return takeCallback(book, execution, bytes);
  if (book.faults.stale && asked.kind !== "claim") throw refusal("stale_attempt", "the attempt is over");
  if (execution.callback !== null) throw refusal("stale_attempt", "the attempt has ended");
  if (asked.kind === "claim") return takeClaim(book, execution, bytes);
  if (asked.kind === "heartbeat") {
    checkAttempt(execution, validate(HeartbeatBody, parseStrictJson(bytes)).attempt);
    return ok({ recorded: true, deadline: new Date(execution.deadlineMs).toISOString() });
  }
  if (asked.kind === "checkpoint") return keepCheckpoint(book, asked.about, bytes);
  const saved_at = new Date(clock.now()).toISOString();
  const kept = [...(book.checkpoints.get(asked.about) ?? [])];
  return ok({ checkpoints: kept.map(([key, value]) => ({ key, value, saved_at })), next_cursor: null });
}

function refuseByFault(book: Book, kind: CallKind): Reply | null {
  const { faults } = book;
  const counters = {
    claim: "refuseClaims",
    callback: "refuseCallbacks",
    checkpoint: "refuseCheckpoints",
    checkpoints: "refuseCheckpoints",
  } as const;
  const counter = counters[kind as keyof typeof counters];
  if (!counter || faults[counter] <= 0) return null;
  faults[counter]--;
  const headers: Record<string, string> =
    faults.retryAfterSeconds === null ? {} : { "retry-after": String(faults.retryAfterSeconds) };
  return {
    status: faults.refuseWith,
    body: { code: "unavailable", detail: "refused by the test" },
    headers,
    cut: false,
  };
}

function takeClaim(book: Book, execution: Execution, bytes: Buffer): Reply {
  const claim = validate(ClaimBody, parseStrictJson(bytes));
  checkAttempt(execution, claim.attempt);
  const other = execution.claimant !== null && execution.claimant !== claim.claimant;
  if (book.faults.alreadyClaimed || other)
    throw refusal("already_claimed", "somebody else has claimed this attempt");
  execution.claimant = claim.claimant;
  return ok({ claimed: true });
}

function takeCallback(book: Book, execution: Execution, bytes: Buffer): Reply {
  if (book.faults.stale) throw refusal("stale_attempt", "the attempt is over");
  if (bytes.length > book.faults.maxCallbackBytes)
    throw refusal("payload_too_large", "the callback is too large");
  const callback = validate(Callback, parseStrictJson(bytes));
  checkAttempt(execution, callback.attempt);
  const text = bytes.toString();
  if (execution.callback !== null) {
    if (execution.callback !== text) throw refusal("stale_attempt", "another callback was taken before");
    return ok({ accepted: false, reason: "duplicate" });
  }
  execution.callback = text;
  execution.taken.resolve(callback);
  book.firstCallback.resolve(callback);
  const cut = book.faults.cutCallbacks > 0;
  if (cut) book.faults.cutCallbacks--;
  return { ...ok({ accepted: true }), cut };
}

function keepCheckpoint(book: Book, key: string, bytes: Buffer): Reply {
  validate(CheckpointKey, key, "key");
  const { task_id, value } = validate(CheckpointBody, parseStrictJson(bytes));
  if (Buffer.byteLength(JSON.stringify(value)) > MAX_CHECKPOINT_BYTES) {
    throw refusal("payload_too_large", "a checkpoint may have 1 MB");
  }
  const kept = book.checkpoints.get(task_id) ?? new Map<string, unknown>();
  kept.set(key, value);
  book.checkpoints.set(task_id, kept);
  return ok({ saved: true });
}

function checkAttempt(execution: Execution, attempt: number | undefined): void {
  if (attempt !== undefined && attempt !== execution.attempt)
    throw refusal("stale_attempt", "not this attempt");
}

function ok(body: unknown): Reply {
  return { status: 200, body, headers: {}, cut: false };
}

function refusal(code: ProblemCode, message: string): Problem {
  return new Problem(code, message, "The played orchestrator keeps to the contract.");
}

function answerOrProblem(judgement: () => Reply): Reply {
  try {
    return judgement();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const status = STATUS[error.code] ?? 500;
    const { code, message: detail, hint, details } = error;
    const body = { type: "about:blank", title: code, status, code, detail, hint, ...details };
    return { status, body, headers: {}, cut: false };
  }
}

function readOrNull(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return null;
  }
}
