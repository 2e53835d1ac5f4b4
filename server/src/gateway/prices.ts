/** What models cost: the policy's prices first, then the price list's. A model that neither knows has no price. */

import type { Policy } from "@master-orchestrator/contract";
import {
  calcPrice,
  type ModelInfo,
  type ModelPrice,
  type Provider,
  type Usage,
} from "@pydantic/genai-prices";
import { mostOutputTokens } from "#core/models.ts";
import { ceilingMicros, costMicros, type Rate } from "#core/price.ts";
import type { TokenUsage } from "#core/usage.ts";
import manifest from "../../package.json" with { type: "json" };

export interface Price {
  /** The model's name where the price was found. */
  name: string;
  /** e.g. `genai-prices 0.1.8`, `policy 3`. */
  version: string;
  /** The bounds of a call that names none. */
  mostInput: number;
  mostOutput: number;
  /** Millionths of a dollar, half up; null if the usage makes no sense. */
  cost(usage: TokenUsage): number | null;
  /** As much as so many tokens can cost, whatever comes out; `media`: what goes in may be other than text. */
  worst(tokens: { input: number; output: number; media: boolean }): number;
}

const LIST_VERSION = `genai-prices ${manifest.dependencies["@pydantic/genai-prices"]}`;
/** The price list's names of the providers; others have only the policy's prices. */
const LISTED_AS: Readonly<Record<string, string>> = { openai: "openai", gemini: "google" };
/** The largest prompt that any model takes for which we know no window. */
const MOST_INPUT = 1_048_576;
const MOST_OUTPUT_OF_OWN_MODELS = 32_768;

/** Null for a model without a price. Prices may depend on the time of the day. */
export function findPrice(
  provider: string,
  model: string,
  { policy, version }: { policy: Policy; version: number },
  nowMs: number,
): Price | null {
  const own = Object.hasOwn(policy.prices, model) ? policy.prices[model] : undefined;
  if (own) return ownPrice(model, own, `policy ${version}`);
  return listedPrice(provider, model, nowMs);
}

function ownPrice(name: string, price: Policy["prices"][string], version: string): Price {
  const input = price.input_usd_per_million;
  const cached = price.cached_input_usd_per_million ?? input;
  const output = price.output_usd_per_million;
  const rates = (usage: TokenUsage): Rate[] => [
    { tokens: usage.input - usage.cachedInput, usdPerMillion: input },
    { tokens: usage.cachedInput, usdPerMillion: cached },
    { tokens: usage.output, usdPerMillion: output },
  ];
  return {
    name,
    version,
    mostInput: price.max_input_tokens ?? MOST_INPUT,
    mostOutput: price.max_output_tokens ?? MOST_OUTPUT_OF_OWN_MODELS,
    cost: (usage) => costMicros(rates(usage)),
    worst: (tokens) =>
      ceilingMicros([
        { tokens: tokens.input, usdPerMillion: Math.max(input, cached) },
        { tokens: tokens.output, usdPerMillion: output },
      ]),
  };
}

function listedPrice(provider: string, model: string, nowMs: number): Price | null {
  const providerId = LISTED_AS[provider];
  const found = providerId === undefined ? null : lookUp(providerId, model, nowMs);
  if (found === null) return null;
  // Nearly all prices are the same at any time, and so is all that follows from them.
  if (Array.isArray(found.info.prices)) return priceFrom(found, model, nowMs);
  found.price ??= priceFrom(found, model, nowMs);
  return found.price;
}

function priceFrom({ provider, info }: Listed, model: string, nowMs: number): Price {
  const options = { provider, timestamp: new Date(nowMs) };
  const prices = Array.isArray(info.prices) ? priceThen(model, options) : info.prices;
  const input = { text: highest(prices, TEXT_INPUTS), media: highest(prices, INPUTS) };
  const output = highest(prices, OUTPUTS);
  return {
    name: info.id,
    version: LIST_VERSION,
    mostInput: info.context_window ?? MOST_INPUT,
    mostOutput: mostOutputTokens(info.id, info.context_window),
    cost: (usage) => plainCost(usage, prices) ?? listedCost(usage, model, options),
    worst: (tokens) =>
      ceilingMicros([
        { tokens: tokens.input, usdPerMillion: (tokens.media ? input.media : input.text)(tokens.input) },
        { tokens: tokens.output, usdPerMillion: output(tokens.input) },
      ]),
  };
}

