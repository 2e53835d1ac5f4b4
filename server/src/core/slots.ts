/** How many runs may work at once in all, and why no more. Counts none of them. */
import type { ClosedGate } from "./capacity.ts";
import { isOpen } from "./hours.ts";
import { type Pressure, strained } from "./pressure.ts";
import type { Recovery, Snapshot } from "./snapshot.ts";

/** Fewer while very many tasks wait, so that each gets through, while the house recovers, and while a resource is nearly used up. */
export function totalAllowed(snapshot: Snapshot): {
  runs: number;
  why: "waiting" | "recovering" | Pressure | null;
} {
  const { concurrency, high_load } = snapshot.policy;
  const waiting = snapshot.lanes
    .filter((lane) => isOpen(lane, snapshot))
    .reduce((sum, lane) => sum + lane.depth, 0);
  const why =
    waiting > high_load.waiting_above ? "waiting" : reductionOf(snapshot) ? "recovering" : strained(snapshot);
  if (why === null || concurrency.high_load >= concurrency.total)
    return { runs: concurrency.total, why: null };
  return { runs: concurrency.high_load, why };
}

function reductionOf({ recoveries }: Snapshot): Recovery | undefined {
  return recoveries.find(({ procedure }) => procedure === "reduce");
}

/** The gate of a house that is full. */
export function noSlotInAll(snapshot: Snapshot): ClosedGate {
  const { runs, why } = totalAllowed(snapshot);
  if (why === "recovering") {
    const trouble = reductionOf(snapshot)?.cause;
    const cause = `the house recovers (${trouble}): ${runs} runs at once are allowed (policy concurrency.high_load)`;
    return { reason: "recovering", cause };
  }
  if (why === null) {
    const cause = `${runs} runs at once are allowed in all (policy concurrency.total)`;
    return { reason: "concurrency_total", cause };
  }
  const { waiting_above: above, resource_above: share } = snapshot.policy.high_load;
  const load =
    why === "waiting"
      ? `more than ${above} tasks wait`
      : `more than ${Math.round(share * 100)} % of the ${why.name} are used`;
  const cause = `${load}: ${runs} runs at once are allowed (policy concurrency.high_load)`;
  return { reason: "high_load", cause };
}
