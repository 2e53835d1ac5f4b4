/** Gives free slots to what ranks highest within its fair share, and says of everything else why it waits. */
import type { HoldReason, Policy } from "@master-orchestrator/contract";
import { laneBatch, largestBatch } from "./adapt.ts";
import { type Capacity, fitting, type ClosedGate as Gate, openCapacity, setAside, take } from "./capacity.ts";
import type { Decision, Dispatch, Expected, Hold, Share } from "./decision.ts";
import { isSnoozed } from "./folding.ts";
import { hoursInWords, hoursOf, isOpen, nextBeginning } from "./hours.ts";
import { byRank, score } from "./rank.ts";
import { ORCHESTRATOR } from "./recovery-steps.ts";
import { restart, staysAtTarget } from "./restart.ts";
import { charge, laneName, lanesAhead, lifts, moveOn, openShares, type Shares, weightOf } from "./share.ts";
import { noSlotInAll, totalAllowed } from "./slots.ts";
import type { LaneView, Recovery, Run, Snapshot, WaitingTask, WorkflowView } from "./snapshot.ts";
import { choose, occupy, type Place, type Places, targetGate, whyThere } from "./targets.ts";

/** Free slots while a plan is being made; every admission takes one. */
interface Slots {
  total: number;
  byWorkflow: Map<string, number>;
  /** Half-open circuit breakers that may let one run through still. */
  probes: Set<string>;
}

/** Something that asks for a slot: the head of a lane, or a run that has to be started again. */
type Candidate =
  | { kind: "lane"; workflowType: string; score: number; lane: LaneView; waiting: WaitingTask[] }
  | { kind: "run"; workflowType: string; score: number; run: Run };

/** Slots that are taken, by workflow. */
export interface Occupied {
  running: Readonly<Record<string, number>>;
  snoozed: Readonly<Record<string, number>>;
}

/**
 * Admits until the slots are used up: the highest score first, but no lane that is ahead of its fair
 * share while another can start. `restarts` are runs whose next attempt or snoozed delivery is due; `places`, where
 * each may be sent. Work-conserving: a lane that may not start never keeps another from starting.
 */
export function admit(
  snapshot: Snapshot,
  restarts: readonly Run[],
  occupied: Occupied,
  places: Places,
): Decision[] {
  const { ageing } = snapshot.policy;
  const slots = openSlots(snapshot, occupied);
  const capacity = openCapacity(snapshot, occupied.running);
  let shares = openShares(snapshot);
  let candidates: Candidate[] = [
    ...restarts.map((run) => runCandidate(run, snapshot)),
    ...snapshot.lanes.map((lane) =>
      laneCandidate(lane, byRank(lane.heads, snapshot.nowMs, ageing), snapshot),
    ),
  ].filter((candidate) => candidate !== null);
  const passedOver = new Set<string>();
  const left: LaneView[] = [];
  const decisions: Decision[] = [];
  const holds: Hold[] = [];
  while (candidates.length > 0) {
    const closed = candidates.flatMap((candidate) => {
      const gate = closedGate(candidate, slots, snapshot, places);
      return gate ? [{ candidate, gate }] : [];
    });
    holds.push(...closed.map(({ candidate, gate }) => holdOf(candidate, gate, passedOver)));
    left.push(...lanesOf(closed.map(({ candidate }) => candidate)).filter((lane) => isOpen(lane, snapshot)));
    candidates = candidates.filter((candidate) => !closed.some((one) => one.candidate === candidate));
    shares = moveOn(lanesOf(candidates), shares, snapshot);
    const best = bestOf(candidates, shares, passedOver, snapshot);
    if (!best) break;
    candidates = candidates.filter((candidate) => candidate !== best);
    const admission = acquire(best, { slots, capacity, places }, snapshot);
    if ("gate" in admission) {
      // It stays the next one for what it waits for; those after it may take what it will not miss.
      holds.push(holdOf(best, admission.gate, passedOver));
      left.push(...lanesOf([best]));
      continue;
    }
    takeSlot(slots, best);
    if (best.kind === "run") {
      decisions.push(restart(best.run, admission.expects, snapshot, places));
      continue;
    }
    const { dispatch, rest } = takeBatch(best, admission, snapshot, places);
    decisions.push(dispatch);
    shares = charge(shares, best.lane, dispatch.taskIds.length, snapshot);
    const next = laneCandidate(rest.lane, rest.waiting, snapshot);
    if (next) candidates.push(next);
    else if (rest.lane.depth > 0) {
      holds.push(unseenRest(rest.lane));
      left.push(rest.lane);
    }
  }
  return [...decisions, ...movedShares(left, shares, snapshot), ...holds];
}

