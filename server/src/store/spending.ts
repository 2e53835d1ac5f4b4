/** Owns what the day has cost, and how far work gives way to it: reads both, keeps the decision. Decides nothing. */
import { NO_ADAPTATION } from "#core/adapt.ts";
import type { Adapt } from "#core/decision.ts";
import type { Adaptation, Spending } from "#core/snapshot.ts";
import type { Queryable, Row } from "./database.ts";

/** What the executions that were created on this UTC day have cost so far; one range of one index. */
export async function readSpending(tx: Queryable, nowMs: number): Promise<Spending> {
  const { rows } = await tx.query(
    `select coalesce(sum(cost_micros), 0)::bigint as spent from workflow_orchestration
      where cost_micros > 0 and created_at >= date_trunc('day', $1::timestamptz, 'UTC')`,
    [new Date(nowMs)],
  );
  return { spentTodayMicros: rows[0]?.spent };
}

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
