/** Owns moments in virtual time: what comes next, in order; equal moments in the order of their entry. Moves no time. */

export interface Agenda<Item> {
  add(atMs: number, item: Item): void;
  /** The earliest item, left where it is; null when nothing is left. */
  first(): { atMs: number; item: Item } | null;
  /** The earliest item at or before `nowMs`, taken out; null if there is none. */
  take(nowMs: number): { atMs: number; item: Item } | null;
}

interface Entry<Item> {
  atMs: number;
  order: number;
  item: Item;
}

/** A binary heap. */
export function openAgenda<Item>(): Agenda<Item> {
  const heap: Entry<Item>[] = [];
  let order = 0;
  return {
    add(atMs, item) {
      heap.push({ atMs, order: order++, item });
      rise(heap);
    },
    first: () => heap[0] ?? null,
    take(nowMs) {
      const first = heap[0];
      if (!first || first.atMs > nowMs) return null;
      const last = heap.pop() as Entry<Item>;
      if (heap.length > 0) {
        heap[0] = last;
        sink(heap);
      }
      return { atMs: first.atMs, item: first.item };
    },
  };
}

function isBefore(a: Entry<unknown>, b: Entry<unknown>): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function rise<Item>(heap: Entry<Item>[]): void {
  let at = heap.length - 1;
  const entry = heap[at] as Entry<Item>;
  while (at > 0) {
    const above = (at - 1) >> 1;
    const parent = heap[above] as Entry<Item>;
    if (!isBefore(entry, parent)) break;
    heap[at] = parent;
    at = above;
  }
  heap[at] = entry;
}

function sink<Item>(heap: Entry<Item>[]): void {
  let at = 0;
  const entry = heap[0] as Entry<Item>;
  for (let below = 1; below < heap.length; below = 2 * at + 1) {
    const [left, right] = [heap[below] as Entry<Item>, heap[below + 1]];
    const smaller = right && isBefore(right, left) ? right : left;
    if (!isBefore(smaller, entry)) break;
    heap[at] = smaller;
    at = smaller === left ? below : below + 1;
  }
  heap[at] = entry;
}