/** What starts, and whether more would have if nothing were short. */
interface Admission {
  tasks: number;
  expects: Expected | null;
  shrunk: boolean;
}

/** What a batch needs, all of it or nothing; a batch that does not fit shrinks first. */
function acquire(
  candidate: Candidate,
  { slots, capacity, places }: { slots: Slots; capacity: Capacity; places: Places },
  snapshot: Snapshot,
): Admission | { gate: Gate } {
  const asker = candidate.kind === "run" ? candidate.run : candidate.lane;
  const most =
    candidate.kind === "run"
      ? candidate.run.tasks.length
      : wantedTasks(candidate, { slots, places }, snapshot);
  const least = candidate.kind === "run" ? most : 1;
  const fit = fitting(capacity, asker, { most, least });
  if ("gate" in fit) {
    setAside(capacity, asker, least, fit.gate);
    return fit;
  }
  return { tasks: fit.tasks, expects: take(capacity, asker, fit.tasks), shrunk: fit.tasks < most };
}

function openSlots(snapshot: Snapshot, { running, snoozed }: Occupied): Slots {
  const working = Object.values(running).reduce((sum, count) => sum + count, 0);
  return {
    total: totalAllowed(snapshot).runs - working,
    byWorkflow: new Map(
      Object.values(snapshot.workflows).map(({ workflowType, maxConcurrent }) => {
        const taken = (running[workflowType] ?? 0) + (snoozed[workflowType] ?? 0);
        return [workflowType, maxConcurrent - taken];
      }),
    ),
    probes: new Set(
      snapshot.recoveries.flatMap(({ state, probe, subject }) =>
        state === "half_open" && probe === null ? [subject] : [],
      ),
    ),
  };
}

/** The highest score among those that are not ahead of their share; remembers whom that passed over. */
function bestOf(
  candidates: readonly Candidate[],
  shares: Shares,
  passedOver: Set<string>,
  snapshot: Snapshot,
): Candidate | null {
  const ahead = lanesAhead(lanesOf(candidates), shares, snapshot);
  for (const name of ahead) passedOver.add(name);
  const entitled = candidates.filter((c) => c.kind === "run" || !ahead.has(laneName(c.lane)));
  return entitled.reduce<Candidate | null>((a, b) => (a === null || b.score > a.score ? b : a), null);
}

function lanesOf(candidates: readonly Candidate[]): LaneView[] {
  return candidates.flatMap((candidate) => (candidate.kind === "lane" ? [candidate.lane] : []));
}

/** Where the lanes stand now: those that moved, and those that have begun or ceased to wait. */
function movedShares(left: readonly LaneView[], shares: Shares, snapshot: Snapshot): Share[] {
  const lifted = lifts(left, shares, snapshot);
  const waiting = new Set(left.map(laneName));
  const lanes = snapshot.lanes.flatMap((lane) => {
    const { workflowType, contentType } = lane;
    const virtualTime = (shares.lanes.get(laneName(lane)) as number) + (lifted.get(workflowType) ?? 0);
    const waits = waiting.has(laneName(lane));
    const changed = virtualTime !== lane.virtualTime || waits !== lane.waited;
    return changed && weightOf(lane, snapshot) > 0 ? [{ workflowType, contentType, virtualTime, waits }] : [];
  });
  const { systemTime } = shares;
  if (lanes.length === 0 && systemTime === snapshot.virtualTime) return [];
  const missed = [...lifted].map(([workflowType, by]) => ({ workflowType, by }));
  return [{ kind: "share", systemTime, lanes, lifts: missed }];
}

function takeSlot(slots: Slots, candidate: Candidate): void {
  slots.total -= 1;
  slots.probes.delete(candidate.workflowType);
  if (keepsSlot(candidate)) return;
  const { workflowType } = candidate;
  slots.byWorkflow.set(workflowType, (slots.byWorkflow.get(workflowType) ?? 0) - 1);
}

/** A snoozed run has kept the slot of its workflow all the while. */
function keepsSlot(candidate: Candidate): boolean {
  return candidate.kind === "run" && isSnoozed(candidate.run);
}

function runCandidate(run: Run, snapshot: Snapshot): Candidate {
  const scores = run.tasks.map((task) => score(task, snapshot.nowMs, snapshot.policy.ageing));
  return { kind: "run", workflowType: run.workflowType, score: Math.max(0, ...scores), run };
}

