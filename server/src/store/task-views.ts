/** Reads tasks for people: lists, one task whole, its rank, its hold. Changes nothing. */
import { type Policy, TASK_STATUSES, type TaskStatus } from "@master-orchestrator/contract";
import { aheadUntil, everAheadUntil, score } from "#core/rank.ts";
import type { Queryable, Row } from "./database.ts";
import { CREATED_MICROS, type Listing, newestFirst, type Position } from "./listing.ts";

export const SUMMARY = `task_id, workflow_type, content_type, priority, status, failures, idempotency_key, created_at,
  due_at, aged_from, runs_alone, started_at, completed_at, execution_id, ${CREATED_MICROS}`;

const LISTING: Listing = {
  table: "tasks",
  id: "task_id",
  columns: SUMMARY,
  statuses: TASK_STATUSES,
  lane: ["workflow_type", "content_type"],
};

export interface TaskSummaryRow {
  taskId: string;
  workflowType: string;
  contentType: string;
  priority: number;
  status: TaskStatus;
  failures: number;
  idempotencyKey: string | null;
  createdAtMs: number;
  /** Where it stands in a list. */
  position: Position;
  dueAtMs: number;
  agedFromMs: number;
  runsAlone: boolean;
  startedAtMs: number | null;
  completedAtMs: number | null;
  executionId: string | null;
}

export interface TaskFilter {
  status?: string;
  workflowType?: string;
  contentType?: string;
  from?: string;
  to?: string;
  /** The last row of the page before. */
  before?: Position;
  limit: number;
}

/** Newest first. */
export async function listTasks(db: Queryable, filter: TaskFilter): Promise<TaskSummaryRow[]> {
  const { workflowType, contentType, ...rest } = filter;
  const lane = { workflow_type: workflowType, content_type: contentType };
  const { text, values } = newestFirst(LISTING, { ...rest, lane });
  const { rows } = await db.query(text, values);
  return rows.map(summaryOf);
}

export function summaryOf(row: Row): TaskSummaryRow {
  return {
    taskId: row.task_id,
    workflowType: row.workflow_type,
    contentType: row.content_type,
    priority: row.priority,
    status: row.status,
    failures: row.failures,
    idempotencyKey: row.idempotency_key,
    createdAtMs: row.created_at,
    position: { createdMicros: row.created_micros, id: row.task_id },
    dueAtMs: row.due_at,
    agedFromMs: row.aged_from,
    runsAlone: row.runs_alone,
    startedAtMs: row.started_at,
    completedAtMs: row.completed_at,
    executionId: row.execution_id,
  };
}

export interface TaskErrorRow {
  taskId: string;
  executionId: string;
  attempt: number;
  atMs: number;
  code: string;
  message: string;
  stackTrace: string | null;
  fingerprint: string;
}

export interface TaskDetail extends TaskSummaryRow {
  payload: unknown;
  result: unknown;
  errors: TaskErrorRow[];
  attempts: {
    executionId: string;
    attempt: number;
    state: string;
    target: string | null;
    dispatchedAtMs: number;
    acceptedAtMs: number | null;
    endedAtMs: number | null;
  }[];
  executionIds: string[];
  parentTaskId: string | null;
  /** Tasks that its end asked for, at most 100. */
  followUps: string[];
}

export async function taskById(db: Queryable, taskId: string): Promise<TaskDetail | null> {
  const { rows } = await db.query(
    `select ${SUMMARY}, payload, result, parent_task_id,
            array(select child.task_id from tasks child where child.parent_task_id = tasks.task_id
                   order by child.task_id limit 100) as follow_ups
       from tasks where task_id = $1`,
    [taskId],
  );
  const row = rows[0];
  if (!row) return null;
  const executions = await db.query(
    "select execution_id from execution_tasks where task_id = $1 order by execution_id limit 100",
    [taskId],
  );
  const executionIds = executions.rows.map((execution) => execution.execution_id);
  const attempts = await db.query(
    `select execution_id, attempt, state, target, dispatched_at, accepted_at, ended_at from attempts
      where execution_id = any($1) and $2 = any(task_ids) order by execution_id, attempt limit 500`,
    [executionIds, taskId],
  );
  return {
    ...summaryOf(row),
    payload: row.payload,
    result: row.result,
    errors: await taskErrors(db, [taskId]),
    attempts: attempts.rows.map((attempt) => ({
      executionId: attempt.execution_id,
      attempt: attempt.attempt,
      state: attempt.state,
      target: attempt.target,
      dispatchedAtMs: attempt.dispatched_at,
      acceptedAtMs: attempt.accepted_at,
      endedAtMs: attempt.ended_at,
    })),
    executionIds,
    parentTaskId: row.parent_task_id,
    followUps: row.follow_ups,
  };
}

