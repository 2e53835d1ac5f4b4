/** Ticks, cycles and lane holds: what was decided when, and why lanes waited. */
import type { Hold, Share } from "#core/decision.ts";
import type { Queryable, Row } from "./database.ts";

/** Takes the tick of a boundary. False if some replica had it before: a tick never runs twice. */
export async function takeTick(
  tx: Queryable,
  tick: { boundaryMs: number; ranAtMs: number; cycleId: string; replicaId: string },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `insert into ticks (boundary, ran_at, drift_ms, cycle_id, replica_id) values ($1, $2, $3, $4, $5)
     on conflict do nothing`,
    [
      new Date(tick.boundaryMs),
      new Date(tick.ranAtMs),
      tick.ranAtMs - tick.boundaryMs,
      tick.cycleId,
      tick.replicaId,
    ],
  );
  return rowCount === 1;
}

/** Waits until `momentMs` by the database's clock, in the server: this process may be busy then. Returns the time. */
export async function waitInDatabase(tx: Queryable, momentMs: number): Promise<number> {
  const { rows } = await tx.query(
    `select orchestrator_now() as now
       from pg_sleep(greatest(0, extract(epoch from $1::timestamptz - orchestrator_now())))`,
    [new Date(momentMs)],
  );
  return rows[0]?.now;
}

/** The last boundary that was ticked, or null before the first. */
export async function lastTick(db: Queryable): Promise<number | null> {
  const { rows } = await db.query("select max(boundary) as boundary from ticks");
  return rows[0]?.boundary ?? null;
}

/** The next moment at which a run or a task asks for attention by itself; null if none does. */
export async function nextDue(db: Queryable, nowMs: number): Promise<number | null> {
  const { rows } = await db.query(
    `select least(
       (select min(due_at) from workflow_orchestration where due_at > $1),
       (select due_at from tasks t where status in ('scheduled', 'retrying') and execution_id is null
           and not exists (select from set_aside s
                 where s.kind = 'task' and s.item = t.task_id::text and s.put_back_at is null)
         order by due_at limit 1)) as due`,
    [new Date(nowMs)],
  );
  return rows[0]?.due ?? null;
}

/** Makes the open holds equal to `holds`: ends those that are over or have changed, opens the new ones. */
export async function updateHolds(
  tx: Queryable,
  holds: readonly Hold[],
  nowMs: number,
  cycleId: string,
): Promise<void> {
  const rows = holds.map((hold) => ({
    workflow_type: hold.workflowType,
    content_type: hold.contentType,
    reason: hold.reason,
    cause: hold.cause,
    expected_at: hold.expectedAtMs === undefined ? null : new Date(hold.expectedAtMs),
  }));
  const asRows = `jsonb_to_recordset($1::jsonb)
    as n (workflow_type text, content_type text, reason text, cause text, expected_at timestamptz)`;
  const ended = tx.query(
    `update holds h set until_at = $2
      where until_at is null and not exists (select from ${asRows}
        where n.workflow_type = h.workflow_type and n.content_type = h.content_type
          and n.reason = h.reason and n.cause = h.cause)`,
    [JSON.stringify(rows), new Date(nowMs)],
  );
  if (rows.length === 0) return void (await ended);
  const begun = tx.query(
    `insert into holds (workflow_type, content_type, reason, cause, expected_at, cycle_id, from_at)
     select workflow_type, content_type, reason, cause, expected_at, $3, $2 from ${asRows}
     on conflict (workflow_type, content_type) where until_at is null do update set expected_at = excluded.expected_at
       where abs(extract(epoch from excluded.expected_at - holds.expected_at)) > 2`,
    [JSON.stringify(rows), new Date(nowMs), cycleId],
  );
  await Promise.all([ended, begun]);
}

/** Keeps where the lanes stand in virtual time, in one statement. */
export async function updateShares(tx: Queryable, share: Share): Promise<void> {
  await tx.query(
    `with moved as (
       select * from unnest($2::text[], $3::text[], $4::float8[], $5::bool[])
         as m (workflow_type, content_type, virtual_time, waits)),
     system as (update orchestrator set virtual_time = greatest(virtual_time, $1)),
     lifted as (
       update lanes l set virtual_time = l.virtual_time + lift.by, updated_at = orchestrator_now()
         from unnest($6::text[], $7::float8[]) as lift (workflow_type, by)
        where l.workflow_type = lift.workflow_type
          and (l.workflow_type, l.content_type) not in (select workflow_type, content_type from moved))
     insert into lanes (workflow_type, content_type, virtual_time, waits) select * from moved
     on conflict (workflow_type, content_type) do update
       set virtual_time = excluded.virtual_time, waits = excluded.waits, updated_at = orchestrator_now()`,
    [
      share.systemTime,
      share.lanes.map((lane) => lane.workflowType),
      share.lanes.map((lane) => lane.contentType),
      share.lanes.map((lane) => lane.virtualTime),
      share.lanes.map((lane) => lane.waits),
      share.lifts.map((lift) => lift.workflowType),
      share.lifts.map((lift) => lift.by),
    ],
  );
}

