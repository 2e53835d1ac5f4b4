/** Owns which model writes and which one judges, and what an article may cost at the most. Asks nobody. */

import { type Model, modelName, type Provider } from "./model.ts";
import { MAX_MATERIAL_CHARS } from "./prompt.ts";

/** Current small models of both providers, priced for hundreds of articles a day. */
export const DEFAULT_MODELS: Readonly<Record<Provider, string>> = {
  gemini: "gemini-3.5-flash-lite",
  openai: "gpt-6-luna",
};

/** Who judges where only one provider is on: another model than the one that writes. */
export const SECOND_MODELS: Readonly<Record<Provider, string>> = {
  gemini: "gemini-3.1-flash-lite",
  openai: "gpt-5-mini",
};

/** The most tokens that each answer may have, reasoning included. */
export const OUTPUT_TOKENS = {
  resolve: 1_024,
  outline: 2_048,
  article: 6_144,
  verdict: 2_048,
} as const;

export interface Cast {
  writer: Model;
  judge: Model;
  /** Whether the judge is not the writer itself. */
  independent: boolean;
}

export interface Choice {
  /** Which providers have a key. */
  providers: Readonly<Record<Provider, boolean>>;
  /** Instead of the defaults, by provider. */
  models?: Partial<Record<Provider, string>> | undefined;
  /** What the workflow's params say: `provider/model`. */
  writer?: string | undefined;
  judge?: string | undefined;
}

/**
 * Who writes and who judges; null without any provider. Gemini writes where it is on; the judge is of
 * the other provider, else another model of the same one. Throws for a model whose provider is off.
 */
export function castOf(choice: Choice): Cast | null {
  const { providers, models } = choice;
  const on = (["gemini", "openai"] as const).filter((provider) => providers[provider]);
  const asked = [choice.writer, choice.judge].filter((name) => name !== undefined);
  for (const name of asked) {
    const { provider } = parseModel(name);
    if (!providers[provider]) throw new Error(`params.models names ${name}, but ${provider} has no key`);
  }
  const first = on[0];
  if (first === undefined) return null;
  const by = (provider: Provider): Model => ({
    provider,
    model: models?.[provider] ?? DEFAULT_MODELS[provider],
  });
  const writer = choice.writer === undefined ? by(first) : parseModel(choice.writer);
  const judge = choice.judge === undefined ? judgeFor(writer, on, by) : parseModel(choice.judge);
  return { writer, judge, independent: modelName(writer) !== modelName(judge) };
}

function judgeFor(writer: Model, on: readonly Provider[], by: (provider: Provider) => Model): Model {
  const other = on.find((provider) => provider !== writer.provider);
  if (other) return by(other);
  const second = SECOND_MODELS[writer.provider];
  const model = second === writer.model ? DEFAULT_MODELS[writer.provider] : second;
  return { provider: writer.provider, model };
}

/** Reads `provider/model`. Throws for anything else. */
export function parseModel(name: string): Model {
  const [, provider, model] = /^(gemini|openai)\/(\S{1,200})$/.exec(name) ?? [];
  if (!provider || !model) throw new Error(`"${name}" is not gemini/<model> or openai/<model>`);
  return { provider: provider as Provider, model };
}

/** Prices in US dollars per million tokens. */
export interface Rates {
  input: number;
  output: number;
}

/** What a call sends besides the material: rules, brief, outline, the article so far. */
const OTHER_INPUT_TOKENS = 8_000;
const CHARS_PER_TOKEN = 4;

/**
 * US dollars for an article at its longest: material up to the limit, every answer as long as it may
 * be, doubtful names, a revision and a second verdict. Counts four characters to a token.
 */
export function worstCaseUsd(writer: Rates, judge: Rates): number {
  const material = MAX_MATERIAL_CHARS / CHARS_PER_TOKEN;
  const call = (rates: Rates, input: number, output: number) =>
    (input * rates.input + output * rates.output) / 1e6;
  const whole = material + OTHER_INPUT_TOKENS;
  return (
    call(writer, OTHER_INPUT_TOKENS, OUTPUT_TOKENS.resolve) +
    call(writer, whole, OUTPUT_TOKENS.outline) +
    call(writer, whole, OUTPUT_TOKENS.article) +
    call(judge, whole, OUTPUT_TOKENS.verdict) +
    call(writer, whole, OUTPUT_TOKENS.article) +
    call(judge, whole, OUTPUT_TOKENS.verdict)
  );
}
