/**
 * Decides what is done about trouble: opens and closes named recoveries, each by a rule, from the
 * snapshot alone. docs/recovery.md says for people what is written here.
 */
import { type BreakerContext, stepBreakers } from "./breaker.ts";
import type { Advance, Decision, RecoveryStep, SwitchWorkflow } from "./decision.ts";
import { stepFailover } from "./failover.ts";
import { isWorking, PROBE_GRACE_MS } from "./folding.ts";
import { countOutcomes, withCounted } from "./outcomes.ts";
import {
  changeRecovery,
  closeRecovery,
  isOpen,
  type Ledger,
  nameOf,
  ORCHESTRATOR,
  openRecovery,
  switchWorkflow,
  wasClosed,
} from "./recovery-steps.ts";
import { stepReduction } from "./reduction.ts";
import type { Recovery, Run, Snapshot, WorkflowView } from "./snapshot.ts";
import { stepTargets } from "./target-breaker.ts";
import { learn, type Memories } from "./target-health.ts";

export interface Recovered {
  decisions: readonly Decision[];
  /** The recoveries that are open from now on. */
  recoveries: readonly Recovery[];
  /** The workflows as this plan leaves them: paused or resumed. */
  workflows: Readonly<Record<string, WorkflowView>>;
  /** What is known of each target from now on, by `workflow/target`. */
  memories: Memories;
}

/**
 * `advances` is what this plan has folded in already. Every recovery is judged anew in every cycle, by
 * what is: none relies on an event that may not come.
 */
export function recover(snapshot: Snapshot, advances: readonly Advance[]): Recovered {
  const counted = countOutcomes(advances, snapshot.health);
  const outcomes = withCounted(snapshot.health, counted);
  const ledger: Ledger = {
    nowMs: snapshot.nowMs,
    open: new Map(snapshot.recoveries.map((recovery) => [nameOf(recovery), recovery])),
    closed: new Set(),
    steps: [],
    switches: [],
  };
  const context: BreakerContext = { snapshot, advances, outcomes };
  closeByHand(ledger, snapshot);
  stepRescue(ledger, snapshot);
  stepTicks(ledger, snapshot);
  stepSetAside(ledger);
  stepFailover(ledger, snapshot);
  const memories = learn(snapshot, advances);
  stepBreakers(ledger, context);
  stepTargets(ledger, { snapshot, advances, memories });
  stepReduction(ledger, context);
  return {
    decisions: [...counted, ...ledger.switches, ...ledger.steps],
    recoveries: [...ledger.open.values()],
    workflows: switched(snapshot.workflows, ledger.switches),
    memories,
  };
}

/** The one run that was let through by each half-open breaker is remembered by one of its tasks. */
export function rememberProbes(recovered: Recovered, admitted: readonly Decision[]): RecoveryStep[] {
  return recovered.recoveries.flatMap((recovery): RecoveryStep[] => {
    if (recovery.state !== "half_open" || recovery.probe !== null) return [];
    for (const decision of admitted) {
      const started = startedBy(decision);
      if (started?.workflowType !== recovery.subject) continue;
      // It may be accepted at the last moment, and then take its whole time.
      const nextAtMs = recovery.sinceMs + 2 * started.timeoutMs + PROBE_GRACE_MS;
      const reason = `one run probes whether ${recovery.subject} works again`;
      const probing = { ...recovery, probe: started.taskId, nextAtMs };
      return [
        {
          kind: "recovery",
          step: "changed",
          from: "half_open",
          recovery: probing,
          reason,
          actor: ORCHESTRATOR,
        },
      ];
    }
    return [];
  });
}

function startedBy(decision: Decision): { workflowType: string; taskId: string; timeoutMs: number } | null {
  if (decision.kind === "dispatch" || decision.kind === "retry") {
    const { workflowType, taskIds, timeoutMs } = decision;
    return { workflowType, taskId: taskIds[0] as string, timeoutMs };
  }
  if (decision.kind !== "resume") return null;
  const { workflowType, tasks, attempt } = decision.run;
  return { workflowType, taskId: tasks[0]?.taskId as string, timeoutMs: attempt.timeoutMs };
}

function switched(
  workflows: Snapshot["workflows"],
  switches: readonly SwitchWorkflow[],
): Recovered["workflows"] {
  if (switches.length === 0) return workflows;
  const changed = switches.flatMap(({ workflowType, paused }) => {
    const workflow = workflows[workflowType];
    const pausedBy = paused ? ORCHESTRATOR : null;
    return workflow ? [[workflowType, { ...workflow, paused, pausedBy }] as const] : [];
  });
  return { ...workflows, ...Object.fromEntries(changed) };
}

