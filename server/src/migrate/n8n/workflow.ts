/** Owns what an exported n8n workflow is: reading it from bytes and walking its connections. Never changes one. */
import { fieldProblems, Problem } from "@master-orchestrator/contract";
import { parseStrictJson } from "@master-orchestrator/contract/json";
import { z } from "zod";

export interface N8nNode {
  name: string;
  type: string;
  typeVersion?: number;
  parameters?: Record<string, unknown>;
  position?: unknown;
  disabled?: boolean;
  credentials?: Record<string, unknown>;
  notes?: string;
  [key: string]: unknown;
}

export interface N8nTarget {
  node: string;
  type: string;
  index: number;
}

/** From node, by kind of connection (`main`, `ai_languageModel` …), by output: where it leads. */
export type N8nConnections = Record<string, Record<string, (N8nTarget[] | null)[]>>;

/** A workflow as n8n 1.x and 2.x export it. Whatever else it holds is kept as it is. */
export interface N8nWorkflow {
  name: string;
  nodes: N8nNode[];
  connections: N8nConnections;
  settings?: Record<string, unknown> | null;
  [key: string]: unknown;
}

/** How the workflows stood in the file, so that what is written has the same form. */
export type ExportForm = "one" | "array" | "list";

export interface N8nExport {
  form: ExportForm;
  workflows: N8nWorkflow[];
}

/** n8n itself takes no larger request (16 MB by default). */
export const MAX_EXPORT_BYTES = 16 * 1024 * 1024;
export const MAX_NODES = 2_000;
/** What was made of the largest workflow has to be read again. */
const MAX_ADDED_NODES = 100;

const Target = z.looseObject({ node: z.string(), type: z.string(), index: z.int().min(0) });
/** Only what is relied on; n8n puts more into each of these, and community nodes more still. */
const Workflow = z.looseObject({
  name: z.string().min(1).max(500),
  nodes: z
    .array(
      z.looseObject({
        name: z.string().min(1).max(500),
        type: z.string().min(1).max(500),
        typeVersion: z.number().optional(),
        parameters: z.record(z.string(), z.unknown()).optional(),
        disabled: z.boolean().nullish(),
        credentials: z.record(z.string(), z.unknown()).nullish(),
        notes: z.string().nullish(),
      }),
    )
    .max(MAX_NODES + MAX_ADDED_NODES),
  connections: z.record(z.string(), z.record(z.string(), z.array(z.array(Target).nullable()))),
  settings: z.record(z.string(), z.unknown()).nullish(),
});

const EXPORT_HINT = "Give what n8n exports: a workflow downloaded from the editor, or `n8n export:workflow`.";

/** The workflows in a file: one, an array, or a list under `data` or `workflows`. Throws a Problem where there are none. */
export function readExport(bytes: Uint8Array): N8nExport {
  if (bytes.byteLength > MAX_EXPORT_BYTES) {
    throw new Problem("payload_too_large", "the file is larger than 16 MB", EXPORT_HINT);
  }
  const { form, values } = unwrap(parseStrictJson(bytes));
  if (values.length === 0) throw new Problem("validation_failed", "there is no workflow in it", EXPORT_HINT);
  return { form, workflows: values.map((value, i) => readWorkflow(value, form === "one" ? "" : `/${i}`)) };
}

function unwrap(value: unknown): { form: ExportForm; values: unknown[] } {
  if (Array.isArray(value)) return { form: "array", values: value };
  if (typeof value === "object" && value !== null && !("nodes" in value)) {
    for (const list of ["data", "workflows"] as const) {
      const inner = (value as Record<string, unknown>)[list];
      if (Array.isArray(inner)) return { form: "list", values: inner };
    }
  }
  return { form: "one", values: [value] };
}

function readWorkflow(value: unknown, where: string): N8nWorkflow {
  const [first] = fieldProblems(Workflow, value);
  if (first) {
    throw new Problem(
      "validation_failed",
      `this is no n8n workflow: ${where}${first.path} ${first.message}`,
      EXPORT_HINT,
    );
  }
  // The value itself, not what the schema gives back: that would have its keys in another order.
  return value as N8nWorkflow;
}

/** Why the graph of a workflow makes no sense; empty for a sound one. */
export function structureProblems(workflow: N8nWorkflow): string[] {
  const names = workflow.nodes.map((node) => node.name);
  const known = new Set(names);
  const twice = [...new Set(names.filter((name, i) => names.indexOf(name) !== i))];
  const unknown = new Set<string>();
  for (const { from, to } of edges(workflow.connections)) {
    for (const name of [from, to]) if (!known.has(name)) unknown.add(name);
  }
  return [
    ...twice.map((name) => `two nodes are named "${name}"`),
    ...[...unknown].map((name) => `a connection leads from or to "${name}", which is not there`),
  ];
}

export interface Edge {
  from: string;
  kind: string;
  output: number;
  to: string;
  toKind: string;
  input: number;
}

export function edges(connections: N8nConnections): Edge[] {
  return Object.entries(connections).flatMap(([from, kinds]) =>
    Object.entries(kinds).flatMap(([kind, outputs]) =>
      outputs.flatMap((targets, output) =>
        (targets ?? []).map(({ node, type, index }) => ({
          ...{ from, kind, output },
          ...{ to: node, toKind: type, input: index },
        })),
      ),
    ),
  );
}

/** The kind of a node without the package it is from: `scheduleTrigger`. */
export function kindOf(node: Pick<N8nNode, "type">): string {
  return node.type.slice(node.type.lastIndexOf(".") + 1);
}

/** Every text within a value, such as a node's parameters. */
export function* textsIn(value: unknown): Generator<string> {
  if (typeof value === "string") yield value;
  else if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) yield* textsIn(inner);
  }
}

/** A member of an object, as an object; empty where there is none. */
export function objectAt(value: unknown, key: string): Record<string, unknown> {
  const inner = (value as Record<string, unknown> | null | undefined)?.[key];
  return typeof inner === "object" && inner !== null && !Array.isArray(inner)
    ? (inner as Record<string, unknown>)
    : {};
}
