/**
 * The circuit breaker of each workflow, and the pause that follows when it opens again and again. Closed is
 * the breaker that has no recovery. Knows nothing of other workflows' troubles.
 */
import type { Advance } from "./decision.ts";
import { failedOf, failedShare, NO_OUTCOMES, type Outcomes } from "./health.ts";
import { verdictOn } from "./outcomes.ts";
import {
  changeRecovery,
  closeRecovery,
  isOpen,
  type Ledger,
  ORCHESTRATOR,
  openRecovery,
  switchWorkflow,
  wasClosed,
  windowMs,
} from "./recovery-steps.ts";
import type { Recovery, Snapshot } from "./snapshot.ts";

export interface BreakerContext {
  snapshot: Snapshot;
  advances: readonly Advance[];
  /** Those of the snapshot's window, and of this plan. */
  outcomes: Readonly<Record<string, Outcomes>>;
}

/** One step at most for each workflow: to trip, to probe, to judge the probe, to pause, to resume. */
export function stepBreakers(ledger: Ledger, context: BreakerContext): void {
  const guarded = [...ledger.open.values()].filter(
    ({ procedure }) => procedure === "trip_breaker" || procedure === "pause",
  );
  const types = new Set([...guarded.map(({ subject }) => subject), ...Object.keys(context.outcomes)]);
  for (const workflowType of [...types].sort()) {
    const pause = isOpen(ledger, "pause", workflowType);
    const breaker = isOpen(ledger, "trip_breaker", workflowType);
    if (pause) stepPause(ledger, pause, context);
    else if (breaker?.state === "open") stepOpen(ledger, breaker, context);
    else if (breaker) stepHalfOpen(ledger, breaker, context);
    else if (!wasClosed(ledger, "trip_breaker", workflowType) && !wasClosed(ledger, "pause", workflowType)) {
      tripIfFailing(ledger, workflowType, context);
    }
  }
}

function tripIfFailing(ledger: Ledger, workflowType: string, { snapshot, outcomes }: BreakerContext): void {
  const { breaker, window_minutes } = snapshot.policy.recovery;
  const lately = outcomes[workflowType] ?? NO_OUTCOMES;
  if (lately.ended < breaker.min_attempts || failedShare(lately) < breaker.failed_share) return;
  const nextAtMs = snapshot.nowMs + openMs(0, snapshot);
  openRecovery(ledger, {
    procedure: "trip_breaker",
    subject: workflowType,
    state: "open",
    cause:
      `${failedOf(lately)} of the last ${lately.ended} attempts of ${workflowType} failed within ` +
      `${window_minutes} min: ${lately.failedEndpoint} at its endpoint, ${lately.failedTask} by its own report`,
    ...breakerRules(snapshot),
    numbers: {
      ended: lately.ended,
      failed_endpoint: lately.failedEndpoint,
      failed_task: lately.failedTask,
      failures_in_row: lately.failuresInRow,
    },
    nextAtMs,
  });
}

function breakerRules({ policy }: Snapshot): Pick<Recovery, "entryRule" | "exitRule"> {
  const { breaker, window_minutes } = policy.recovery;
  const percent = Math.round(breaker.failed_share * 100);
  return {
    entryRule: `${breaker.min_attempts} or more attempts ended within ${window_minutes} min, and ${percent} % or more of them failed`,
    exitRule: `one probing run succeeds, or ${window_minutes} min pass in which there was nothing to probe with`,
  };
}

/** How long it stays open before it lets a probe through, doubled with every failed one. */
export function openMs(reopened: number, { policy }: Snapshot): number {
  const { open_seconds, max_open_seconds } = policy.recovery.breaker;
  return Math.min(open_seconds * 2 ** Math.min(reopened, 30), max_open_seconds) * 1000;
}

function stepOpen(ledger: Ledger, breaker: Recovery, { snapshot }: BreakerContext): void {
  if (breaker.nextAtMs !== null && breaker.nextAtMs > snapshot.nowMs) return;
  const half = {
    state: "half_open",
    probe: null,
    nextAtMs: snapshot.nowMs + windowMs(snapshot.policy),
  } as const;
  changeRecovery(ledger, breaker, half, "its wait is over: one run may probe");
}

