/**
 * Which facts a cycle folds in. Signs of life change nothing that anybody waits for: they may wait a little, so that a short run
 * is written once, with its end, instead of at each step. Decides nothing about runs.
 */
import type { Fact } from "./snapshot.ts";

export interface Ripe {
  facts: Fact[];
  /** When what was left will have waited long enough; null if nothing was left. */
  nextAtMs: number | null;
}

/** Left are signs of life of runs that have nothing else to fold in, are not due, and were alive within `patienceMs`. */
export function ripeFacts(
  facts: readonly Fact[],
  { nowMs, patienceMs, dueRunIds }: { nowMs: number; patienceMs: number; dueRunIds: readonly string[] },
): Ripe {
  const ripeFromMs = nowMs - patienceMs;
  const runIds = new Set(dueRunIds);
  for (const fact of facts) {
    if ("executionId" in fact && (!isSignOfLife(fact) || fact.atMs <= ripeFromMs))
      runIds.add(fact.executionId);
  }
  const isRipe = (fact: Fact) => !("executionId" in fact) || runIds.has(fact.executionId);
  const left = facts.filter((fact) => !isRipe(fact));
  if (left.length === 0) return { facts: [...facts], nextAtMs: null };
  return {
    facts: facts.filter(isRipe),
    nextAtMs: Math.min(...left.map((fact) => fact.atMs)) + patienceMs,
  };
}

function isSignOfLife(fact: Fact): boolean {
  return (
    fact.kind === "claim" ||
    fact.kind === "heartbeat" ||
    (fact.kind === "delivery" && fact.outcome === "accepted")
  );
}