function laneCandidate(lane: LaneView, waiting: WaitingTask[], snapshot: Snapshot): Candidate | null {
  const head = waiting[0];
  if (!head) return null;
  const headScore = score(head, snapshot.nowMs, snapshot.policy.ageing);
  return { kind: "lane", workflowType: lane.workflowType, score: headScore, lane, waiting };
}

/** The first closed gate on the way, or null: the order is the order in which `explain` shows them. */
function closedGate(candidate: Candidate, slots: Slots, snapshot: Snapshot, places: Places): Gate | null {
  const { workflowType } = candidate;
  const workflow = snapshot.workflows[workflowType];
  if (snapshot.paused) {
    return { reason: "orchestrator_paused", cause: "the orchestrator is paused; resume it to go on" };
  }
  if (!workflow?.hasTarget) {
    return { reason: "workflow_without_target", cause: `${workflowType} has no webhook to post to` };
  }
  if (workflow.paused) return pausedGate(workflow, snapshot);
  const breaker = breakerOf(workflowType, snapshot);
  if (breaker && !slots.probes.has(workflowType)) return circuitGate(breaker);
  const nowhere =
    candidate.kind === "run" && staysAtTarget(candidate.run) ? null : targetGate(places, workflowType);
  if (nowhere) return nowhere;
  const outside = candidate.kind === "lane" ? hoursGate(candidate.lane, snapshot) : null;
  if (outside) return outside;
  if (!keepsSlot(candidate) && (slots.byWorkflow.get(workflowType) ?? 0) <= 0) {
    const cause = `${workflowType} runs at its limit of ${workflow.maxConcurrent} at once (max_concurrent)`;
    return { reason: "concurrency_workflow", cause };
  }
  return slots.total <= 0 ? noSlotInAll(snapshot) : null;
}

function pausedGate({ workflowType, pausedBy }: WorkflowView, { recoveries }: Snapshot): Gate {
  const recovery = recoveries.find((one) => one.procedure === "pause" && one.subject === workflowType);
  if (!recovery || pausedBy !== ORCHESTRATOR) {
    return { reason: "workflow_paused", cause: `${workflowType} is paused; resume it to go on` };
  }
  return {
    reason: "workflow_paused",
    cause: `${workflowType} is paused by the orchestrator: ${recovery.cause}`,
    expectedAtMs: recovery.nextAtMs ?? undefined,
  };
}

function breakerOf(workflowType: string, { recoveries }: Snapshot): Recovery | undefined {
  return recoveries.find((one) => one.procedure === "trip_breaker" && one.subject === workflowType);
}

/** The breaker is open, or its one probe is under way. */
function circuitGate({ state, cause, subject, nextAtMs }: Recovery): Gate {
  const at = nextAtMs === null ? "soon" : `at ${new Date(nextAtMs).toISOString()}`;
  const then =
    state === "open"
      ? `one run probes ${at} whether it works again`
      : `one probing run decides whether ${subject} works again`;
  return {
    reason: "circuit_open",
    cause: `${cause}; ${then}`,
    expectedAtMs: state === "open" ? (nextAtMs ?? undefined) : undefined,
  };
}

/** What has begun goes on: only what has not started yet waits for its lane's hours. */
function hoursGate(lane: LaneView, { policy, nowMs }: Snapshot): Gate | null {
  const hours = hoursOf(lane, policy);
  if (hours === null || isOpen(lane, { policy, nowMs })) return null;
  return {
    reason: "outside_hours",
    cause: `tasks of ${laneName(lane)} start from ${hoursInWords(hours)} (policy lanes, hours)`,
    expectedAtMs: nextBeginning(hours, nowMs),
  };
}

const FOR_A_SLOT_IN_ALL: readonly HoldReason[] = ["concurrency_total", "high_load", "recovering"];

/** A lane that had to let others pass waits for its share, not only for a slot. */
function holdOf(candidate: Candidate, gate: Gate, passedOver: ReadonlySet<string>): Hold {
  const { workflowType } = candidate;
  if (candidate.kind === "run") {
    const { contentType, tasks } = candidate.run;
    return { kind: "hold", workflowType, contentType, ...gate, tasks: tasks.length };
  }
  const { lane } = candidate;
  const forSlot = FOR_A_SLOT_IN_ALL.includes(gate.reason);
  const why: Gate =
    forSlot && passedOver.has(laneName(lane))
      ? { reason: "fair_share", cause: "it has had more than its share; lanes that had less go first" }
      : gate;
  return { kind: "hold", workflowType, contentType: lane.contentType, ...why, tasks: lane.depth };
}

