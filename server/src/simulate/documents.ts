/** Owns partial documents: a policy or workflow settings, merged over what they change, and checked. Reads no file. */
import { Policy, validate, WorkflowSettings } from "@master-orchestrator/contract";

/** Entries of these may be taken out by null, as in `PUT /api/v1/policy`. */
const REMOVABLE: readonly string[] = ["lanes", "providers", "prices"];

/** The policy with a partial document merged in, as the service would. Throws a Problem that names each wrong field. */
export function mergedPolicy(current: Policy, patch: Record<string, unknown>): Policy {
  const changed = Object.entries(patch).map(([part, value]): [string, unknown] => {
    const before = (current as Record<string, unknown>)[part];
    return [part, merged(before, value, REMOVABLE.includes(part))];
  });
  return validate(Policy, { ...current, ...Object.fromEntries(changed) });
}

/** The settings of a workflow with a partial document merged in. Throws a Problem that names each wrong field. */
export function mergedSettings(
  current: Record<string, unknown>,
  patch: unknown,
  where: string,
): WorkflowSettings {
  return validate(WorkflowSettings, merged(current, patch, false), where);
}

/** Objects by their members, everything else by replacement. */
function merged(before: unknown, patch: unknown, removable: boolean): unknown {
  if (!isObject(patch)) return patch;
  const members = new Map(isObject(before) ? Object.entries(before) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null && removable) members.delete(name);
    else members.set(name, merged(members.get(name), value, removable));
  }
  return Object.fromEntries(members);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
