/** Serves routes over HTTP: authenticates, validates, calls the handler, answers. Knows no route by name. */
import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { pipeline, Readable } from "node:stream";
import { Problem, validate } from "@master-orchestrator/contract";
import type { Tracer } from "@master-orchestrator/contract/trace";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import type { z } from "zod";
import type { Log } from "#log.ts";
import type { AuditEntry } from "#store/audit.ts";
import { type Asked, auditEntry } from "./audit.ts";
import { requireAccess } from "./auth.ts";
import { takeBody } from "./body.ts";
import { IncomingCall } from "./call.ts";
import { problemAnswer, wrongField } from "./problem.ts";
import {
  type Answer,
  type Call,
  type Caller,
  type HeaderLookup,
  isSchema,
  type Method,
  type Route,
} from "./route.ts";
import { CLIENT_HEADER } from "./session.ts";
import { traceRequest } from "./spans.ts";
import { noSuchRoute } from "./unmatched.ts";

export interface ServerOptions {
  routes: readonly Route[];
  /** As made by `createAuthenticator`. */
  authenticate(headers: HeaderLookup, method: Method): Promise<Caller>;
  log: Log;
  /** Base of the links in problem responses and of `Call.url`. */
  publicUrl: string;
  /** Whose time the `date` header tells; the machine's unless told. Callers measure their own clocks by it. */
  nowMs?: (() => number) | undefined;
  /** Keeps who did what; unless told, nobody does. */
  audit?(entry: AuditEntry): Promise<void>;
  /** Null: requests are not traced. */
  tracer?: Tracer | null;
  /** Then connections are not kept: who calls next comes by a new one, and may be sent elsewhere. */
  isStopping?(): boolean;
  /** For tests: an answer that does not fit its documented schema becomes a 500. */
  checkAnswers?: boolean;
}

/** Time to send headers, and a whole request; how often both are looked at. */
const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 60_000;
const TIMEOUT_CHECK_MS = 2_000;
/** Longer than the usual proxy's, so that it is never we who close a connection that it is about to use. */
const KEEP_ALIVE_MS = 75_000;

/** When the server closes: how long answers under way may take, and how often idle connections are looked for. */
const CLOSE_GRACE_MS = 5_000;
const CLOSE_SWEEP_MS = 50;

/** The server, ready to `listen`; two routes of one method and path are an error. */
export function buildServer(options: ServerOptions): FastifyInstance {
  const context = { publicUrl: options.publicUrl, log: options.log };
  const app = fastify({
    logger: false,
    trustProxy: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: "idle",
    http: { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: TIMEOUT_CHECK_MS },
    routerOptions: { maxParamLength: 500, caseSensitive: true, ignoreTrailingSlash: false },
    genReqId: requestId,
    frameworkErrors: (error, request, reply) => {
      send(reply, request, problemAnswer(frameworkProblem(error), context));
    },
    clientErrorHandler: answerUnreadable,
  });
  // Bodies are read by the handler below, after the caller is known and with the route's own limit.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  app.setErrorHandler((error, request, reply) => {
    send(reply, request, problemAnswer(frameworkProblem(error), { ...context, where: whereOf(request) }));
  });
  app.setNotFoundHandler((request, reply) => {
    send(reply, request, problemAnswer(noSuchRoute(options.routes, request.method, request.url), context));
  });
  app.addHook("onResponse", async (request, reply) => {
    const ms = Math.round(reply.elapsedTime * 10) / 10;
    options.log.debug("request", { where: whereOf(request), status: reply.statusCode, ms });
  });
  const { nowMs, isStopping } = options;
  if (isStopping) {
    app.addHook("onRequest", (_request, reply, done) => {
      if (isStopping()) reply.raw.shouldKeepAlive = false;
      done();
    });
  }
  if (nowMs) {
    app.addHook("onSend", async (_request, reply) => {
      reply.header("date", new Date(nowMs()).toUTCString());
    });
  }
  app.addHook("preClose", async () => endConnections(app.server));
  for (const route of options.routes) register(app, route, options);
  return app;
}

/**
 * A connection that becomes idle after the server was told to close would be waited for as long as it is kept
 * alive, and a stream of events for ever: so idle ones are closed as they come, and after a grace all.
 */
function endConnections(server: FastifyInstance["server"]): void {
  const sweep = setInterval(() => server.closeIdleConnections(), CLOSE_SWEEP_MS);
  const force = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
  server.once("close", () => {
    clearInterval(sweep);
    clearTimeout(force);
  });
}

function register(app: FastifyInstance, route: Route, options: ServerOptions): void {
  app.route({
    method: route.method,
    url: route.path,
    handler: async (request, reply) => {
      let answer: Answer;
      const asked = askedOf(route, request);
      try {
        answer = await serve(asked, request, reply, options);
        if (options.checkAnswers) checkAnswer(route, answer);
      } catch (error) {
        const { publicUrl, log } = options;
        const problem = problemAnswer(error, { publicUrl, log, where: whereOf(request) });
        answer = route.reword?.(problem, request.url) ?? problem;
      }
      await keepAudit(asked, answer, options);
      return route.raw && isBytes(answer.body)
        ? sendBytes(reply, request, answer, options.nowMs)
        : send(reply, request, answer);
    },
  });
}

