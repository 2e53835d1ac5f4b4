/** Which of a provider's calls pass the gateway, and what of them is metered. Reads no body. */
import type { ProviderName } from "./providers.ts";

/** The form of a call's body and of its answer; `free` costs nothing at the provider and is not metered. */
export type Form = "chat" | "completions" | "responses" | "embeddings" | "generate" | "embed" | "free";

export interface Operation {
  /** For the ledger, e.g. `chat_completions`, `streamGenerateContent`. */
  name: string;
  form: Form;
  /** Where the path names it (Gemini); else null. */
  model: string | null;
  /** Where the path says so (Gemini); else null. */
  stream: boolean | null;
}

const OPENAI: Readonly<Record<string, Form>> = {
  "chat/completions": "chat",
  completions: "completions",
  responses: "responses",
  embeddings: "embeddings",
  moderations: "free",
  "responses/input_tokens": "free",
};

const GEMINI: Readonly<Record<string, Form>> = {
  generateContent: "generate",
  streamGenerateContent: "generate",
  embedContent: "embed",
  batchEmbedContents: "embed",
  countTokens: "free",
};

/** Gemini speaks OpenAI's language as well, behind this path. */
export const GEMINI_AS_OPENAI = "/v1beta/openai";

/** What a path (behind the provider's base, without a query) asks for; null if it does not pass. Reading is free. */
export function operationOf(provider: ProviderName, method: "GET" | "POST", path: string): Operation | null {
  if (method === "GET") return { name: "read", form: "free", model: null, stream: false };
  if (provider === "openai") return openAi(path.slice(1));
  if (path.startsWith(`${GEMINI_AS_OPENAI}/`)) return openAi(path.slice(GEMINI_AS_OPENAI.length + 1));
  const [, model, action] = /^\/v\d\w*\/(?:models|tunedModels)\/([^/:]+):(\w+)$/.exec(path) ?? [];
  const form = action === undefined ? undefined : GEMINI[action];
  if (form === undefined || model === undefined || action === undefined) return null;
  return { name: action, form, model: decode(model), stream: action === "streamGenerateContent" };
}

function openAi(path: string): Operation | null {
  const form = Object.hasOwn(OPENAI, path) ? OPENAI[path] : undefined;
  return form === undefined ? null : { name: path.replaceAll("/", "_"), form, model: null, stream: null };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
