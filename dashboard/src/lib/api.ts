/** The one way to the API: a request, its JSON or its refusal. The session's cookie goes along by itself. */

/** A refusal as the API words it: what is wrong, and what to do. */
export class ApiProblem extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;
  readonly errors: { path: string; message: string }[];

  constructor(status: number, body: Record<string, unknown>) {
    super(typeof body.detail === "string" ? body.detail : `the server answered ${status}`);
    this.status = status;
    this.code = typeof body.code === "string" ? body.code : "unknown";
    this.hint = typeof body.hint === "string" ? body.hint : "";
    this.errors = Array.isArray(body.errors) ? (body.errors as { path: string; message: string }[]) : [];
  }
}

const GIVEN_UP_AFTER_MS = 30_000;

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
export type Query = Readonly<Record<string, string | number | null | undefined>>;

/** Rejects with an `ApiProblem`, or with a plain error when nobody answered. `path` begins behind `/api/v1`. */
export async function call<Answer>(
  method: Method,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(`/api/v1${path}`, {
    method,
    headers: {
      accept: "application/json",
      // Says that it is the dashboard itself which asks: a session alone may change nothing.
      "x-orchestrator-client": "dashboard",
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    body: body === undefined ? null : JSON.stringify(body),
    signal: AbortSignal.timeout(GIVEN_UP_AFTER_MS),
  });
  const text = await response.text();
  const json = text === "" ? null : parse(text);
  if (!response.ok) throw new ApiProblem(response.status, (json ?? {}) as Record<string, unknown>);
  return json as Answer;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A path with its parameters; those without a value are left out. */
export function withQuery(path: string, query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") search.set(name, String(value));
  }
  return search.size === 0 ? path : `${path}?${search}`;
}
