/** Owns turning a workflow into one of a phase, and back. A pure function of bytes: no clock, no chance, no I/O. */
import { Problem } from "@master-orchestrator/contract";
import { rerouteAi } from "./gateway.ts";
import { aiUses } from "./kinds.ts";
import { editsSince, originalOf, type Phase, readMark, type TransformSettings, writeMark } from "./mark.ts";
import { buildNode, idOf, NAMES, noOpPart, type Part, PREFIX, stickyPart } from "./parts.ts";
import { basicPlan, executionTimeout, mutexPlan } from "./phases.ts";
import type { Plan } from "./plan.ts";
import {
  type ExportForm,
  MAX_EXPORT_BYTES,
  MAX_NODES,
  type N8nConnections,
  type N8nNode,
  type N8nWorkflow,
  readExport,
  structureProblems,
} from "./workflow.ts";

export interface Transformed {
  /** What n8n imports. */
  bytes: Uint8Array;
  workflowName: string;
  settings: TransformSettings;
  /** What a person has to do or to know, in order. Empty where the file was of this phase already. */
  notes: string[];
  /** Where the orchestrator posts to, below n8n's address; null where it does not. */
  webhookPath: string | null;
  /** The bytes are those that came in. */
  unchanged: boolean;
}

/** What may be left out, for the transformer to derive it from the workflow. */
export type Wishes = { phase: Phase } & Partial<Omit<TransformSettings, "phase">>;

/** As long as it may take until the other workflows have gone through, and less than the 300 s of the API. */
export const DEFAULT_WAIT_SECONDS = 240;
export const DEFAULT_ORCHESTRATOR_URL = "http://127.0.0.1:8080";

/** The name of a workflow as a workflow type: `Content Pipeline (v2)` → `content_pipeline_v2`. */
export function workflowTypeOf(name: string): string {
  const ascii = name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const type = ascii.replace(/[^a-z0-9]+/g, "_").replace(/^[^a-z]+|_+$/g, "");
  return type.slice(0, 63).replace(/_+$/, "") || "n8n_workflow";
}

/**
 * The workflow of a phase. Its own output of the same phase and settings comes back as it is. Throws a Problem with
 * the reason where it cannot be done safely; nothing is half done.
 */
export function transform(bytes: Uint8Array, wishes: Wishes): Transformed {
  const { workflow } = readOne(bytes);
  const mark = readMark(workflow);
  if (!mark) return make(bytes, wishes);
  if (mark.settings.phase !== wishes.phase) {
    throw new Problem(
      "conflict",
      `"${workflow.name}" was transformed already, for the phase ${mark.settings.phase}`,
      `Roll it back first, then transform the original: orchestrator n8n rollback FILE --out ORIGINAL.`,
    );
  }
  refuseEdits(workflow.name, editsSince(mark, workflow));
  const settings = { ...mark.settings, ...given(wishes) };
  // A lock that was named after the workflow type goes with it.
  const named = mark.settings.lock === mark.settings.workflowType;
  if (named && wishes.lock === undefined) settings.lock = settings.workflowType;
  const made = make(originalOf(mark), settings);
  if (JSON.stringify(settings) !== JSON.stringify(mark.settings)) return made;
  return { ...made, bytes, notes: [], unchanged: true };
}

/** The original's bytes. Throws a Problem where the file is not ours, or was edited since and `force` is not given. */
export function rollback(
  bytes: Uint8Array,
  force: boolean,
): { bytes: Uint8Array; workflowName: string; edits: string[] } {
  const { workflow } = readOne(bytes);
  const mark = readMark(workflow);
  if (!mark) {
    throw new Problem(
      "conflict",
      `"${workflow.name}" was not made by orchestrator n8n transform: there is no original in it`,
      "Roll back the file that transform has written, or the same workflow exported from n8n.",
    );
  }
  const edits = editsSince(mark, workflow);
  if (!force) refuseEdits(workflow.name, edits);
  return { bytes: originalOf(mark), workflowName: workflow.name, edits };
}

