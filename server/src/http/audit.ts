/** Owns what is written down of a change that somebody asked for: by whom, about what, without secrets. Refuses nothing. */
import type { AuditEntry } from "#store/audit.ts";
import { type Answer, actorOf, type Caller, type Remark, type Route } from "./route.ts";

export interface Asked {
  route: Route;
  path: string;
  caller: Caller;
  params: unknown;
  body: unknown;
  requestId: string;
  /** Asked by a person at the dashboard or the command line, as far as the request says. */
  byPerson: boolean;
  remark: Remark;
}

/** What was done, and what somebody was not allowed to or came too late for; a slip of the pen is no deed. */
const WORTH_KEEPING = (status: number) => status < 300 || status === 403 || status === 409;
const MAX_BYTES = 8_000;
const MAX_ITEMS = 20;
const MAX_TEXT = 1_000;

/** What programs send in numbers names its sender in its own rows; here it is kept of people alone. */
const BY_PROGRAMS: ReadonlySet<string> = new Set([
  "POST /api/v1/tasks",
  "POST /api/v1/permits",
  "POST /api/v1/usage",
  ...["acquire", "renew", "release"].map((verb) => `POST /api/v1/locks/:name/${verb}`),
  ...["assign", "exposures", "outcomes"].map((verb) => `POST /api/v1/content/experiments/:key/${verb}`),
]);
const CHANGES_NOTHING: ReadonlySet<string> = new Set(["POST /api/v1/policy/preview"]);

/** The entry to write, or null where there is none. */
export function auditEntry(asked: Asked, answer: Pick<Answer, "status">): AuditEntry | null {
  const { route, remark } = asked;
  const caller = remark.caller ?? asked.caller;
  if (route.method === "GET" || caller.kind !== "key" || !WORTH_KEEPING(answer.status)) return null;
  if (!route.path.startsWith("/api/v1/") || caller.role === "worker") return null;
  const action = `${route.method} ${route.path}`;
  if (CHANGES_NOTHING.has(action) || isDryRun(asked.body)) return null;
  if (BY_PROGRAMS.has(action) && !asked.byPerson) return null;
  return {
    actor: actorOf(caller),
    keyId: caller.keyId,
    role: caller.role,
    action,
    path: asked.path.slice(0, 500),
    target: (remark.target ?? targetOf(asked.params))?.slice(0, 200) ?? null,
    status: answer.status,
    request: bounded(withoutSecrets(asked.body)),
    before: bounded(withoutSecrets(remark.before)),
    after: bounded(withoutSecrets(remark.after)),
    requestId: asked.requestId,
  };
}

function isDryRun(body: unknown): boolean {
  return (body as { dry_run?: unknown } | null)?.dry_run === true;
}

/** The one thing that a path names. */
function targetOf(params: unknown): string | undefined {
  const values = Object.values((params ?? {}) as Record<string, unknown>).filter(
    (value) => typeof value === "string",
  );
  return values.length > 0 ? values.join("/") : undefined;
}

const SECRET =
  /^(?:key|api_?key|auth|authorization|cookie|dsn)$|secret|password|passphrase|(?:^|_)token$|credential|private|routing_key|integration_key/i;
const NOT_KEPT = "(not kept)";

/** The same value with whatever may be a secret left out: by its name, and in addresses. */
export function withoutSecrets(value: unknown, name = ""): unknown {
  if (value === null || value === undefined) return null;
  if (SECRET.test(name)) return NOT_KEPT;
  if (Array.isArray(value)) {
    const shown = value.slice(0, MAX_ITEMS).map((one) => withoutSecrets(one, name));
    return value.length > MAX_ITEMS ? [...shown, `and ${value.length - MAX_ITEMS} more`] : shown;
  }
  if (typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withoutSecrets(one, key)]));
  }
  if (typeof value !== "string") return value;
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(value)) return address(value);
  return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
}

/** Addresses of webhooks carry their secrets in the path or behind it: the place alone tells enough. */
function address(text: string): string {
  try {
    const { protocol, host, pathname, search, username } = new URL(text);
    const more = pathname.length > 1 || search !== "" || username !== "";
    return `${protocol}//${host}${more ? "/…" : ""}`;
  } catch {
    return NOT_KEPT;
  }
}

function bounded(value: unknown): unknown {
  if (value === null || value === undefined) return null;
  const text = JSON.stringify(value);
  return text.length <= MAX_BYTES ? value : { cut: text.slice(0, 2_000), bytes: Buffer.byteLength(text) };
}
