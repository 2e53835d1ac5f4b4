/** Executions over HTTP: list, show, cancel, replay. Decides nothing. */
import {
  Execution,
  ExecutionList,
  ExecutionListQuery,
  MASTER,
  type NewTask,
  Problem,
  ReplayAnswer,
  Uuid,
} from "@master-orchestrator/contract";
import { z } from "zod";
import { hasEnded } from "#core/states.ts";
import type { Database } from "#store/database.ts";
import {
  attemptsOf,
  type ExecutionDetail,
  executionById,
  listExecutions,
  taskIdsOf,
} from "#store/execution-views.ts";
import { recordCancelExecution } from "#store/facts.ts";
import { tasksByIds } from "#store/task-views.ts";
import { enqueue } from "#store/tasks.ts";
import { transitionsOf } from "#store/transitions.ts";
import { pagesOf, positionAfter, positionOf, TIMED } from "../cursor.ts";
import { attempt, executionSummary, taskSummary, transition } from "../present.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";
import type { TaskRoutesContext } from "./tasks.ts";

const ExecutionPath = z.strictObject({ execution_id: Uuid });
/** Children shown with their parent; the rest is a list of its own. */
const MAX_CHILDREN = 500;

export function executionRoutes(context: TaskRoutesContext): Route[] {
  return [...readRoutes(context), ...changeRoutes(context)];
}

function readRoutes({ db }: TaskRoutesContext): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/executions",
      summary: "List executions, newest first",
      tag: "Executions",
      access: "viewer",
      query: ExecutionListQuery,
      answers: { 200: ExecutionList },
      async handle({ query }) {
        const pages = pagesOf("executions", query, TIMED);
        const rows = await listExecutions(db, {
          status: query.status,
          workflowType: query.workflow_type,
          parentExecutionId: query.parent_execution_id,
          from: query.from,
          to: query.to,
          before: positionAfter(pages),
          limit: query.limit,
        });
        const next_cursor = pages.next(rows, positionOf);
        return { status: 200, body: { executions: rows.map(executionSummary), next_cursor } };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/executions/:execution_id",
      summary: "Show an execution: input, result, error, attempts, transitions, children, tasks",
      tag: "Executions",
      access: "viewer",
      params: ExecutionPath,
      answers: { 200: Execution },
      handle: async ({ params }) => ({ status: 200, body: await showExecution(db, params.execution_id) }),
    }),
  ];
}

async function existing(db: Database, executionId: string): Promise<ExecutionDetail> {
  const execution = await executionById(db, executionId);
  if (execution) return execution;
  throw new Problem(
    "not_found",
    `there is no execution ${executionId}`,
    `List them with GET /api/v1/executions; one that ended long ago: GET /api/v1/archives/rows?type=executions&id=${executionId}`,
  );
}

async function showExecution(db: Database, executionId: string) {
  const execution = await existing(db, executionId);
  const [attempts, transitions, children, taskIds] = await Promise.all([
    attemptsOf(db, executionId),
    transitionsOf(db, executionId),
    listExecutions(db, { parentExecutionId: executionId, limit: MAX_CHILDREN }),
    taskIdsOf(db, executionId),
  ]);
  return {
    ...executionSummary(execution),
    input: execution.input,
    result: execution.result,
    error: execution.error,
    context: execution.context,
    recovery_actions: execution.recoveryActions,
    attempts: attempts.map(attempt),
    transitions: transitions.map(transition),
    children: children.map(executionSummary),
    tasks: (await tasksByIds(db, taskIds)).map(taskSummary),
  };
}

function changeRoutes({ db, wake, settled }: TaskRoutesContext): Route[] {
  return [
    defineRoute({
      method: "POST",
      path: "/api/v1/executions/:execution_id/cancel",
      summary: "Cancel an execution and the tasks that it still carries",
      tag: "Executions",
      access: "operator",
      params: ExecutionPath,
      answers: { 200: Execution },
      async handle({ params, caller }) {
        const execution = await existing(db, params.execution_id);
        if (execution.workflowType === MASTER) {
          throw new Problem("conflict", "a cycle ends with its children", "Cancel its children instead.");
        }
        if (hasEnded(execution.status) && execution.status !== "CANCELLED") {
          throw new Problem("conflict", `the execution is ${execution.status}`, "Nothing is left to cancel.");
        }
        if (execution.status !== "CANCELLED") {
          await recordCancelExecution(db, params.execution_id, actorOf(caller));
          await settled();
        }
        return { status: 200, body: await showExecution(db, params.execution_id) };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/api/v1/executions/:execution_id/replay",
      summary: "Enqueue the tasks of an execution again, as new tasks",
      tag: "Executions",
      access: "operator",
      params: ExecutionPath,
      answers: { 202: ReplayAnswer },
      async handle({ params, caller }) {
        const execution = await existing(db, params.execution_id);
        const tasks = await tasksByIds(db, await taskIdsOf(db, execution.executionId));
        if (tasks.length === 0) {
          throw new Problem("conflict", "the execution has no tasks", "Replay one that carried tasks.");
        }
        if (!hasEnded(execution.status)) {
          const hint = "Wait until it has ended, or cancel it: its tasks would be worked on twice at once.";
          throw new Problem("conflict", `the execution is ${execution.status}; it has not ended`, hint);
        }
        const copies = tasks.map((task) => ({
          workflow_type: task.workflowType,
          content_type: task.contentType,
          priority: task.priority,
          payload: task.payload as NewTask["payload"],
          replayOf: task.taskId,
        }));
        const enqueued = await enqueue(db, copies, actorOf(caller));
        wake();
        return {
          status: 202,
          body: {
            execution_id: execution.executionId,
            tasks: enqueued.map((copy, i) => ({ task_id: copy.taskId, replays: tasks[i]?.taskId })),
          },
        };
      },
    }),
  ];
}