interface Listed {
  /** The list's provider with this one model, so that nothing has to be searched again. */
  provider: Provider;
  info: ModelInfo;
  /** Null until it is asked for, and where it depends on the time. */
  price: Price | null;
}

/** The list never changes while the process lives; a name is looked for among hundreds of patterns. */
const listed = new Map<string, Listed | null>();
/** Names are the callers': more than these are forgotten. */
const MOST_LISTED = 1_000;

function lookUp(providerId: string, model: string, nowMs: number): Listed | null {
  const key = `${providerId}/${model}`;
  const known = listed.get(key);
  if (known !== undefined) return known;
  const nothing = { input_tokens: 0, output_tokens: 0 };
  const found = calcPrice(nothing, model, { providerId, timestamp: new Date(nowMs) });
  const entry = found && {
    provider: { ...found.provider, models: [found.model] },
    info: found.model,
    price: null,
  };
  if (listed.size >= MOST_LISTED) listed.clear();
  listed.set(key, entry);
  return entry;
}

/** Some prices begin on a day, or hold for hours of it. */
function priceThen(model: string, options: { provider: Provider; timestamp: Date }): ModelPrice {
  return calcPrice({ input_tokens: 0, output_tokens: 0 }, model, options)?.model_price ?? {};
}

const TEXT_INPUTS = /^(input|cache_write|cache_read)_mtok$/;
const INPUTS = /^(input|cache)_.*mtok$/;
const OUTPUTS = /^output_.*mtok$/;

/** The highest of a model's prices of one direction, of the tiers that so many input tokens can reach. */
function highest(prices: ModelPrice, keys: RegExp): (input: number) => number {
  const tiers = Object.entries(prices)
    .filter(([key]) => keys.test(key))
    .flatMap(([, price]) => {
      if (price === undefined) return [];
      if (typeof price === "number") return [{ start: -1, price }];
      return [{ start: -1, price: price.base }, ...price.tiers];
    });
  return (input) =>
    tiers.reduce((most, { start, price }) => (input > start ? Math.max(most, price) : most), 0);
}

/** Exact, for what nearly every call is: text in and out, at prices without tiers. Null for anything else. */
function plainCost(usage: TokenUsage, prices: ModelPrice): number | null {
  const { input_mtok: input, output_mtok: output, cache_read_mtok: cached = input } = prices;
  if (typeof input !== "number" || typeof output !== "number" || typeof cached !== "number") return null;
  if (usage.cacheWrite + usage.audioInput + usage.audioOutput + usage.imageOutput > 0) return null;
  return costMicros([
    { tokens: usage.input - usage.cachedInput, usdPerMillion: input },
    { tokens: usage.cachedInput, usdPerMillion: cached },
    { tokens: usage.output, usdPerMillion: output },
  ]);
}

/** The price list knows which parts of a usage have prices of their own, and of which tier they are. */
function listedCost(usage: TokenUsage, model: string, options: { provider: Provider; timestamp: Date }) {
  const parts: Usage = { input_tokens: usage.input, output_tokens: usage.output };
  if (usage.cachedInput > 0) parts.cache_read_tokens = usage.cachedInput;
  if (usage.cacheWrite > 0) parts.cache_write_tokens = usage.cacheWrite;
  if (usage.audioInput > 0) parts.input_audio_tokens = usage.audioInput;
  if (usage.audioOutput > 0) parts.output_audio_tokens = usage.audioOutput;
  if (usage.imageOutput > 0) parts.output_image_tokens = usage.imageOutput;
  try {
    const price = calcPrice(parts, model, options);
    // Its sums are binary fractions: what lies below a millionth of a millionth of a dollar is their noise.
    return price === null ? null : Math.floor(Number((price.total_price * 1e6).toFixed(6)) + 0.5);
  } catch {
    return null;
  }
}
