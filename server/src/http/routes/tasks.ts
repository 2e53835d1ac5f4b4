/** Tasks over HTTP: enqueue, list, show, explain, cancel, prioritise. Decides nothing. */
import {
  EnqueueAnswer,
  EnqueueBody,
  Explanation,
  type NewTask,
  Problem,
  Task,
  TaskList,
  TaskListQuery,
  TaskPatch,
  Timestamp,
  Uuid,
} from "@master-orchestrator/contract";
import { type TraceContext, traceparentOf } from "@master-orchestrator/contract/trace";
import { z } from "zod";
import type { Database } from "#store/database.ts";
import { recordTaskRequest } from "#store/facts.ts";
import type { Recorder } from "#store/recorder.ts";
import { listTasks, type TaskDetail, taskById } from "#store/task-views.ts";
import { accepted, enqueue } from "#store/tasks.ts";
import { pagesOf, positionAfter, positionOf, TIMED } from "../cursor.ts";
import { explainTask } from "../explain.ts";
import { taskError, taskSummary, time } from "../present.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";

/** A batch may have 12 MB; each of its tasks no more than any other body. */
const MAX_ENQUEUE_BYTES = 12 * 1024 * 1024;
const MAX_TASK_BYTES = 1.5 * 1024 * 1024;
const READERS = ["viewer", "worker"] as const;

export interface TaskRoutesContext {
  db: Database;
  recorder: Recorder;
  /** A fact was recorded: let a cycle look. */
  wake(): void;
  /** Resolves when a cycle has folded in what was recorded before the call. */
  settled(): Promise<void>;
}

export function taskRoutes(context: TaskRoutesContext): Route[] {
  return [...enqueueRoutes(context), ...readRoutes(context), ...changeRoutes(context)];
}

function enqueueRoutes({ db, recorder, wake }: TaskRoutesContext): Route[] {
  // A batch is enqueued as a whole or not at all; single tasks of many callers share one commit.
  const enqueueAll = async (
    tasks: NewTask[],
    { actor, trace }: { actor: string; trace: TraceContext | null },
    pathOf: (position: number) => string,
  ) => {
    const [task] = tasks;
    // Each task of a batch begins a trace of its own: nobody can read one of ten thousand lives.
    if (!task || tasks.length > 1) return enqueue(db, tasks, actor, pathOf);
    const traceparent = trace && traceparentOf(trace);
    return [await accepted(db, await recorder.enqueue({ task, actor, traceparent }), pathOf(0))];
  };
  return [
    defineRoute({
      method: "POST",
      path: "/api/v1/tasks",
      summary: "Enqueue one task, or up to 10,000",
      tag: "Tasks",
      access: "worker",
      maxBodyBytes: MAX_ENQUEUE_BYTES,
      traced: "starts",
      body: EnqueueBody,
      answers: { 202: EnqueueAnswer },
      async handle({ body, caller, trace }) {
        const many = "tasks" in body;
        const tasks = many ? body.tasks : [body];
        const pathOf = (position: number) => (many ? `/tasks/${position}` : "");
        refuseLargePayloads(tasks, pathOf);
        const enqueued = await enqueueAll(tasks, { actor: actorOf(caller), trace }, pathOf);
        wake();
        return {
          status: 202,
          body: {
            tasks: enqueued.map(({ taskId, status, duplicate }) => ({ task_id: taskId, status, duplicate })),
          },
        };
      },
    }),
  ];
}

function refuseLargePayloads(tasks: readonly NewTask[], pathOf: (position: number) => string): void {
  tasks.forEach((task, i) => {
    const bytes = Buffer.byteLength(JSON.stringify(task.payload));
    if (bytes <= MAX_TASK_BYTES) return;
    const path = `${pathOf(i)}/payload`;
    throw new Problem(
      "payload_too_large",
      `${path} has ${bytes} bytes; a task may have ${MAX_TASK_BYTES}`,
      "Store large content elsewhere and put its URL into the payload.",
      { errors: [{ path, message: `has ${bytes} bytes; at most ${MAX_TASK_BYTES}` }] },
    );
  });
}

const TaskPath = z.strictObject({ task_id: Uuid });

