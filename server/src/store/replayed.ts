/** Holds every row against the replay of its events: those that differ are violations. Reads everything, changes nothing. */
import { type Event, replayExecution, replayTask } from "#core/replay.ts";
import type { Queryable, Row } from "./database.ts";

const BATCH = 1_000;

/** Tasks, at most `limit`, that are not what their transitions lead to. */
export async function tasksUnlikeTheirEvents(tx: Queryable, limit: number): Promise<Row[]> {
  return await unlikeTheirEvents(tx, limit, {
    table: "tasks",
    id: "task_id",
    columns: "status, created_at, started_at, completed_at, failures, priority",
    replayed(events, row) {
      const task = replayTask(events);
      return {
        status: task.status,
        created_at: task.createdAtMs,
        started_at: task.startedAtMs,
        completed_at: task.completedAtMs,
        failures: task.failures,
        priority: task.priority ?? row.priority,
      };
    },
  });
}

/** As for tasks. */
export async function executionsUnlikeTheirEvents(tx: Queryable, limit: number): Promise<Row[]> {
  return await unlikeTheirEvents(tx, limit, {
    table: "workflow_orchestration",
    id: "execution_id",
    columns: "status, created_at, completed_at, attempts",
    replayed(events) {
      const { status, createdAtMs, completedAtMs, attempts } = replayExecution(events);
      return { status, created_at: createdAtMs, completed_at: completedAtMs, attempts };
    },
  });
}

interface Replayed {
  table: string;
  id: string;
  columns: string;
  /** The same columns, as the events give them. */
  replayed(events: Event[], row: Row): Row;
}

async function unlikeTheirEvents(tx: Queryable, limit: number, what: Replayed): Promise<Row[]> {
  const { table, id, columns } = what;
  const violations: Row[] = [];
  let after: string | null = null;
  for (;;) {
    const { rows }: { rows: Row[] } = await tx.query(
      `select ${id} as id, ${columns}, events from (
         select * from ${table} where $1::uuid is null or ${id} > $1 order by ${id} limit ${BATCH}) e
       left join lateral (
         select jsonb_agg(jsonb_build_array(extract(epoch from at) * 1000, from_state, to_state, metadata->'failures')
                          order by transition_id) as events
           from transitions where entity_id = e.${id}::text) t on true
       order by ${id}`,
      [after],
    );
    for (const { id: rowId, events, ...row } of rows) {
      const difference = differenceOf(what, row, events ?? []);
      if (difference) violations.push({ [id]: rowId, ...difference });
      if (violations.length === limit) return violations;
    }
    const last = rows.at(-1);
    if (!last || rows.length < BATCH) return violations;
    after = last.id;
  }
}

/** What the row and its events say where they differ; null where they do not. */
function differenceOf(
  { replayed }: Replayed,
  row: Row,
  events: [number, string | null, string, unknown][],
): Row | null {
  try {
    const expected = replayed(events.map(eventOf), row);
    const unlike = Object.keys(expected).filter((column) => expected[column] !== row[column]);
    if (unlike.length === 0) return null;
    return Object.fromEntries(
      unlike.map((column) => [column, { row: row[column], events: expected[column] }]),
    );
  } catch (error) {
    return { events: error instanceof Error ? error.message : String(error) };
  }
}

/** Times leave the store as whole milliseconds, here as well. */
function eventOf([at, from, to, failures]: [number, string | null, string, unknown]): Event {
  return { atMs: Math.floor(at), from, to, metadata: { failures } };
}
