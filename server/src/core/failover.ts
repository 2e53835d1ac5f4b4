/** What begins when the heartbeat misses its target, and ends with the alert that says so. Moves no work itself. */
import {
  closeRecovery,
  isOpen,
  type Ledger,
  ORCHESTRATOR,
  openRecovery,
  wasClosed,
} from "./recovery-steps.ts";
import type { Snapshot } from "./snapshot.ts";

/** So long as it is open a target fails over at its first failure, and reduction begins at half of its thresholds. */
export function stepFailover(ledger: Ledger, { health: { uptimeAlert } }: Pick<Snapshot, "health">): void {
  const recovery = isOpen(ledger, "failover", ORCHESTRATOR);
  if (uptimeAlert === null) {
    if (recovery) closeRecovery(ledger, recovery, "the alert is over: the heartbeat keeps its target");
    return;
  }
  const cause = `the alert ${uptimeAlert.rule} fires: ${uptimeAlert.words}`;
  if (recovery || wasClosed(ledger, "failover", ORCHESTRATOR)) return;
  openRecovery(ledger, {
    procedure: "failover",
    subject: ORCHESTRATOR,
    cause,
    entryRule:
      "an alert on uptime fires (rules of the metric uptime_share, or that burn the objective uptime)",
    exitRule:
      "no alert on uptime fires; meanwhile a target fails over at its first failure, and reduction begins at half of its thresholds",
  });
}

/** Failures in a row at which a target's part goes to the others. */
export function failuresAllowed(ledger: Ledger, { policy }: Pick<Snapshot, "policy">): number {
  return isOpen(ledger, "failover", ORCHESTRATOR) ? 1 : policy.recovery.target.failures_in_row;
}
