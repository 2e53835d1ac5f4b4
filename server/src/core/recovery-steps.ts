/** The open recoveries while a plan is being made, and each step that is taken with them. Knows no rule. */
import type { Policy, Procedure, RecoveryState } from "@master-orchestrator/contract";
import type { RecoveryStep, SwitchWorkflow } from "./decision.ts";
import type { Recovery } from "./snapshot.ts";

/** The subject of what concerns no single workflow. */
export const ORCHESTRATOR = "orchestrator";

/** Open recoveries while a plan is being made, and every step that was taken. */
export interface Ledger {
  nowMs: number;
  open: Map<string, Recovery>;
  /** Whatever this plan has closed stays closed in it. */
  closed: Set<string>;
  steps: RecoveryStep[];
  switches: SwitchWorkflow[];
}

export function nameOf({ procedure, subject }: Pick<Recovery, "procedure" | "subject">): string {
  return `${procedure} ${subject}`;
}

export function isOpen(ledger: Ledger, procedure: Procedure, subject: string): Recovery | undefined {
  return ledger.open.get(nameOf({ procedure, subject }));
}

export function wasClosed(ledger: Ledger, procedure: Procedure, subject: string): boolean {
  return ledger.closed.has(nameOf({ procedure, subject }));
}

export type Opening = Pick<Recovery, "procedure" | "subject" | "cause" | "entryRule" | "exitRule"> &
  Partial<Recovery>;

export function openRecovery(ledger: Ledger, opening: Opening): void {
  const recovery: Recovery = {
    recoveryId: null,
    state: "active",
    numbers: {},
    openedAtMs: ledger.nowMs,
    sinceMs: ledger.nowMs,
    nextAtMs: null,
    reopened: 0,
    probe: null,
    ...opening,
  };
  ledger.open.set(nameOf(recovery), recovery);
  take(ledger, "opened", null, recovery, recovery.cause);
}

export function changeRecovery(
  ledger: Ledger,
  before: Recovery,
  patch: Partial<Recovery>,
  reason: string,
): void {
  const moved = patch.state !== undefined && patch.state !== before.state;
  const recovery = { ...before, ...(moved ? { sinceMs: ledger.nowMs } : {}), ...patch };
  ledger.open.set(nameOf(recovery), recovery);
  take(ledger, "changed", before.state, recovery, reason);
}

export function closeRecovery(
  ledger: Ledger,
  recovery: Recovery,
  reason: string,
  actor = ORCHESTRATOR,
): void {
  ledger.open.delete(nameOf(recovery));
  ledger.closed.add(nameOf(recovery));
  take(ledger, "closed", recovery.state, recovery, reason, actor);
}

function take(
  ledger: Ledger,
  step: RecoveryStep["step"],
  from: RecoveryState | null,
  recovery: Recovery,
  reason: string,
  actor = ORCHESTRATOR,
): void {
  ledger.steps.push({ kind: "recovery", step, from, recovery, reason, actor });
}

export function switchWorkflow(ledger: Ledger, workflowType: string, paused: boolean, reason: string): void {
  ledger.switches.push({ kind: "switch_workflow", workflowType, paused, reason });
}

/** The window in which outcomes count, in milliseconds. */
export function windowMs({ recovery }: Policy): number {
  return recovery.window_minutes * 60_000;
}
