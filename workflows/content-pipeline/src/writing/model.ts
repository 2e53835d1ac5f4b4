/** Owns how a model is asked: through the orchestrator's gateway only, for an answer of a given form. Says nothing itself. */
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import {
  APICallError,
  generateText,
  type LanguageModel,
  NoObjectGeneratedError,
  Output,
  RetryError,
} from "ai";
import type { z } from "zod";

export type Provider = "gemini" | "openai";

export interface Gateway {
  /** Ends in `/v1`. */
  openaiBaseUrl: string;
  /** Without a version path. */
  geminiBaseUrl: string;
  /** The execution's token, in the place of the provider's key. */
  token: string;
}

export interface Model {
  provider: Provider;
  model: string;
}

export interface AskedModel extends Model {
  gateway: Gateway;
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

/** The gateway already waits for a permit; the orchestrator retries the task. */
const MAX_RETRIES = 1;

/** `gemini/gemini-3.5-flash-lite`. */
export function modelName({ provider, model }: Model): string {
  return `${provider}/${model}`;
}

/**
 * Asks once. Rejects with the gateway's own refusal (rate, budget, unknown model), when the provider
 * fails, and when the answer is not of the form.
 */
export async function ask<T>(asked: AskedModel, question: Question<T>): Promise<T> {
  const { name, schema, instructions, prompt, maxOutputTokens, signal } = question;
  try {
    const { output, warnings } = await generateText({
      model: languageModel(asked),
      instructions,
      prompt,
      output: Output.object({ schema, name }),
      maxOutputTokens,
      maxRetries: MAX_RETRIES,
      reasoning: "low",
      abortSignal: signal,
    });
    if (warnings?.length) asked.log?.("the model does not take every setting", { warnings });
    return output;
  } catch (error) {
    signal.throwIfAborted();
    throw explain(error, modelName(asked), name);
  }
}

function languageModel({ provider, model, gateway }: AskedModel): LanguageModel {
  if (provider === "gemini") {
    return createGoogle({
      baseURL: `${gateway.geminiBaseUrl.replace(/\/+$/, "")}/v1beta`,
      apiKey: gateway.token,
    })(model);
  }
  // Chat completions: what every compatible server speaks, a local model included.
  return createOpenAI({ baseURL: gateway.openaiBaseUrl, apiKey: gateway.token }).chat(model);
}

/** A failure as a person reads it: who failed, with which status, and what the other side said. */
function explain(error: unknown, who: string, wanted: string): Error {
  const cause = RetryError.isInstance(error) ? error.lastError : error;
  if (APICallError.isInstance(cause)) {
    const status = cause.statusCode ? `HTTP ${cause.statusCode}: ` : "";
    return new Error(`${who} did not answer: ${status}${cause.message}`, { cause });
  }
  if (NoObjectGeneratedError.isInstance(cause)) {
    return new Error(`${who} did not answer with an ${wanted} (finish reason: ${cause.finishReason})`, {
      cause,
    });
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return new Error(`${who} failed: ${message}`, { cause });
}