function readRoutes({ db }: TaskRoutesContext): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/tasks",
      summary: "List tasks, newest first",
      tag: "Tasks",
      access: READERS,
      query: TaskListQuery,
      answers: { 200: TaskList },
      async handle({ query }) {
        const pages = pagesOf("tasks", query, TIMED);
        const rows = await listTasks(db, {
          status: query.status,
          workflowType: query.workflow_type,
          contentType: query.content_type,
          from: query.from,
          to: query.to,
          before: positionAfter(pages),
          limit: query.limit,
        });
        const next_cursor = pages.next(rows, positionOf);
        return { status: 200, body: { tasks: rows.map(taskSummary), next_cursor } };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/tasks/:task_id",
      summary: "Show a task: status, rank, hold, attempts, errors",
      tag: "Tasks",
      access: READERS,
      params: TaskPath,
      answers: { 200: Task },
      handle: async ({ params }) => ({ status: 200, body: await showTask(db, params.task_id) }),
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/tasks/:task_id/explain",
      summary: "Why a task waits and when it will start, now or at a past moment",
      tag: "Tasks",
      access: READERS,
      params: TaskPath,
      query: z.strictObject({ at: Timestamp.optional() }),
      answers: { 200: Explanation },
      async handle({ params, query }) {
        const at = query.at === undefined ? null : Date.parse(query.at);
        return { status: 200, body: await explainTask(db, await existing(db, params.task_id), at) };
      },
    }),
  ];
}

async function existing(db: Database, taskId: string): Promise<TaskDetail> {
  const task = await taskById(db, taskId);
  if (task) return task;
  throw new Problem(
    "not_found",
    `there is no task ${taskId}`,
    `List them with GET /api/v1/tasks; one that ended long ago is found by GET /api/v1/archives/rows?id=${taskId}`,
  );
}

const WAITING: ReadonlySet<string> = new Set(["queued", "scheduled", "retrying"]);
const NOT_WAITING = { hold: null, score: null, rank: null, bound: null };

async function showTask(db: Database, taskId: string) {
  const task = await existing(db, taskId);
  const { hold, score, rank, bound } = WAITING.has(task.status)
    ? await explainTask(db, task, null)
    : NOT_WAITING;
  return {
    ...taskSummary(task),
    payload: task.payload,
    result_data: task.result,
    score,
    rank,
    hold,
    bound,
    errors: task.errors.map(taskError),
    attempts: task.attempts.map((row) => ({
      execution_id: row.executionId,
      attempt: row.attempt,
      state: row.state,
      target: row.target,
      dispatched_at: time(row.dispatchedAtMs),
      accepted_at: time(row.acceptedAtMs),
      ended_at: time(row.endedAtMs),
    })),
    execution_ids: task.executionIds,
    parent_task_id: task.parentTaskId,
    follow_ups: task.followUps,
  };
}

function changeRoutes({ db, settled }: TaskRoutesContext): Route[] {
  return [
    defineRoute({
      method: "POST",
      path: "/api/v1/tasks/:task_id/cancel",
      summary: "Cancel a task, also a running one",
      tag: "Tasks",
      access: "operator",
      params: TaskPath,
      answers: { 200: Task },
      async handle({ params, caller, remark }) {
        const task = await existing(db, params.task_id);
        remark({ before: { status: task.status }, after: { status: "cancelled" } });
        if (task.status === "completed" || task.status === "dead_lettered") {
          throw new Problem(
            "conflict",
            `the task is ${task.status}; it can no longer be cancelled`,
            "Nothing is left to cancel.",
          );
        }
        if (task.status !== "cancelled") {
          await recordTaskRequest(db, "cancel_task", [params.task_id], { actor: actorOf(caller) });
          await settled();
        }
        return { status: 200, body: await showTask(db, params.task_id) };
      },
    }),
    defineRoute({
      method: "PATCH",
      path: "/api/v1/tasks/:task_id",
      summary: "Change a task's priority",
      tag: "Tasks",
      access: "operator",
      params: TaskPath,
      body: TaskPatch,
      answers: { 200: Task },
      async handle({ params, body, caller, remark }) {
        const task = await existing(db, params.task_id);
        remark({ before: { priority: task.priority }, after: { priority: body.priority } });
        if (task.completedAtMs !== null) {
          throw new Problem(
            "conflict",
            `the task is ${task.status}`,
            "Only a task that is not over has a priority.",
          );
        }
        const data = { actor: actorOf(caller), priority: body.priority };
        await recordTaskRequest(db, "set_priority", [params.task_id], data);
        await settled();
        return { status: 200, body: await showTask(db, params.task_id) };
      },
    }),
  ];
}
