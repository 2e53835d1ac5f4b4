/** The circuit breaker of each target: trips, probes, closes. Closed is the one that has no recovery. Chooses no target. */
import { openMs } from "./breaker.ts";
import type { Advance, RecoveryStep } from "./decision.ts";
import { failuresAllowed } from "./failover.ts";
import { PROBE_GRACE_MS } from "./folding.ts";
import {
  changeRecovery,
  closeRecovery,
  isOpen,
  type Ledger,
  ORCHESTRATOR,
  openRecovery,
  wasClosed,
  windowMs,
} from "./recovery-steps.ts";
import type { Recovery, Snapshot } from "./snapshot.ts";
import { failuresInRow, forgiven, type Memories } from "./target-health.ts";
import { newMemory, type Places, targetSubject } from "./targets.ts";

interface Context {
  snapshot: Snapshot;
  advances: readonly Advance[];
  /** As these advances leave them; what is forgiven is written here. */
  memories: Memories;
}

/** One step at most for each target. */
export function stepTargets(ledger: Ledger, context: Context): void {
  const { snapshot, memories } = context;
  const known = new Set<string>();
  for (const { workflowType, targets } of Object.values(snapshot.workflows)) {
    const forgives = workflowIsBack(ledger, workflowType);
    for (const { name } of targets) {
      const subject = targetSubject(workflowType, name);
      known.add(subject);
      const memory = memories.get(subject) ?? newMemory(workflowType, name);
      const breaker = isOpen(ledger, "trip_target", subject);
      if (breaker) stepBreaker(ledger, breaker, { ...context, name, workflowType });
      else if (forgives || wasClosed(ledger, "trip_target", subject)) memories.set(subject, forgiven(memory));
      else if (failuresInRow(memory) >= failuresAllowed(ledger, snapshot)) {
        if (!isCutOff(ledger, workflowType)) trip(ledger, { ...context, name, workflowType });
      }
    }
  }
  for (const recovery of [...ledger.open.values()]) {
    if (recovery.procedure === "trip_target" && !known.has(recovery.subject))
      closeRecovery(ledger, recovery, "it is no target of its workflow any more");
  }
}

/** Nothing is sent to the workflow: that is dealt with already. */
function isCutOff(ledger: Ledger, workflowType: string): boolean {
  return (["trip_breaker", "pause"] as const).some((procedure) => isOpen(ledger, procedure, workflowType));
}

/** Its own breaker or pause has just ended: what failed before counts no more, here as there. */
function workflowIsBack(ledger: Ledger, workflowType: string): boolean {
  const ended = (["trip_breaker", "pause"] as const).some((procedure) =>
    wasClosed(ledger, procedure, workflowType),
  );
  return ended && !isCutOff(ledger, workflowType);
}

type OfTarget = Context & { workflowType: string; name: string };

function trip(ledger: Ledger, { snapshot, memories, workflowType, name }: OfTarget): void {
  const subject = targetSubject(workflowType, name);
  const memory = memories.get(subject) ?? newMemory(workflowType, name);
  const allowed = failuresAllowed(ledger, snapshot);
  openRecovery(ledger, {
    procedure: "trip_target",
    subject,
    state: "open",
    cause: `${failuresInRow(memory)} failures in a row at ${name}, the last: ${memory.lastFailure}`,
    entryRule: `${allowed} failures in a row: postings without an answer since the last that had one, attempts that timed out or fell silent since the last callback`,
    exitRule: `an answer or a callback ends the row, of its one probing run or of a run that was there before; or ${snapshot.policy.recovery.window_minutes} min pass in which there was nothing to probe with`,
    numbers: { unanswered_in_row: memory.unansweredInRow, failed_in_row: memory.failedInRow },
    nextAtMs: snapshot.nowMs + openMs(0, snapshot),
  });
}

function stepBreaker(ledger: Ledger, breaker: Recovery, context: OfTarget): void {
  const { snapshot, memories, workflowType, name } = context;
  const { nowMs } = snapshot;
  const memory = memories.get(breaker.subject) ?? newMemory(workflowType, name);
  const over = breaker.nextAtMs !== null && breaker.nextAtMs <= nowMs;
  if (failuresInRow(memory) < failuresAllowed(ledger, snapshot)) {
    closeRecovery(ledger, breaker, `${name} has ended the row of failures: it answers`);
  } else if (breaker.state === "open") {
    if (!over) return;
    const half = { state: "half_open", probe: null, nextAtMs: nowMs + windowMs(snapshot.policy) } as const;
    changeRecovery(ledger, breaker, half, "its wait is over: one run may probe");
  } else if (breaker.probe !== null) {
    stepProbe(ledger, breaker, context);
  } else if (over) {
    closeRecovery(ledger, breaker, "nothing was there to probe with: what comes is judged afresh");
    memories.set(breaker.subject, forgiven(memory));
  }
}

/** Only the probe can open it again: what was sent before says nothing about now. */
function stepProbe(ledger: Ledger, breaker: Recovery, { snapshot, advances, name }: OfTarget): void {
  const { nowMs } = snapshot;
  const run = snapshot.runs.find(({ tasks }) => tasks.some(({ taskId }) => taskId === breaker.probe));
  const advance = advances.find(({ executionId }) => executionId === run?.executionId);
  const here = advance?.signals.filter(({ target }) => target === name) ?? [];
  const failure = here.find(({ kind }) => kind === "unanswered" || kind === "failed");
  const cancelled =
    advance?.attempt.state === "cancelled" ||
    advance?.tasks.some(({ taskId, to }) => taskId === breaker.probe && to === "cancelled");
  const late = breaker.nextAtMs !== null && breaker.nextAtMs <= nowMs;
  if (failure || late) {
    const reopened = breaker.reopened + 1;
    const again = {
      state: "open",
      probe: null,
      reopened,
      nextAtMs: nowMs + openMs(reopened, snapshot),
    } as const;
    const why = failure && "message" in failure ? failure.message : "it was not over in time";
    changeRecovery(ledger, breaker, again, `its probing run failed: ${why}`);
  } else if (cancelled || here.some(({ kind }) => kind === "snoozed")) {
    const again = { probe: null, nextAtMs: nowMs + windowMs(snapshot.policy) };
    const why = cancelled ? "was cancelled" : "was asked to wait";
    changeRecovery(ledger, breaker, again, `its probing run ${why}: another one may probe`);
  }
}

/** The one run that was let through by each half-open breaker is remembered by one of its tasks. */
export function rememberTargetProbes(places: Places): RecoveryStep[] {
  return [...places.of.values()].flat().flatMap(({ breaker, probe, target }): RecoveryStep[] => {
    if (!breaker || !probe) return [];
    const nextAtMs = places.nowMs + 2 * probe.timeoutMs + PROBE_GRACE_MS;
    const recovery = { ...breaker, probe: probe.taskId, nextAtMs };
    const reason = `one run probes whether ${target.name} works again`;
    return [{ kind: "recovery", step: "changed", from: "half_open", recovery, reason, actor: ORCHESTRATOR }];
  });
}
