/** Health and recoveries of a simulated world, as `store/health.ts` and `store/recoveries.ts` keep them. */
import type { Policy } from "@master-orchestrator/contract";
import type { CountOutcomes, RecoveryStep } from "#core/decision.ts";
import { NEUTRAL_HEALTH, type Outcomes } from "#core/health.ts";
import { nameOf, windowMs } from "#core/recovery-steps.ts";
import type { Recovery, Snapshot } from "#core/snapshot.ts";

const SLICE_MS = 15_000;

/** Outcomes of one workflow that were counted in one slice of time. */
interface Slice extends Outcomes {
  workflowType: string;
  sliceMs: number;
}

export interface Recovering {
  slices: Slice[];
  /** Open recoveries by procedure and subject. */
  readonly open: Map<string, Recovery>;
  /** When each was closed last. */
  readonly closedAtMs: Map<string, number>;
}

/** What is needed of a world to keep it. */
interface Place {
  readonly recovering: Recovering;
  readonly nowMs: number;
  readonly policy: Policy;
  readonly named: number;
}

export function noTrouble(): Recovering {
  return { slices: [], open: new Map(), closedAtMs: new Map() };
}

/** No clock stops, no database fails and nothing is measured in a simulated world: only attempts end badly. */
export function healthIn(
  rows: Place,
): Pick<Snapshot, "health" | "resources" | "recoveries" | "reducedUntilMs"> {
  const { recovering, nowMs, policy } = rows;
  const sinceMs = nowMs - windowMs(policy);
  recovering.slices = recovering.slices.filter((slice) => slice.sliceMs > sinceMs);
  const outcomes: Record<string, Outcomes> = {};
  for (const slice of recovering.slices) {
    const { workflowType, sliceMs } = slice;
    const closedMs = recovering.closedAtMs.get(nameOf({ procedure: "trip_breaker", subject: workflowType }));
    if (closedMs !== undefined && sliceMs < closedMs) continue;
    outcomes[workflowType] = sum(outcomes[workflowType], slice);
  }
  return {
    health: { ...NEUTRAL_HEALTH, outcomes },
    resources: { replicas: [] },
    recoveries: [...recovering.open.values()],
    reducedUntilMs:
      recovering.closedAtMs.get(nameOf({ procedure: "reduce", subject: "orchestrator" })) ?? null,
  };
}

/** `slice` is the later one. */
function sum(before: Outcomes | undefined, slice: Outcomes): Outcomes {
  return {
    ended: (before?.ended ?? 0) + slice.ended,
    failedEndpoint: (before?.failedEndpoint ?? 0) + slice.failedEndpoint,
    failedTask: (before?.failedTask ?? 0) + slice.failedTask,
    failuresInRow: slice.failuresInRow,
  };
}

export function addOutcomes({ recovering, nowMs }: Place, counted: CountOutcomes): void {
  const sliceMs = Math.floor(nowMs / SLICE_MS) * SLICE_MS;
  const { workflowType } = counted;
  const at = recovering.slices.findIndex(
    (slice) => slice.sliceMs === sliceMs && slice.workflowType === workflowType,
  );
  const before = at < 0 ? undefined : recovering.slices[at];
  const slice = { workflowType, sliceMs, ...sum(before, counted) };
  if (at < 0) recovering.slices.push(slice);
  else recovering.slices[at] = slice;
}

export function takeStep({ recovering, nowMs, named }: Place, { step, recovery }: RecoveryStep): void {
  const name = nameOf(recovery);
  if (step === "closed") {
    recovering.open.delete(name);
    recovering.closedAtMs.set(name, nowMs);
  } else {
    recovering.open.set(name, { ...recovery, recoveryId: recovery.recoveryId ?? `${name} ${named}` });
  }
}