function refuseEdits(name: string, edits: readonly string[]): void {
  if (edits.length === 0) return;
  const shown = edits.slice(0, 10).join("; ");
  const more = edits.length > 10 ? `; and ${edits.length - 10} more` : "";
  throw new Problem(
    "conflict",
    `"${name}" was edited since it was transformed: ${shown}${more}`,
    "Roll it back with --force (this edit is then lost), make the same edit in the original, and transform that again.",
  );
}

function given(wishes: Wishes): Partial<TransformSettings> {
  return Object.fromEntries(Object.entries(wishes).filter(([, value]) => value !== undefined));
}

function readOne(bytes: Uint8Array): { form: ExportForm; workflow: N8nWorkflow } {
  const { form, workflows } = readExport(bytes);
  const [workflow, second] = workflows;
  if (second || form === "list") {
    throw new Problem(
      "validation_failed",
      `there are ${workflows.length} workflows in one list`,
      "Give one workflow to a file: n8n export:workflow --all --separate --output=FOLDER/.",
    );
  }
  return { form, workflow: workflow! };
}

function refuseUnsound(workflow: N8nWorkflow): void {
  const problems = structureProblems(workflow);
  if (problems.length > 0) {
    throw new Problem(
      "validation_failed",
      `"${workflow.name}" makes no sense: ${problems.slice(0, 10).join("; ")}`,
      "Correct it in n8n and export it again.",
    );
  }
  if (workflow.nodes.length > MAX_NODES) {
    const reason = `"${workflow.name}" has ${workflow.nodes.length} nodes; ${MAX_NODES} are allowed`;
    throw new Problem("payload_too_large", reason, "Split it into workflows that call each other.");
  }
  const taken = workflow.nodes.find((node) => node.name.startsWith(PREFIX));
  if (taken) {
    throw new Problem(
      "conflict",
      `a node is named "${taken.name}", as the nodes are that transform adds`,
      "Rename or remove it; a workflow that was transformed and has lost its mark has to be restored from n8n's history.",
    );
  }
}

function make(original: Uint8Array, wishes: Wishes): Transformed {
  const { form, workflow } = readOne(original);
  refuseUnsound(workflow);
  const type = wishes.workflowType ?? workflowTypeOf(workflow.name);
  const settings: TransformSettings = {
    phase: wishes.phase,
    workflowType: type,
    lock: wishes.lock ?? type,
    waitSeconds: wishes.waitSeconds ?? waitWithin(executionTimeout(workflow)),
    orchestratorUrl: (wishes.orchestratorUrl ?? DEFAULT_ORCHESTRATOR_URL).replace(/\/+$/, ""),
    ...(wishes.before === undefined ? {} : { before: wishes.before }),
    ...(wishes.trialId === undefined ? {} : { trialId: wishes.trialId }),
  };
  const seed = `${settings.phase}\n${type}\n${String(workflow.id ?? workflow.name)}`;
  const plan =
    settings.phase === "mutex" ? mutexPlan(workflow, settings, seed) : basicPlan(workflow, settings, seed);
  const { phase } = settings;
  const calls = phase === "gateway" || (phase === "final" && aiUses(workflow).some((use) => !use.obstacle));
  const rerouted = calls ? rerouteAi(workflow, settings.orchestratorUrl) : null;
  const notes = [...plan.notes, ...(rerouted?.notes ?? [])];
  const made = assemble(workflow, plan, { settings, seed, notes, nodes: rerouted?.nodes ?? workflow.nodes });
  const marked = addMark(made, original, settings, seed);
  const text = `${JSON.stringify(form === "array" ? [marked] : marked, null, 2)}\n`;
  const bytes = new TextEncoder().encode(text);
  if (bytes.byteLength > MAX_EXPORT_BYTES) {
    const reason = `"${workflow.name}" would be larger than 16 MB, with its original in it`;
    throw new Problem("payload_too_large", reason, "Split it, or take pinned data out of it.");
  }
  return {
    bytes,
    workflowName: workflow.name,
    settings,
    notes,
    webhookPath: plan.webhookPath,
    unchanged: false,
  };
}

