/** Gathers calls that come while a write is under way into the next write: many callers, one commit. */

export interface GroupCommitOptions<In> {
  maxItems: number;
  /** Two items with one key never share a write. */
  keyOf?(item: In): string;
  /**
   * Awaited between two writes that follow each other, told what the last one took: what gathers meanwhile shares the next
   * one, and planning a statement costs as much for one item as for twenty.
   */
  gather?(tookMs: number): Promise<void>;
}

/**
 * Wraps `write`, which takes many items and returns as many results in their order. A call that
 * finds no write under way is written at once and alone; those that come meanwhile go together into
 * the next one, at most `maxItems`. If a common write fails, its items are written one by one, so
 * that a bad one fails alone.
 */
export function groupCommit<In, Out>(
  write: (items: In[]) => Promise<Out[]>,
  options: GroupCommitOptions<In>,
): (item: In) => Promise<Out> {
  type Waiting = { item: In; resolve(result: Out): void; reject(error: unknown): void };
  const waiting: Waiting[] = [];
  let writing = false;

  function nextGroup(): Waiting[] {
    const { maxItems, keyOf } = options;
    if (!keyOf) return waiting.splice(0, maxItems);
    const keys = new Set<string>();
    const group: Waiting[] = [];
    const later: Waiting[] = [];
    for (const one of waiting.splice(0)) {
      const key = keyOf(one.item);
      if (group.length < maxItems && !keys.has(key)) {
        keys.add(key);
        group.push(one);
      } else later.push(one);
    }
    waiting.push(...later);
    return group;
  }

  async function writeGroup(group: Waiting[]): Promise<void> {
    try {
      const results = await write(group.map((one) => one.item));
      group.forEach((one, i) => {
        one.resolve(results[i] as Out);
      });
    } catch (error) {
      if (group.length === 1) group[0]?.reject(error);
      else for (const one of group) await writeGroup([one]);
    }
  }

  async function writeAll(): Promise<void> {
    writing = true;
    while (waiting.length > 0) {
      const beganMs = performance.now();
      await writeGroup(nextGroup());
      await options.gather?.(performance.now() - beganMs);
    }
    writing = false;
  }

  return (item) =>
    new Promise<Out>((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (!writing) void writeAll();
    });
}
