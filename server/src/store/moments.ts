/** Reads how it all stood at a past moment, from what was recorded then. Changes nothing, derives nothing anew. */

import { findCycles } from "./cycle-search.ts";
import { type CycleRow, cycleById } from "./cycles.ts";
import type { Queryable } from "./database.ts";

export interface Moment {
  paused: boolean;
  policyVersion: number | null;
  /** The last cycle before it. */
  cycle: CycleRow | null;
  holds: { lane: string; reason: string; cause: string; fromMs: number; cycleId: string }[];
  /** At most 100, the oldest first. */
  running: { executionId: string; workflowType: string; sinceMs: number; tasks: number }[];
  recoveries: { recoveryId: string; procedure: string; subject: string; cause: string; openedAtMs: number }[];
}

const MOST = 100;
/** Runs that were begun earlier are over, or so many came after them that nobody could read them all. */
const RUNS_LOOKED_AT = 2_000;

export async function momentAt(db: Queryable, atMs: number): Promise<Moment> {
  const at = new Date(atMs);
  const [pauses, policies, cycles, holds, running, recoveries] = await Promise.all([
    db.query(
      `select to_state from transitions where entity = 'orchestrator' and entity_id = 'orchestrator' and at <= $1
        order by transition_id desc limit 1`,
      [at],
    ),
    db.query("select version from policy_versions where changed_at <= $1 order by version desc limit 1", [
      at,
    ]),
    findCycles(db, { toMs: atMs + 1, limit: 1 }),
    db.query(
      `select workflow_type || '/' || content_type as lane, reason, cause, from_at, cycle_id from holds
        where from_at <= $1 and (until_at is null or until_at > $1) order by 1 limit ${MOST}`,
      [at],
    ),
    db.query(
      `select execution_id, workflow_type, started_at, task_count from (
         select execution_id, workflow_type, coalesce(started_at, created_at) as started_at, task_count, completed_at
           from workflow_orchestration where created_at <= $1 order by created_at desc limit ${RUNS_LOOKED_AT}) begun
        where workflow_type <> 'master_orchestrator' and started_at <= $1 and (completed_at is null or completed_at > $1)
        order by started_at limit ${MOST}`,
      [at],
    ),
    db.query(
      `select recovery_id, procedure, subject, cause, opened_at from recoveries
        where opened_at <= $1 and (closed_at is null or closed_at > $1) order by recovery_id limit ${MOST}`,
      [at],
    ),
  ]);
  const last = cycles.cycles[0];
  return {
    paused: pauses.rows[0]?.to_state === "paused",
    policyVersion: policies.rows[0]?.version ?? null,
    cycle: last ? await cycleById(db, last.cycleId) : null,
    holds: holds.rows.map((row) => ({
      ...{ lane: row.lane, reason: row.reason, cause: row.cause },
      ...{ fromMs: row.from_at, cycleId: row.cycle_id },
    })),
    running: running.rows.map((row) => ({
      executionId: row.execution_id,
      workflowType: row.workflow_type,
      sinceMs: row.started_at,
      tasks: row.task_count,
    })),
    recoveries: recoveries.rows.map((row) => ({
      recoveryId: row.recovery_id,
      procedure: row.procedure,
      subject: row.subject,
      cause: row.cause,
      openedAtMs: row.opened_at,
    })),
  };
}
