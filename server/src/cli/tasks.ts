/** Owns `orchestrator tasks …`: listing, showing, cancelling and prioritising. Never enqueues. */
import { TASK_STATUSES, type Task, type TaskSummary } from "@master-orchestrator/contract";
import type { Command } from "commander";
import { path } from "./api.ts";
import { paintStatus, printFields, printValue } from "./details.ts";
import { oneOf } from "./failure.ts";
import { addGroup, addListing, fetchList, showList, timeRange, withPaging } from "./list.ts";
import type { Screen } from "./screen.ts";
import { type Options, type Session, type Shell, wholeNumber, withAction } from "./session.ts";
import type { Column } from "./table.ts";
import { ago, plain, plainLines } from "./text.ts";

/** Registers the group. */
export function addTasks(program: Command, shell: Shell): void {
  const group = addGroup(program, "tasks", "list, show, cancel and prioritise tasks");
  withPaging(addListing(group, shell, "list tasks, filtered", list))
    .option("--status <status>", TASK_STATUSES.join(", "))
    .option("--workflow <type>", "of one workflow")
    .option("--content-type <type>", "of one content type")
    .option("--from <time>", "created at or after (2026-12-01T09:00:00Z, 2026-12-01, 2h, 7d)")
    .option("--to <time>", "created before");
  withAction(
    group.command("show").description("all about one task").argument("<task-id>"),
    shell,
    async (session, [id]) => showTask(session, await session.api<Task>("GET", path`/api/v1/tasks/${id!}`)),
  );
  withAction(
    group.command("cancel").description("take a task out of the queue, or stop it").argument("<task-id>"),
    shell,
    async (session, [id]) => {
      const answer = await session.api<Partial<Task> | null>("POST", path`/api/v1/tasks/${id!}/cancel`);
      session.show(answer, () => session.screen.line(`cancellation recorded${standing(answer)}`));
      return undefined;
    },
  );
  withAction(
    group
      .command("prioritise")
      .alias("prioritize")
      .description("give a waiting task another priority")
      .argument("<task-id>")
      .argument("<priority>", "0 (whenever) to 100 (now)"),
    shell,
    prioritise,
  );
}

/** The columns of task listings. */
export function taskColumns(nowMs: number): Column<TaskSummary>[] {
  return [
    { title: "TASK", value: (task) => task.task_id },
    { title: "STATUS", value: (task) => task.status },
    { title: "LANE", value: (task) => `${task.workflow_type}/${task.content_type}`, shrinks: true },
    { title: "PRIO", value: (task) => task.priority, right: true },
    { title: "FAILED", value: (task) => task.failures, right: true },
    { title: "CREATED", value: (task) => ago(task.created_at, nowMs) },
    { title: "SINCE THEN", value: (task) => latest(task, nowMs), shrinks: true },
  ];
}

function latest(task: TaskSummary, nowMs: number): string {
  if (task.completed_at) return `ended ${ago(task.completed_at, nowMs)}`;
  if (task.status === "running") return `started ${ago(task.started_at, nowMs)}`;
  if (Date.parse(task.due_at) > nowMs) return `due ${ago(task.due_at, nowMs)}`;
  return "-";
}

async function list(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const status = options.status as string | undefined;
  const query = {
    status: status === undefined ? undefined : oneOf("task status", TASK_STATUSES, status),
    workflow_type: options.workflow as string | undefined,
    content_type: options.contentType as string | undefined,
    ...timeRange(options, now),
  };
  const tasks = await fetchList<TaskSummary>(session, "/api/v1/tasks", "tasks", query, options);
  showList(session, tasks, taskColumns(now), "no tasks");
}

async function prioritise(session: Session, [id, text]: string[]): Promise<undefined> {
  const priority = wholeNumber("the priority", text!, 0, 100);
  const answer = await session.api<Partial<Task> | null>("PATCH", path`/api/v1/tasks/${id!}`, {
    body: { priority },
  });
  session.show(answer, () => session.screen.line(`priority is now ${priority}${standing(answer)}`));
}

function standing(answer: { status?: unknown } | null): string {
  return answer?.status ? `; the task is ${plain(answer.status)}` : "";
}

function showTask(session: Session, task: Task): undefined {
  session.show(task, () => renderTask(session, task));
}

function renderTask({ screen, terminal }: Session, task: Task): void {
  const now = terminal.now();
  printFields(screen, {
    task: plain(task.task_id),
    status: paintStatus(screen, task.status),
    lane: plain(`${task.workflow_type}/${task.content_type}`),
    title: plain(task.payload?.title ?? ""),
    priority: task.priority,
    rank: task.rank === null ? null : `${task.rank}, score ${task.score}`,
    held: task.hold ? plain(`${task.hold.reason}: ${task.hold.cause}`) : null,
    expected: task.hold?.expected_start ? ago(task.hold.expected_start, now) : null,
    failures: task.failures,
    key: plain(task.idempotency_key),
    created: ago(task.created_at, now),
    due: Date.parse(task.due_at) > now ? ago(task.due_at, now) : null,
    started: task.started_at ? ago(task.started_at, now) : null,
    ended: task.completed_at ? ago(task.completed_at, now) : null,
    executions: plain((task.execution_ids ?? []).join(" ")),
    follows: task.parent_task_id ? plain(task.parent_task_id) : null,
    "followed by": plain((task.follow_ups ?? []).join(" ")),
  });
  if (task.attempts?.length) {
    screen.line();
    screen.table(
      [
        { title: "EXECUTION", value: (attempt) => attempt.execution_id },
        { title: "ATTEMPT", value: (attempt) => attempt.attempt, right: true },
        { title: "STATE", value: (attempt) => attempt.state },
        { title: "TARGET", value: (attempt) => attempt.target, shrinks: true },
        { title: "DISPATCHED", value: (attempt) => ago(attempt.dispatched_at, now) },
        { title: "ENDED", value: (attempt) => ago(attempt.ended_at, now) },
      ],
      task.attempts,
      "",
    );
  }
  printErrors(screen, task.errors ?? [], now);
  printValue(screen, "payload", task.payload);
  printValue(screen, "result", task.result_data);
}

function printErrors(screen: Screen, errors: Task["errors"], nowMs: number): void {
  for (const error of errors) {
    screen.line();
    screen.line(
      `${screen.paint("red", plain(error.code))} ${ago(error.at, nowMs)}, attempt ${error.attempt}`,
    );
    screen.line(`  ${plain(error.message)}`);
    if (error.stack_trace)
      for (const line of plainLines(error.stack_trace).split("\n")) screen.line(`    ${line}`);
  }
}