export interface CycleSummaryRow {
  cycleId: string;
  trigger: "tick" | "wake";
  boundaryMs: number | null;
  driftMs: number | null;
  startedAtMs: number;
  durationMs: number;
  policyVersion: number;
  dispatched: number;
  held: number;
  replicaId: string;
}

export interface CycleRow extends CycleSummaryRow {
  snapshot: Record<string, unknown>;
  decisions: unknown[];
  reasons: unknown[];
}

/** A cycle tells of so many calls at the most; the next one of the rest. */
const MAX_FALLBACKS = 10_000;
const RFC3339 = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"';

/** Keeps a cycle; the gateway's fallbacks since the last one that was kept stand among its decisions, summed up. */
export async function insertCycle(tx: Queryable, cycle: CycleRow): Promise<void> {
  await tx.query(
    `with taken as (
       delete from fallbacks_taken where entry_id in (
         select entry_id from fallbacks_taken order by entry_id limit ${MAX_FALLBACKS})
       returning fallback, provider, at at time zone 'UTC' as at),
     summed as (
       select jsonb_build_object('kind', 'fallback', 'fallback', fallback, 'provider', provider, 'calls', count(*),
                'first_at', to_char(min(at), '${RFC3339}'), 'last_at', to_char(max(at), '${RFC3339}')) as decision
         from taken group by fallback, provider order by fallback, provider)
     insert into cycles (cycle_id, trigger, boundary, drift_ms, started_at, duration_ms, policy_version,
        dispatched, held, snapshot, decisions, reasons, replica_id)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
             $11::jsonb || coalesce((select jsonb_agg(decision) from summed), '[]'), $12, $13)`,
    [
      cycle.cycleId,
      cycle.trigger,
      cycle.boundaryMs === null ? null : new Date(cycle.boundaryMs),
      cycle.driftMs,
      new Date(cycle.startedAtMs),
      cycle.durationMs,
      cycle.policyVersion,
      cycle.dispatched,
      cycle.held,
      JSON.stringify(cycle.snapshot),
      JSON.stringify(cycle.decisions),
      JSON.stringify(cycle.reasons),
      cycle.replicaId,
    ],
  );
}

/** The oldest first of those after `after`; without one, the newest `limit`. */
export async function cyclesAfter(db: Queryable, after: string | null, limit: number): Promise<CycleRow[]> {
  if (after === null) {
    const newest = await db.query("select * from cycles order by cycle_id desc limit $1", [limit]);
    return newest.rows.map(cycleOf).toReversed();
  }
  const { rows } = await db.query("select * from cycles where cycle_id > $1 order by cycle_id limit $2", [
    after,
    limit,
  ]);
  return rows.map(cycleOf);
}

/** Null before the first cycle. */
export async function newestCycleId(db: Queryable): Promise<string | null> {
  const { rows } = await db.query("select cycle_id from cycles order by cycle_id desc limit 1");
  return rows[0]?.cycle_id ?? null;
}

export async function cycleById(db: Queryable, cycleId: string): Promise<CycleRow | null> {
  const { rows } = await db.query("select * from cycles where cycle_id = $1", [cycleId]);
  return rows[0] ? cycleOf(rows[0]) : null;
}

export function summaryOf(row: Row): CycleSummaryRow {
  return {
    cycleId: row.cycle_id,
    trigger: row.trigger,
    boundaryMs: row.boundary,
    driftMs: row.drift_ms,
    startedAtMs: row.started_at,
    durationMs: row.duration_ms,
    policyVersion: row.policy_version,
    dispatched: row.dispatched,
    held: row.held,
    replicaId: row.replica_id,
  };
}

function cycleOf(row: Row): CycleRow {
  const { snapshot, decisions, reasons } = row;
  return { ...summaryOf(row), snapshot, decisions, reasons };
}
