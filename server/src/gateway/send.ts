/** Sends one admitted call and sees that it is settled, whatever becomes of it. */
import { readQuota } from "#core/quota.ts";
import type { TokenUsage } from "#core/usage.ts";
import { type Settlement, UNKNOWN } from "#store/ledger.ts";
import { type Ask, pauseProvider } from "#store/permits.ts";
import { readHead, relay } from "./answer.ts";
import { forward, type ProviderAnswer } from "./forward.ts";
import { Meter, type MeterOptions } from "./meter.ts";
import { GEMINI_AS_OPENAI } from "./operations.ts";
import { type ProviderSettings, type Refusal, refusal } from "./providers.ts";
import { traceCall } from "./spans.ts";
import { type GatewayAnswer, MOST_CALL_MS, type Target, type Walk } from "./walk.ts";

export interface Sent {
  answer: GatewayAnswer | Refusal;
  unreached: boolean;
  tooLate: boolean;
}

/** A caller who left before the answer began is waited for no longer than this, in case that it comes. */
const LISTEN_ON_MS = 30_000;
/** Answers that are one document are read this far before they go on, so that nonsense can be told. */
const HEAD_BYTES = 1024 * 1024;

interface Sending {
  walk: Walk;
  target: Target;
  ask: Ask;
  apiKey: string;
  /** Cuts the provider off. */
  cut: AbortController;
  settle(settlement: Partial<Settlement>): Promise<void>;
}

export async function send(
  walk: Walk,
  target: Target,
  settings: ProviderSettings & { apiKey: string },
  { mayBegin, ask }: { mayBegin(): boolean; ask: Ask },
): Promise<Sent> {
  const { call, context, circuit, timing, entryId } = walk;
  const startMs = context.clock.nowMs();
  const settle = (settlement: Partial<Settlement>) => {
    traceCall(walk, target, { startMs, settlement });
    const settled = context.governor.settle({ ...UNKNOWN, ...settlement, entryId });
    return timing.of("ledger", settled).catch((error) => {
      // The reservation stands; the sweep will find it.
      context.log.error("A call could not be settled", { error, entry_id: entryId });
    });
  };
  if (call.gone.aborted) {
    await settle({ state: "released", outcome: "never_sent" });
    return { answer: clientGone(), unreached: false, tooLate: false };
  }
  const cut = new AbortController();
  const sending: Sending = { walk, target, ask, apiKey: settings.apiKey, cut, settle };
  const { path, body } = addressed(walk, target);
  const sent = forward(context.outbound, settings, {
    provider: target.provider,
    method: call.method,
    path: path + call.search,
    bearer: path.startsWith(GEMINI_AS_OPENAI),
    headers: call.headers,
    body,
    signal: cut.signal,
    mayBegin,
  });
  // It is on its way: what follows costs the caller nothing.
  const timers = cutInTime(sending);
  const answer = await timing.of("provider", sent);
  timers.answered();
  if ("refusal" in answer) {
    timers.end();
    if (!answer.tooLate) circuit.report(target.provider, "failed");
    await settle(answer.maybeReceived ? {} : { state: "released", outcome: "never_sent" });
    const unreached = !answer.maybeReceived && !answer.tooLate;
    return { answer: answer.refusal, unreached, tooLate: answer.tooLate };
  }
  circuit.report(target.provider, answer.status >= 500 ? "failed" : "answered");
  const passed = await passOn(sending, answer, timers.end);
  return { answer: passed, unreached: false, tooLate: false };
}

/** The longest time of a call; and, once the caller has left, the time in which its answer may still begin. */
function cutInTime({ walk: { call, context }, cut }: Sending) {
  const { clock } = context;
  const stop = () => cut.abort();
  const cancelMost = clock.at(clock.nowMs() + MOST_CALL_MS, stop);
  let cancelGone = () => {};
  const left = () => {
    cancelGone = clock.at(clock.nowMs() + LISTEN_ON_MS, stop);
  };
  call.gone.addEventListener("abort", left, { once: true });
  const answered = () => {
    call.gone.removeEventListener("abort", left);
    cancelGone();
  };
  return {
    answered,
    end() {
      answered();
      cancelMost();
    },
  };
}

