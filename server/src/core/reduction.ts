/** Whether the whole house takes on less for a while: many errors, or a database in trouble. Stops nothing. */
import type { BreakerContext } from "./breaker.ts";
import { failedOf, fleetConnections, NO_OUTCOMES } from "./health.ts";
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

/** One thing that is too much, as a part of what is allowed: trouble from 1 on, calm below a half. */
interface Strain {
  level: number;
  cause: string;
}

/**
 * Opens when any strain reaches its threshold; closes when all have been below half of theirs for the
 * stated time. Not again within one window after it was closed, so that nothing counts twice.
 */
export function stepReduction(ledger: Ledger, context: BreakerContext): void {
  const { snapshot } = context;
  const { reduce } = snapshot.policy.recovery;
  const strains = strainsOn(ledger, context);
  const worst = strains.reduce((a, b) => (b.level > a.level ? b : a));
  const recovery = isOpen(ledger, "reduce", ORCHESTRATOR);
  if (recovery) {
    const calm = worst.level < 0.5;
    const { nextAtMs } = recovery;
    if (!calm && nextAtMs !== null) changeRecovery(ledger, recovery, { nextAtMs: null }, worst.cause);
    else if (calm && nextAtMs === null) {
      const untilMs = snapshot.nowMs + reduce.calm_seconds * 1000;
      changeRecovery(ledger, recovery, { nextAtMs: untilMs }, "everything is below half of its threshold");
    } else if (calm && nextAtMs !== null && nextAtMs <= snapshot.nowMs) {
      closeRecovery(
        ledger,
        recovery,
        `everything was below half of its threshold for ${reduce.calm_seconds} s`,
      );
    }
    return;
  }
  if (wasClosed(ledger, "reduce", ORCHESTRATOR)) return;
  const sinceMs = snapshot.reducedUntilMs;
  if (worst.level < 1 || (sinceMs !== null && snapshot.nowMs - sinceMs < windowMs(snapshot.policy))) return;
  openRecovery(ledger, {
    procedure: "reduce",
    subject: ORCHESTRATOR,
    cause: worst.cause,
    entryRule:
      `${Math.round(reduce.failed_share * 100)} % of ${reduce.min_attempts} or more attempts fail, or the ` +
      `database is in trouble: cycles take ${reduce.cycle_p95_ms} ms, ${reduce.failed_cycles} have failed, or more connections are in use than allowed`,
    exitRule: `all of that is below half of its threshold for ${reduce.calm_seconds} s`,
    numbers: Object.fromEntries(strains.map(({ name, value }) => [name, value])),
  });
}

function strainsOn(ledger: Ledger, { snapshot, outcomes }: BreakerContext) {
  const { health, resources, policy } = snapshot;
  const { reduce, window_minutes } = policy.recovery;
  // What a breaker has cut off is dealt with: it slows nobody else down.
  const connected = Object.entries(outcomes).filter(([type]) => !isCutOff(ledger, type));
  const all = connected.reduce(
    (sum, [, one]) => ({ ended: sum.ended + one.ended, failed: sum.failed + failedOf(one) }),
    { ended: NO_OUTCOMES.ended, failed: 0 },
  );
  const cycles = health.cycles.count >= MIN_CYCLES ? health.cycles.p95Ms : 0;
  const inUse = fleetConnections(resources).inUse;
  const strain = (
    name: string,
    value: number,
    level: number,
    cause: string,
  ): Strain & { name: string; value: number } => ({
    name,
    value,
    level,
    cause,
  });
  // Measured against at least so many, a few failures among a few attempts are no trouble.
  const share = all.failed / Math.max(all.ended, reduce.min_attempts);
  const enough = all.ended >= reduce.min_attempts;
  const allowed = policy.database.max_connections;
  // While the heartbeat misses its target, trouble counts at half of its thresholds.
  const eager = isOpen(ledger, "failover", ORCHESTRATOR) ? 2 : 1;
  return [
    strain(
      "failed_share",
      share,
      enough ? (eager * share) / reduce.failed_share : Math.min(share / reduce.failed_share, JUST_BELOW),
      `${all.failed} of the last ${all.ended} attempts failed within ${window_minutes} min`,
    ),
    strain(
      "cycle_p95_ms",
      cycles,
      (eager * cycles) / reduce.cycle_p95_ms,
      `the database is slow: one cycle in twenty takes ${Math.round(cycles)} ms or more`,
    ),
    strain(
      "failed_cycles",
      health.failedCycles,
      (eager * health.failedCycles) / reduce.failed_cycles,
      `${health.failedCycles} cycles failed within ${window_minutes} min because the database did`,
    ),
    strain(
      "connections_in_use",
      inUse,
      inUse > allowed ? inUse / allowed : Math.min(inUse / allowed, JUST_BELOW),
      `${inUse} connections to the database are in use; ${allowed} are allowed (policy database.max_connections)`,
    ),
  ];
}

/** Also when that has just ended: what failed before counts no more. */
function isCutOff(ledger: Ledger, type: string): boolean {
  return (["trip_breaker", "pause"] as const).some(
    (procedure) => isOpen(ledger, procedure, type) !== undefined || wasClosed(ledger, procedure, type),
  );
}

/** With fewer cycles than this a single slow one would be the 95th percentile. */
const MIN_CYCLES = 20;
const JUST_BELOW = 0.99;
