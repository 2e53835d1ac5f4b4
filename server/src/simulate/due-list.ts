/** Owns what becomes due by itself in a simulated world, as the column `due_at` and its index do. Decides nothing. */
import { openAgenda } from "./agenda.ts";

export interface DueList {
  /** Sets, moves or (with null) ends the moment at which `id` becomes due, in epoch milliseconds. */
  set(id: string, atMs: number | null): void;
  /** What is due at `nowMs`, the longest due first; it stays due until it is set anew. */
  due(nowMs: number): Iterable<string>;
  /** True if something is due that `due` has not handed out yet. */
  hasFresh(nowMs: number): boolean;
  /** The next moment after `nowMs`; null if nothing becomes due any more. */
  nextMs(nowMs: number): number | null;
}

export function openDueList(): DueList {
  const moments = new Map<string, number>();
  const agenda = openAgenda<string>();
  const ready = new Set<string>();
  let fresh = false;
  // What was moved since leaves its earlier entry behind, which counts for nothing.
  const isStale = (atMs: number, id: string) => moments.get(id) !== atMs;
  const settle = (nowMs: number) => {
    for (let entry = agenda.take(nowMs); entry; entry = agenda.take(nowMs)) {
      if (isStale(entry.atMs, entry.item)) continue;
      ready.add(entry.item);
      fresh = true;
    }
  };
  return {
    set(id, atMs) {
      if (atMs !== null && moments.get(id) === atMs) return;
      ready.delete(id);
      if (atMs === null) {
        moments.delete(id);
        return;
      }
      moments.set(id, atMs);
      agenda.add(atMs, id);
    },
    due(nowMs) {
      settle(nowMs);
      fresh = false;
      return ready;
    },
    hasFresh(nowMs) {
      settle(nowMs);
      return fresh;
    },
    nextMs(nowMs) {
      settle(nowMs);
      for (let first = agenda.first(); first; first = agenda.first()) {
        if (!isStale(first.atMs, first.item)) return first.atMs;
        agenda.take(first.atMs);
      }
      return null;
    },
  };
}