/** What a caller names its request by, if it does so in a form that a log can bear. */
function requestId(message: IncomingMessage): string {
  const given = message.headers["x-request-id"];
  return typeof given === "string" && /^[\w.:-]{1,100}$/.test(given) ? given : randomUUID();
}

function askedOf(route: Route, request: FastifyRequest): Asked {
  return {
    ...{ route, path: request.url.split("?")[0] as string, requestId: request.id, remark: {} },
    ...{ caller: { kind: "anonymous" }, params: request.params, body: null },
    byPerson: request.headers[CLIENT_HEADER] !== undefined,
  };
}

/** Before the answer: who hears that it is done may rely on that it is written down. A log that fails undoes nothing. */
async function keepAudit(asked: Asked, answer: Answer, { audit, log }: ServerOptions): Promise<void> {
  const entry = audit && auditEntry(asked, answer);
  if (!entry) return;
  try {
    await audit(entry);
  } catch (error) {
    log.error("Who did what could not be written down", { action: entry.action, actor: entry.actor, error });
  }
}

async function serve(asked: Asked, request: FastifyRequest, reply: FastifyReply, options: ServerOptions) {
  const { route } = asked;
  if (!request.url.startsWith("/")) {
    throw new Problem(
      "invalid_request",
      "the request's target is not a path",
      "Send the path alone: this is no proxy.",
    );
  }
  const { tracer = null, nowMs = Date.now } = options;
  const trace = traceRequest(route, { request, reply }, { tracer, nowMs });
  const headers = lookup(request.raw);
  const caller = await admit(asked, headers, options);
  const given = request.params as Record<string, string>;
  // The router takes `/things/` for a thing without a name.
  if (Object.values(given).includes("") && !route.path.endsWith("*")) {
    throw noSuchRoute(options.routes, request.method, request.url);
  }
  const params = readParams(route, given);
  refuseForeignExecution(route, caller, params as Record<string, unknown>);
  // What goes on to somebody else is for them to read.
  const query = route.raw ? {} : readQuery(route, request.query as Record<string, unknown>);
  const body = await takeBody(route, request.raw);
  asked.body = body.value;
  const remark: Call["remark"] = (remark) => void Object.assign(asked.remark, remark);
  const read = { params, query, body: body.value, rawBody: body.raw, headers, caller, remark, trace };
  return route.handle(new IncomingCall(read, { request, reply, publicUrl: options.publicUrl }));
}

function lookup(message: IncomingMessage): HeaderLookup {
  return {
    get(name) {
      const value = message.headers[name.toLowerCase()];
      return value === undefined ? null : Array.isArray(value) ? value.join(", ") : value;
    },
  };
}

async function admit(asked: Asked, headers: HeaderLookup, options: ServerOptions): Promise<Caller> {
  const { route } = asked;
  if (route.access === "public") {
    // A health check or a signed callback must not fail over a credential that it does not need.
    return options.authenticate(headers, route.method).catch((): Caller => ({ kind: "anonymous" }));
  }
  const caller = await options.authenticate(headers, route.method);
  asked.caller = caller;
  requireAccess(route.access, caller);
  return caller;
}

/** A value in the path that cannot be right names nothing (404); where PUT would create it, it is wrong (422). */
function readParams(route: Route, given: Record<string, string>): unknown {
  refuseNul(given, "path");
  if (!route.params) return given;
  try {
    return validate(route.params, given, "path");
  } catch (error) {
    if (route.method === "PUT" || !(error instanceof Problem)) throw error;
    throw new Problem("not_found", `nothing is there: ${error.message}`, "Check the path.", {
      errors: error.details.errors,
    });
  }
}

function refuseForeignExecution(route: Route, caller: Caller, params: Record<string, unknown>): void {
  const id = params.execution_id;
  if (caller.kind !== "execution" || typeof id !== "string" || route.access === "public") return;
  if (id.toLowerCase() === caller.executionId.toLowerCase()) return;
  throw new Problem(
    "forbidden",
    "the token belongs to another execution",
    "Use the token that came with this execution's dispatch.",
  );
}

/** Under /api an unknown parameter is refused (a key in the query string too); elsewhere it does no harm. */
function readQuery(route: Route, given: Record<string, unknown>): unknown {
  // `?status=` says as little as leaving it out.
  const entries = Object.entries(given).filter(([, value]) => value !== "");
  const query = Object.fromEntries(entries);
  refuseNul(query, "query");
  for (const [name, value] of entries) {
    if (Array.isArray(value)) throw wrongField(`query/${name}`, "is given more than once");
    // A number by its digits alone: no blanks, no exponent.
    if (name === "limit" && !/^-?\d{1,15}$/.test(String(value)))
      throw wrongField("query/limit", `"${String(value).slice(0, 50)}" is no whole number from 1 to 500`);
  }
  if (route.query) return validate(route.query, query, "query");
  const name = Object.keys(given)[0];
  if (name === undefined || !route.path.startsWith("/api/")) return query;
  throw new Problem(
    "validation_failed",
    `query/${name}: unknown parameter; this takes none`,
    "Leave it out. Keys go into the Authorization header.",
    { errors: [{ path: `query/${name}`, message: "unknown parameter; this takes none" }] },
  );
}