/** What an operator wants to be over is over; what caused it may begin it again, by its rule. */
function closeByHand(ledger: Ledger, snapshot: Snapshot): void {
  for (const fact of snapshot.facts) {
    if (fact.kind !== "close_recovery") continue;
    const recovery = [...ledger.open.values()].find(({ recoveryId }) => recoveryId === fact.recoveryId);
    if (!recovery) continue;
    closeRecovery(ledger, recovery, "closed by request", fact.actor);
    const pausedBy = snapshot.workflows[recovery.subject]?.pausedBy;
    if (recovery.procedure === "pause" && pausedBy === ORCHESTRATOR) {
      switchWorkflow(ledger, recovery.subject, false, `its recovery was closed by ${fact.actor}`);
    }
  }
}

/** The ordinary rules rescue them, in this same plan: time-outs, retries, redeliveries. */
function stepRescue(ledger: Ledger, snapshot: Snapshot): void {
  const overdue = overdueRuns(snapshot);
  const recovery = isOpen(ledger, "rescue_expired_attempts", ORCHESTRATOR);
  if (overdue.length === 0) {
    if (recovery) closeRecovery(ledger, recovery, "no run is overdue any more");
    return;
  }
  if (recovery || wasClosed(ledger, "rescue_expired_attempts", ORCHESTRATOR)) return;
  const oldestMs = Math.min(...overdue.map((run) => run.dueAtMs as number));
  const lateSeconds = Math.round((snapshot.nowMs - oldestMs) / 1000);
  openRecovery(ledger, {
    procedure: "rescue_expired_attempts",
    subject: ORCHESTRATOR,
    cause: `${overdue.length} runs are overdue, by up to ${lateSeconds} s: nobody decided for a while`,
    entryRule: `a run at work is overdue by ${snapshot.policy.recovery.overdue_seconds} s or more`,
    exitRule: "no run at work is overdue",
    numbers: { overdue_runs: overdue.length, late_seconds: lateSeconds },
  });
}

/** One tick stands for all that were missed; the next cycle sees that it has run. */
function stepTicks(ledger: Ledger, { health }: Snapshot): void {
  const { missedTicks } = health;
  const recovery = isOpen(ledger, "make_up_ticks", ORCHESTRATOR);
  const numbers = { missed_ticks: missedTicks };
  const cause = `${missedTicks} boundaries went by without a tick; this one is run for them`;
  if (recovery && missedTicks > 0) changeRecovery(ledger, recovery, { cause, numbers }, cause);
  else if (recovery) closeRecovery(ledger, recovery, "one tick was run for those that were missed");
  else if (missedTicks > 0 && !wasClosed(ledger, "make_up_ticks", ORCHESTRATOR)) {
    openRecovery(ledger, {
      procedure: "make_up_ticks",
      subject: ORCHESTRATOR,
      cause,
      entryRule: "a boundary went by without a tick",
      exitRule: "a cycle follows on the tick that made up for it",
      numbers,
    });
  }
}

/** It was opened by the engine, when no cycle could stomach its subject; that this one can ends it. */
function stepSetAside(ledger: Ledger): void {
  for (const recovery of [...ledger.open.values()]) {
    if (recovery.procedure !== "set_aside") continue;
    closeRecovery(ledger, recovery, `cycles go on without ${recovery.subject}; an operator may put it back`);
  }
}

/** When something about the open recoveries is due by itself; null if nothing is. */
export function nextRecoveryMs(recoveries: readonly Recovery[]): number | null {
  const moments = recoveries.flatMap(({ nextAtMs }) => (nextAtMs === null ? [] : [nextAtMs]));
  return moments.length === 0 ? null : Math.min(...moments);
}

/** Runs at work whose moment went by long ago: for a while nobody decided. Snoozed ones may wait for a slot. */
export function overdueRuns(snapshot: Pick<Snapshot, "runs" | "nowMs" | "policy">): Run[] {
  const sinceMs = snapshot.nowMs - snapshot.policy.recovery.overdue_seconds * 1000;
  return snapshot.runs.filter((run) => isWorking(run) && run.dueAtMs !== null && run.dueAtMs <= sinceMs);
}
