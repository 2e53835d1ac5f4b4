/** Owns what may leave the process as a result: turns any value into JSON that the orchestrator can store; sends nothing. */
import type { ErrorData } from "@master-orchestrator/contract";
import { strike } from "./log.ts";

/** The orchestrator takes 64 levels; a callback wraps a result in three. */
const MAX_DEPTH = 60;
const MAX_MESSAGE_CHARS = 4_000;
const MAX_STACK_CHARS = 20_000;

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export interface Storable {
  value: Json;
  /** The value as JSON text. */
  text: string;
  bytes: number;
  /** Characters had to be replaced. */
  mended: boolean;
}

/** The value is no result: it cannot be written as JSON. */
export class NotStorable extends Error {
  override readonly name = "NotStorable";
}

/**
 * The value as JSON would give it back; `undefined` is null. NUL characters and lone surrogates,
 * which PostgreSQL cannot store, become U+FFFD. Throws NotStorable for cycles, BigInt, functions,
 * and anything deeper than 60 levels.
 */
export function storable(value: unknown): Storable {
  let text: string | undefined;
  let parsed: Json;
  try {
    text = JSON.stringify(value ?? null);
    if (text === undefined) throw new NotStorable(`a ${typeof value} cannot be written as JSON`);
    parsed = JSON.parse(text) as Json;
  } catch (error) {
    if (error instanceof NotStorable) throw error;
    throw new NotStorable(`it cannot be written as JSON: ${messageOf(error).split("\n")[0]}`);
  }
  if (isDeeperThan(parsed, MAX_DEPTH)) throw new NotStorable(`it is nested deeper than ${MAX_DEPTH} levels`);
  // JSON.stringify writes both as escapes; without these there is nothing to walk for.
  const suspect = /\\u(0000|d[89a-f])/.test(text);
  const sound = suspect ? mend(parsed) : parsed;
  const soundText = suspect ? JSON.stringify(sound) : text;
  return { value: sound, text: soundText, bytes: Buffer.byteLength(soundText), mended: soundText !== text };
}

function isDeeperThan(value: Json, levels: number): boolean {
  if (value === null || typeof value !== "object") return false;
  if (levels === 0) return true;
  return Object.values(value).some((inner) => isDeeperThan(inner, levels - 1));
}

function mend(value: Json): Json {
  if (typeof value === "string") return mendText(value);
  if (Array.isArray(value)) return value.map(mend);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [mendText(name), mend(inner)]));
}

/** A text that PostgreSQL can store. */
export function mendText(text: string): string {
  return text.replaceAll("\0", "\uFFFD").toWellFormed();
}

/** Whatever was thrown, in words. */
export function messageOf(thrown: unknown): string {
  try {
    if (thrown instanceof Error) return thrown.message || thrown.name;
    if (typeof thrown === "string") return thrown || "an empty text was thrown";
    return `${JSON.stringify(thrown) ?? String(thrown)} was thrown`;
  } catch {
    return "something was thrown that cannot be put in words";
  }
}

/** What was thrown, as an item's `error_data`: without `token`, and within the limits of the contract. */
export function errorDataOf(thrown: unknown, retry: boolean, token: string): ErrorData {
  const stack = stackOf(thrown);
  return {
    message: fit(messageOf(thrown), MAX_MESSAGE_CHARS, token),
    ...(stack ? { stack_trace: fit(stack, MAX_STACK_CHARS, token) } : {}),
    retry_recommended: retry,
  };
}

/** A text for the wire: storable, without `token`, at most `chars` long. */
export function fit(text: string, chars: number, token: string): string {
  return mendText(strike(token, text).slice(0, chars));
}

function stackOf(thrown: unknown): string {
  const parts: string[] = [];
  let each = thrown;
  // The cause is often what matters; five are more than anybody nests, and end a cycle.
  for (let depth = 0; depth < 5 && each instanceof Error; depth++) {
    parts.push(String(each.stack ?? each.message));
    each = each.cause;
  }
  return parts.join("\nCaused by: ");
}
