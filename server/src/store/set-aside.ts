/** Cycles that failed, and what was taken out of their way. Loses nothing, and puts nothing back by itself. */
import { v7 as uuidv7 } from "uuid";
import type { Queryable, Row } from "./database.ts";
import { openSetAside } from "./recoveries.ts";
import { insertTransitions } from "./transitions.ts";

/** How many facts, due runs and due tasks a cycle takes on. */
export interface Bite {
  facts: number;
  runs: number;
  tasks: number;
}

/** What a cycle has taken on, by name, as far as it came. */
export interface Taken {
  facts: number[];
  runs: string[];
  tasks: string[];
  /** When facts that were left to wait have to be folded in; null if none was. */
  moreFactsAtMs?: number | null;
}

export interface FailedCycle {
  replicaId: string;
  fault: "store" | "plan";
  tookOn: Bite;
  error: Record<string, unknown>;
}

/** Keeps that a cycle was rolled back, and why; forgets those of more than a week ago. */
export async function insertFailedCycle(db: Queryable, failed: FailedCycle): Promise<void> {
  await db.query(
    `with gone as (delete from failed_cycles where at < orchestrator_now() - interval '7 days')
     insert into failed_cycles (replica_id, fault, took_on, error) values ($1, $2, $3, $4)`,
    [failed.replicaId, failed.fault, JSON.stringify(failed.tookOn), JSON.stringify(failed.error)],
  );
}

export type SetAsideKind = "fact" | "run" | "task";

/**
 * Takes a fact, a due run or a due task out of the way of cycles, with the error that it caused, in a
 * transaction that holds the orchestrator's row. False if it is not there any more.
 */
export async function setAside(
  tx: Queryable,
  { kind, item }: { kind: SetAsideKind; item: string },
  error: Record<string, unknown>,
): Promise<boolean> {
  const now = await tx.query("select orchestrator_now() as now from orchestrator for update");
  const nowMs: number = now.rows[0]?.now;
  const setAsideId = uuidv7();
  const taken = await tx.query(TAKE[kind], [setAsideId, item, JSON.stringify(error), new Date(nowMs)]);
  if (taken.rowCount === 0) return false;
  const subject = `${kind} ${item}`;
  const cause = `no cycle could stomach ${subject}: ${String(error.message ?? "").slice(0, 500)}`;
  await openSetAside(tx, { subject, cause, nowMs });
  const entity = { entity: "orchestrator", entityId: "orchestrator" } as const;
  const metadata = { set_aside_id: setAsideId, subject };
  await insertTransitions(
    tx,
    [{ ...entity, from: "set_aside closed", to: "set_aside active", reason: cause, metadata }],
    nowMs,
    null,
  );
  return true;
}

const TAKE: Readonly<Record<SetAsideKind, string>> = {
  fact: `with taken as (
       delete from facts where fact_id = $2::text::bigint
       returning execution_id, task_id, jsonb_build_object('kind', kind, 'execution_id', execution_id,
         'attempt', attempt, 'task_id', task_id, 'data', data, 'at', at) as fact)
     insert into set_aside (set_aside_id, kind, item, execution_id, task_id, fact, error, at)
     select $1, 'fact', $2::text, execution_id, task_id, fact, $3, $4 from taken`,
  run: `insert into set_aside (set_aside_id, kind, item, execution_id, error, at)
     select $1, 'run', $2::text, execution_id, $3, $4 from workflow_orchestration where execution_id = $2::text::uuid
     on conflict do nothing`,
  task: `insert into set_aside (set_aside_id, kind, item, task_id, error, at)
     select $1, 'task', $2::text, task_id, $3, $4 from tasks where task_id = $2::text::uuid
     on conflict do nothing`,
};

export interface SetAsideView {
  setAsideId: string;
  kind: SetAsideKind;
  item: string;
  executionId: string | null;
  taskId: string | null;
  fact: Record<string, unknown> | null;
  error: { message: string; [name: string]: unknown };
  atMs: number;
  putBackAtMs: number | null;
  putBackBy: string | null;
}

/** Newest first; those that were put back only with `all`. */
export async function listSetAside(
  db: Queryable,
  query: { all: boolean; before?: string | undefined; limit: number },
): Promise<SetAsideView[]> {
  const { rows } = await db.query(
    `select * from set_aside where ($1 or put_back_at is null) and ($2::uuid is null or set_aside_id < $2)
      order by set_aside_id desc limit $3`,
    [query.all, query.before ?? null, query.limit],
  );
  return rows.map(viewOf);
}

export async function setAsideById(db: Queryable, setAsideId: string): Promise<SetAsideView | null> {
  const { rows } = await db.query("select * from set_aside where set_aside_id = $1", [setAsideId]);
  return rows[0] ? viewOf(rows[0]) : null;
}

/** Puts it back for the next cycle: a fact behind those that came meanwhile. False if it is back already. */
export async function putBack(db: Queryable, setAsideId: string, actor: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `with back as (
       update set_aside set put_back_at = orchestrator_now(), put_back_by = $2
        where set_aside_id = $1 and put_back_at is null returning *),
     again as (
       insert into facts (kind, execution_id, attempt, task_id, data, at)
       select fact->>'kind', (fact->>'execution_id')::uuid, (fact->>'attempt')::int, (fact->>'task_id')::uuid,
              fact->'data', (fact->>'at')::timestamptz
         from back where kind = 'fact')
     insert into transitions (at, entity, entity_id, from_state, to_state, reason, actor, metadata)
     select put_back_at, 'orchestrator', 'orchestrator', 'set aside', 'put back', kind || ' ' || item || ' was put back',
            $2, jsonb_build_object('set_aside_id', set_aside_id) from back`,
    [setAsideId, actor],
  );
  return rowCount === 1;
}

function viewOf(row: Row): SetAsideView {
  return {
    setAsideId: row.set_aside_id,
    kind: row.kind,
    item: row.item,
    executionId: row.execution_id,
    taskId: row.task_id,
    fact: row.fact,
    error: row.error,
    atMs: row.at,
    putBackAtMs: row.put_back_at,
    putBackBy: row.put_back_by,
  };
}
