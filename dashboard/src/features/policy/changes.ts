/** What a draft of the policy would change, leaf by leaf, and the same changes upon another version. Pure. */

export interface Change {
  /** `budget.daily_usd`. */
  path: string;
  /** The same as the names of its parts: a lane's name may hold a dot. */
  keys: readonly string[];
  from: unknown;
  /** Null removes an entry. */
  to: unknown;
}

type Part = Readonly<Record<string, unknown>>;

/** A part that the draft leaves out stays as it is. */
export function changesOf(current: Part, draft: Part, above: readonly string[] = []): Change[] {
  return Object.entries(draft).flatMap(([name, to]): Change[] => {
    const keys = [...above, name];
    const from = current[name];
    if (isPart(from) && isPart(to)) return changesOf(from, to, keys);
    return JSON.stringify(from) === JSON.stringify(to) ? [] : [{ path: keys.join("."), keys, from, to }];
  });
}

/** A policy with changes made upon it; what it was before is left alone. */
export function withChanges(policy: Part, changes: readonly Change[]): Record<string, unknown> {
  const draft = structuredClone(policy) as Record<string, unknown>;
  for (const { keys, to } of changes) {
    let part = draft;
    for (const key of keys.slice(0, -1)) {
      if (!isPart(part[key])) part[key] = {};
      part = part[key] as Record<string, unknown>;
    }
    part[keys.at(-1) as string] = to;
  }
  return draft;
}

/** Those of `mine` that somebody else has set to something else meanwhile. */
export function contested(mine: readonly Change[], theirs: readonly Change[]): Change[] {
  return mine.filter(({ path, to }) =>
    theirs.some(
      (other) =>
        overlap(path, other.path) &&
        !(path === other.path && JSON.stringify(to) === JSON.stringify(other.to)),
    ),
  );
}

function overlap(one: string, other: string): boolean {
  return one === other || one.startsWith(`${other}.`) || other.startsWith(`${one}.`);
}

function isPart(value: unknown): value is Part {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