function stepHalfOpen(ledger: Ledger, breaker: Recovery, context: BreakerContext): void {
  const { snapshot } = context;
  const over = breaker.nextAtMs !== null && breaker.nextAtMs <= snapshot.nowMs;
  const { probe } = breaker;
  if (probe === null) {
    if (over) closeRecovery(ledger, breaker, "nothing was there to probe with: what comes is judged afresh");
    return;
  }
  const advance = context.advances.find(({ tasks }) => tasks.some(({ taskId }) => taskId === probe));
  const verdict = advance ? verdictOn(advance) : null;
  const withdrawn = advance?.tasks.some(({ taskId, to }) => taskId === probe && to === "cancelled");
  if (verdict === "succeeded") closeRecovery(ledger, breaker, "its probing run succeeded");
  else if (verdict === "failed_endpoint" || verdict === "failed_task") {
    reopen(ledger, breaker, advance?.attempt.failure?.message ?? advance?.attempt.state ?? verdict, snapshot);
  } else if (verdict === "cancelled" || withdrawn) {
    const again = { probe: null, nextAtMs: snapshot.nowMs + windowMs(snapshot.policy) };
    changeRecovery(ledger, breaker, again, "its probing run was cancelled: another one may probe");
  } else if (over) reopen(ledger, breaker, "it was not over in time", snapshot);
}

function reopen(ledger: Ledger, breaker: Recovery, why: string, snapshot: Snapshot): void {
  const reopened = breaker.reopened + 1;
  const workflow = snapshot.workflows[breaker.subject];
  const { pause_after } = snapshot.policy.recovery.breaker;
  if (reopened >= pause_after && workflow && !workflow.paused) {
    pauseInstead(ledger, breaker, reopened, snapshot);
    return;
  }
  const nextAtMs = snapshot.nowMs + openMs(reopened, snapshot);
  const open = { state: "open", probe: null, reopened, nextAtMs } as const;
  changeRecovery(ledger, breaker, open, `its probing run failed: ${why}`);
}

function pauseInstead(ledger: Ledger, breaker: Recovery, reopened: number, { policy }: Snapshot): void {
  const { pause_seconds, pause_after } = policy.recovery.breaker;
  const workflowType = breaker.subject;
  const cause =
    `its circuit breaker has opened ${reopened} times in a row again; resume it when it works ` +
    `(POST /api/v1/workflows/${workflowType}/resume), or it is tried in ${pause_seconds} s`;
  closeRecovery(
    ledger,
    breaker,
    `the workflow is paused instead: no probe of ${reopened} in a row succeeded`,
  );
  openRecovery(ledger, {
    procedure: "pause",
    subject: workflowType,
    cause,
    entryRule: `a circuit breaker opens again for the ${pause_after}. time in a row`,
    exitRule: `${pause_seconds} s pass (then one run probes), or an operator resumes it`,
    numbers: { reopened },
    nextAtMs: ledger.nowMs + pause_seconds * 1000,
  });
  switchWorkflow(ledger, workflowType, true, cause);
}

/** Only its own pause does the orchestrator lift. */
function stepPause(ledger: Ledger, pause: Recovery, { snapshot }: BreakerContext): void {
  const workflow = snapshot.workflows[pause.subject];
  if (!workflow || workflow.pausedBy !== ORCHESTRATOR) {
    const reason = workflow?.paused
      ? `${workflow.pausedBy ?? "an operator"} has paused it: that stays`
      : "an operator has resumed it";
    closeRecovery(ledger, pause, reason);
    return;
  }
  if (pause.nextAtMs !== null && pause.nextAtMs > snapshot.nowMs) return;
  const reason = "its pause is over: one run may probe";
  closeRecovery(ledger, pause, reason);
  switchWorkflow(ledger, pause.subject, false, reason);
  openRecovery(ledger, {
    procedure: "trip_breaker",
    subject: pause.subject,
    state: "half_open",
    cause: `${pause.subject} was paused after its circuit breaker had opened again and again`,
    ...breakerRules(snapshot),
    // One more failure, and it is paused again.
    reopened: snapshot.policy.recovery.breaker.pause_after - 1,
    nextAtMs: snapshot.nowMs + windowMs(snapshot.policy),
  });
}