function clientGone(): Refusal {
  return refusal(499, "client_closed_request", "the client has left", "Stay until the answer comes");
}

/** The call's path and body for its target: as they came, but for another model, or the wish to be told the usage. */
function addressed({ call, operation, read }: Walk, { provider, model, fallback }: Target) {
  const document = read.document ?? {};
  const options = asksForUsage(operation.form, read.stream, document) ? usageOptions(document) : null;
  const elsewhere = provider !== call.provider;
  const path = elsewhere ? GEMINI_AS_OPENAI + call.path : pathFor(call.path, operation.model, model);
  const renamed = fallback !== null && operation.model === null;
  if (!renamed && options === null) return { path, body: call.body };
  if (!renamed && document.stream_options === undefined) {
    return { path, body: withFirstMember(call.body, `"stream_options":${JSON.stringify(options)}`) };
  }
  const changed = {
    ...document,
    ...(renamed ? { model } : {}),
    ...(options === null ? {} : { stream_options: options }),
  };
  return { path, body: Buffer.from(JSON.stringify(changed)) };
}

function pathFor(path: string, asked: string | null, model: string): string {
  if (asked === null || asked === model) return path;
  return path.replace(/\/(models|tunedModels)\/[^/:]+:/, `/models/${encodeURIComponent(model)}:`);
}

/** OpenAI's streams tell their usage only to those who ask. */
function asksForUsage(form: string, stream: boolean, document: Record<string, unknown>): boolean {
  const options = document.stream_options as { include_usage?: unknown } | null | undefined;
  return stream && (form === "chat" || form === "completions") && options?.include_usage !== true;
}

function usageOptions(document: Record<string, unknown>): Record<string, unknown> {
  return { ...(document.stream_options as object | null | undefined), include_usage: true };
}

/** Puts a member in front, and leaves every other byte as it came. */
function withFirstMember(body: Uint8Array, member: string): Uint8Array {
  const brace = body.indexOf(0x7b);
  return Buffer.concat([body.subarray(0, brace + 1), Buffer.from(`${member},`), body.subarray(brace + 1)]);
}

async function passOn(
  sending: Sending,
  answer: ProviderAnswer,
  end: () => void,
): Promise<GatewayAnswer | Refusal> {
  const { walk, target } = sending;
  const headers = { ...answer.headers, "x-orchestrator-entry": walk.entryId, ...fallbackHeader(target) };
  const { body } = answer;
  const events = /^text\/event-stream/i.test(answer.headers["content-type"] ?? "");
  const meter = meterFor(walk, events);
  const ok = answer.status >= 200 && answer.status < 300;
  let head: Uint8Array[] = [];
  // A document can be judged before any of it goes on; a stream, and what is too large, goes on as it comes.
  if (!ok || (!events && !(walk.read.stream && target.provider === "gemini"))) {
    try {
      const read = await readHead(body, HEAD_BYTES);
      head = read.head;
      if (read.ended) {
        end();
        return await passDocument(sending, { ...answer, headers }, joined(head));
      }
    } catch (error) {
      end();
      await sending.settle({ httpStatus: answer.status });
      return nonsense(target.provider, `its answer broke off (${(error as Error).message})`);
    }
  }
  const length = Number(answer.headers["content-length"] ?? Number.NaN);
  if (meter.strip) delete (headers as Record<string, string>)["content-length"];
  const out = relay({
    body,
    head,
    meter,
    clock: walk.context.clock,
    length: Number.isInteger(length) && !meter.strip ? length : null,
    gone: walk.call.gone,
    cut: () => sending.cut.abort(),
    settle: async ({ usage }) => {
      end();
      await sending.settle({ ...metered(sending, ok ? usage : null), httpStatus: answer.status });
    },
  });
  return { status: answer.status, headers, body: out };
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces);
}

function meterFor({ call, operation, read }: Walk, events: boolean): MeterOptions {
  const gemini = operation.form === "generate" || operation.form === "embed";
  const strip = events && asksForUsage(operation.form, read.stream, read.document ?? {});
  return { language: gemini && call.provider === "gemini" ? "gemini" : "openai", events, strip };
}

