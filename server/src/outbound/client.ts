/** The one way out: every request to an address that somebody configured goes through here. Follows no redirect. */
import { Agent, Pool } from "undici";
import type { Log } from "#log.ts";
import type { AllowRule } from "./allow.ts";
import { exchange } from "./exchange.ts";
import { asFailure, OutboundFailure } from "./failure.ts";
import {
  permitResolved,
  type Resolve,
  readTarget,
  refuseLiteral,
  systemResolve,
  type Target,
} from "./guard.ts";
import { flatten, type OutboundStream, type OutboundStreamRequest, streamed } from "./stream.ts";

export interface OutboundOptions {
  /** From OUTBOUND_ALLOW. */
  allow: readonly AllowRule[];
  log?: Log;
  /** For tests: how names are resolved. */
  lookup?: Resolve;
}

export interface OutboundRequest {
  headers?: Record<string, string>;
  body?: Uint8Array | string;
  /** From the call to the last byte of the answer; 30 s unless told. */
  timeoutMs?: number;
  /** Gives up early; counts as `timeout`. */
  signal?: AbortSignal;
  /** The largest answer, 1 MB unless told; a larger one is a failure `too_large`. */
  maxResponseBytes?: number;
  /** Only status and headers are wanted: the body is not read, however large it is. */
  bodyless?: boolean;
  /** For the built-in workflows, whose address is no setting of anybody, and for N8N_URL, the operator's own: not guarded. */
  own?: boolean;
}

export interface OutboundResponse {
  status: number;
  /** Names in lower case; several values joined by commas. */
  headers: Record<string, string>;
  /** As it came over the wire: nothing is decompressed. */
  body: Uint8Array;
}

export type OutboundMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface Outbound {
  /** Posts once. Throws OutboundFailure, whose `kind` tells what the receiver may have seen. Any status is an answer. */
  post(url: string, request: OutboundRequest): Promise<OutboundResponse>;
  /** Sends once by any method; as `post`. */
  send(method: OutboundMethod, url: string, request?: OutboundRequest): Promise<OutboundResponse>;
  /** Gets once; as `post`. */
  get(url: string, request?: OutboundRequest): Promise<OutboundResponse>;
  /** Asks for the headers alone; as `post`. */
  head(url: string, request?: OutboundRequest): Promise<OutboundResponse>;
  /**
   * Sends once and hands the answer on as it comes, of any size and however long it takes: for AI providers, whose
   * addresses are the operator's own settings and are not guarded. `base`: one of those, without a trailing slash;
   * `path`: behind it, percent-encoded, with its query. Throws OutboundFailure before the first byte.
   */
  stream(
    method: "GET" | "POST",
    to: { base: string; path: string },
    request: OutboundStreamRequest,
  ): Promise<OutboundStream>;
  /** At registration. Throws Problem `outbound_refused` for a literal address that may never be called. */
  check(url: string): void;
  /** Closes idle connections and cuts open requests. */
  close(): Promise<void>;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_RESPONSE_BYTES = 1_048_576;
const CONNECT_TIMEOUT_MS = 5_000;
const CONNECTIONS_PER_ORIGIN = 128;

export function createOutbound(options: OutboundOptions): Outbound {
  const resolve = options.lookup ?? systemResolve;
  const guarded = buildAgent(resolve, options.allow);
  const unguarded = buildAgent(resolve, null);

  async function send(
    method: OutboundMethod,
    url: string,
    request: OutboundRequest,
  ): Promise<OutboundResponse> {
    const target = guardedTarget(url, request.own ? null : options.allow, options.log);
    const { host } = target.url;
    if (request.signal?.aborted) throw givenUp(host);
    const limit = request.bodyless ? null : (request.maxResponseBytes ?? DEFAULT_RESPONSE_BYTES);
    const sent = exchange(
      request.own ? unguarded : guarded,
      {
        origin: target.url.origin,
        path: target.url.pathname + target.url.search,
        method,
        headers: { "accept-encoding": "identity", "user-agent": "master-orchestrator", ...request.headers },
        body: request.body ?? null,
      },
      {
        limit,
        tooLarge: () =>
          new OutboundFailure("too_large", `the answer of ${host} is larger than ${limit} bytes`),
      },
    );
    const timeoutMs = request.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const late = () => new OutboundFailure("timeout", `${host} did not answer within ${timeoutMs} ms`);
    const timer = setTimeout(() => sent.cancel(late()), timeoutMs);
    const onAbort = () => sent.cancel(givenUp(host));
    request.signal?.addEventListener("abort", onAbort, { once: true });
    try {
      const { status, headers, body } = await sent.answer;
      return { status, headers: flatten(headers), body };
    } catch (error) {
      const failure = asFailure(error, host);
      if (failure.kind === "refused_by_guard") {
        options.log?.warn("An outgoing request was refused", { reason: failure.message });
      }
      throw failure;
    } finally {
      clearTimeout(timer);
      request.signal?.removeEventListener("abort", onAbort);
    }
  }

  /** The providers' bases, read once: they are settings, as many as there are providers. */
  const bases = new Map<string, URL>();
  const baseOf = (base: string) => {
    const url = bases.get(base) ?? readTarget(base).url;
    bases.set(base, url);
    return url;
  };

  return {
    async stream(method, to, request) {
      const { origin, host, pathname } = baseOf(to.base);
      const path = pathname === "/" ? to.path : pathname + to.path;
      return await streamed(unguarded, { method, origin, path, host }, request);
    },
    send: (method, url, request = {}) => send(method, url, request),
    post: (url, request) => send("POST", url, request),
    get: (url, request = {}) => send("GET", url, request),
    head: (url, request = {}) => send("HEAD", url, request),
    check: (url) => refuseLiteral(readTarget(url), options.allow),
    close: async () => {
      await Promise.all([guarded.destroy(), unguarded.destroy()]);
    },
  };
}

function guardedTarget(url: string, rules: readonly AllowRule[] | null, log?: Log): Target {
  try {
    const target = readTarget(url);
    if (rules) refuseLiteral(target, rules);
    return target;
  } catch (error) {
    const reason = (error as Error).message;
    log?.warn("An outgoing request was refused", { reason });
    throw new OutboundFailure("refused_by_guard", reason, error);
  }
}

/** One pool for each origin, since a rule may depend on the port and the resolver is told only the name. */
function buildAgent(resolve: Resolve, rules: readonly AllowRule[] | null): Agent {
  return new Agent({
    headersTimeout: 0,
    bodyTimeout: 0,
    factory: (origin, pool) => {
      const { host, port } = readTarget(String(origin));
      return new Pool(origin, {
        ...(pool as Pool.Options),
        connections: CONNECTIONS_PER_ORIGIN,
        pipelining: 1,
        allowH2: false,
        connect: {
          timeout: CONNECT_TIMEOUT_MS,
          lookup: (_name, lookupOptions, done) =>
            resolve(host, (error, addresses) => {
              if (error) return done(error, "", 0);
              try {
                const permitted = rules ? permitResolved(host, port, addresses, rules) : addresses;
                if (lookupOptions.all) done(null, permitted);
                else done(null, permitted[0]!.address, permitted[0]!.family);
              } catch (refusal) {
                done(refusal as Error, "", 0);
              }
            }),
        },
      });
    },
  });
}

function givenUp(host: string): OutboundFailure {
  return new OutboundFailure("timeout", `${host} was given up waiting for`);
}
