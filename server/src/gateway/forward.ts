/** Sends a call to its provider with the provider's own key, and hands the answer on as it comes. Keeps nothing. */
import { pipeline, Readable } from "node:stream";
import { createBrotliDecompress, createUnzip } from "node:zlib";
import type { Outbound } from "#outbound/client.ts";
import { OutboundFailure } from "#outbound/failure.ts";
import type { OutboundStream } from "#outbound/stream.ts";
import { keyHeader, type ProviderName, type ProviderSettings, type Refusal, refusal } from "./providers.ts";

export interface ProviderCall {
  provider: ProviderName;
  method: "GET" | "POST";
  /** Behind the provider's base, with a leading slash, without a key in the query. */
  path: string;
  /** The key goes where OpenAI's clients put it, whoever the provider is. */
  bearer: boolean;
  /** Of the caller's headers those that are the provider's business. */
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
  signal: AbortSignal;
  /** Asked before the first byte is written. */
  mayBegin(): boolean;
}

export interface ProviderAnswer {
  status: number;
  headers: Record<string, string>;
  /** Of one reader. */
  body: AsyncIterator<Uint8Array, undefined>;
}

/** Why there is no answer, and whether the provider may have got the call. */
export interface NoAnswer {
  refusal: Refusal;
  maybeReceived: boolean;
  /** It was not sent because its permit had become too old. */
  tooLate: boolean;
}

/** Headers of an answer that belong to one hop, or that name the provider's account. */
const NOT_PASSED_ON = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "set-cookie",
  "alt-svc",
  "openai-organization",
  "openai-project",
  "strict-transport-security",
]);

/** The provider's answer as it comes, or the reason why there is none. */
export async function forward(
  outbound: Outbound,
  settings: ProviderSettings & { apiKey: string },
  call: ProviderCall,
): Promise<ProviderAnswer | NoAnswer> {
  try {
    const answer = await outbound.stream(
      call.method,
      { base: settings.baseUrl, path: call.path },
      {
        headers: {
          ...call.headers,
          ...keyHeader(call.bearer ? "openai" : call.provider, settings.apiKey),
          "accept-encoding": "identity",
          "user-agent": "master-orchestrator",
        },
        ...(call.method === "POST" ? { body: call.body } : {}),
        signal: call.signal,
        mayBegin: call.mayBegin,
      },
    );
    return unpacked({ ...answer, headers: passedOn(answer.headers, settings.apiKey) });
  } catch (error) {
    if (!(error instanceof OutboundFailure)) throw error;
    const timedOut = error.kind === "timeout";
    return {
      refusal: refusal(
        timedOut ? 504 : 502,
        timedOut ? "provider_timeout" : "provider_unreachable",
        `the provider ${call.provider} did not answer: ${error.message}`,
        "Try again; see the provider's status page",
      ),
      maybeReceived: error.maybeReceived,
      tooLate: error.kind === "too_late",
    };
  }
}

/** Without what `Connection` names, and without anything that tells our key. */
function passedOn(headers: Record<string, string>, apiKey: string): Record<string, string> {
  const ofThisHop = headers.connection?.split(",").map((name) => name.trim().toLowerCase()) ?? [];
  const given: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name] as string;
    if (NOT_PASSED_ON.has(name) || ofThisHop.includes(name) || value.includes(apiKey)) continue;
    given[name] = value;
  }
  return given;
}

/** We ask for plain bytes; what is packed all the same is unpacked, or nobody could read its usage. */
function unpacked(answer: OutboundStream): ProviderAnswer {
  const coding = answer.headers["content-encoding"];
  if (coding === undefined) return answer;
  const { "content-encoding": _, ...headers } = answer.headers;
  const unpack =
    coding === "br"
      ? createBrotliDecompress()
      : /^(x-)?gzip$|^deflate$/.test(coding ?? "")
        ? createUnzip()
        : null;
  if (unpack === null) return answer;
  delete headers["content-length"];
  // Whoever reads the answer meets its failure.
  pipeline(Readable.from(answer.body), unpack, () => {});
  return { status: answer.status, headers, body: unpack[Symbol.asyncIterator]() };
}
