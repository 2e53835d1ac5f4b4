/** Tasks: enqueuing new ones and reading those there are. Never changes one that exists. */
import { hash as digest } from "node:crypto";
import { didYouMean, type NewTask, Problem, type TaskStatus } from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import { canonicalJson } from "#core/canonical.ts";
import type { Database, Queryable, Row } from "./database.ts";
import { rowset } from "./rowset.ts";

export interface Enqueued {
  taskId: string;
  status: TaskStatus;
  duplicate: boolean;
}

export type TaskToEnqueue = NewTask & { replayOf?: string };

/**
 * Enqueues all tasks or none, in their order. A known idempotency key with the same body is a
 * duplicate of the task that has it; with another body it throws `idempotency_conflict`, and
 * `unknown_workflow` where none is registered. `pathOf` names a task's place in what the caller sent.
 */
export async function enqueue(
  db: Database,
  tasks: readonly TaskToEnqueue[],
  actor: string,
  pathOf = (position: number) => `/tasks/${position}`,
): Promise<Enqueued[]> {
  // Beforehand, since a transaction that is left idle for long loses its connection.
  const candidates = tasks.map((task) => candidateOf({ task, actor }));
  return await db.transaction(async (tx) => {
    const outcomes = await insertEach(tx, candidates);
    return await Promise.all(outcomes.map((outcome, i) => accepted(tx, outcome, pathOf(i))));
  });
}

/** Enqueues single tasks of different callers, each for itself. */
export async function enqueueEach(
  db: Queryable,
  requests: readonly EnqueueRequest[],
): Promise<EnqueueOutcome[]> {
  return await insertEach(db, requests.map(candidateOf));
}

export interface EnqueueRequest {
  task: TaskToEnqueue;
  actor: string;
  /** Where the asking stands in a trace, in W3C's form; the task's life lies below it. */
  traceparent?: string | null;
}

/** What became of one task: it is there, now or before, or it was refused. */
export type EnqueueOutcome =
  | { kind: "enqueued"; enqueued: Enqueued }
  | { kind: "unknown_workflow"; workflowType: string }
  | { kind: "conflict"; key: string };

/** The outcome as an answer; throws the Problem that it stands for. */
export async function accepted(db: Queryable, outcome: EnqueueOutcome, path: string): Promise<Enqueued> {
  switch (outcome.kind) {
    case "enqueued":
      return outcome.enqueued;
    case "unknown_workflow":
      throw await unknownWorkflow(db, outcome.workflowType, `${path}/workflow_type`);
    case "conflict": {
      const message = "belongs to a task with another body";
      throw new Problem(
        "idempotency_conflict",
        `the idempotency key "${outcome.key}" ${message}`,
        "Send the same body again, or choose another key for another task.",
        { errors: [{ path: `${path}/idempotency_key`, message }] },
      );
    }
  }
}

async function insertEach(db: Queryable, candidates: readonly Candidate[]): Promise<EnqueueOutcome[]> {
  const firstByKey = new Map<string, Candidate>();
  for (const candidate of candidates) {
    if (candidate.key !== null && !firstByKey.has(candidate.key)) firstByKey.set(candidate.key, candidate);
  }
  const fresh = candidates.filter((c) => c.key === null || firstByKey.get(c.key) === c);
  const rows = await insertTasks(db, fresh);
  const unseen = fresh.filter((c) => c.key !== null && isUnseen(rows.get(c.taskId)));
  const late = await tasksByKey(
    db,
    unseen.map((c) => c.key as string),
  );
  return candidates.map((candidate) => {
    const first = candidate.key === null ? candidate : (firstByKey.get(candidate.key) as Candidate);
    const row = rows.get(first.taskId) as Row;
    return outcomeOf(candidate, first, row, candidate.key === null ? undefined : late.get(candidate.key));
  });
}

/** Neither inserted nor known: another connection has just committed the same key. */
function isUnseen(row: Row | undefined): boolean {
  return row?.registered && row.status === null && row.known_id === null;
}

function outcomeOf(candidate: Candidate, first: Candidate, row: Row, late: Row | undefined): EnqueueOutcome {
  if (!row.registered) return { kind: "unknown_workflow", workflowType: candidate.task.workflow_type };
  if (row.status !== null) {
    const duplicate = candidate !== first;
    if (duplicate && !candidate.hash.equals(first.hash)) return conflict(candidate);
    return { kind: "enqueued", enqueued: { taskId: first.taskId, status: row.status, duplicate } };
  }
  const known = late ?? { task_id: row.known_id, status: row.known_status, request_hash: row.known_hash };
  if (!candidate.hash.equals(known.request_hash)) return conflict(candidate);
  return { kind: "enqueued", enqueued: { taskId: known.task_id, status: known.status, duplicate: true } };
}

