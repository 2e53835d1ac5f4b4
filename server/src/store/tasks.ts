/** Tasks: enqueuing new ones and reading those there are. Never changes one that exists. */
import { createHash, randomInt } from "node:crypto";
import { didYouMean, type NewTask, Problem, type TaskStatus } from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import { canonicalJson } from "#core/canonical.ts";
import type { Database, Queryable, Row } from "./database.ts";
import { insertTransitions } from "./transitions.ts";

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
  return await db.transaction(async (tx) => {
    await refuseUnknownWorkflows(tx, tasks, pathOf);
    const { rows } = await tx.query("select orchestrator_now() as now");
    const nowMs: number = rows[0]?.now;
    // Tasks of one request are of the same age: their ids, which rank among equals, keep their order.
    const first = randomInt(2 ** 31);
    const candidates = tasks.map((task, i) => candidateOf(task, nowMs, first + i));
    const firstByKey = firstOfEachKey(candidates);
    const fresh = candidates.filter((c) => c.key === null || firstByKey.get(c.key) === c);
    const inserted = await insertTasks(tx, fresh, actor, nowMs);
    const known = await tasksByKey(
      tx,
      fresh.flatMap((c) => (c.key !== null && !inserted.has(c.taskId) ? [c.key] : [])),
    );
    return candidates.map((candidate, i) => outcomeOf(candidate, pathOf(i), inserted, firstByKey, known));
  });
}

interface Candidate {
  taskId: string;
  task: TaskToEnqueue;
  key: string | null;
  hash: Buffer;
  status: TaskStatus;
  dueAtMs: number;
}

function candidateOf(task: TaskToEnqueue, nowMs: number): Candidate {
  const { idempotency_key: key, ...body } = task;
  const dueAtMs = Math.max(nowMs, task.not_before ? Date.parse(task.not_before) : nowMs);
  return {
    taskId: uuidv7({ msecs: nowMs, seq }),
    task,
    key: key ?? null,
    hash: createHash("sha256").update(canonicalJson(body)).digest(),
    status: dueAtMs > nowMs ? "scheduled" : "queued",
    dueAtMs,
  };
}

function firstOfEachKey(candidates: readonly Candidate[]): Map<string, Candidate> {
  const first = new Map<string, Candidate>();
  for (const candidate of candidates) {
    if (candidate.key !== null && !first.has(candidate.key)) first.set(candidate.key, candidate);
  }
  return first;
}

function outcomeOf(
  candidate: Candidate,
  path: string,
  inserted: ReadonlySet<string>,
  firstByKey: ReadonlyMap<string, Candidate>,
  known: ReadonlyMap<string, Row>,
): Enqueued {
  if (inserted.has(candidate.taskId)) {
    return { taskId: candidate.taskId, status: candidate.status, duplicate: false };
  }
  const key = candidate.key as string;
  const stored = known.get(key);
  const twin = firstByKey.get(key) as Candidate;
  const same = stored ? candidate.hash.equals(stored.request_hash) : candidate.hash.equals(twin.hash);
  if (!same) {
    throw new Problem(
      "idempotency_conflict",
      `the idempotency key "${key}" belongs to a task with another body`,
      "Send the same body again, or choose another key for another task.",
      {
        errors: [{ path: `${path}/idempotency_key`, message: "belongs to a task with another body" }],
      },
    );
  }
  return stored
    ? { taskId: stored.task_id, status: stored.status, duplicate: true }
    : { taskId: twin.taskId, status: twin.status, duplicate: true };
}

