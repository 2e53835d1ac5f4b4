/** Owns how a model is asked: through the orchestrator's gateway only, for an answer of a given form. Says nothing itself. */
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { type Clock, systemClock } from "@master-orchestrator/sdk";
import { APICallError, generateText, type LanguageModel, NoObjectGeneratedError, Output } from "ai";
import type { z } from "zod";

export type Provider = "gemini" | "openai";

export interface Gateway {
  /** Ends in `/v1`. */
  openaiBaseUrl: string;
  /** Without a version path. */
  geminiBaseUrl: string;
  /** The execution's token, in the place of the provider's key. */
  token: string;
  /** What goes along with a call of this moment. */
  headers(): Record<string, string>;
}

export interface Model {
  provider: Provider;
  model: string;
}

export interface AskedModel extends Model {
  gateway: Gateway;
  /** For the wait between two tries and the end of one; the machine's own where it is left out. */
  clock?: Pick<Clock, "sleep">;
  log?: (message: string, details?: Record<string, unknown>) => void;
}

export interface Question<T> {
  /** What is asked for, in one word: `article`. */
  name: string;
  schema: z.ZodType<T>;
  instructions: string;
  prompt: string;
  /** Bounds the call's worst-case cost; a model's reasoning counts. */
  maxOutputTokens: number;
  signal: AbortSignal;
}

// Its warnings would go to the console, past the server's log; they are logged with the task instead.
globalThis.AI_SDK_LOG_WARNINGS ??= false;

/** A provider's slip is mended here within seconds; what lasts is the orchestrator's to retry. */
const MAX_TRIES = 2;
/** The gateway waits up to 30 s for a permit; models that say nothing for this long say nothing at all. */
const ANSWER_WITHIN_MS = 90_000;
const WAIT_MS = 2_000;
/** A longer `Retry-After` is left to the orchestrator: a wait here holds the attempt's slot. */
const MAX_WAIT_MS = 20_000;

/** `gemini/gemini-3.5-flash-lite`. */
export function modelName({ provider, model }: Model): string {
  return `${provider}/${model}`;
}

/**
 * Asks, and once more after a failure that may pass by. Rejects with the gateway's own refusal (rate, budget, unknown
 * model), when the provider fails, and when the answer is not of the form.
 */
export async function ask<T>(asked: AskedModel, question: Question<T>): Promise<T> {
  const { clock = systemClock } = asked;
  const { name, signal } = question;
  for (let tries = 1; ; tries++) {
    try {
      return await askOnce(asked, question, clock);
    } catch (error) {
      signal.throwIfAborted();
      const waitMs = tries < MAX_TRIES ? waitAfter(error) : null;
      if (waitMs === null) throw explain(error, modelName(asked), name);
      asked.log?.("the model is asked again", { why: explain(error, modelName(asked), name).message });
      await clock.sleep(waitMs, "model", signal);
      signal.throwIfAborted();
    }
  }
}

async function askOnce<T>(
  asked: AskedModel,
  { name, schema, instructions, prompt, maxOutputTokens, signal }: Question<T>,
  clock: Pick<Clock, "sleep">,
): Promise<T> {
  const over = new AbortController();
  const late = new AbortController();
  void clock.sleep(ANSWER_WITHIN_MS, "answer", over.signal).then(() => {
    if (!over.signal.aborted) late.abort(new NoAnswer());
  });
  try {
    const { output, warnings } = await generateText({
      model: languageModel(asked),
      instructions,
      prompt,
      output: Output.object({ schema, name }),
      maxOutputTokens,
      maxRetries: 0,
      reasoning: "low",
      abortSignal: AbortSignal.any([signal, late.signal]),
    });
    if (warnings?.length) asked.log?.("the model does not take every setting", { warnings });
    return output;
  } catch (error) {
    late.signal.throwIfAborted();
    throw error;
  } finally {
    over.abort();
  }
}

class NoAnswer extends Error {
  constructor() {
    super(`no answer in ${ANSWER_WITHIN_MS / 1000} s`);
  }
}

/** How long to wait before asking again; null where that is of no use, or not here. */
function waitAfter(error: unknown): number | null {
  if (error instanceof NoAnswer) return 0;
  if (!APICallError.isInstance(error) || !error.isRetryable) return null;
  const { "retry-after": seconds, "retry-after-ms": ms } = error.responseHeaders ?? {};
  const told = Number(ms ?? Number(seconds ?? Number.NaN) * 1000);
  const waitMs = Number.isFinite(told) && told >= 0 ? told : WAIT_MS;
  return waitMs <= MAX_WAIT_MS ? waitMs : null;
}

function languageModel({ provider, model, gateway }: AskedModel): LanguageModel {
  if (provider === "gemini") {
    return createGoogle({
      baseURL: `${gateway.geminiBaseUrl.replace(/\/+$/, "")}/v1beta`,
      apiKey: gateway.token,
      headers: gateway.headers(),
    })(model);
  }
  // Chat completions: what every compatible server speaks, a local model included.
  return createOpenAI({
    baseURL: gateway.openaiBaseUrl,
    apiKey: gateway.token,
    headers: gateway.headers(),
  }).chat(model);
}

/** A failure as a person reads it: who failed, with which status, and what the other side said. */
function explain(error: unknown, who: string, wanted: string): Error {
  const because = { cause: error };
  if (APICallError.isInstance(error)) {
    const status = error.statusCode ? `HTTP ${error.statusCode}: ` : "";
    return new Error(`${who} did not answer: ${status}${error.message}`, because);
  }
  if (NoObjectGeneratedError.isInstance(error)) {
    const reason = `finish reason: ${error.finishReason}`;
    return new Error(`${who} did not answer with an ${wanted} (${reason})`, because);
  }
  const message = error instanceof Error ? error.message : String(error);
  return new Error(`${who} failed: ${message}`, because);
}
