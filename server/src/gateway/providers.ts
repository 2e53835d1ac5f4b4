/** The AI providers: where they are, how their key is sent, and how they word an error. Calls nobody. */

export type ProviderName = "openai" | "gemini";

export interface ProviderSettings {
  /** Null: the provider is off. */
  apiKey: string | null;
  /** Without a trailing slash; OpenAI's ends in `/v1`, Gemini's has no version path. */
  baseUrl: string;
}

export interface Refusal {
  status: number;
  code: string;
  message: string;
  hint: string;
  /** For 429: when it is worth asking again. */
  retryAfterMs?: number;
}

export function refusal(
  status: number,
  code: string,
  message: string,
  hint: string,
  retryAfterMs?: number,
): Refusal {
  return { status, code, message, hint, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/** Header in which each provider expects its key. */
export function keyHeader(provider: ProviderName, apiKey: string): Record<string, string> {
  return provider === "openai" ? { authorization: `Bearer ${apiKey}` } : { "x-goog-api-key": apiKey };
}

/** A refusal in the form of OpenAI's or of Gemini's errors, so that their clients understand it. */
export function refusalBody(form: ProviderName, refused: Refusal): unknown {
  const message = `${refused.message}. ${refused.hint}`;
  if (form === "openai") {
    return { error: { message, type: openAiType(refused.status), param: null, code: refused.code } };
  }
  const info = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    reason: refused.code,
    domain: "master-orchestrator",
  };
  const retry = {
    "@type": "type.googleapis.com/google.rpc.RetryInfo",
    retryDelay: `${Math.ceil((refused.retryAfterMs ?? 0) / 1000)}s`,
  };
  return {
    error: {
      code: refused.status,
      message,
      status: GOOGLE_STATUS[refused.status] ?? "UNKNOWN",
      details: refused.retryAfterMs === undefined ? [info] : [info, retry],
    },
  };
}

/** Headers of a refusal: when to come again, in whole seconds and, as OpenAI's clients read it, exactly. */
export function refusalHeaders(refused: Refusal): Record<string, string> {
  const { retryAfterMs } = refused;
  // Its clients would otherwise try again what cannot succeed.
  if (retryAfterMs === undefined) return refused.status < 500 ? { "x-should-retry": "false" } : {};
  return {
    "retry-after": String(Math.max(1, Math.ceil(retryAfterMs / 1000))),
    "retry-after-ms": String(Math.max(1, Math.ceil(retryAfterMs))),
  };
}

function openAiType(status: number): string {
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

const GOOGLE_STATUS: Record<number, string> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  402: "FAILED_PRECONDITION",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  413: "INVALID_ARGUMENT",
  422: "INVALID_ARGUMENT",
  429: "RESOURCE_EXHAUSTED",
  499: "CANCELLED",
  500: "INTERNAL",
  502: "UNAVAILABLE",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED",
};
