/** Finds what is to be archived next: whole trees of executions, tasks, and the logs of a day. Changes nothing. */
import { DAY_MS, dayOf, dayStartMs } from "#core/utc-day.ts";
import { firstLedgerDay, ledgerKeys } from "./archive-ledger.ts";
import type { Members, Owner } from "./archive-tables.ts";
import type { Queryable } from "./database.ts";

/** Bounds of one part: what its transaction deletes, and what is kept in memory of it. */
export const MAX_TREES = 2_000;
const MAX_RUNS = 20_000;
const MAX_LOOSE_TASKS = 20_000;
const MAX_LOG_ROWS = 5_000;

export interface Due {
  /** Days that begin before this moment, in epoch milliseconds, the start of a UTC day. */
  beforeMs: number;
  /** Dead letters stay longer: those that died before. */
  deadBeforeMs: number;
  /** Days that are left alone. */
  except: readonly string[];
}

/** A task that may go: it has ended for good, or nobody has sent the dead letter back for long enough. */
const GOES =
  "(t.status in ('completed', 'cancelled') or (t.status = 'dead_lettered' and t.completed_at < $2))";
/** No execution that is still here was given it; otherwise it goes with the last of them. */
const LOOSE = `${GOES} and not exists (select from execution_tasks et where et.task_id = t.task_id)`;

/**
 * The earliest day at or after `fromMs` with something that is old enough; null without any. Whoever finds nothing
 * that may go on that day asks again from the next one on.
 */
export async function nextDueDay(db: Queryable, due: Due, fromMs: number): Promise<string | null> {
  for (let sinceMs = fromMs; ; ) {
    const logged = earliest(
      await firstLogged(db, sinceMs, due.beforeMs),
      await firstLedgerDay(db, sinceMs, due.beforeMs),
    );
    // Tasks of earlier days are few: those of trees that ended later, and dead letters.
    const untilMs = logged === null ? due.beforeMs : dayStartMs(dayOf(logged));
    const at = (await firstLoose(db, sinceMs, untilMs, due)) ?? logged;
    if (at === null) return null;
    if (!due.except.includes(dayOf(at))) return dayOf(at);
    sinceMs = dayStartMs(dayOf(at)) + DAY_MS;
  }
}

