/** One cycle: lock, snapshot, plan, apply, commit. Owns the order; each step lives elsewhere. */
import { v7 as uuidv7 } from "uuid";
import type { Decision } from "#core/decision.ts";
import { plan } from "#core/plan.ts";
import { decisionRecord, holdsByLane, snapshotRecord } from "#core/record.ts";
import { nextSlotMs } from "#core/schedule.ts";
import type { Snapshot } from "#core/snapshot.ts";
import { applyDecisions } from "#store/apply.ts";
import { insertCycle, nextDue, takeTick } from "#store/cycles.ts";
import type { Database, Queryable } from "#store/database.ts";
import type { Outbox } from "#store/outbox.ts";
import { lockOrchestrator, MAX_DUE_RUNS, MAX_DUE_TASKS, MAX_FACTS, readSnapshot } from "#store/snapshot.ts";

export type Trigger = { kind: "wake" } | { kind: "tick"; boundaryMs: number; intervalMs: number };

export interface CycleOutcome {
  cycleId: string;
  /** Of a tick that ran: its boundary, the newest one if several have gone by. */
  boundaryMs: number | null;
  /** The database's time, which counts. */
  nowMs: number;
  /** False for a tick that is not due yet by the database's clock, or that another replica ran. */
  ran: boolean;
  dispatched: number;
  messages: number;
  /** Something is left over: the next cycle should follow at once. */
  again: boolean;
  /** When something becomes due by itself; null if nothing will. */
  nextDueMs: number | null;
}

export interface CycleContext {
  db: Database;
  outbox: Outbox;
  replicaId: string;
}

/** Runs one cycle. What it decides is committed as a whole, together with its messages, or not at all. */
export async function runCycle(context: CycleContext, asked: Trigger): Promise<CycleOutcome> {
  const startedMs = performance.now();
  return await context.db.transaction(async (tx) => {
    const locked = await lockOrchestrator(tx);
    const trigger = newest(asked, locked.nowMs);
    const cycleId = uuidv7();
    const idle = {
      ...{ cycleId, nowMs: locked.nowMs, ran: false, dispatched: 0, messages: 0, again: false },
      boundaryMs: null,
    };
    if (trigger.kind === "tick") {
      const { boundaryMs } = trigger;
      if (locked.nowMs < boundaryMs) return { ...idle, nextDueMs: boundaryMs };
      const { replicaId } = context;
      const taken = await takeTick(tx, { boundaryMs, ranAtMs: locked.nowMs, cycleId, replicaId });
      if (!taken) return { ...idle, nextDueMs: null };
    }
    const snapshot = await readSnapshot(tx, locked);
    const { decisions } = plan(snapshot);
    const cycle = { cycleId, trigger: trigger.kind, policyVersion: snapshot.policyVersion };
    const applied = await applyDecisions(tx, cycle, snapshot, decisions);
    const { dispatched } = applied;
    const [nextDueMs] = await Promise.all([
      nextDue(tx, snapshot.nowMs),
      context.outbox.send(tx, applied.messages),
      record(tx, { context, trigger, cycleId, startedMs, snapshot, decisions, dispatched }),
    ]);
    return {
      ...idle,
      ran: true,
      boundaryMs: trigger.kind === "tick" ? trigger.boundaryMs : null,
      dispatched: applied.dispatched,
      messages: applied.messages.length,
      again: leftOver(snapshot, decisions),
      nextDueMs: earlier(nextDueMs, nextSlotMs(snapshot.workflows, snapshot.nowMs)),
    };
  });
}

/** Of boundaries that went by unseen (a machine that slept, a database that was away) only the last is run. */
function newest(trigger: Trigger, nowMs: number): Trigger {
  if (trigger.kind === "wake" || nowMs < trigger.boundaryMs) return trigger;
  const missed = Math.floor((nowMs - trigger.boundaryMs) / trigger.intervalMs);
  return { ...trigger, boundaryMs: trigger.boundaryMs + missed * trigger.intervalMs };
}

function earlier(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

/** A bound was reached, or tasks have joined the queue only now. Runs that stay held ask for no hurry. */
function leftOver(snapshot: Snapshot, decisions: readonly Decision[]): boolean {
  const moved = decisions.some((decision) => decision.kind === "advance" || decision.kind === "retry");
  return (
    snapshot.facts.length >= MAX_FACTS ||
    snapshot.dueTasks.length >= MAX_DUE_TASKS ||
    (snapshot.runs.length >= MAX_DUE_RUNS && moved) ||
    decisions.some(
      (decision) =>
        decision.kind === "enqueue" ||
        (decision.kind === "change_task" && decision.change.to === "queued") ||
        (decision.kind === "hold" && decision.reason === "decision_limit"),
    )
  );
}

interface Recorded {
  context: CycleContext;
  trigger: Trigger;
  cycleId: string;
  startedMs: number;
  snapshot: Snapshot;
  decisions: readonly Decision[];
  dispatched: number;
}

/** Keeps every tick, and every wake-up that changed something. */
async function record(tx: Queryable, cycle: Recorded): Promise<void> {
  const { snapshot, trigger } = cycle;
  const decisions = cycle.decisions.map(decisionRecord).filter((decision) => decision !== null);
  if (trigger.kind === "wake" && decisions.length === 0) return;
  const holds = holdsByLane(cycle.decisions);
  await insertCycle(tx, {
    cycleId: cycle.cycleId,
    trigger: trigger.kind,
    boundaryMs: trigger.kind === "tick" ? trigger.boundaryMs : null,
    driftMs: trigger.kind === "tick" ? snapshot.nowMs - trigger.boundaryMs : null,
    startedAtMs: snapshot.nowMs,
    durationMs: performance.now() - cycle.startedMs,
    policyVersion: snapshot.policyVersion,
    dispatched: cycle.dispatched,
    held: holds.reduce((sum, hold) => sum + hold.tasks, 0),
    snapshot: snapshotRecord(snapshot),
    decisions,
    reasons: holds.map((hold) => ({
      lane: `${hold.workflowType}/${hold.contentType}`,
      reason: hold.reason,
      cause: hold.cause,
      tasks: hold.tasks,
    })),
    replicaId: cycle.context.replicaId,
  });
}
