/** Owns what lanes that competed were given, and what their weights entitle them to. Measures, never decides. */
import type { Hold } from "#core/decision.ts";

export interface ShareOf {
  /** Of the work that went to competing lanes, from 0 to 1. */
  received: number;
  entitled: number;
}

/** Work is in expected seconds, as in `core/share.ts`; lanes go by their names. */
export interface ShareMeter {
  /** Tasks joined the queue. */
  demanded(lane: string, work: number): void;
  /** Tasks were started from the queue. */
  given(lane: string, work: number): void;
  /** Who waits now, for which slots. */
  held(holds: readonly Hold[]): void;
  /** Time goes on; `waiting` says how much work waits in a lane at that moment. */
  moveTo(nowMs: number, waiting: (lane: string) => number): void;
  /** By lane; without those that never competed. */
  total(): Map<string, ShareOf>;
}

/**
 * Competition is judged in windows of this length: long enough for many batches, short enough that a
 * lane which had little to do in one counts as such.
 */
const WINDOW_MS = 15 * 60_000;

interface Window {
  number: number;
  demand: Map<string, number>;
  given: Map<string, number>;
  /** Lanes that waited for the same slots: those of one workflow, or all. */
  rivals: Map<string, Set<string>>;
}

export function openShareMeter(
  beginsAtMs: number,
  lanes: readonly string[],
  weightOf: (lane: string) => number,
): ShareMeter {
  const received = new Map<string, number>();
  const entitled = new Map<string, number>();
  let window = emptyWindow(0);
  const settle = () => {
    for (const rivals of rivalsIn(window)) {
      const claims = rivals.map((lane) => ({
        lane,
        weight: weightOf(lane),
        demand: window.demand.get(lane) ?? 0,
      }));
      const capacity = rivals.reduce((sum, lane) => sum + (window.given.get(lane) ?? 0), 0);
      for (const [lane, due] of fairShares(claims, capacity)) add(entitled, lane, due);
      for (const lane of rivals) add(received, lane, window.given.get(lane) ?? 0);
    }
  };
  return {
    demanded: (lane, work) => add(window.demand, lane, work),
    given: (lane, work) => add(window.given, lane, work),
    held(holds) {
      for (const { workflowType, contentType, reason } of holds) {
        const slots = SLOTS_OF[reason];
        if (slots === undefined) continue;
        const key = slots === "workflow" ? workflowType : ALL;
        const rivals = window.rivals.get(key) ?? new Set();
        window.rivals.set(key, rivals.add(`${workflowType}/${contentType}`));
      }
    },
    moveTo(nowMs, waiting) {
      const number = Math.floor((nowMs - beginsAtMs) / WINDOW_MS);
      if (number === window.number) return;
      settle();
      window = emptyWindow(number);
      for (const lane of lanes) add(window.demand, lane, waiting(lane));
    },
    total() {
      settle();
      window = emptyWindow(window.number);
      const sum = [...received.values()].reduce((all, work) => all + work, 0);
      return new Map(
        [...received].map(([lane, work]) => [
          lane,
          { received: work / sum || 0, entitled: (entitled.get(lane) ?? 0) / sum || 0 },
        ]),
      );
    },
  };
}

const ALL = "*";
/** For whose slots a lane waits; other reasons are no competition. */
const SLOTS_OF: Partial<Record<Hold["reason"], "workflow" | "all">> = {
  concurrency_workflow: "workflow",
  concurrency_total: "all",
  high_load: "all",
  fair_share: "all",
};

function emptyWindow(number: number): Window {
  return { number, demand: new Map(), given: new Map(), rivals: new Map() };
}

/** Groups of two lanes and more that waited for the same slots; no lane is in two of them. */
function rivalsIn({ rivals }: Window): string[][] {
  const forAll = rivals.get(ALL) ?? new Set();
  const groups = [...rivals].map(([key, lanes]) =>
    [...lanes].filter((lane) => key === ALL || !forAll.has(lane)).sort(),
  );
  return groups.filter((lanes) => lanes.length > 1);
}

/**
 * Divides `capacity` by weight, but gives nobody more than it demands: what one does not need goes to
 * the others. What is left when all weighted ones are content goes to those without weight.
 */
export function fairShares(
  claims: readonly { lane: string; weight: number; demand: number }[],
  capacity: number,
): Map<string, number> {
  const shares = new Map<string, number>();
  let left = capacity;
  const weighted = claims.filter(({ weight }) => weight > 0);
  let open = weighted;
  while (open.length > 0) {
    const weights = open.reduce((sum, { weight }) => sum + weight, 0);
    const content = open.filter(({ weight, demand }) => demand * weights <= left * weight);
    if (content.length === 0) {
      for (const { lane, weight } of open) shares.set(lane, (left * weight) / weights);
      left = 0;
      break;
    }
    for (const { lane, demand } of content) shares.set(lane, demand);
    left -= content.reduce((sum, { demand }) => sum + demand, 0);
    open = open.filter((claim) => !content.includes(claim));
  }
  const rest = claims.filter(({ weight }) => weight === 0);
  const wanted = rest.reduce((sum, { demand }) => sum + demand, 0);
  for (const { lane, demand } of rest) shares.set(lane, wanted > 0 ? (left * demand) / wanted : 0);
  return shares;
}

function add(sums: Map<string, number>, lane: string, amount: number): void {
  sums.set(lane, (sums.get(lane) ?? 0) + amount);
}
