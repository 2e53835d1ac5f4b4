/** Owns the rows that say who ran which moment of a schedule, what n8n told of its executions, and shadows. Decides nothing. */
import type { ShadowDifference, ShadowRun } from "@master-orchestrator/contract";
import type { MeteredRuns, TurnView } from "#core/migration-gates.ts";
import type { Queryable, Row } from "./database.ts";
import { runCost } from "./run-cost.ts";

export interface TurnRow {
  slotMs: number;
  by: "n8n" | "orchestrator" | "nobody";
  way: "before" | "phase";
  n8nExecutionId: string | null;
  repeats: string[];
  taskId: string | null;
  outcome: TurnView["outcome"];
  cause: string;
  startedAtMs: number | null;
  endedAtMs: number | null;
}

export type NewTurn = Omit<TurnRow, "repeats" | "startedAtMs" | "endedAtMs"> &
  Partial<Pick<TurnRow, "startedAtMs" | "endedAtMs">>;

/** Takes a moment; the turn that there is then, and whether it is this one. */
export async function takeTurn(
  tx: Queryable,
  workflowType: string,
  turn: NewTurn,
): Promise<{ turn: TurnRow; taken: boolean }> {
  const { rowCount } = await tx.query(
    `insert into migration_turns (workflow_type, slot, taken_by, way, n8n_execution_id, task_id, outcome, cause,
         started_at, ended_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing`,
    [
      ...[workflowType, new Date(turn.slotMs), turn.by, turn.way, turn.n8nExecutionId, turn.taskId],
      ...[turn.outcome, turn.cause, dateOf(turn.startedAtMs), dateOf(turn.endedAtMs)],
    ],
  );
  const { rows } = await tx.query("select * from migration_turns where workflow_type = $1 and slot = $2", [
    workflowType,
    new Date(turn.slotMs),
  ]);
  return { turn: turnOf(rows[0]!), taken: rowCount === 1 };
}

const dateOf = (ms: number | null | undefined) => (ms === null || ms === undefined ? null : new Date(ms));

export async function changeTurn(
  db: Queryable,
  workflowType: string,
  slotMs: number,
  change: Partial<
    Pick<
      TurnRow,
      "outcome" | "cause" | "n8nExecutionId" | "taskId" | "startedAtMs" | "endedAtMs" | "by" | "repeats"
    >
  >,
): Promise<void> {
  await db.query(
    `update migration_turns set outcome = coalesce($3, outcome), cause = coalesce($4, cause),
            n8n_execution_id = coalesce($5, n8n_execution_id), task_id = coalesce($6, task_id),
            started_at = coalesce($7, started_at), ended_at = coalesce($8, ended_at), taken_by = coalesce($9, taken_by),
            repeats = coalesce($10, repeats)
      where workflow_type = $1 and slot = $2`,
    [
      ...[workflowType, new Date(slotMs), change.outcome ?? null, change.cause ?? null],
      ...[change.n8nExecutionId ?? null, change.taskId ?? null, dateOf(change.startedAtMs)],
      ...[dateOf(change.endedAtMs), change.by ?? null, change.repeats ?? null],
    ],
  );
}

/** Oldest first, from a moment until before another. */
export async function turnsBetween(
  db: Queryable,
  workflowType: string,
  fromMs: number,
  toMs: number,
): Promise<TurnRow[]> {
  const { rows } = await db.query(
    `select * from migration_turns where workflow_type = $1 and slot >= $2 and slot < $3 order by slot limit 20000`,
    [workflowType, new Date(fromMs), new Date(toMs)],
  );
  return rows.map(turnOf);
}

/** Newest first, those before a moment. */
export async function listTurns(
  db: Queryable,
  workflowType: string,
  beforeMs: number | null,
  limit: number,
): Promise<TurnRow[]> {
  const { rows } = await db.query(
    `select * from migration_turns where workflow_type = $1 and ($2::timestamptz is null or slot < $2)
      order by slot desc limit $3`,
    [workflowType, dateOf(beforeMs), limit],
  );
  return rows.map(turnOf);
}

/** What became of the tasks behind open turns is written into these; how many were. */
export async function followTasks(db: Queryable, workflowType: string): Promise<number> {
  const { rowCount } = await db.query(
    `update migration_turns m set ended_at = t.completed_at, started_at = t.started_at,
            outcome = case when t.status = 'completed' then 'succeeded'
                           when t.status = 'cancelled' and t.failures = 0 then 'cancelled' else 'failed' end,
            cause = m.cause || case t.status when 'completed' then '' else '; the task is ' || t.status end
       from tasks t
      where m.workflow_type = $1 and m.outcome = 'open' and m.task_id = t.task_id
        and t.status in ('completed', 'cancelled', 'dead_lettered')`,
    [workflowType],
  );
  return rowCount ?? 0;
}

/**
 * Failed attempts of tasks behind open turns count as failures at once: a gate that waited for the last attempt
 * would wait for minutes. A later success overwrites it.
 */
export async function failingTasks(db: Queryable, workflowType: string): Promise<Set<string>> {
  const { rows } = await db.query(
    `select t.task_id from migration_turns m join tasks t using (task_id)
      where m.workflow_type = $1 and m.outcome = 'open' and t.failures > 0`,
    [workflowType],
  );
  return new Set(rows.map((row) => row.task_id));
}

export interface OpenTask {
  taskId: string;
  failures: number;
  executionId: string | null;
}