/** Waiting counts as running: what waits for most of its time would be stopped in the midst of its work. */
function waitWithin(timeoutSeconds: number | null): number {
  return Math.min(DEFAULT_WAIT_SECONDS, Math.floor((timeoutSeconds ?? Number.POSITIVE_INFINITY) / 2));
}

interface Assembly {
  settings: TransformSettings;
  seed: string;
  notes: readonly string[];
  /** The original's, with other credentials where its models are reached through the gateway. */
  nodes: readonly N8nNode[];
}

/** Every node and connection of the original, its triggers renamed and replaced by what has their name, and the plan's. */
function assemble(
  workflow: N8nWorkflow,
  plan: Plan,
  { settings, seed, notes, nodes }: Assembly,
): N8nWorkflow {
  const [left, top] = cornerOf(workflow.nodes);
  const mine = `Made by the Master Orchestrator (${settings.phase}). Do not edit: orchestrator n8n rollback takes it away.`;
  const place = (part: Part, column: number, row: number) =>
    buildNode(part, seed, [left + column * 220, top - 720 + row * 180], mine);
  const clocks = new Map(plan.starts.map((start) => [start.name, start]));
  const kept = nodes.flatMap((node) => {
    const start = clocks.get(node.name);
    if (!start) return node;
    if (start.removed) return [];
    return { ...node, name: start.clock, ...(start.disabled ? { disabled: true } : {}) };
  });
  const gone = plan.starts.filter(({ name, clock, removed }) => removed && name === clock);
  const connections = { ...workflow.connections, ...plan.connections } as N8nConnections;
  for (const { name } of gone) delete connections[name];
  const renamed = plan.starts.filter(({ name, clock }) => name !== clock);
  const shims = renamed.map(({ name }, i) => {
    const at = workflow.nodes.find((node) => node.name === name)?.position;
    const position = isPosition(at) ? at : [left, top + i * 180];
    return {
      ...buildNode(noOpPart(name), seed, position as [number, number], mine),
      id: idOf(seed, `shim ${name}`),
    };
  });
  const added = plan.parts.map(({ part, column, row }) => place(part, column, row));
  const note = buildNode(stickyPart(noteText(settings, notes)), seed, [left - 560, top - 720], mine);
  return {
    ...workflow,
    nodes: [...kept, ...shims, ...added, note],
    connections,
  };
}

function isPosition(value: unknown): value is [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every((each) => typeof each === "number");
}

function cornerOf(nodes: readonly N8nNode[]): [number, number] {
  const positions = nodes.map((node) => node.position).filter(isPosition);
  if (positions.length === 0) return [0, 0];
  return [Math.min(...positions.map(([x]) => x)), Math.min(...positions.map(([, y]) => y))];
}

const TITLES: Record<Phase, string> = {
  mutex: "runs only with the lock",
  basic: "is started by the orchestrator, and reports how it ended",
  gateway: "is started by the orchestrator, and reaches its models through the gateway",
  final: "is started by the orchestrator alone: its old triggers are gone",
};

function noteText({ phase }: TransformSettings, notes: readonly string[]): string {
  const list = notes.map((note) => `- ${note}`).join("\n");
  return `## Master Orchestrator: ${phase}\nThis workflow ${TITLES[phase]}.\n\n${list}\n\nThe original is kept in the node "${NAMES.mark}": \`orchestrator n8n rollback\` restores it byte for byte.`;
}

function addMark(
  made: N8nWorkflow,
  original: Uint8Array,
  settings: TransformSettings,
  seed: string,
): N8nWorkflow {
  const [left, top] = cornerOf(made.nodes);
  const notes = writeMark(original, settings, made);
  const node = { ...buildNode(noOpPart(NAMES.mark), seed, [left, top - 180], notes), disabled: true };
  return { ...made, nodes: [...made.nodes, node] };
}

/** Why a phase cannot be done; null where it can. */
export function obstacleTo(workflow: N8nWorkflow, phase: Phase): string | null {
  try {
    if (readMark(workflow)) return "it was transformed already";
    make(new TextEncoder().encode(JSON.stringify(workflow)), { phase });
    return null;
  } catch (error) {
    if (error instanceof Problem) return error.message;
    throw error;
  }
}
