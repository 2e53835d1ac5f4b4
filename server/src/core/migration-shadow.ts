/** Compares what n8n did with what the orchestrator would have done, moment by moment, and explains each difference. Pure. */
import type { ShadowDifference } from "@master-orchestrator/contract";

export interface ShadowExecution {
  id: string;
  startedAtMs: number;
  endedAtMs: number | null;
  status: string;
}

/** What the orchestrator would have done about a moment. */
export interface WouldStart {
  slotMs: number;
  startMs: number;
  /** The reason to wait, by a hold's words; null: at once. */
  hold: string | null;
  cause: string | null;
}

export interface Compared {
  slotMs: number;
  n8n: ShadowExecution | null;
  would: WouldStart | null;
  difference: ShadowDifference;
  explanation: string;
}

/** n8n itself is late by less than this, and so would the orchestrator be. */
const AT_ONCE_MS = 5_000;
const seconds = (ms: number) => `${Math.round(ms / 100) / 10} s`;

/** `executions` of each moment: those that began from it on until before the next one. */
export function compareShadow(
  slots: readonly number[],
  executionsOf: (slotMs: number) => readonly ShadowExecution[],
  wouldStart: (slotMs: number) => WouldStart | null,
): Compared[] {
  return slots.map((slotMs) => {
    const executions = executionsOf(slotMs);
    const n8n = executions[0] ?? null;
    const would = wouldStart(slotMs);
    return { slotMs, n8n, would, ...differ(slotMs, executions, would) };
  });
}

function differ(
  slotMs: number,
  executions: readonly ShadowExecution[],
  would: WouldStart | null,
): { difference: ShadowDifference; explanation: string } {
  const [n8n, ...more] = executions;
  if (!n8n) {
    return would
      ? { difference: "missed_by_n8n", explanation: "n8n did not start it; the orchestrator would have" }
      : { difference: "none", explanation: "neither would have started it" };
  }
  if (more.length > 0) {
    const explanation = `n8n started it ${executions.length} times (${executions.map(({ id }) => id).join(", ")}); the orchestrator runs a moment once`;
    return { difference: "twice_in_n8n", explanation };
  }
  if (!would) {
    return {
      difference: "not_scheduled",
      explanation: "n8n started it; the orchestrator has no such moment",
    };
  }
  if (would.hold !== null && would.startMs - slotMs >= AT_ONCE_MS) {
    const wait = seconds(would.startMs - slotMs);
    const why = would.cause ?? would.hold;
    const difference = would.hold === "locked" ? "overlap_avoided" : "held_back";
    return { difference, explanation: `the orchestrator would have started it ${wait} later: ${why}` };
  }
  const lateMs = n8n.startedAtMs - slotMs;
  if (lateMs >= AT_ONCE_MS && would.startMs - slotMs < AT_ONCE_MS) {
    return { difference: "late_in_n8n", explanation: `n8n started it ${seconds(lateMs)} late` };
  }
  if (would.startMs - n8n.startedAtMs >= AT_ONCE_MS) {
    const wait = seconds(would.startMs - n8n.startedAtMs);
    return { difference: "later", explanation: `the orchestrator would have started it ${wait} later` };
  }
  return { difference: "none", explanation: "both start it at its moment" };
}

/** A run that wants a lock, as it happened without one. */
export interface LockedRun {
  workflowType: string;
  startedAtMs: number;
  endedAtMs: number;
}

/**
 * Phase 1 thought through: when each run would have had the lock, first come first served, had each lasted as long as it did.
 * The starts of one workflow, by the moments at which its runs began.
 */
export function lockStarts(runs: readonly LockedRun[], workflowType: string): Map<number, WouldStart> {
  const found = new Map<number, WouldStart>();
  let freeAtMs = Number.NEGATIVE_INFINITY;
  let holder = "";
  for (const run of [...runs].sort((a, b) => a.startedAtMs - b.startedAtMs)) {
    const startMs = Math.max(run.startedAtMs, freeAtMs);
    if (run.workflowType === workflowType) {
      const waits = startMs > run.startedAtMs;
      found.set(run.startedAtMs, {
        slotMs: run.startedAtMs,
        startMs,
        hold: waits ? "locked" : null,
        cause: waits ? `the lock is held by a run of ${holder}` : null,
      });
    }
    freeAtMs = startMs + Math.max(0, run.endedAtMs - run.startedAtMs);
    holder = run.workflowType;
  }
  return found;
}