/** Tasks of a migration that have not come to an end. */
export async function openTasks(db: Queryable, workflowType: string): Promise<OpenTask[]> {
  const { rows } = await db.query(
    `select t.task_id, t.failures, t.execution_id from migration_turns m join tasks t using (task_id)
      where m.workflow_type = $1 and m.outcome = 'open' and t.completed_at is null
        and t.status not in ('completed', 'cancelled', 'dead_lettered') limit 500`,
    [workflowType],
  );
  return rows.map((row) => ({ taskId: row.task_id, failures: row.failures, executionId: row.execution_id }));
}

/** What the runs of these turns cost, of those that reported it or were metered; null where none was. */
export async function costOfTurns(
  db: Queryable,
  workflowType: string,
  sinceMs: number,
): Promise<MeteredRuns | null> {
  const { rows } = await db.query(
    `select sum(micros)::bigint as micros, count(*)::int as runs
       from (select m.slot, sum(${runCost("e")} / greatest(1, e.task_count)) as micros
               from migration_turns m join execution_tasks x using (task_id)
               join workflow_orchestration e using (execution_id)
              where m.workflow_type = $1 and m.slot >= $2 and m.outcome in ('succeeded', 'failed')
              group by m.slot) turns
      where micros > 0`,
    [workflowType, new Date(sinceMs)],
  );
  const { micros, runs } = rows[0]!;
  return runs === 0 ? null : { micros, runs };
}

function turnOf(row: Row): TurnRow {
  return {
    slotMs: row.slot,
    by: row.taken_by,
    way: row.way,
    n8nExecutionId: row.n8n_execution_id,
    repeats: row.repeats,
    taskId: row.task_id,
    outcome: row.outcome,
    cause: row.cause,
    startedAtMs: row.started_at,
    endedAtMs: row.ended_at,
  };
}

export interface RunRow {
  id: string;
  mode: string;
  status: string;
  startedAtMs: number;
  endedAtMs: number | null;
}

/** Keeps what n8n told; what it tells later overwrites what it told before. */
export async function keepRuns(db: Queryable, workflowType: string, runs: readonly RunRow[]): Promise<void> {
  if (runs.length === 0) return;
  await db.query(
    `insert into n8n_runs (workflow_type, n8n_execution_id, mode, status, started_at, ended_at)
     select $1, id, mode, status, to_timestamp(started / 1000), to_timestamp(ended / 1000)
       from jsonb_to_recordset($2::jsonb) as r (id text, mode text, status text, started float8, ended float8)
     on conflict (workflow_type, n8n_execution_id) do update set status = excluded.status, ended_at = excluded.ended_at`,
    [
      workflowType,
      JSON.stringify(
        runs.map(({ id, mode, status, startedAtMs, endedAtMs }) => ({
          ...{ id, mode, status, started: startedAtMs, ended: endedAtMs },
        })),
      ),
    ],
  );
}

/** Oldest first. */
export async function runsBetween(
  db: Queryable,
  workflowType: string,
  fromMs: number,
  toMs: number,
): Promise<RunRow[]> {
  const { rows } = await db.query(
    `select n8n_execution_id, mode, status, started_at, ended_at from n8n_runs
      where workflow_type = $1 and started_at >= $2 and started_at < $3 order by started_at limit 20000`,
    [workflowType, new Date(fromMs), new Date(toMs)],
  );
  return rows.map((row) => ({
    id: row.n8n_execution_id,
    mode: row.mode,
    status: row.status,
    startedAtMs: row.started_at,
    endedAtMs: row.ended_at,
  }));
}

export async function keepShadow(
  db: Queryable,
  workflowType: string,
  phase: number,
  runs: readonly ShadowRun[],
): Promise<void> {
  if (runs.length === 0) return;
  await db.query(
    `insert into migration_shadow (workflow_type, phase, slot, difference, data)
     select $1, $2, (data ->> 'slot')::timestamptz, data ->> 'difference', data from jsonb_array_elements($3::jsonb) data
     on conflict (workflow_type, phase, slot) do update set difference = excluded.difference, data = excluded.data`,
    [workflowType, phase, JSON.stringify(runs)],
  );
}

/** Newest first. */
export async function listShadow(
  db: Queryable,
  workflowType: string,
  phase: number,
  filter: { difference: ShadowDifference | null; beforeMs: number | null; limit: number },
): Promise<ShadowRun[]> {
  const { rows } = await db.query(
    `select data from migration_shadow where workflow_type = $1 and phase = $2
        and ($3::text is null or difference = $3) and ($4::timestamptz is null or slot < $4)
      order by slot desc limit $5`,
    [workflowType, phase, filter.difference, dateOf(filter.beforeMs), filter.limit],
  );
  return rows.map((row) => row.data);
}

export async function shadowSummary(
  db: Queryable,
  workflowType: string,
  phase: number,
): Promise<{ runs: number; byDifference: Record<string, number> }> {
  const { rows } = await db.query(
    `select difference, count(*)::int as runs from migration_shadow where workflow_type = $1 and phase = $2
      group by difference order by difference`,
    [workflowType, phase],
  );
  const byDifference = Object.fromEntries(rows.map((row) => [row.difference, row.runs]));
  return { runs: rows.reduce((sum, row) => sum + row.runs, 0), byDifference };
}

/** Deletes what is older than a moment, a bounded part at a time. */
export async function forgetTurns(db: Queryable, beforeMs: number): Promise<void> {
  for (const [table, column] of [
    ["migration_turns", "slot"],
    ["migration_shadow", "slot"],
    ["n8n_runs", "started_at"],
  ] as const) {
    await db.query(
      `delete from ${table} where ctid = any(array(select ctid from ${table} where ${column} < $1 limit 5000))`,
      [new Date(beforeMs)],
    );
  }
}