/** Tasks with their payloads, in the order of their ids. */
export async function tasksByIds(
  db: Queryable,
  taskIds: readonly string[],
): Promise<(TaskSummaryRow & { payload: unknown })[]> {
  const { rows } = await db.query(
    `select ${SUMMARY}, payload from tasks where task_id = any($1) order by task_id`,
    [taskIds],
  );
  return rows.map((row) => ({ ...summaryOf(row), payload: row.payload }));
}

/** Every error of the tasks, oldest first, at most 100 of each. */
export async function taskErrors(db: Queryable, taskIds: readonly string[]): Promise<TaskErrorRow[]> {
  if (taskIds.length === 0) return [];
  const { rows } = await db.query(
    `select e.* from unnest($1::uuid[]) as named (task_id) cross join lateral (
       select error_id, task_id, execution_id, attempt, at, code, message, stack_trace, fingerprint
         from task_errors t where t.task_id = named.task_id order by error_id limit 100) e
      order by e.error_id`,
    [taskIds],
  );
  return rows.map((row) => ({
    taskId: row.task_id,
    executionId: row.execution_id,
    attempt: row.attempt,
    atMs: row.at,
    code: row.code,
    message: row.message,
    stackTrace: row.stack_trace,
    fingerprint: row.fingerprint,
  }));
}

const LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";

export interface Ranked {
  score: number;
  /** 1 is next in its lane. */
  rank: number;
  /** Waiting tasks of its lane that are ahead of it or may come to be by their age. */
  everAhead: number;
}

/** Where a waiting task stands in its lane: one index range per priority level, and one to where age may take it. */
export async function rankOf(
  db: Queryable,
  task: TaskSummaryRow,
  nowMs: number,
  ageing: Policy["ageing"],
): Promise<Ranked> {
  const levels = Array.from({ length: 101 }, (_, priority) => priority);
  // On its own level the older go first, and of equals the smaller id; on others up to a moment, whatever the id.
  const moments = (until: typeof aheadUntil) =>
    levels.map((priority) =>
      priority === task.priority ? task.agedFromMs : until(task, priority, nowMs, ageing),
    );
  const everUntil: typeof aheadUntil = (...of) => Math.max(aheadUntil(...of), everAheadUntil(...of));
  const { rows } = await db.query(
    `select coalesce(sum(ahead), 0)::int as ahead, coalesce(sum(ever), 0)::int as ever
       from unnest($3::int[], $4::timestamptz[], $5::timestamptz[], $6::uuid[])
              as level (priority, ahead_until, ever_until, before_id)
      cross join lateral (
        select count(*) filter (where (t.aged_from, t.task_id) < (level.ahead_until, level.before_id)) as ahead,
               count(*) as ever
          from tasks t
         where t.status = 'queued' and t.workflow_type = $1 and t.content_type = $2
           and t.priority = level.priority and (t.aged_from, t.task_id) < (level.ever_until, level.before_id)) counted`,
    [
      task.workflowType,
      task.contentType,
      levels,
      moments(aheadUntil).map((ms) => new Date(ms)),
      moments(everUntil).map((ms) => new Date(ms)),
      levels.map((priority) => (priority === task.priority ? task.taskId : LAST_ID)),
    ],
  );
  const { ahead, ever } = rows[0] as { ahead: number; ever: number };
  return { score: score(task, nowMs, ageing), rank: ahead + 1, everAhead: ever };
}

export interface LaneHold {
  reason: string;
  cause: string;
  cycleId: string;
  fromMs: number;
  /** When the plan expected its cause to be looked at again; null where that is not known. */
  expectedAtMs: number | null;
}

/** What held each of these lanes at a moment, in their order; null where nothing did. */
export async function laneHoldsAt(
  db: Queryable,
  lanes: readonly { workflowType: string; contentType: string }[],
  atMs: number,
): Promise<(LaneHold | null)[]> {
  const { rows } = await db.query(
    `select held.* from unnest($1::text[], $2::text[]) with ordinality as lane (workflow_type, content_type, place)
       left join lateral (
         select h.reason, h.cause, h.expected_at, h.cycle_id, h.from_at from holds h
          where h.workflow_type = lane.workflow_type and h.content_type = lane.content_type
            and h.from_at <= $3 and (h.until_at is null or h.until_at > $3)
          order by h.from_at desc limit 1) held on true
      order by lane.place`,
    [lanes.map((lane) => lane.workflowType), lanes.map((lane) => lane.contentType), new Date(atMs)],
  );
  return rows.map(
    ({ reason, cause, cycle_id: cycleId, from_at: fromMs, expected_at: expectedAtMs }) =>
      reason && { reason, cause, cycleId, fromMs, expectedAtMs },
  );
}