/** What another model was taken for, and why. */
function fallbackHeader({ fallback }: Target): Record<string, string> {
  if (fallback === null) return {};
  const told = `${fallback.model} to ${fallback.to}: ${fallback.when}`;
  // A policy's names may be written in any letters, a header may not.
  return { "x-orchestrator-fallback": told.replace(/[^\x20-\x7e]/g, "?") };
}

/** A whole answer: an error, which is not billed if it is the provider's own; or a result, with its usage. */
async function passDocument(
  sending: Sending,
  { status, headers }: ProviderAnswer,
  body: Uint8Array,
): Promise<GatewayAnswer | Refusal> {
  const { walk, target } = sending;
  const { context, operation } = walk;
  if (operation.form === "free") {
    await sending.settle({ ...FREE, httpStatus: status });
    if (status >= 300 && status < 400) return redirects(target.provider);
    return passError({ status, headers }, body, sending.apiKey);
  }
  const document = parse(body);
  if (status < 200 || status >= 300) {
    const quota = readQuota(target.provider, {
      status,
      headers,
      body: document,
      nowMs: context.clock.nowMs(),
    });
    if (quota) await pauseProvider(context.db, target.provider, quota);
    const notBilled = (status >= 300 && status < 500) || hasError(document);
    await sending.settle({ ...(notBilled ? FREE : {}), httpStatus: status });
    if (status >= 300 && status < 400) return redirects(target.provider);
    return passError({ status, headers }, body, sending.apiKey);
  }
  if (document === null) {
    await sending.settle({ httpStatus: status });
    return nonsense(target.provider, "its answer is not JSON");
  }
  const meter = new Meter(meterFor(walk, false));
  meter.read(document);
  await sending.settle({ ...metered(sending, meter.usage()), httpStatus: status });
  return { status, headers, body };
}

const FREE: Partial<Settlement> = {
  outcome: "not_billed",
  costMicros: 0,
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
};

/** What the usage costs; what nobody told, or what makes no sense, is settled at the worst case. */
function metered({ walk, target, ask }: Sending, usage: TokenUsage | null): Partial<Settlement> {
  const costMicros = usage && target.price ? target.price.cost(usage) : null;
  if (usage === null || costMicros === null) return {};
  if (costMicros > ask.reservedMicros) {
    walk.context.log.warn("A call cost more than its worst case", {
      entry_id: walk.entryId,
      provider: target.provider,
      model: target.model,
      cost_usd: costMicros / 1e6,
      reserved_usd: ask.reservedMicros / 1e6,
    });
  }
  return {
    outcome: "metered",
    costMicros,
    inputTokens: usage.input,
    cachedInputTokens: usage.cachedInput,
    outputTokens: usage.output,
    thinkingTokens: usage.thinking,
  };
}

/** A client that followed it would take its key there. */
function redirects(provider: string): Refusal {
  return refusal(
    502,
    "provider_redirects",
    `the provider ${provider} sends its callers elsewhere`,
    `Set ${provider.toUpperCase()}_BASE_URL to where it is now`,
  );
}

/** An error may quote the key that was sent: ours, which is nobody else's business. */
function passError(
  answer: { status: number; headers: Record<string, string> },
  body: Uint8Array,
  apiKey: string,
): GatewayAnswer {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  if (answer.status < 400 || !bytes.includes(apiKey)) return { ...answer, body };
  const { "content-length": _, ...headers } = answer.headers;
  return { ...answer, headers, body: Buffer.from(bytes.toString("utf8").replaceAll(apiKey, "[key]")) };
}

function nonsense(provider: string, what: string): Refusal {
  return refusal(
    502,
    "provider_answer_unreadable",
    `the provider ${provider} answered nonsense: ${what}`,
    "Its cost is unknown and was charged at the worst case; see the provider's status page before trying again",
  );
}

function parse(body: Uint8Array): object | null {
  try {
    const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString("utf8");
    const value: unknown = JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

/** Providers' errors are objects with `error`; Gemini's streams wrap them in an array. */
function hasError(document: object | null): boolean {
  const value = Array.isArray(document) ? document[0] : document;
  return (
    typeof value === "object" && value !== null && typeof value.error === "object" && value.error !== null
  );
}
