/** Finds the circle that a workflow's `next` rules would close. Knows rules alone, no tasks. */

/** Which workflows follow which: by workflow, the types that its rules name. */
export type Followers = Readonly<Record<string, readonly string[]>>;

/**
 * The shortest way that leads from `start` back to it, as types with `start` at both ends; null if
 * none does. Whatever a rule waits for (`completed`, `failed`, `always`) counts alike: a circle that
 * only failures close is a circle.
 */
export function circleThrough(start: string, followers: Followers): string[] | null {
  const cameFrom = new Map<string, string>();
  let edge = [start];
  while (edge.length > 0) {
    const further: string[] = [];
    for (const type of edge) {
      for (const follower of followers[type] ?? []) {
        if (follower === start) return [...wayTo(type, start, cameFrom), start];
        if (cameFrom.has(follower)) continue;
        cameFrom.set(follower, type);
        further.push(follower);
      }
    }
    edge = further;
  }
  return null;
}

function wayTo(type: string, start: string, cameFrom: ReadonlyMap<string, string>): string[] {
  const way = [type];
  for (let at = type; at !== start; ) {
    at = cameFrom.get(at) as string;
    way.unshift(at);
  }
  return way;
}
