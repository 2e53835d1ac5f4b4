/** Why a task waits and when it will start: worded from what the plan recorded, never decided again. */
import type { Hold, HoldReason, TaskStatus } from "@master-orchestrator/contract";

export interface Question {
  atMs: number;
  status: TaskStatus;
  dueAtMs: number;
  /** What the last plan before `atMs` recorded for the task's lane. */
  laneHold: { reason: HoldReason; cause: string } | null;
  rank: number | null;
  workflowType: string;
  batchMax: number;
  /** Starts of the runs that hold the slots in question, oldest first. */
  slotsSinceMs: readonly number[];
  /** How long runs of this workflow take. */
  typicalRunMs: number;
}

export interface GateVerdict {
  gate: string;
  passed: boolean;
  detail: string;
}

const GATES: readonly { gate: string; closedBy: readonly HoldReason[]; open: string }[] = [
  { gate: "due", closedBy: ["not_due", "backoff", "snoozed"], open: "its time has come" },
  { gate: "orchestrator", closedBy: ["orchestrator_paused"], open: "the orchestrator is not paused" },
  {
    gate: "workflow",
    closedBy: ["workflow_without_target", "workflow_paused"],
    open: "the workflow has a target and is not paused",
  },
  {
    gate: "workflow_concurrency",
    closedBy: ["concurrency_workflow"],
    open: "the workflow has a free slot",
  },
  {
    gate: "total_concurrency",
    closedBy: ["concurrency_total", "high_load"],
    open: "there is a free slot in all",
  },
  { gate: "fair_share", closedBy: ["fair_share"], open: "its lane is not ahead of its share" },
  { gate: "turn", closedBy: ["awaiting_decision", "decision_limit"], open: "it is its turn" },
];

/** Why it waits; null for a task that does not. */
export function holdOf(question: Question): Hold | null {
  const due = new Date(question.dueAtMs).toISOString();
  switch (question.status) {
    case "scheduled":
      return { reason: "not_due", cause: `it is not to start before ${due}`, expected_start: due };
    case "retrying":
      return { reason: "backoff", cause: `it failed and is tried again at ${due}`, expected_start: due };
    case "queued": {
      const held = question.laneHold ?? {
        reason: "awaiting_decision",
        cause: "the next cycle decides, within a second",
      };
      return { ...held, expected_start: expectedStart(question, held.reason) };
    }
    default:
      return null;
  }
}

/** The gates in the order in which a task meets them, up to the one that holds it. */
export function gatesOf(question: Question): GateVerdict[] {
  const hold = holdOf(question);
  const closed = hold ? GATES.findIndex((gate) => gate.closedBy.includes(hold.reason)) : GATES.length;
  return GATES.slice(0, closed + 1).map((gate, i) => ({
    gate: gate.gate,
    passed: i < closed,
    detail: i < closed ? gate.open : (hold?.cause ?? ""),
  }));
}

/** One sentence that says it all. */
export function verdictOf(question: Question): string {
  const hold = holdOf(question);
  switch (question.status) {
    case "running":
      return "It is running.";
    case "completed":
      return "It is completed.";
    case "dead_lettered":
      return "It failed too often and waits in the dead letters for a person.";
    case "cancelled":
      return "It was cancelled.";
    default: {
      const place = question.rank === null ? "" : ` as number ${question.rank} of its lane`;
      const start = hold?.expected_start ? ` It is expected to start at ${hold.expected_start}.` : "";
      return `It waits${place}: ${hold?.cause}.${start}`;
    }
  }
}

const FREED_BY_A_RUN: readonly HoldReason[] = [
  "concurrency_total",
  "concurrency_workflow",
  "high_load",
  "fair_share",
];

/**
 * When its turn comes if runs go on taking what they take: the slots free up one after another, each
 * takes a full batch. Null where no event that is known would free it.
 */
function expectedStart(question: Question, reason: HoldReason): string | null {
  const { atMs, slotsSinceMs, typicalRunMs } = question;
  if (reason === "awaiting_decision" || reason === "decision_limit") return new Date(atMs).toISOString();
  if (!FREED_BY_A_RUN.includes(reason)) return null;
  if (slotsSinceMs.length === 0) return new Date(atMs).toISOString();
  const turn = Math.ceil((question.rank ?? 1) / question.batchMax) - 1;
  const since = slotsSinceMs[turn % slotsSinceMs.length] as number;
  const firstFreeMs = Math.max(atMs, since + typicalRunMs);
  return new Date(firstFreeMs + Math.floor(turn / slotsSinceMs.length) * typicalRunMs).toISOString();
}
