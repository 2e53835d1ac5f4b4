/** What a route is: a value that is served, documented and tested alike. Registers nothing and answers nothing. */
import type { Role } from "@master-orchestrator/contract";
import type { TraceContext } from "@master-orchestrator/contract/trace";
import type { z } from "zod";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/**
 * Who may call. `public`: anybody (a caller that can be told is told). `viewer` < `operator` < `admin`
 * each include the greater ones; `worker`: worker keys, operators and admins; `execution`: only the
 * token of an attempt, and only under its own `:execution_id`.
 */
export type Access = "public" | "viewer" | "operator" | "admin" | "worker" | "execution";

export type Caller =
  | { kind: "key"; keyId: string; name: string; role: Role }
  | { kind: "execution"; executionId: string; attempt: number }
  | { kind: "anonymous" };

/** Request headers by name, whatever their case; null when absent. */
export interface HeaderLookup {
  get(name: string): string | null;
}

/** What a handler knows of a change besides: whom it was about, what was there before, what came of it. */
export interface Remark {
  target?: string | undefined;
  before?: unknown;
  after?: unknown;
  /** Who it turned out to be, where the request itself did not say. */
  caller?: Caller;
}

export interface Call<P = unknown, Q = unknown, B = unknown> {
  params: P;
  query: Q;
  body: B;
  /** The bytes as they came, for signatures; empty when there was no body. */
  rawBody: Uint8Array;
  headers: HeaderLookup;
  caller: Caller;
  /** The address that was called, on the public origin. */
  url: URL;
  /** Aborts when the client is gone before it had its answer. */
  signal: AbortSignal;
  /** For the audit log: what the change was about, what was there before and what came of it. */
  remark(remark: Remark): void;
  /** Where the call stands in a trace: its own span, or where its `traceparent` says; null where nobody traces it. */
  trace: TraceContext | null;
}

export interface Answer {
  status: number;
  /** A JSON value; or, with a `content-type` among the headers, a text, bytes or a stream as they are. */
  body?: unknown;
  headers?: Record<string, string>;
}

/** An answer that is no JSON: a page, metrics, a stream of events. */
export interface OtherContent {
  description: string;
  contentType: string;
}

interface Outline {
  method: Method;
  /** As in `/api/v1/tasks/:task_id`; a last segment `*` takes the rest. */
  path: string;
  summary: string;
  /** Longer words for the documentation. */
  description?: string;
  tag: string;
  /** One, or several of which any is enough. */
  access: Access | readonly Access[];
  /** The largest body, in bytes; 1.5 MB unless told. */
  maxBodyBytes?: number;
  /** The body is not parsed and may have any content type: the handler has `rawBody`. */
  raw?: boolean;
  /** Takes part in traces: `joins` the one that its `traceparent` names, or `starts` one where there is none. */
  traced?: "starts" | "joins";
  /** Puts a problem response into the words that this route's callers expect. */
  reword?(problem: Answer, url: string): Answer;
  /** The answers of success; those of failure are the same everywhere and added by the documentation. */
  answers: Record<number, z.ZodType | OtherContent>;
}

/** A route as the server and the documentation see it; made by `defineRoute`. */
export interface Route extends Outline {
  params?: z.ZodType;
  query?: z.ZodType;
  body?: z.ZodType;
  // biome-ignore lint/suspicious/noExplicitAny: the server validates by the schemas above before it calls
  handle(call: Call<any, any, any>): Promise<Answer>;
}

type Path<P extends z.ZodType> = unknown extends z.output<P> ? Record<string, string> : z.output<P>;

/**
 * Types a route's handler by its schemas. Without `params` the parameters are plain texts; without
 * `query` no parameter is taken (under /api; elsewhere they are ignored); without `body` only none or `{}`.
 */
export function defineRoute<
  P extends z.ZodType = z.ZodType,
  Q extends z.ZodType = z.ZodType,
  B extends z.ZodType = z.ZodType,
>(
  route: Outline & {
    params?: P;
    query?: Q;
    body?: B;
    handle(call: Call<Path<P>, z.output<Q>, z.output<B>>): Promise<Answer>;
  },
): Route {
  return route;
}

/** Who did it, for `changed_by`, `created_by` and the audit trail. */
export function actorOf(caller: Caller): string {
  if (caller.kind === "key") return `${caller.name} (${caller.keyId})`;
  if (caller.kind === "execution") return `execution ${caller.executionId}, attempt ${caller.attempt}`;
  return "anonymous";
}

/** Whether an answer is described as JSON (by a schema) or as other content. */
export function isSchema(answer: z.ZodType | OtherContent): answer is z.ZodType {
  return !("contentType" in answer);
}