/** Tasks behind those that this cycle looked at: the next cycle follows at once. */
function unseenRest(lane: LaneView): Hold {
  return {
    kind: "hold",
    workflowType: lane.workflowType,
    contentType: lane.contentType,
    reason: "decision_limit",
    cause: "one cycle looks at a bounded number of tasks; the next one follows at once",
    tasks: lane.depth,
  };
}

/** How many tasks the next batch would have if nothing were short. */
function wantedTasks(
  { lane, waiting, workflowType }: Candidate & { kind: "lane" },
  { slots, places }: { slots: Slots; places: Places },
  snapshot: Snapshot,
): number {
  // A probe that fails costs its tasks an attempt: one is enough to learn from.
  if (breakerOf(workflowType, snapshot) !== undefined || choose(places, workflowType)?.breaker) return 1;
  const workflow = snapshot.workflows[workflowType] as WorkflowView;
  const freeSlots = Math.max(1, Math.min(slots.total, slots.byWorkflow.get(workflowType) ?? 0));
  const { policy, adaptation } = snapshot;
  const { batchMin, batchMax: most } = laneBatch(workflow, lane, policy);
  const batchMax = largestBatch({ batchMin, batchMax: most }, adaptation.slowness, policy.adapt);
  return together(waiting, batchSize(lane.depth, freeSlots, { batchMin, batchMax }, policy.batching)).length;
}

function takeBatch(
  candidate: Candidate & { kind: "lane" },
  { tasks, expects, shrunk }: Admission,
  snapshot: Snapshot,
  places: Places,
): { dispatch: Dispatch; rest: { lane: LaneView; waiting: WaitingTask[] } } {
  const { lane, waiting, workflowType } = candidate;
  const workflow = snapshot.workflows[workflowType] as WorkflowView;
  const place = choose(places, workflowType) as Place;
  const there = whyThere(places, place);
  const batch = together(waiting, tasks);
  const taken = new Set(batch.map((task) => task.taskId));
  const head = batch[0] as WaitingTask;
  occupy(place, { taskId: head.taskId, timeoutMs: workflow.timeoutMs }, snapshot.nowMs);
  const few = shrunk ? "; no more of them fit into what is left" : "";
  return {
    dispatch: {
      kind: "dispatch",
      workflowType,
      contentType: lane.contentType,
      taskIds: batch.map((task) => task.taskId),
      priority: Math.max(...batch.map((task) => task.priority)),
      score: candidate.score,
      timeoutMs: workflow.timeoutMs,
      target: place.target.name,
      expects,
      reason: `${batchReason(candidate, batch, snapshot)}${few}${there}`,
    },
    rest: {
      lane: { ...lane, depth: lane.depth - batch.length },
      waiting: waiting.filter((task) => !taken.has(task.taskId)),
    },
  };
}

function batchReason(
  { lane, score }: Candidate & { kind: "lane" },
  batch: readonly WaitingTask[],
  { workflows, adaptation, policy }: Snapshot,
): string {
  const first = `${laneName(lane)} ranks first with a score of ${score.toFixed(1)}`;
  if (batch[0]?.runsAlone) return `${first}; alone, since it failed before`;
  const workflow = workflows[lane.workflowType] as WorkflowView;
  const bounds = laneBatch(workflow, lane, policy);
  const batchMax = largestBatch(bounds, adaptation.slowness, policy.adapt);
  const slowed = batchMax < bounds.batchMax ? `; at most ${batchMax}, since ${adaptation.reason}` : "";
  return `${first}; ${batch.length} of ${lane.depth} waiting${slowed}`;
}

/** Spreads a short queue over the free slots; a long one is worked off in full batches. */
export function batchSize(
  depth: number,
  freeSlots: number,
  workflow: Pick<WorkflowView, "batchMin" | "batchMax">,
  batching: Policy["batching"],
): number {
  if (depth > batching.full_batches_above_depth) return workflow.batchMax;
  return Math.min(workflow.batchMax, Math.max(workflow.batchMin, Math.ceil(depth / freeSlots)));
}

/** The best `size` tasks that may share a run with the head; one that failed before runs alone. */
function together(waiting: readonly WaitingTask[], size: number): WaitingTask[] {
  const head = waiting[0] as WaitingTask;
  return head.runsAlone ? [head] : waiting.filter((task) => !task.runsAlone).slice(0, size);
}
