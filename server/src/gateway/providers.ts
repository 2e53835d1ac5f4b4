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
}

/** Header in which each provider expects its key. */
export function keyHeader(provider: ProviderName, apiKey: string): Record<string, string> {
  return provider === "openai" ? { authorization: `Bearer ${apiKey}` } : { "x-goog-api-key": apiKey };
}

/** A refusal in the provider's own shape, so that its clients understand it. */
export function refusalBody(provider: ProviderName, refusal: Refusal): unknown {
  const message = `${refusal.message}. ${refusal.hint}`;
  if (provider === "openai") {
    return { error: { message, type: "invalid_request_error", param: null, code: refusal.code } };
  }
  return {
    error: {
      code: refusal.status,
      message,
      status: GOOGLE_STATUS[refusal.status] ?? "UNKNOWN",
      details: [
        {
          "@type": "type.googleapis.com/google.rpc.ErrorInfo",
          reason: refusal.code,
          domain: "master-orchestrator",
        },
      ],
    },
  };
}

const GOOGLE_STATUS: Record<number, string> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  429: "RESOURCE_EXHAUSTED",
  502: "UNAVAILABLE",
  503: "UNAVAILABLE",
};