async function insertTasks(
  tx: Queryable,
  candidates: readonly Candidate[],
  actor: string,
  nowMs: number,
): Promise<Set<string>> {
  const { rows } = await tx.query(
    `insert into tasks (task_id, workflow_type, content_type, priority, status, payload, idempotency_key,
        request_hash, created_by, created_at, due_at, aged_from, replay_of)
     select n.task_id, n.workflow_type, n.content_type, n.priority, n.status, n.payload, n.idempotency_key,
            decode(n.request_hash, 'hex'), $2, $3, n.due_at, n.due_at, n.replay_of
       from jsonb_to_recordset($1::jsonb) as n (task_id uuid, workflow_type text, content_type text, priority int,
              status text, payload jsonb, idempotency_key text, request_hash text, due_at timestamptz, replay_of uuid)
     on conflict (idempotency_key) where idempotency_key is not null do nothing
     returning task_id`,
    [
      JSON.stringify(
        candidates.map(({ taskId, task, key, hash, status, dueAtMs }) => ({
          task_id: taskId,
          workflow_type: task.workflow_type,
          content_type: task.content_type,
          priority: task.priority,
          status,
          payload: task.payload,
          idempotency_key: key,
          request_hash: hash.toString("hex"),
          due_at: new Date(dueAtMs),
          replay_of: task.replayOf,
        })),
      ),
      actor,
      new Date(nowMs),
    ],
  );
  const inserted = new Set<string>(rows.map((row) => row.task_id));
  await insertTransitions(
    tx,
    candidates
      .filter((candidate) => inserted.has(candidate.taskId))
      .map(({ taskId, status }) => ({
        entity: "task",
        entityId: taskId,
        from: null,
        to: status,
        reason: "enqueued",
        actor,
      })),
    nowMs,
    null,
  );
  return inserted;
}

async function tasksByKey(tx: Queryable, keys: readonly string[]): Promise<Map<string, Row>> {
  if (keys.length === 0) return new Map();
  const { rows } = await tx.query(
    "select task_id, status, idempotency_key, request_hash from tasks where idempotency_key = any($1)",
    [keys],
  );
  return new Map(rows.map((row) => [row.idempotency_key, row]));
}

async function refuseUnknownWorkflows(
  tx: Queryable,
  tasks: readonly NewTask[],
  pathOf: (position: number) => string,
): Promise<void> {
  const { rows } = await tx.query("select workflow_type from workflows order by workflow_type");
  const known = rows.map((row) => row.workflow_type as string);
  const position = tasks.findIndex((task) => !known.includes(task.workflow_type));
  if (position < 0) return;
  const type = (tasks[position] as NewTask).workflow_type;
  const meant = didYouMean(type, known);
  const message = `no workflow is registered as "${type}"${meant ? `; did you mean "${meant}"?` : ""}`;
  throw new Problem(
    "unknown_workflow",
    message,
    `Register it with PUT /api/v1/workflows/${type}, or use one of: ${known.slice(0, 20).join(", ") || "none yet"}.`,
    { errors: [{ path: `${pathOf(position)}/workflow_type`, message }] },
  );
}

/** How many tasks there are in each status, by lane; waiting ones of long queues are counted in full. */
export async function laneCounts(db: Queryable): Promise<Row[]> {
  const { rows } = await db.query(
    `select workflow_type, content_type,
            count(*) filter (where status = 'queued')::int as depth,
            count(*) filter (where status = 'scheduled')::int as scheduled,
            count(*) filter (where status = 'retrying')::int as retrying,
            count(*) filter (where status = 'running')::int as running,
            extract(epoch from orchestrator_now() - min(aged_from) filter (where status = 'queued'))::float8 as oldest_age_seconds
       from tasks where status in ('queued', 'scheduled', 'retrying', 'running')
      group by workflow_type, content_type order by workflow_type, content_type limit 1000`,
  );
  return rows;
}

/** Completed tasks of the last hour by lane: the share that each lane received. */
export async function completedLastHour(db: Queryable): Promise<Row[]> {
  const { rows } = await db.query(
    `select workflow_type, content_type, count(*)::int as completed from tasks
      where status = 'completed' and completed_at > orchestrator_now() - interval '1 hour'
      group by workflow_type, content_type`,
  );
  return rows;
}