function refuseNul(values: Record<string, unknown>, where: string): void {
  for (const [name, value] of Object.entries(values)) {
    if (!String(value).includes("\0") && !name.includes("\0")) continue;
    const message = "holds a NUL character";
    throw new Problem("validation_failed", `${where}/${name}: ${message}`, "Remove the character.", {
      errors: [{ path: `${where}/${name}`, message }],
    });
  }
}

function send(reply: FastifyReply, request: FastifyRequest, answer: Answer): FastifyReply {
  const { status, body, headers = {} } = answer;
  reply
    .code(status)
    .headers(securityHeaders(request.url))
    .header("x-request-id", request.id)
    .headers(headers);
  if (body === undefined) return reply.send();
  const type = reply.getHeader("content-type");
  const asItIs = typeof body === "string" || body instanceof Uint8Array || body instanceof Readable;
  if (type !== undefined && asItIs) return reply.send(body instanceof Uint8Array ? Buffer.from(body) : body);
  if (type === undefined) reply.header("content-type", "application/json; charset=utf-8");
  return reply.send(JSON.stringify(body));
}

function isBytes(body: unknown): body is Uint8Array | Readable {
  return body instanceof Uint8Array || body instanceof Readable;
}

/** What is passed on unread goes out by the shortest way: nothing of it is to be looked at, converted or measured again. */
function sendBytes(reply: FastifyReply, request: FastifyRequest, answer: Answer, nowMs?: () => number): void {
  const { status, body, headers } = answer;
  const all: Record<string, string | number> = { ...securityHeaders(request.url), ...headers };
  if (nowMs) all.date = new Date(nowMs()).toUTCString();
  reply.hijack();
  if (body instanceof Uint8Array) {
    if (status !== 204 && status !== 304) all["content-length"] = body.length;
    reply.raw.writeHead(status, all).end(body);
  } else {
    reply.raw.writeHead(status, all);
    // Whoever makes the stream knows of its failure, and of the caller's leaving.
    pipeline(body as Readable, reply.raw, () => {});
  }
}

function securityHeaders(url: string): Record<string, string> {
  return url.startsWith("/api/") ? API_HEADERS : SECURITY_HEADERS;
}

const SECURITY_HEADERS = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
};
const API_HEADERS = { ...SECURITY_HEADERS, "cache-control": "no-store" };

function whereOf(request: FastifyRequest): string {
  return `${request.method} ${request.url.split("?")[0]}`;
}

/** What Fastify itself refuses before a handler is called. */
function frameworkProblem(error: unknown): unknown {
  const { code, statusCode } = error as { code?: string; statusCode?: number };
  if (code === "FST_ERR_CTP_INVALID_MEDIA_TYPE") {
    return new Problem(
      "unsupported_media_type",
      "the Content-Type cannot be read",
      "Send JSON in UTF-8 as `Content-Type: application/json`.",
    );
  }
  if (code?.startsWith("FST_ERR_") && statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new Problem("invalid_request", "the request cannot be read", "Check its path and headers.");
  }
  return error;
}

/** Bytes that are no HTTP, or came too slowly: there is no request to answer, only a socket. */
function answerUnreadable(error: Error & { code?: string }, socket: import("node:net").Socket): void {
  if (error.code === "ECONNRESET" || socket.destroyed || !socket.writable) return void socket.destroy();
  const [line, detail] =
    error.code === "ERR_HTTP_REQUEST_TIMEOUT"
      ? ["408 Request Timeout", "the request did not arrive in time"]
      : error.code === "HPE_HEADER_OVERFLOW"
        ? ["431 Request Header Fields Too Large", "the headers are too large"]
        : ["400 Bad Request", "the request is not valid HTTP"];
  const body = JSON.stringify({
    type: "urn:master-orchestrator:problem:invalid_request",
    title: "The request is malformed",
    status: Number(line.slice(0, 3)),
    code: "invalid_request",
    detail,
    hint: "Send it again, whole.",
  });
  const head = `HTTP/1.1 ${line}\r\ncontent-type: application/problem+json\r\nconnection: close\r\n`;
  socket.end(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

function checkAnswer(route: Route, answer: Answer): void {
  const described = route.answers[answer.status];
  if (!described) throw new Error(`${route.method} ${route.path} does not document status ${answer.status}`);
  if (!isSchema(described)) return;
  const outcome = (described as z.ZodType).safeParse(JSON.parse(JSON.stringify(answer.body ?? null)));
  if (outcome.success) return;
  throw new Error(
    `${route.method} ${route.path} answers what it does not document: ${outcome.error.message}`,
  );
}
