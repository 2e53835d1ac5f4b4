/** The rows of targets: what is remembered of each, and how many runs are outstanding there. Decides nothing. */
import type { RememberTarget } from "#core/decision.ts";
import type { Recovery, TargetMemory } from "#core/snapshot.ts";
import { targetSubject } from "#core/targets.ts";
import type { Queryable, Row } from "./database.ts";

/** Every target that anything was sent to, or of those workflows alone. */
export async function readTargets(
  db: Queryable,
  workflowTypes: readonly string[] | null = null,
): Promise<TargetMemory[]> {
  const { rows } = await db.query(
    "select * from targets where $1::text[] is null or workflow_type = any($1) order by workflow_type, name",
    [workflowTypes],
  );
  return rows.map(memoryOf);
}

function memoryOf(row: Row): TargetMemory {
  return {
    workflowType: row.workflow_type,
    name: row.name,
    unansweredInRow: row.unanswered_in_row,
    failedInRow: row.failed_in_row,
    lastSuccessAtMs: row.last_success_at,
    lastFailureAtMs: row.last_failure_at,
    lastFailure: row.last_failure,
    restsUntilMs: row.rests_until,
    room: row.room,
    received: row.received,
    receivedLately: row.received_lately,
    latelyAtMs: row.lately_at,
  };
}

/** Writes what a plan has learned about targets, or sent to them. */
export async function rememberTargets(tx: Queryable, learned: readonly RememberTarget[]): Promise<void> {
  if (learned.length === 0) return;
  const columns = `workflow_type, name, unanswered_in_row, failed_in_row, last_success_at, last_failure_at, last_failure,
    rests_until, room, received, received_lately, lately_at`;
  await tx.query(
    `insert into targets (${columns})
     select ${columns} from jsonb_to_recordset($1::jsonb) as n (workflow_type text, name text, unanswered_in_row int,
            failed_in_row int, last_success_at timestamptz, last_failure_at timestamptz, last_failure text,
            rests_until timestamptz, room float8, received bigint, received_lately float8, lately_at timestamptz)
     on conflict (workflow_type, name) do update set unanswered_in_row = excluded.unanswered_in_row,
       failed_in_row = excluded.failed_in_row, last_success_at = excluded.last_success_at,
       last_failure_at = excluded.last_failure_at, last_failure = excluded.last_failure,
       rests_until = excluded.rests_until, room = excluded.room, received = excluded.received,
       received_lately = excluded.received_lately, lately_at = excluded.lately_at`,
    [JSON.stringify(learned.map(({ memory }) => rowOf(memory)))],
  );
}

function rowOf(memory: TargetMemory) {
  return {
    workflow_type: memory.workflowType,
    name: memory.name,
    unanswered_in_row: memory.unansweredInRow,
    failed_in_row: memory.failedInRow,
    last_success_at: instant(memory.lastSuccessAtMs),
    last_failure_at: instant(memory.lastFailureAtMs),
    last_failure: memory.lastFailure,
    rests_until: instant(memory.restsUntilMs),
    room: memory.room,
    received: memory.received,
    received_lately: memory.receivedLately,
    lately_at: instant(memory.latelyAtMs),
  };
}

function instant(atMs: number | null): Date | null {
  return atMs === null ? null : new Date(atMs);
}

/** Runs that hold slots, counted by workflow and target. */
export interface OccupiedRow {
  workflowType: string;
  /** Null for what was sent before targets were recorded. */
  target: string | null;
  running: number;
  snoozed: number;
}

/** The orchestrator's own executions hold no slot. Live runs alone are read, however many there ever were. */
export async function readOccupied(db: Queryable): Promise<OccupiedRow[]> {
  const { rows } = await db.query(
    `select e.workflow_type, a.target, count(*) filter (where a.state in ('sent', 'accepted'))::int as running,
            count(*) filter (where a.state = 'snoozed')::int as snoozed
       from workflow_orchestration e
       join attempts a on a.execution_id = e.execution_id and a.attempt = e.attempts
      where e.status in ('DISPATCHING', 'MONITORING')
      group by e.workflow_type, a.target`,
    [],
  );
  return rows.map(({ workflow_type, target, running, snoozed }) => ({
    ...{ workflowType: workflow_type, target, running, snoozed },
  }));
}

/** The same as a snapshot has it. */
export function occupiedBy(rows: readonly OccupiedRow[]): {
  running: Record<string, number>;
  snoozed: Record<string, number>;
  atTargets: Record<string, number>;
} {
  const occupied = { running: {}, snoozed: {}, atTargets: {} } as ReturnType<typeof occupiedBy>;
  const add = (counts: Record<string, number>, name: string, count: number) => {
    counts[name] = (counts[name] ?? 0) + count;
  };
  for (const { workflowType, target, running, snoozed } of rows) {
    add(occupied.running, workflowType, running);
    add(occupied.snoozed, workflowType, snoozed);
    if (target !== null) add(occupied.atTargets, targetSubject(workflowType, target), running);
  }
  return occupied;
}

export type TargetBreaker = Pick<Recovery, "subject" | "nextAtMs"> & { state: "open" | "half_open" };

/** The circuit breakers of targets that are not closed, and the time. */
export async function openTargetBreakers(
  db: Queryable,
): Promise<{ nowMs: number; breakers: TargetBreaker[] }> {
  const { rows } = await db.query(
    `select moment.now, r.subject, r.state, r.next_at from (select orchestrator_now() as now) moment
       left join recoveries r on r.procedure = 'trip_target' and r.closed_at is null`,
  );
  const open = rows.filter(({ subject }) => subject !== null);
  return {
    nowMs: rows[0]?.now,
    breakers: open.map(({ subject, state, next_at }) => ({ subject, state, nextAtMs: next_at })),
  };
}
