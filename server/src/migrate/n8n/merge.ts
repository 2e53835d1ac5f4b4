/** Owns taking an edit of a transformed workflow over into its original. Pure; refuses what has no single meaning. */
import { Problem } from "@master-orchestrator/contract";
import { canonicalJson } from "#core/canonical.ts";
import { PREFIX } from "./parts.ts";
import { type N8nNode, type N8nWorkflow, readExport } from "./workflow.ts";

const read = (bytes: Uint8Array): N8nWorkflow => readExport(bytes).workflows[0]!;
const isOurs = (name: string) => name.startsWith(PREFIX);
const same = (a: unknown, b: unknown) => canonicalJson(a ?? null) === canonicalJson(b ?? null);

/**
 * The original with what was changed between `deployed` and `edited`. Nodes that were the same in the original and in what
 * was deployed are taken as they are now; what the transformer has changed, and what it has added, may not be edited.
 */
export function mergeEdits(original: Uint8Array, deployed: Uint8Array, edited: Uint8Array): Uint8Array {
  const [base, was, is] = [read(original), read(deployed), read(edited)];
  const nodes = mergedNodes(base, was, is);
  const connections = mergedConnections(base, was, is);
  const settings = mergedSettings(base, was, is);
  const made = { ...base, name: is.name === was.name ? base.name : is.name, nodes, connections, settings };
  return new TextEncoder().encode(JSON.stringify(made));
}

function refuse(what: string): never {
  throw new Problem(
    "conflict",
    `the edit cannot be taken over: ${what}`,
    "Make it in the original: roll back, edit, and advance again; or drop it with ours.",
  );
}

function mergedNodes(base: N8nWorkflow, was: N8nWorkflow, is: N8nWorkflow): N8nNode[] {
  const before = new Map(was.nodes.map((node) => [node.name, node]));
  const now = new Map(is.nodes.map((node) => [node.name, node]));
  for (const node of was.nodes) {
    if (isOurs(node.name) && !same(work(now.get(node.name)), work(node))) {
      refuse(`"${node.name}" is the orchestrator's own`);
    }
  }
  const kept = base.nodes.flatMap((node) => {
    const [deployed, edited] = [before.get(node.name), now.get(node.name)];
    if (same(work(deployed), work(edited))) return [node];
    if (!same(work(deployed), work(node))) refuse(`"${node.name}" was changed by the transformer, too`);
    return edited ? [edited] : [];
  });
  const known = new Set([...base.nodes, ...was.nodes].map(({ name }) => name));
  const added = is.nodes.filter(({ name }) => !known.has(name));
  if (added.some(({ name }) => isOurs(name))) refuse("a node was added under a name of the orchestrator");
  return [...kept, ...added];
}

/** Where a node stands does not matter. */
function work(node: N8nNode | undefined): unknown {
  if (!node) return null;
  const { position: _, ...rest } = node;
  return rest;
}

function mergedConnections(base: N8nWorkflow, was: N8nWorkflow, is: N8nWorkflow): N8nWorkflow["connections"] {
  const names = new Set([base, was, is].flatMap(({ connections }) => Object.keys(connections)));
  const merged: N8nWorkflow["connections"] = {};
  for (const name of names) {
    const [original, before, now] = [base, was, is].map(({ connections }) => connections[name]);
    const edited = !same(before, now);
    if (edited && !same(original, before))
      refuse(`what "${name}" leads to was changed by the transformer, too`);
    const taken = edited ? now : original;
    if (taken) merged[name] = taken;
  }
  return merged;
}

function mergedSettings(base: N8nWorkflow, was: N8nWorkflow, is: N8nWorkflow): Record<string, unknown> {
  const [before, now] = [was.settings ?? {}, is.settings ?? {}];
  const changed = Object.entries(now).filter(([key, value]) => !same(value, before[key]));
  return { ...base.settings, ...Object.fromEntries(changed) };
}
