/** Why a task waits and when it will start: worded from what the plan recorded, never decided again. */
import type { Hold, HoldReason, TaskStatus } from "@master-orchestrator/contract";
import { score } from "./rank.ts";
import { type Competition, laneName, lanesAhead, openShares, weightOf } from "./share.ts";
import type { LaneView } from "./snapshot.ts";

/** A run that holds a slot which the task could use. */
export interface SlotInUse {
  executionId: string;
  workflowType: string;
  sinceMs: number;
  /** How long runs of its workflow take. */
  typicalMs: number;
}

export interface Question {
  atMs: number;
  status: TaskStatus;
  dueAtMs: number;
  /** What the last plan before `atMs` recorded for the task's lane. */
  laneHold: { reason: HoldReason; cause: string; expectedAtMs?: number | null } | null;
  rank: number | null;
  workflowType: string;
  batchMax: number;
  /** The slots in question; see `slotsInQuestion`. */
  slots: readonly SlotInUse[];
  /** The part of those slots' turns that falls to the task's lane, above 0 to 1. */
  share: number;
  /** Lanes that wait for the same slots and go first. */
  lanesBefore: number;
  /** The run that carries it now; null without one, and for a past moment. */
  run: {
    executionId: string;
    attempt: number;
    target?: string | null;
    sinceMs: number;
    typicalMs: number;
  } | null;
  /** For a past moment: when the task really started after it, null if it has not; undefined for now. */
  startedAtMs?: number | null;
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
    gate: "circuit",
    closedBy: ["circuit_open"],
    open: "the workflow's circuit breaker is closed, and so is that of a target",
  },
  { gate: "hours", closedBy: ["outside_hours"], open: "its lane's hours have begun" },
  {
    gate: "workflow_concurrency",
    closedBy: ["concurrency_workflow"],
    open: "the workflow has a free slot",
  },
  {
    gate: "total_concurrency",
    closedBy: ["concurrency_total", "high_load", "recovering"],
    open: "there is a free slot in all",
  },
  { gate: "fair_share", closedBy: ["fair_share"], open: "its lane is not ahead of its share" },
  { gate: "memory", closedBy: ["memory"], open: "memory is not short" },
  {
    gate: "database",
    closedBy: ["database_connections"],
    open: "there are connections to the database enough",
  },
  {
    gate: "budget",
    closedBy: ["budget", "budget_critical_only"],
    open: "the day's budget has what it is expected to cost",
  },
  {
    gate: "permits",
    closedBy: ["rate_limit"],
    open: "the providers' limits have the requests it is expected to make",
  },
  { gate: "turn", closedBy: ["awaiting_decision", "decision_limit"], open: "it is its turn" },
];

/** Why it waits; null for a task that does not. */
export function holdOf(question: Question): Hold | null {
  const { status, atMs, dueAtMs } = question;
  const due = new Date(dueAtMs).toISOString();
  const isDue = dueAtMs <= atMs;
  if (status === "scheduled" && !isDue)
    return untilDue(question, "not_due", `it is not to start before ${due}`);
  if (status === "retrying" && !isDue)
    return untilDue(question, "backoff", `it failed and is tried again at ${due}`);
  if (status !== "queued" && status !== "scheduled" && status !== "retrying") return null;
  // What is due and has not joined the queue is a matter of the next cycle, or of a slot for its run.
  const undecided = {
    reason: "awaiting_decision" as const,
    cause: "the next cycle decides, within a second",
  };
  const { reason, cause } = (status === "scheduled" ? null : question.laneHold) ?? undecided;
  const { start, freed_by } = expectation(question, reason);
  return { reason, cause, expected_start: startOf(question, start), freed_by };
}

function untilDue(question: Question, reason: HoldReason, cause: string): Hold {
  const freed_by = { event: "time" as const, detail: "its time comes", execution_id: null };
  return { reason, cause, expected_start: startOf(question, question.dueAtMs), freed_by };
}

/** Of a past moment it is known when the task started, or that it has not. */
function startOf({ startedAtMs }: Question, expectedMs: number | null): string | null {
  const atMs = startedAtMs === undefined ? expectedMs : startedAtMs;
  return atMs === null ? null : new Date(atMs).toISOString();
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
      return runningInWords(question.run);
    case "completed":
      return "It is completed.";
    case "dead_lettered":
      return "It failed too often and waits in the dead letters for a person.";
    case "cancelled":
      return "It was cancelled.";
    default: {
      const place = question.rank === null ? "" : ` as number ${question.rank} of its lane`;
      return `It waits${place}: ${hold?.cause}.${startInWords(question, hold)}`;
    }
  }
}

function runningInWords(run: Question["run"]): string {
  if (!run) return "It is running.";
  const since = new Date(run.sinceMs).toISOString();
  const seconds = Math.round(run.typicalMs / 1000);
  const at = run.target ? ` at ${run.target}` : "";
  return `It is running in execution ${run.executionId}, attempt ${run.attempt}${at}, since ${since}; runs of its workflow take about ${seconds} s.`;
}

function startInWords({ startedAtMs }: Question, hold: Hold | null): string {
  if (!hold?.expected_start)
    return startedAtMs === undefined ? ` It goes on when ${hold?.freed_by.detail}.` : "";
  if (startedAtMs !== undefined) return ` It started at ${hold.expected_start}.`;
  const { event, detail } = hold.freed_by;
  const why = event === "run_ends" ? `, when ${detail}` : "";
  return ` It is expected to start at ${hold.expected_start}${why}.`;
}

