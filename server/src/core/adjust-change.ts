/** Puts single fields of a policy into force and takes them back, if nobody has changed them since. Stores nothing. */
import { Policy, type PolicyField, validate } from "@master-orchestrator/contract";
import { canonicalJson } from "./canonical.ts";

type Document = Record<string, unknown>;

/** What stands at a path; null where nothing does: no field of a policy that is changed here may be null itself. */
export function fieldAt(policy: Policy, path: readonly string[]): unknown {
  let at: unknown = policy;
  for (const name of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return null;
    at = (at as Document)[name];
  }
  return at ?? null;
}

/** The fields that are no longer what they were when the change was made up; empty: it may be made. */
export function movedFields(
  policy: Policy,
  fields: readonly PolicyField[],
  since: "before" | "after",
): string[] {
  return fields
    .filter((field) => canonicalJson(fieldAt(policy, field.path)) !== canonicalJson(field[since]))
    .map(({ path }) => path.join("."));
}

/** The policy with the fields as they are `after`, or again as they were `before`. Throws Problem `validation_failed`. */
export function withFields(policy: Policy, fields: readonly PolicyField[], as: "before" | "after"): Policy {
  const document = JSON.parse(JSON.stringify(policy)) as Document;
  for (const field of fields) put(document, field.path, field[as]);
  return validate(Policy, document, "/policy");
}

/** Null takes a field away, and with it what that leaves empty. */
function put(document: Document, path: readonly string[], value: unknown): void {
  const [name, ...rest] = path as [string, ...string[]];
  if (rest.length === 0) {
    if (value === null) delete document[name];
    else document[name] = value;
    return;
  }
  const inner = (document[name] ?? {}) as Document;
  put(inner, rest, value);
  if (value === null && Object.keys(inner).length === 0) delete document[name];
  else document[name] = inner;
}
