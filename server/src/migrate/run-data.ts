/** Owns reading what n8n tells of the nodes of a run. Pure; asks nobody. */

export function ranNode(data: unknown, name: string): boolean {
  return timesOf(data, name).length > 0;
}

function timesOf(data: unknown, name: string): unknown[] {
  const times = at(at(at(data, "resultData"), "runData"), name);
  return Array.isArray(times) ? times : [];
}

/** The items that a node brought, of every time it ran. */
export function nodeRuns(data: unknown, name: string): unknown[] {
  return timesOf(data, name).flatMap((run) => {
    const outputs = at(at(run, "data"), "main");
    if (!Array.isArray(outputs)) return [];
    return outputs.flatMap((items) => (Array.isArray(items) ? items.map((item) => at(item, "json")) : []));
  });
}

function at(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}
