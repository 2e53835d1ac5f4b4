/** One cycle: lock, snapshot, plan, apply, commit. Owns the order; each step lives elsewhere. */
import { v7 as uuidv7 } from "uuid";
import type { Adapt, Decision, RecoveryStep } from "#core/decision.ts";
import { type Plan, plan } from "#core/plan.ts";
import { decisionRecord, holdsByLane, snapshotRecord } from "#core/record.ts";
import { nextSlotMs } from "#core/schedule.ts";
import type { Snapshot } from "#core/snapshot.ts";
import { applyDecisions } from "#store/apply.ts";
import { insertCycle, nextDue, takeTick, waitInDatabase } from "#store/cycles.ts";
import type { Database, Queryable } from "#store/database.ts";
import type { Outbox } from "#store/outbox.ts";
import type { Bite, Taken } from "#store/set-aside.ts";
import { FULL_BITE, lockOrchestrator, readSnapshot } from "#store/snapshot.ts";

/**
 * What a cycle was asked for. Whatever that was: the first one that begins at or after `boundaryMs`, by the
 * database's clock, is that boundary's tick. A `tick` does nothing else than being it.
 */
export interface Trigger {
  kind: "wake" | "tick";
  boundaryMs: number;
  intervalMs: number;
  /** How long a tick that comes early waits for its boundary, the row in its hands; further ahead it gives up. */
  waitMs: number;
  /** How long signs of life may wait for more of their run. */
  patienceMs: number;
}

export interface CycleOutcome {
  cycleId: string;
  /** Of a tick that ran: its boundary, the newest one if several have gone by. */
  boundaryMs: number | null;
  /** The database's time at the cycle's beginning, which counts, and the local one of that moment. */
  nowMs: number;
  localMs: number;
  /** False for a tick that is not due yet by the database's clock, or that another replica ran. */
  ran: boolean;
  dispatched: number;
  messages: number;
  /** Something is left over: the next cycle should follow at once. */
  again: boolean;
  /** When something becomes due by itself; null if nothing will. */
  nextDueMs: number | null;
  /** Recoveries that it opened, changed or closed. */
  recoveries: readonly RecoveryStep[];
  /** How far work gives way from now on, if it moved that. */
  adapt: Adapt | null;
  /** All that it decided. */
  decisions: readonly Decision[];
}

export interface CycleContext {
  db: Database;
  outbox: Outbox;
  replicaId: string;
  /** The local clock, in epoch milliseconds: only to say how far it is from the database's. */
  localNowMs(): number;
  /** What stands for `plan`; tests let it fail. */
  decide?: ((snapshot: Snapshot) => Plan) | undefined;
}

/** How much a cycle takes on, and what that was. */
export interface Intake {
  bite: Bite;
  taken: Taken;
}

export function intakeOf(bite: Bite): Intake {
  return { bite, taken: { facts: [], runs: [], tasks: [] } };
}

/** Runs one cycle. What it decides is committed as a whole, together with its messages, or not at all. */
export async function runCycle(
  context: CycleContext,
  asked: Trigger,
  intake: Intake = intakeOf(FULL_BITE),
): Promise<CycleOutcome> {
  return await context.db.transactionByKey(async (tx) => {
    const { locked, ...idle } = await takeTurn(tx, context, asked);
    const startedMs = performance.now();
    const { cycleId, boundaryMs } = idle;
    if (asked.kind === "tick" && boundaryMs === null) return { ...idle, nextDueMs: null };
    const tick = boundaryMs === null ? null : { boundaryMs, intervalMs: asked.intervalMs };
    const { patienceMs } = asked;
    const snapshot = await readSnapshot(tx, locked, { tick, patienceMs, ...intake });
    const { decisions } = (context.decide ?? plan)(snapshot);
    const trigger = boundaryMs === null ? "wake" : "tick";
    const cycle = { cycleId, trigger, policyVersion: snapshot.policyVersion } as const;
    const applied = await applyDecisions(tx, cycle, snapshot, decisions);
    const { dispatched } = applied;
    const [nextDueMs] = await Promise.all([
      nextDue(tx, snapshot.nowMs),
      context.outbox.send(tx, applied.messages),
      record(tx, { context, boundaryMs, cycleId, startedMs, snapshot, decisions, dispatched }),
    ]);
    return {
      ...idle,
      ran: true,
      dispatched: applied.dispatched,
      messages: applied.messages.length,
      again: leftOver(snapshot, decisions, intake.bite),
      recoveries: decisions.filter((decision) => decision.kind === "recovery"),
      adapt: decisions.find((decision) => decision.kind === "adapt") ?? null,
      decisions,
      nextDueMs: earlier(
        earlier(nextDueMs, intake.taken.moreFactsAtMs ?? null),
        nextSlotMs(snapshot.workflows, snapshot.nowMs),
      ),
    };
  });
}

/** Takes the row and the time. Early for its boundary, a tick waits with the row in its hands; then it takes that. */
async function takeTurn(tx: Queryable, context: CycleContext, asked: Trigger) {
  const locked = await lockOrchestrator(tx);
  const earlyMs = asked.boundaryMs - locked.nowMs;
  if (asked.kind === "tick" && earlyMs > 0 && earlyMs <= asked.waitMs) {
    locked.nowMs = await waitInDatabase(tx, asked.boundaryMs);
  }
  const { nowMs } = locked;
  const localMs = context.localNowMs();
  const cycleId = uuidv7();
  const boundaryMs = newestBoundary(asked, nowMs);
  const ticks =
    boundaryMs !== null &&
    (await takeTick(tx, { boundaryMs, ranAtMs: nowMs, cycleId, replicaId: context.replicaId }));
  return {
    ...{ locked, cycleId, nowMs, localMs, boundaryMs: ticks ? boundaryMs : null },
    ...{ ran: false, dispatched: 0, messages: 0, again: false, recoveries: [], adapt: null, decisions: [] },
  };
}

/** Of boundaries that went by unseen (a machine that slept, a database that was away) only the last is run. */
function newestBoundary({ boundaryMs, intervalMs }: Trigger, nowMs: number): number | null {
  if (nowMs < boundaryMs) return null;
  return boundaryMs + Math.floor((nowMs - boundaryMs) / intervalMs) * intervalMs;
}

function earlier(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

/** A bound was reached, or tasks have joined the queue only now. Runs that stay held ask for no hurry. */
function leftOver(snapshot: Snapshot, decisions: readonly Decision[], bite: Bite): boolean {
  const moved = decisions.some((decision) => decision.kind === "advance" || decision.kind === "retry");
  return (
    snapshot.facts.length >= bite.facts ||
    snapshot.dueTasks.length >= bite.tasks ||
    (snapshot.runs.length >= bite.runs && moved) ||
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
  /** Of a tick. */
  boundaryMs: number | null;
  cycleId: string;
  startedMs: number;
  snapshot: Snapshot;
  decisions: readonly Decision[];
  dispatched: number;
}

/** Keeps every tick, and every wake-up that changed something. */
async function record(tx: Queryable, cycle: Recorded): Promise<void> {
  const { snapshot, boundaryMs } = cycle;
  const decisions = cycle.decisions.map(decisionRecord).filter((decision) => decision !== null);
  if (boundaryMs === null && decisions.length === 0) return;
  const holds = holdsByLane(cycle.decisions);
  await insertCycle(tx, {
    cycleId: cycle.cycleId,
    trigger: boundaryMs === null ? "wake" : "tick",
    boundaryMs,
    driftMs: boundaryMs === null ? null : snapshot.nowMs - boundaryMs,
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