function conflict(candidate: Candidate): EnqueueOutcome {
  return { kind: "conflict", key: candidate.key as string };
}

interface Candidate {
  taskId: string;
  task: TaskToEnqueue;
  actor: string;
  key: string | null;
  hash: Buffer;
  traceparent: string | null;
}

function candidateOf({ task, actor, traceparent = null }: EnqueueRequest): Candidate {
  const { idempotency_key: key, ...body } = task;
  const hash = digest("sha256", canonicalJson(body), "buffer");
  return { taskId: uuidv7(), task, actor, key: key ?? null, hash, traceparent };
}

const CANDIDATES = rowset({
  task_id: "uuid",
  workflow_type: "text",
  content_type: "text",
  priority: "int",
  payload: "jsonb",
  idempotency_key: "text",
  request_hash: "text",
  not_before: "timestamptz",
  replay_of: "uuid",
  actor: "text",
  traceparent: "text",
});

/** One statement: the tasks that are new, their first transition, and what is known of the others. */
async function insertTasks(db: Queryable, candidates: readonly Candidate[]): Promise<Map<string, Row>> {
  const { rows } = await db.query(
    `with moment as materialized (select orchestrator_now() as now),
     candidate as (
       select n.*, w.workflow_type is not null as registered, moment.now,
              greatest(moment.now, n.not_before) as due_at
         from ${CANDIDATES.from("$1", "n")}
        cross join moment left join workflows w using (workflow_type)),
     inserted as (
       insert into tasks (task_id, workflow_type, content_type, priority, status, payload, idempotency_key,
           request_hash, created_by, created_at, due_at, aged_from, replay_of, traceparent)
       select task_id, workflow_type, content_type, priority,
              case when due_at > now then 'scheduled' else 'queued' end, payload, idempotency_key,
              decode(request_hash, 'hex'), actor, now, due_at, due_at, replay_of, traceparent
         from candidate where registered order by task_id
       on conflict (idempotency_key) where idempotency_key is not null do nothing
       returning task_id, status, created_by, created_at),
     logged as (
       insert into transitions (at, entity, entity_id, to_state, reason, actor)
       select created_at, 'task', task_id, status, 'enqueued', created_by from inserted order by task_id)
     select candidate.task_id, candidate.registered, inserted.status, known.task_id as known_id,
            known.status as known_status, known.request_hash as known_hash
       from candidate left join inserted using (task_id)
       left join lateral (select t.task_id, t.status, t.request_hash from tasks t
                           where t.idempotency_key = candidate.idempotency_key offset 0) known on true`,
    [
      CANDIDATES.json(
        candidates.map(({ taskId, task, actor, key, hash, traceparent }) => ({
          task_id: taskId,
          workflow_type: task.workflow_type,
          content_type: task.content_type,
          priority: task.priority,
          payload: task.payload,
          idempotency_key: key,
          request_hash: hash.toString("hex"),
          not_before: task.not_before,
          replay_of: task.replayOf,
          actor,
          traceparent,
        })),
      ),
    ],
  );
  return new Map(rows.map((row) => [row.task_id, row]));
}

async function tasksByKey(tx: Queryable, keys: readonly string[]): Promise<Map<string, Row>> {
  if (keys.length === 0) return new Map();
  const { rows } = await tx.query(
    "select task_id, status, idempotency_key, request_hash from tasks where idempotency_key = any($1)",
    [keys],
  );
  return new Map(rows.map((row) => [row.idempotency_key, row]));
}

/** The refusal of a workflow's name, at `path`, that names nobody. */
export async function unknownWorkflow(db: Queryable, type: string, path: string): Promise<Problem> {
  const { rows } = await db.query("select workflow_type from workflows order by workflow_type limit 200");
  const known = rows.map((row) => row.workflow_type as string);
  const meant = didYouMean(type, known);
  const message = `no workflow is registered as "${type}"${meant ? `; did you mean "${meant}"?` : ""}`;
  return new Problem(
    "unknown_workflow",
    message,
    `Register it with PUT /api/v1/workflows/${type}, or use one of: ${known.slice(0, 20).join(", ") || "none yet"}.`,
    { errors: [{ path, message }] },
  );
}