/** Whose slots a lane that is held for `reason` waits for; null if it does not wait for one. */
export function slotsInQuestion(reason: HoldReason): "workflow" | "all" | null {
  if (reason === "concurrency_workflow") return "workflow";
  return FOR_ANY_SLOT.includes(reason) ? "all" : null;
}

const FOR_ANY_SLOT: readonly HoldReason[] = ["concurrency_total", "high_load", "recovering", "fair_share"];

/**
 * How a lane takes its turns among those that wait for the same slots: its part of them by weight, and how many
 * lanes go first. `slots` is how many there are in all.
 */
export function turnsOf(
  of: Competition,
  lane: Pick<LaneView, "workflowType" | "contentType">,
  { whose, slots, nowMs }: { whose: "workflow" | "all"; slots: number; nowMs: number },
): { share: number; lanesBefore: number } {
  const waiting = of.lanes.filter(
    (other) => other.depth > 0 && (whose === "all" || other.workflowType === lane.workflowType),
  );
  const own = waiting.find((other) => laneName(other) === laneName(lane));
  if (!own) return { share: 1, lanesBefore: 0 };
  const ahead = lanesAhead(waiting, openShares(of), of);
  const best = (one: LaneView) => Math.max(...one.heads.map((head) => score(head, nowMs, of.policy.ageing)));
  const goesFirst = (other: LaneView) =>
    other !== own && !ahead.has(laneName(other)) && (ahead.has(laneName(own)) || best(other) > best(own));
  const all = waiting.reduce((sum, one) => sum + weightOf(one, of), 0);
  const byWeight = all > 0 ? weightOf(own, of) / all : 1;
  const limit = of.workflows[lane.workflowType]?.maxConcurrent ?? 1;
  const share = whose === "workflow" ? byWeight : Math.min(byWeight, limit / Math.max(limit, slots));
  return { share, lanesBefore: waiting.filter(goesFirst).length };
}

type Expectation = { start: number | null; freed_by: Hold["freed_by"] };

function expectation(question: Question, reason: HoldReason): Expectation {
  const { workflowType, atMs, laneHold } = question;
  // The plan itself has said when: the moment of the next probe, the end of a pause.
  const named = laneHold?.expectedAtMs ? Math.max(atMs, laneHold.expectedAtMs) : null;
  const waits = (event: Hold["freed_by"]["event"], detail: string, start: number | null): Expectation => ({
    start,
    freed_by: { event, detail, execution_id: null },
  });
  if (slotsInQuestion(reason)) return slotFree(question);
  if (reason === "orchestrator_paused") return waits("resume", "somebody resumes the orchestrator", null);
  if (reason === "circuit_open")
    return waits("recovery", `a run has probed whether ${workflowType} works again`, named);
  if (reason === "workflow_paused" && named !== null)
    return waits("recovery", `the orchestrator resumes ${workflowType}, or somebody does`, named);
  if (reason === "workflow_paused") return waits("resume", `somebody resumes ${workflowType}`, null);
  if (reason === "outside_hours") return waits("time", "its lane's hours begin", named);
  const short = SHORT[reason];
  if (short) return waits(...short, named);
  if (reason === "workflow_without_target")
    return waits("registration", `somebody gives ${workflowType} a webhook_url`, null);
  return waits("decision", "the next cycle decides", atMs);
}

/** What frees those that wait for what runs out. */
const SHORT: Readonly<Partial<Record<HoldReason, readonly [Hold["freed_by"]["event"], string]>>> = {
  rate_limit: ["permits", "requests to the provider come free again"],
  budget: ["budget", "the UTC day ends, more is allowed, or what is set aside is not needed"],
  budget_critical_only: ["budget", "the UTC day ends, more is allowed, or what is set aside is not needed"],
  database_connections: ["resources", "connections to the database are given back"],
  memory: ["resources", "the replica needs less memory again, or is gone"],
};

/**
 * When its turn comes if runs go on taking what they take: the slots free up one after another, each takes
 * a full batch, and the lane has its share of the turns.
 */
function slotFree(question: Question): Expectation {
  const { atMs, slots, rank, batchMax } = question;
  const ends = slots
    .map((slot) => ({ slot, endMs: Math.max(atMs, slot.sinceMs + slot.typicalMs) }))
    .sort((a, b) => a.endMs - b.endMs);
  if (ends.length === 0) {
    const freed_by = { event: "decision" as const, detail: "the next cycle decides", execution_id: null };
    return { start: atMs, freed_by };
  }
  const share = Math.max(question.share, LEAST_SHARE);
  const ownTurns = Math.ceil((rank ?? 1) / batchMax) - 1;
  // Of those before it none has more than its part of a round.
  const turn = Math.floor(ownTurns / share) + Math.min(question.lanesBefore, Math.ceil(1 / share) - 1);
  const { slot, endMs } = ends[turn % ends.length] as (typeof ends)[number];
  const startMs = endMs + Math.floor(turn / ends.length) * slot.typicalMs;
  const runs =
    turn < ends.length ? `run ${slot.executionId} of ${slot.workflowType} ends` : laterRuns(turn + 1);
  const executionId = turn < ends.length ? slot.executionId : null;
  return {
    start: Math.min(startMs, END_OF_TIME_MS),
    freed_by: { event: "run_ends", detail: runs, execution_id: executionId },
  };
}

function laterRuns(turns: number): string {
  return `about ${turns} runs have ended: those at work now, and others that go before it`;
}

/** A lane without weight gets a turn at some time too. */
const LEAST_SHARE = 1e-6;
/** The last moment that a date can name. */
const END_OF_TIME_MS = 8.64e15;
