/** Passes a sub-workflow's AI call on to its provider, unchanged, with the provider's own key. Keeps nothing. */
import type { Readable } from "node:stream";
import type { Outbound } from "#outbound/client.ts";
import { OutboundFailure } from "#outbound/failure.ts";
import { keyHeader, type ProviderName, type ProviderSettings, type Refusal } from "./providers.ts";

export interface ProviderCall {
  provider: ProviderName;
  method: "GET" | "POST";
  /** Behind the provider's base, with a leading slash, without a key in the query. */
  path: string;
  contentType: string | null;
  accept: string | null;
  body: Uint8Array;
  /** Aborts when the caller is gone. */
  signal: AbortSignal;
}

export interface ProviderAnswer {
  status: number;
  headers: Record<string, string>;
  body: Readable;
}

/** Headers of an answer that belong to one hop, or that name the provider's account. */
const NOT_PASSED_ON = new Set([
  "connection",
  "keep-alive",
  "transfer-encoding",
  "set-cookie",
  "alt-svc",
  "openai-organization",
  "openai-project",
  "strict-transport-security",
]);

/** The provider's answer as it comes, or the reason why there is none. */
export async function forward(
  outbound: Outbound,
  settings: ProviderSettings,
  call: ProviderCall,
): Promise<ProviderAnswer | Refusal> {
  if (settings.apiKey === null) {
    return {
      status: 503,
      code: "provider_off",
      message: `the provider ${call.provider} is off`,
      hint: `Set ${call.provider.toUpperCase()}_API_KEY and start the service again`,
    };
  }
  try {
    const answer = await outbound.stream(call.method, settings.baseUrl + call.path, {
      headers: {
        ...keyHeader(call.provider, settings.apiKey),
        ...(call.contentType === null ? {} : { "content-type": call.contentType }),
        accept: call.accept ?? "*/*",
        "accept-encoding": "identity",
        "user-agent": "master-orchestrator",
      },
      ...(call.method === "POST" ? { body: call.body } : {}),
      signal: call.signal,
    });
    const headers = Object.entries(answer.headers).filter(([name]) => !NOT_PASSED_ON.has(name));
    return { status: answer.status, headers: Object.fromEntries(headers), body: answer.body };
  } catch (error) {
    if (!(error instanceof OutboundFailure)) throw error;
    return {
      status: 502,
      code: "provider_unreachable",
      message: `the provider ${call.provider} did not answer: ${error.message}`,
      hint: "Try again; see the provider's status page",
    };
  }
}
