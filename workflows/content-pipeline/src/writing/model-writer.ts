/** Owns the writer that asks a model, through the orchestrator's gateway only. Never falls back to another writer. */
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
import { hasSourceText, type Topic } from "../topic.ts";
import type { Draft, Quote, Writer } from "./draft.ts";
import { citationOf } from "./markdown.ts";
import { INSTRUCTIONS, ModelArticle, promptFor } from "./prompt.ts";

export type Provider = "gemini" | "openai";

/** Current small models of both providers, priced for hundreds of articles a day. */
export const DEFAULT_MODELS: Readonly<Record<Provider, string>> = {
  gemini: "gemini-3.5-flash-lite",
  openai: "gpt-6-luna",
};

export interface Gateway {
  /** Ends in `/v1`. */
  openaiBaseUrl: string;
  /** Without a version path. */
  geminiBaseUrl: string;
  /** The execution's token, in the place of the provider's key. */
  token: string;
}

export interface ModelWriterParts {
  provider: Provider;
  model: string;
  gateway: Gateway;
  log?: (message: string, details?: Record<string, unknown>) => void;
}

// Its warnings would go to the console, past the server's log; they are logged with the task instead.
globalThis.AI_SDK_LOG_WARNINGS ??= false;

/** Bounds a call's worst-case cost; a long article and a model's reasoning fit in it. */
const MAX_OUTPUT_TOKENS = 8192;
/** The gateway already waits for a permit; the orchestrator retries the task. */
const MAX_RETRIES = 1;

/**
 * A writer that asks `model` of `provider`. Rejects with the gateway's own refusal (rate, budget,
 * unknown model), when the provider fails, and when the answer is not an article.
 */
export function modelWriter(parts: ModelWriterParts): Writer {
  const generator = `${parts.provider}/${parts.model}`;
  return {
    generator,
    async write(topic, entities, signal) {
      try {
        const { output, warnings } = await generateText({
          model: languageModel(parts),
          instructions: INSTRUCTIONS,
          prompt: promptFor(topic, entities),
          output: Output.object({ schema: ModelArticle, name: "article" }),
          maxOutputTokens: MAX_OUTPUT_TOKENS,
          maxRetries: MAX_RETRIES,
          reasoning: "low",
          abortSignal: signal,
        });
        const log = parts.log ?? (() => {});
        if (warnings?.length) log("the model does not take every setting", { warnings });
        return draftFrom(output, topic, generator, log);
      } catch (error) {
        signal.throwIfAborted();
        throw explain(error, generator);
      }
    },
  };
}

function languageModel({ provider, model, gateway }: ModelWriterParts): LanguageModel {
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
function explain(error: unknown, generator: string): Error {
  const cause = RetryError.isInstance(error) ? error.lastError : error;
  if (APICallError.isInstance(cause)) {
    const status = cause.statusCode ? `HTTP ${cause.statusCode}: ` : "";
    return new Error(`${generator} did not answer: ${status}${cause.message}`, { cause });
  }
  if (NoObjectGeneratedError.isInstance(cause)) {
    return new Error(`${generator} did not answer with an article (finish reason: ${cause.finishReason})`, {
      cause,
    });
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return new Error(`${generator} failed: ${message}`, { cause });
}

/**
 * Turns a model's answer into a draft. What it claims to quote has to stand in the source, or the
 * quotation is dropped; citations of sources that do not exist lose their link. Throws for an
 * answer without text.
 */
export function draftFrom(
  answer: ModelArticle,
  topic: Topic,
  generator: string,
  log: (message: string, details?: Record<string, unknown>) => void,
): Draft {
  const sections = answer.sections
    .map((section) => ({
      heading: section.heading.replace(/^#+\s*/, "").trim(),
      markdown: linkCitations(section.markdown.trim(), topic.sources.length),
    }))
    .filter((section) => section.heading !== "" && section.markdown !== "");
  const title = answer.title.trim();
  if (sections.length === 0 || title === "") throw new Error("the answer has no title or no sections");
  const citations = answer.citations.flatMap(({ source, quote }): Quote[] =>
    stands(quote, topic, source - 1) ? [{ text: quote.trim(), source: source - 1 }] : [],
  );
  const dropped = answer.citations.length - citations.length;
  if (dropped > 0) log("quotations that are not in the source were dropped", { dropped });
  if (hasSourceText(topic) && citations.length === 0) log("no quotation of this article could be verified");
  const quoted = answer.pull_quote?.trim();
  const quotedFrom = quoted ? topic.sources.findIndex((_, i) => stands(quoted, topic, i)) : -1;
  return {
    title,
    summary: answer.summary.trim() || title,
    lead: "",
    sections,
    keyFacts: answer.key_facts
      .map((fact) => fact.replaceAll(/\s*\[\d+\]/g, "").trim())
      .filter((fact) => fact !== "")
      .slice(0, 5)
      .map((text) => ({ text, source: null })),
    pullQuote: quoted && quotedFrom >= 0 ? { text: quoted, source: quotedFrom } : null,
    citations,
    generator,
  };
}

/** Whether `quote` stands in the source, give or take white space, quotation marks and case. */
function stands(quote: string, topic: Topic, source: number): boolean {
  const text = topic.sources[source]?.text;
  const wanted = plain(quote);
  return text !== undefined && wanted.length >= 12 && plain(text).includes(wanted);
}

function plain(text: string): string {
  return text
    .toLowerCase()
    .replace(/[“”„"'’‘]/g, "")
    .replace(/\s+/g, " ")
    .trim()
    .replace(/[.…]+$/, "");
}

function linkCitations(markdown: string, sources: number): string {
  return markdown.replace(/\[(\d{1,2}(?:\s*,\s*\d{1,2})*)\](?!\()/g, (_, list: string) =>
    list
      .split(",")
      .map(Number)
      .filter((number) => number >= 1 && number <= sources)
      .map((number) => citationOf(number - 1))
      .join(" "),
  );
}
