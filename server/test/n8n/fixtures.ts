/** Owns reading the exported workflows beside it: n8n 1.x (`v1-…`) and 2.x (`v2-…`), small, made by hand. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { Problem } from "@master-orchestrator/contract";
import { type N8nNode, type N8nWorkflow, readExport } from "#migrate/n8n/workflow.ts";

const FOLDER = new URL("./", import.meta.url);

export const FIXTURES = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".json"))
  .map((name) => name.replace(/\.json$/, ""));

export function exported(name: string): Buffer {
  return readFileSync(new URL(`${name}.json`, FOLDER));
}

export const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
export const workflowIn = (bytes: Uint8Array) => readExport(bytes).workflows[0]!;
export const nodeOf = (workflow: N8nWorkflow, name: string) =>
  workflow.nodes.find((node) => node.name === name) as N8nNode;

/** The Problem that an act is refused with. */
export function refusal(act: () => unknown): Problem {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof Problem, String(error));
    return error;
  }
  return assert.fail("it was not refused");
}
