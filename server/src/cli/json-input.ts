/** Owns reading JSON and NDJSON as values that know their lines. Never knows what a task is, but for `{"tasks": […]}`. */
import { Problem } from "@master-orchestrator/contract";
import { parseStrictJson } from "@master-orchestrator/contract/json";
import { Failure } from "./failure.ts";
import type { Input, Line } from "./input.ts";

/** `index` counts the values of a list from 0; a line may hold many of them. */
export type JsonEntry = { line: number; index?: number; value: unknown } | { line: number; problem: string };

/** JSON is one value and has to be in memory as a whole; larger files are for NDJSON. */
const MAX_JSON_BYTES = 256 * 1024 * 1024;

/** One value per line; a line that is not JSON is a problem of that line alone. */
export async function* readNdjson(lines: AsyncGenerator<Line>): AsyncGenerator<JsonEntry> {
  for await (const { number, text, problem } of lines) {
    if (problem !== null) yield { line: number, problem };
    else if (text.trim() !== "") yield parseLine(number, text);
  }
}

function parseLine(line: number, text: string): JsonEntry {
  try {
    return { line, value: parseStrictJson(Buffer.from(text)) };
  } catch (error) {
    return { line, problem: reason(error).replace("the body", "the line") };
  }
}

/** An array of values, an object with `tasks`, or one value. Throws a Failure where the whole is not JSON. */
export async function* readJson(input: Pick<Input, "chunks" | "name">): AsyncGenerator<JsonEntry> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of input.chunks()) {
    bytes += chunk.length;
    if (bytes > MAX_JSON_BYTES) {
      throw new Failure(`${input.name} is larger than 256 MB`, "write one task to a line, as NDJSON");
    }
    pieces.push(chunk);
  }
  const whole = Buffer.concat(pieces);
  let value: unknown;
  try {
    value = parseStrictJson(whole);
  } catch (error) {
    throw new Failure(`${input.name}: ${reason(error).replace("the body", "the file")}`, "nothing was sent");
  }
  const text = whole.toString("utf8");
  if (Array.isArray(value)) yield* withLines(value, text, 1);
  else if (isEnvelope(value)) yield* withLines(value.tasks, text, 2);
  else yield { line: 1, value };
}

function isEnvelope(value: unknown): value is { tasks: unknown[] } {
  if (typeof value !== "object" || value === null || !("tasks" in value)) return false;
  if (!Array.isArray(value.tasks)) throw new Failure('"tasks" is not a list', "nothing was sent");
  const others = Object.keys(value).filter((key) => key !== "tasks");
  if (others.length > 0)
    throw new Failure(`unknown member "${others[0]}" beside "tasks"`, "nothing was sent");
  return true;
}

function* withLines(values: unknown[], text: string, depth: number): Generator<JsonEntry> {
  const lines = elementLines(text, depth);
  for (const [i, value] of values.entries()) yield { line: lines[i] ?? 1, index: i, value };
}

/** The lines on which the elements of the list at `depth` begin, in a text that is known to be JSON. */
function elementLines(text: string, depth: number): number[] {
  const lines: number[] = [];
  let line = 1;
  let level = 0;
  let expectsElement = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char === "\n") line++;
    if (char === " " || char === "\n" || char === "\r" || char === "\t") continue;
    if (expectsElement && char !== "]") {
      lines.push(line);
      expectsElement = false;
    }
    if (char === '"') i = endOfString(text, i);
    else if (char === "[" || char === "{") {
      level++;
      if (char === "[" && level === depth) expectsElement = true;
    } else if (char === "]" || char === "}") {
      level--;
      if (char === "]") expectsElement = false;
    } else if (char === "," && level === depth) expectsElement = true;
  }
  return lines;
}

function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i;
}

function reason(error: unknown): string {
  if (error instanceof Problem) return error.message;
  throw error;
}
