/** Owns the one way to the HTTP API: a request, its deadline, its answer or refusal. Never retries, never prints. */
import type { Connection } from "./connection.ts";
import { Failure, Interrupted, Refusal, Unreachable } from "./failure.ts";

const DEADLINE_MS = 30_000;

export interface RequestOptions {
  /** Members that are undefined are left out. */
  query?: Record<string, string | number | undefined>;
  /** A value to send as JSON. */
  body?: unknown;
  /** The body as JSON text already; then `body` is not looked at. */
  bodyText?: string;
  /** Resolves with the answer's text as it is: for what is no JSON. */
  asText?: boolean;
}

/** Resolves with the parsed JSON of a 2xx answer; rejects with Refusal, Unreachable or Interrupted. */
export type Api = <Answer>(method: string, path: string, options?: RequestOptions) => Promise<Answer>;

/** Binds the connection. A request that takes longer than 30 s is given up, its outcome unknown. */
export function openApi(connection: Connection, interrupt: AbortSignal): Api {
  return async <Answer>(method: string, path: string, options: RequestOptions = {}): Promise<Answer> => {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    let response: Response;
    let text: string;
    try {
      response = await fetch(address(connection.url, path, options.query), {
        method,
        headers: headers(connection, method),
        body: method === "GET" || method === "DELETE" ? null : bodyText(options),
        // A redirect would take the key to a place that nobody named.
        redirect: "manual",
        signal: AbortSignal.any([deadline, interrupt]),
      });
      text = await response.text();
    } catch (error) {
      throw unreachable(error, connection, deadline, interrupt);
    }
    if (options.asText && response.ok) return text as Answer;
    return readAnswer(response, text, connection) as Answer;
  };
}

/** Puts values from the command line into a path; each stays one segment. */
export function path(strings: TemplateStringsArray, ...values: string[]): string {
  for (const value of values) {
    if (value === "" || value === "." || value === "..") throw new Failure(`"${value}" is no id`);
  }
  return strings.reduce((whole, part, i) => whole + encodeURIComponent(values[i - 1] ?? "") + part);
}

function address(url: string, path: string, query: RequestOptions["query"] = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  return search.size > 0 ? `${url}${path}?${search}` : `${url}${path}`;
}

/** Says that a person asks, for the log of who did what; it opens nothing. */
const CLIENT = { "x-orchestrator-client": "cli" };

function headers({ key, service }: Connection, method: string): Record<string, string> {
  const own: Record<string, string> =
    service === "n8n" ? { "x-n8n-api-key": key } : { authorization: `Bearer ${key}` };
  const always = { ...own, accept: "application/json", ...(service === "n8n" ? {} : CLIENT) };
  return method === "GET" || method === "DELETE" ? always : { ...always, "content-type": "application/json" };
}

function bodyText({ body, bodyText }: RequestOptions): string {
  return bodyText ?? JSON.stringify(body ?? {});
}

/** What is spoken to, and the setting that says where it is. */
function named({ service }: Connection): { who: string; setting: string } {
  return service === "n8n"
    ? { who: "n8n", setting: "N8N_URL" }
    : { who: "orchestrator", setting: "ORCHESTRATOR_URL" };
}

function readAnswer(response: Response, text: string, connection: Connection): unknown {
  const { status } = response;
  const { who, setting } = named(connection);
  const value = parseOrUndefined(text);
  if (response.ok) {
    if (value !== undefined) return value;
    throw new Failure(
      `what answers at ${connection.url} is no ${who}: its answer is not JSON`,
      `check ${setting}`,
    );
  }
  if (status >= 300 && status < 400) {
    throw new Failure(
      `${connection.url} redirects to ${response.headers.get("location") ?? "somewhere else"}`,
      `set ${setting} to the own address of ${who}`,
    );
  }
  const retryAfter = retryAfterMs(response.headers.get("retry-after"));
  if (typeof value !== "object" || value === null) {
    const detail = `status ${status} from ${connection.url}, without a problem response`;
    const hint = `Check ${setting}, and any proxy in between.`;
    throw new Refusal(status, { detail, hint }, retryAfter);
  }
  const refusal = new Refusal(status, value, retryAfter);
  if (status !== 401) throw refusal;
  const hint = `${refusal.hint} The key came from ${connection.keySource}.`.trim();
  throw new Refusal(status, { ...value, hint }, null);
}

/** An empty body is null: an answer may have none. */
function parseOrUndefined(text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Seconds or a date, as RFC 9110 has it. */
function retryAfterMs(header: string | null): number | null {
  if (header === null) return null;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}

function unreachable(
  error: unknown,
  connection: Connection,
  deadline: AbortSignal,
  interrupt: AbortSignal,
): Error {
  const { url } = connection;
  const { who, setting } = named(connection);
  if (interrupt.aborted)
    return new Interrupted("interrupted; whether the last request was carried out is unknown");
  if (deadline.aborted) {
    return new Unreachable(`no answer from ${url} within ${DEADLINE_MS / 1000} s`, "look at its log");
  }
  const code = causeCode(error);
  if (code === "ECONNREFUSED") {
    return new Unreachable(
      `no ${who} answers at ${url}${who === "n8n" ? "" : "; start it with npm start"}`,
      null,
      true,
    );
  }
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    return new Unreachable(`no such host: ${new URL(url).hostname}`, `check ${setting}`, true);
  }
  return new Unreachable(`the connection to ${url} failed (${code})`, `check ${setting} and the network`);
}

/** fetch wraps the reason; a host with two addresses gives a list of reasons. */
function causeCode(error: unknown): string {
  let reason = error as { code?: string; message?: string; cause?: unknown; errors?: unknown[] };
  for (let depth = 0; depth < 5; depth++) {
    if (typeof reason.code === "string") return reason.code;
    const inner = (reason.cause ?? reason.errors?.[0]) as typeof reason | undefined;
    if (!inner) break;
    reason = inner;
  }
  return reason.message ?? "unknown reason";
}