function earliest(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

/** When the first tree ended, or the first row of a log was written. */
async function firstLogged(db: Queryable, fromMs: number, beforeMs: number): Promise<number | null> {
  const { rows } = await db.query(
    `select least(
       (select completed_at from workflow_orchestration where parent_execution_id is null
           and completed_at >= $1 and completed_at < $2 order by completed_at limit 1),
       (select started_at from cycles where started_at >= $1 and started_at < $2 order by started_at limit 1),
       (select boundary from ticks where boundary >= $1 and boundary < $2 order by boundary limit 1),
       (select until_at from holds where until_at >= $1 and until_at < $2 order by until_at limit 1),
       (select at from transitions where entity in ('orchestrator', 'workflow', 'policy')
           and at >= $1 and at < $2 order by at limit 1)) as at`,
    [new Date(fromMs), new Date(beforeMs)],
  );
  return rows[0]?.at ?? null;
}

async function firstLoose(db: Queryable, fromMs: number, beforeMs: number, due: Due): Promise<number | null> {
  const { rows } = await db.query(
    `select completed_at as at from tasks t where completed_at >= $1 and completed_at < $3 and ${LOOSE}
      order by completed_at limit 1`,
    [new Date(fromMs), new Date(due.deadBeforeMs), new Date(beforeMs)],
  );
  return rows[0]?.at ?? null;
}

/** One part of a day: as many of its trees, loose tasks and log rows as go together; null when the day is done. */
export async function nextMembers(db: Queryable, day: string, due: Due): Promise<Members | null> {
  const startMs = dayStartMs(day);
  const range = [new Date(startMs), new Date(startMs + DAY_MS)];
  const executions = await trees(db, range);
  const tasks = await tasksOf(db, executions, due);
  // Looked for once the day's trees are gone: until then nearly every task of the day belongs to one.
  if (executions.length < MAX_TREES) tasks.push(...(await looseTasks(db, range, due, MAX_LOOSE_TASKS)));
  const keys: Record<Owner, string[]> = {
    execution: executions,
    task: tasks,
    cycle: await logKeys(db, "select cycle_id as key from cycles where started_at", "started_at", range),
    tick: await logKeys(db, "select boundary as key from ticks where boundary", "boundary", range),
    hold: await logKeys(db, "select hold_id as key from holds where until_at", "until_at", range),
    house_transition: await logKeys(
      db,
      "select transition_id as key from transitions where entity in ('orchestrator', 'workflow', 'policy') and at",
      "at",
      range,
    ),
    ledger_entry: await ledgerKeys(db, range, MAX_LOG_ROWS),
  };
  if (Object.values(keys).every((list) => list.length === 0)) return null;
  const sinceMs = Math.min(startMs, (await oldestOf(db, executions, tasks)) ?? startMs);
  return { day, keys, sinceMs, untilMs: due.beforeMs };
}

/** Executions of trees that ended within `range`, each after its parent; trees whose every member has ended. */
async function trees(db: Queryable, range: readonly Date[]): Promise<string[]> {
  const { rows } = await db.query(
    `with recursive root as materialized (
       select execution_id from (
         select r.execution_id, sum(1 + runs) over (order by r.completed_at, r.execution_id) as so_far
           from (select execution_id, completed_at from workflow_orchestration
                  where parent_execution_id is null and completed_at >= $1 and completed_at < $2
                  order by completed_at, execution_id limit $3) r
          cross join lateral (select count(*) as runs from workflow_orchestration c
                               where c.parent_execution_id = r.execution_id) counted) summed
        where so_far <= $4 or so_far = (select 1 + count(*) from workflow_orchestration c
                                         where c.parent_execution_id = summed.execution_id)),
     tree as (
       select execution_id as root, execution_id, 0 as depth, true as ended from root
       union all
       select tree.root, c.execution_id, depth + 1, c.completed_at is not null
         from tree join workflow_orchestration c on c.parent_execution_id = tree.execution_id)
     select execution_id from (
       select execution_id, depth, bool_and(ended) over (partition by root) as whole from tree) judged
      where whole order by depth, execution_id`,
    [...range, MAX_TREES, MAX_RUNS],
  );
  return rows.map((row) => row.execution_id);
}

/** The tasks that go with these executions: over for as long, and given to no other that stays. */
async function tasksOf(db: Queryable, executions: readonly string[], due: Due): Promise<string[]> {
  if (executions.length === 0) return [];
  const { rows } = await db.query(
    `select t.task_id from tasks t
      where t.task_id in (select task_id from execution_tasks where execution_id = any($3::uuid[]))
        and t.completed_at < $1 and ${GOES}
        and not exists (select from execution_tasks et
                         where et.task_id = t.task_id and et.execution_id <> all($3::uuid[]))
      order by t.task_id`,
    [new Date(due.beforeMs), new Date(due.deadBeforeMs), executions],
  );
  return rows.map((row) => row.task_id);
}

async function looseTasks(db: Queryable, range: readonly Date[], due: Due, limit: number): Promise<string[]> {
  const { rows } = await db.query(
    `select t.task_id from tasks t
      where t.completed_at >= $1 and t.completed_at < $3 and ${LOOSE} order by t.completed_at, t.task_id limit $4`,
    [range[0], new Date(due.deadBeforeMs), range[1], limit],
  );
  return rows.map((row) => row.task_id);
}

/** Keys of a log's rows, exactly as text. */
async function logKeys(
  db: Queryable,
  select: string,
  time: string,
  range: readonly Date[],
): Promise<string[]> {
  const { rows } = await db.query(
    `select key::text from (${select} >= $1 and ${time} < $2 order by ${time} limit ${MAX_LOG_ROWS}) log`,
    [...range],
  );
  return rows.map((row) => row.key);
}

/** When the oldest of them came to be, in epoch milliseconds. */
async function oldestOf(
  db: Queryable,
  executions: readonly string[],
  tasks: readonly string[],
): Promise<number | null> {
  const { rows } = await db.query(
    `select least((select min(created_at) from workflow_orchestration where execution_id = any($1::uuid[])),
                  (select min(created_at) from tasks where task_id = any($2::uuid[]))) as at`,
    [executions, tasks],
  );
  return rows[0]?.at ?? null;
}
