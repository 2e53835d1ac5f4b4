/** Owns one HTTP exchange with the orchestrator and what its answer means; never tries twice. */

/** How long one exchange may take, its answer's body included. */
export const EXCHANGE_TIMEOUT_MS = 10_000;

export interface Exchange {
  method: "GET" | "POST" | "PUT";
  url: string;
  /** The execution token. */
  token: string;
  /** W3C's header, where the exchange is part of a trace. */
  traceparent?: string | undefined;
  /** JSON, already written. */
  body?: string;
  /** Ends the exchange early. */
  signal?: AbortSignal;
  /** Less than the 10 s that are the default. */
  timeoutMs?: number;
}

export interface Answer {
  /** 0: no answer, `detail` says why. */
  status: number;
  /** The parsed JSON body; undefined when there is none. */
  body: unknown;
  /** The problem's code, where the answer has one. */
  code: string | null;
  /** What to tell a reader about it. */
  detail: string;
  /** Text that is not JSON: a page of something between us and the orchestrator. */
  foreign: boolean;
  retryAfterMs: number | null;
  /** The orchestrator's wall clock, to the second. */
  dateMs: number | null;
}

/** One exchange. Never rejects: a failure is an answer of status 0. */
export async function exchange(fetcher: typeof fetch, request: Exchange): Promise<Answer> {
  const timeout = AbortSignal.timeout(request.timeoutMs ?? EXCHANGE_TIMEOUT_MS);
  const headers: Record<string, string> = {
    accept: "application/json",
    authorization: `Bearer ${request.token}`,
  };
  if (request.traceparent !== undefined) headers.traceparent = request.traceparent;
  if (request.body !== undefined) headers["content-type"] = "application/json";
  try {
    const response = await fetcher(request.url, {
      method: request.method,
      headers,
      ...(request.body === undefined ? {} : { body: request.body }),
      // A followed redirect turns POST into GET, or takes the token elsewhere.
      redirect: "manual",
      signal: request.signal ? AbortSignal.any([timeout, request.signal]) : timeout,
    });
    return describe(response, await response.text());
  } catch (error) {
    return { ...SILENCE, detail: reasonOf(error) };
  }
}

const SILENCE: Answer = {
  status: 0,
  body: undefined,
  code: null,
  detail: "no answer",
  foreign: false,
  retryAfterMs: null,
  dateMs: null,
};

function describe(response: Response, text: string): Answer {
  let body: unknown;
  let foreign = false;
  if (text !== "") {
    try {
      body = JSON.parse(text);
    } catch {
      foreign = true;
    }
  }
  const { code, detail } = (body ?? {}) as { code?: unknown; detail?: unknown };
  const date = Date.parse(response.headers.get("date") ?? "");
  return {
    status: response.status,
    body,
    code: typeof code === "string" ? code : null,
    detail: typeof detail === "string" ? detail.slice(0, 500) : `HTTP ${response.status}`,
    foreign,
    retryAfterMs: retryAfterMs(response.headers.get("retry-after"), date),
    dateMs: Number.isNaN(date) ? null : date,
  };
}

/** `done`: taken. `stale`: the attempt is over. `refused`: asking again is of no use. `again`: it may be. */
export type Verdict = "done" | "stale" | "refused" | "again";

/**
 * What an answer means. Statuses of a proxy, a booting server, or a page in between are `again`:
 * only what the orchestrator itself says ends anything.
 */
export function verdictOn(answer: Answer): Verdict {
  const { status } = answer;
  if (status === 413) return "refused";
  if (status < 200 || answer.foreign) return "again";
  if (status < 300) return answer.body === undefined ? "again" : "done";
  if (status < 400 || status >= 500 || status === 408 || status === 425 || status === 429) return "again";
  return answer.code === "stale_attempt" ? "stale" : "refused";
}

/** Seconds or an HTTP date, as milliseconds from the answer's own date; at most an hour, lest a typing error parks a result. */
function retryAfterMs(header: string | null, dateMs: number): number | null {
  if (!header) return null;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - dateMs;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), 3_600_000) : null;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "no answer";
  // undici hides what happened ("fetch failed") in the cause.
  const cause = error.cause instanceof Error ? error.cause : error;
  return (cause.message || cause.name).slice(0, 200);
}
