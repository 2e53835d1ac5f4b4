/** What a draft of the policy would change, leaf by leaf. A part that is left out stays as it is. Pure. */

export interface Change {
  /** `budget.daily_usd`. */
  path: string;
  from: unknown;
  /** Undefined only where the draft leaves the part out. */
  to: unknown;
}

type Part = Readonly<Record<string, unknown>>;

export function changesOf(current: Part, draft: Part, above = ""): Change[] {
  return Object.entries(draft).flatMap(([name, to]): Change[] => {
    const path = above === "" ? name : `${above}.${name}`;
    const from = current[name];
    if (isPart(from) && isPart(to)) return changesOf(from, to, path);
    return JSON.stringify(from) === JSON.stringify(to) ? [] : [{ path, from, to }];
  });
}

function isPart(value: unknown): value is Part {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
