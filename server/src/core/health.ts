/** How the system does, in figures that recoveries are decided from. Judges nothing. */

/** Attempts that have ended. What its sub-workflow never saw, or never answered, failed at the endpoint. */
export interface Outcomes {
  ended: number;
  /** Refused, undelivered, timed out, lost. */
  failedEndpoint: number;
  /** Reported as failed by a callback. */
  failedTask: number;
  /** Failures since the last success, however long ago. */
  failuresInRow: number;
}

export interface Health {
  /** What ended within the policy's window, by workflow, since its circuit breaker was last closed. */
  outcomes: Readonly<Record<string, Outcomes>>;
  /** Boundaries that went by without a tick before the one that this cycle runs. */
  missedTicks: number;
  /** Recorded cycles within the window, the newest 100 at most; the 95th percentile of what they took. */
  cycles: { count: number; p95Ms: number };
  /** Cycles within the window that failed because the database did. */
  failedCycles: number;
  /** The alert that fires because the heartbeat misses its target; null while it keeps it. */
  uptimeAlert: { rule: string; words: string } | null;
  /** How long completed tasks were worked on, by `LATENCY_BOUNDS`: lately, and in the day before; null between ticks. */
  work: { lately: readonly number[]; usually: readonly number[] } | null;
}

/** What one replica said of itself a few seconds ago; null where it has not said it yet. */
export interface ReplicaLoad {
  replicaId: string;
  rssMb: number | null;
  /** It has had too much memory, and not yet gone back far enough below the limit. */
  memoryPressed?: boolean;
  eventLoopDelayMs: number | null;
  connections: { open: number; inUse: number; waiting: number } | null;
}

export interface Resources {
  replicas: readonly ReplicaLoad[];
}

export const NO_OUTCOMES: Outcomes = { ended: 0, failedEndpoint: 0, failedTask: 0, failuresInRow: 0 };

/** Nothing has happened lately, and nobody has said how he does. */
export const NEUTRAL_HEALTH: Health = {
  outcomes: {},
  missedTicks: 0,
  cycles: { count: 0, p95Ms: 0 },
  failedCycles: 0,
  uptimeAlert: null,
  work: null,
};

export function failedOf(outcomes: Outcomes): number {
  return outcomes.failedEndpoint + outcomes.failedTask;
}

/** Failed attempts as a part of those that ended, 0 to 1. */
export function failedShare(outcomes: Outcomes): number {
  return outcomes.ended === 0 ? 0 : failedOf(outcomes) / outcomes.ended;
}

/** A process has no use for more: what it sends at once only waits in the server instead. */
const MOST_CONNECTIONS = 10;
/** With fewer a process would stand in its own way. */
const LEAST_CONNECTIONS = 2;

/** How many connections each replica may open, so that all together keep to what is allowed. */
export function connectionsEach(allowed: number, replicas: number): number {
  const share = Math.floor(allowed / Math.max(1, replicas));
  return Math.max(LEAST_CONNECTIONS, Math.min(MOST_CONNECTIONS, share));
}

/** Connections to the database that the replicas have, in all. */
export function fleetConnections({ replicas }: Resources): { open: number; inUse: number; waiting: number } {
  const sum = (of: "open" | "inUse" | "waiting") =>
    replicas.reduce((total, { connections }) => total + (connections?.[of] ?? 0), 0);
  return { open: sum("open"), inUse: sum("inUse"), waiting: sum("waiting") };
}
