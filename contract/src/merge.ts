/** Owns partial documents: what it means to put one over another. Checks nothing. */

/** Objects by their members, everything else by replacement; with `removable`, null takes a member away. */
export function mergeDocument(before: unknown, patch: unknown, removable = false): unknown {
  if (!isObject(patch)) return patch;
  const members = new Map(isObject(before) ? Object.entries(before) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null && removable) members.delete(name);
    else members.set(name, mergeDocument(members.get(name), value, removable));
  }
  return Object.fromEntries(members);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
