/** Owns the mark of a transformed workflow: which phase, with what, the original's bytes, and what it was like when it was made. */
import { createHash } from "node:crypto";
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import { fieldProblems, Problem } from "@master-orchestrator/contract";
import { z } from "zod";
import { canonicalJson } from "#core/canonical.ts";
import { NAMES } from "./parts.ts";
import { edges, MAX_EXPORT_BYTES, type N8nNode, type N8nWorkflow } from "./workflow.ts";

export const PHASES = ["mutex", "basic", "gateway", "final"] as const;
export type Phase = (typeof PHASES)[number];

/** Everything that decides what a transformer writes, beside the original. */
export interface TransformSettings {
  phase: Phase;
  workflowType: string;
  lock: string;
  waitSeconds: number;
  orchestratorUrl: string;
  /** Given: by share of the runs, the others as before, with the lock or without one. */
  before?: "original" | "mutex";
  /** Another workflow in n8n, which runs the tasks that go by the next phase. */
  trialId?: string;
}

const Mark = z.strictObject({
  master_orchestrator: z.literal(1),
  settings: z.strictObject({
    phase: z.enum(PHASES),
    workflowType: z.string(),
    lock: z.string(),
    waitSeconds: z.number(),
    orchestratorUrl: z.string(),
    before: z.enum(["original", "mutex"]).optional(),
    trialId: z.string().optional(),
  }),
  /** Of the original's bytes. */
  sha256: z.string(),
  /** By part of the transformed workflow; what differs later was edited. */
  digests: z.record(z.string(), z.string()),
  /** Brotli, base64. */
  original: z.string(),
});
export type Mark = z.infer<typeof Mark>;

const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

/** The text of a mark. It stands in a node's notes, since n8n keeps those on every way in and out. */
export function writeMark(original: Uint8Array, settings: TransformSettings, made: N8nWorkflow): string {
  const compressed = brotliCompressSync(original, {
    params: {
      [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
      [constants.BROTLI_PARAM_QUALITY]: 9,
    },
  });
  const mark: Mark = {
    master_orchestrator: 1,
    settings,
    sha256: sha256(original),
    digests: digestsOf(made),
    original: compressed.toString("base64"),
  };
  return JSON.stringify(mark);
}

/** The mark of a workflow; null where it was not made by a transformer. Throws a Problem for a damaged one. */
export function readMark(workflow: N8nWorkflow): Mark | null {
  const node = workflow.nodes.find(({ name }) => name === NAMES.mark);
  if (!node) return null;
  let value: unknown;
  try {
    value = JSON.parse(node.notes ?? "");
  } catch {
    throw damaged(`the notes of "${NAMES.mark}" are no mark`);
  }
  const [first] = fieldProblems(Mark, value);
  if (first) throw damaged(`the mark in "${NAMES.mark}" is not as it was written: ${first.path}`);
  return value as Mark;
}

/** The original's bytes. Throws a Problem where they are not what they were. */
export function originalOf(mark: Mark): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = brotliDecompressSync(Buffer.from(mark.original, "base64"), { maxOutputLength: MAX_EXPORT_BYTES });
  } catch {
    throw damaged("the original in the mark cannot be unpacked");
  }
  if (sha256(bytes) !== mark.sha256) throw damaged("the original in the mark is not what was put into it");
  return bytes;
}

function damaged(message: string): Problem {
  return new Problem(
    "conflict",
    message,
    "Restore the workflow from n8n's own history (workflow → versions), or from the file that was transformed.",
  );
}

/** What a node does: where it stands and which ids n8n gave it does not matter. */
function nodeDigest(node: N8nNode): string {
  const { type, typeVersion, parameters, disabled, onError, continueOnFail, retryOnFail } = node;
  const { maxTries, waitBetweenTries, executeOnce, alwaysOutputData, notes } = node;
  const credentials = Object.entries(node.credentials ?? {}).map(([kind, value]) => [
    kind,
    credentialName(value),
  ]);
  const flags = [disabled, continueOnFail, retryOnFail, executeOnce, alwaysOutputData].map(Boolean);
  const settings = [onError ?? null, maxTries ?? null, waitBetweenTries ?? null, notes || null];
  const kept = [type, typeVersion ?? 1, parameters ?? {}, Object.fromEntries(credentials), flags, settings];
  return sha256(canonicalJson(kept)).slice(0, 12);
}

function credentialName(value: unknown): unknown {
  return typeof value === "object" && value !== null && "name" in value ? value.name : value;
}

/** What n8n writes into the settings by itself, when a workflow is imported or saved. */
const OWN_SETTINGS = new Set([
  "availableInMCP",
  "binaryMode",
  "callerPolicy",
  "executionOrder",
  "timeSavedMode",
]);

function digestsOf(workflow: N8nWorkflow): Record<string, string> {
  const { connections, settings, name } = workflow;
  const wires = edges(connections).map((edge) => canonicalJson(edge));
  return {
    name: sha256(name).slice(0, 12),
    connections: sha256(canonicalJson(wires.sort())).slice(0, 12),
    ...Object.fromEntries(
      Object.entries(settings ?? {}).map(([key, value]) => [
        `setting ${key}`,
        sha256(canonicalJson(value)).slice(0, 12),
      ]),
    ),
    ...Object.fromEntries(
      workflow.nodes
        .filter((node) => node.name !== NAMES.mark)
        .map((node) => [`node ${node.name}`, nodeDigest(node)]),
    ),
  };
}

/** What was edited since the workflow was made, each in words; empty where nothing was. */
export function editsSince(mark: Mark, workflow: N8nWorkflow): string[] {
  return differences(mark.digests, digestsOf(workflow));
}

/** What differs between two states of one workflow, each in words. */
export function editsBetween(before: N8nWorkflow, after: N8nWorkflow): string[] {
  return differences(digestsOf(before), digestsOf(after));
}

function differences(before: Record<string, string>, now: Record<string, string>): string[] {
  const parts = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  return parts.flatMap((part) => {
    const [was, is] = [before[part], now[part]];
    if (was === is) return [];
    const setting = /^setting (.*)$/.exec(part)?.[1];
    if (was === undefined && setting !== undefined && OWN_SETTINGS.has(setting)) return [];
    const [kind, ...rest] = part.split(" ");
    const what = rest.length > 0 ? `${kind} "${rest.join(" ")}"` : `the ${kind}`;
    if (was === undefined) return [`${what} was added`];
    return [
      is === undefined
        ? `${what} was removed`
        : part === "connections"
          ? `${what} were changed`
          : `${what} was changed`,
    ];
  });
}
