/** Owns reading a small JSON document that a command was given. Never reads tasks; those may be millions. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { buffer } from "node:stream/consumers";
import { Problem } from "@master-orchestrator/contract";
import { parseStrictJson } from "@master-orchestrator/contract/json";
import { Failure } from "./failure.ts";
import type { Terminal } from "./terminal.ts";

/** The object in a file (`-`: stdin). Throws a Failure where there is none. */
export async function readJsonFile(name: string, terminal: Terminal): Promise<Record<string, unknown>> {
  let bytes: Uint8Array;
  try {
    bytes = name === "-" ? await buffer(terminal.stdin) : await readFile(resolve(terminal.cwd, name));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Failure(`cannot read ${name}: ${code === "ENOENT" ? "there is no such file" : message}`);
  }
  let value: unknown;
  try {
    value = parseStrictJson(bytes);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new Failure(`${name}: ${error.message.replace("the body", "the file")}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new Failure(`${name} does not hold a JSON object`);
}
