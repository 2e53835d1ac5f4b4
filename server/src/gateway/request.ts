/** Reads the body of a provider's call for what the governor has to know: its model, and how much it may cost at most. */
import type { Form, Operation } from "./operations.ts";
import { type Refusal, refusal } from "./providers.ts";

export interface ReadCall {
  /** Empty for a call that needs none. */
  model: string;
  stream: boolean;
  /** At the most, and null where something outside of the body may be read. A token has at least one byte. */
  inputTokens: number | null;
  /** What the call itself allows; null: as much as the model can. */
  outputTokens: number | null;
  /** How many answers it asks for. */
  answers: number;
  /** It holds other than text. */
  media: boolean;
  /** The body, where it is JSON. */
  document: Fields | null;
}

export type Fields = Record<string, unknown>;

/** What the call is, or the refusal of a body that is not the provider's. */
export function readCall(operation: Operation, body: Uint8Array): ReadCall | Refusal {
  if (operation.form === "free") {
    const nothing = { inputTokens: 0, outputTokens: 0, answers: 1, media: false, document: null };
    return { model: operation.model ?? "", stream: false, ...nothing };
  }
  const document = parse(body);
  if (document === null) {
    return refusal(400, "invalid_json", "the body is not a JSON object", "Send the provider's own request");
  }
  const model = operation.model ?? document.model;
  if (typeof model !== "string" || model === "" || model.length > 200) {
    return refusal(400, "invalid_request", "the body names no model", "Set `model`");
  }
  const tool = pricedApart(document);
  if (tool !== null) {
    return refusal(
      422,
      "unpriced_tool",
      `the provider's own tool "${tool}" costs more than its tokens, which no ledger could know`,
      "Leave it out, or call the provider directly and report the cost with POST /api/v1/usage",
    );
  }
  const { outputTokens, answers } = BOUNDS[operation.form](document);
  const seen = look(document);
  return {
    model,
    stream: operation.stream ?? document.stream === true,
    inputTokens: seen.refers ? null : body.length,
    outputTokens,
    answers,
    media: seen.refers,
    document,
  };
}

interface Bound {
  outputTokens: number | null;
  answers: number;
}

const BOUNDS: Record<Exclude<Form, "free">, (document: Fields) => Bound> = {
  chat: (document) => ({
    outputTokens: larger(document.max_completion_tokens, document.max_tokens),
    answers: whole(document.n) ?? 1,
  }),
  completions: (document) => ({
    outputTokens: whole(document.max_tokens),
    answers:
      Math.max(whole(document.n) ?? 1, whole(document.best_of) ?? 1) *
      (Array.isArray(document.prompt) ? Math.max(1, document.prompt.length) : 1),
  }),
  responses: (document) => ({ outputTokens: whole(document.max_output_tokens), answers: 1 }),
  embeddings: () => ({ outputTokens: 0, answers: 1 }),
  embed: () => ({ outputTokens: 0, answers: 1 }),
  generate: (document) => {
    const config = fields(document.generationConfig ?? document.generation_config);
    return {
      outputTokens: larger(config.maxOutputTokens, config.max_output_tokens),
      answers: larger(config.candidateCount, config.candidate_count) ?? 1,
    };
  },
};

function parse(body: Uint8Array): Fields | null {
  try {
    const value: unknown = JSON.parse(
      Buffer.from(body.buffer, body.byteOffset, body.length).toString("utf8"),
    );
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;
  } catch {
    return null;
  }
}

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** Anything else than a positive whole number binds nobody. */
function whole(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : null;
}

function larger(a: unknown, b: unknown): number | null {
  const given = [whole(a), whole(b)].filter((one) => one !== null);
  return given.length > 0 ? Math.max(...given) : null;
}

/** Tools that run at the caller's; any other runs at the provider's, for money. */
const CALLERS_TOOLS = new Set(["function", "custom", "functionDeclarations", "function_declarations"]);
/** Tiers at the list's price or below. */
const PRICED_TIERS = new Set(["auto", "default", "flex"]);

/** The name of something in the call that is billed besides its tokens at the list's price; null if there is nothing. */
function pricedApart(document: Fields): string | null {
  if (document.web_search_options) return "web_search_options";
  const tier = document.service_tier;
  if (typeof tier === "string" && !PRICED_TIERS.has(tier)) return `service_tier: ${tier}`;
  if (!Array.isArray(document.tools)) return null;
  for (const tool of document.tools.map(fields)) {
    const names = typeof tool.type === "string" ? [tool.type] : Object.keys(tool);
    const foreign = names.find((name) => !CALLERS_TOOLS.has(name));
    if (foreign !== undefined) return foreign.slice(0, 100);
  }
  return null;
}

/** Members that stand for more than their own text: files, pictures, earlier conversations, caches. */
const REFERENCES = new Set([
  "image_url",
  "file_id",
  "file_data",
  "file_url",
  "input_audio",
  "fileData",
  "file_uri",
  "inlineData",
  "inline_data",
  "cachedContent",
  "cached_content",
  "previous_response_id",
  "conversation",
]);

/** Whether something in the document refers to more than it holds. Walks without recursion: depth is the caller's. */
function look(document: Fields): { refers: boolean } {
  const stored = fields(document.prompt);
  if (typeof stored.id === "string") return { refers: true };
  const rest: unknown[] = [document];
  while (rest.length > 0) {
    const value = rest.pop();
    if (Array.isArray(value)) {
      for (const one of value) if (typeof one === "object" && one !== null) rest.push(one);
    } else if (typeof value === "object" && value !== null) {
      for (const [name, one] of Object.entries(value)) {
        if (one === null || one === undefined) continue;
        if (REFERENCES.has(name)) return { refers: true };
        if (typeof one === "object") rest.push(one);
      }
    }
  }
  return { refers: false };
}
