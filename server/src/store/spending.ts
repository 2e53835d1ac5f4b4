/** Owns how far work gives way to what the day has cost: reads it, keeps the decision. Decides nothing. */
import { NO_ADAPTATION } from "#core/adapt.ts";
import type { Adapt } from "#core/decision.ts";
import type { Adaptation } from "#core/snapshot.ts";
import type { Queryable, Row } from "./database.ts";

/** Of the orchestrator's row. */
export function adaptationOf(row: Row): Adaptation {
  const { slowness, slowness_reason: reason, slowness_since: sinceMs } = row;
  return sinceMs === null ? NO_ADAPTATION : { slowness, reason, sinceMs };
}

/** Where it stands, for people. */
export async function currentAdaptation(db: Queryable): Promise<Adaptation> {
  const { rows } = await db.query("select slowness, slowness_reason, slowness_since from orchestrator");
  return rows[0] ? adaptationOf(rows[0]) : NO_ADAPTATION;
}

export async function updateAdaptation(tx: Queryable, adapt: Adapt, nowMs: number): Promise<void> {
  await tx.query("update orchestrator set slowness = $1, slowness_reason = $2, slowness_since = $3", [
    adapt.slowness,
    adapt.reason,
    new Date(nowMs),
  ]);
}
