/** Owns `orchestrator executions …`: listing, the tree below one, cancelling, replaying. Never touches tasks. */
import {
  EXECUTION_STATUSES,
  type Execution,
  type ExecutionSummary,
  type ReplayAnswer,
} from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { path } from "./api.ts";
import { paintStatus, printFields, printValue } from "./details.ts";
import { oneOf } from "./failure.ts";
import { addGroup, addListing, fetchList, showList, timeRange, withPaging } from "./list.ts";
import type { Screen } from "./screen.ts";
import { type Options, type Session, type Shell, withAction } from "./session.ts";
import type { Column } from "./table.ts";
import { taskColumns } from "./tasks.ts";
import { ago, counted, duration, plain, usd } from "./text.ts";

const DEEPEST = 6;
/** Every inner node costs a request. */
const MOST_REQUESTS = 50;

/** Registers the group. */
export function addExecutions(program: Command, shell: Shell): void {
  const group = addGroup(program, "executions", "list, show, cancel and replay executions");
  withPaging(addListing(group, shell, "list executions, filtered", list))
    .option("--status <status>", EXECUTION_STATUSES.join(", "))
    .option("--workflow <type>", "of one workflow")
    .option("--parent <execution-id>", "children of one execution")
    .option("--from <time>", "created at or after (2026-12-01T09:00:00Z, 2026-12-01, 2h, 7d)")
    .option("--to <time>", "created before");
  withAction(
    group
      .command("show")
      .description("one execution: attempts, transitions, children")
      .argument("<execution-id>"),
    shell,
    show,
  );
  withAction(
    group.command("cancel").description("stop an execution").argument("<execution-id>"),
    shell,
    async (session, [id]) => {
      const answer = await session.api<Partial<Execution> | null>(
        "POST",
        path`/api/v1/executions/${id!}/cancel`,
      );
      const state = answer?.status ? `; the execution is ${plain(answer.status)}` : "";
      session.show(answer, () => session.screen.line(`cancellation recorded${state}`));
      return undefined;
    },
  );
  withAction(
    group
      .command("replay")
      .description("do the tasks of an execution again, as new tasks")
      .argument("<execution-id>"),
    shell,
    replay,
  );
}

function columns(nowMs: number): Column<ExecutionSummary>[] {
  return [
    { title: "EXECUTION", value: (each) => each.execution_id },
    { title: "STATUS", value: (each) => each.status },
    { title: "WORKFLOW", value: (each) => each.workflow_type, shrinks: true },
    { title: "TASKS", value: (each) => each.task_count, right: true },
    { title: "ATTEMPTS", value: (each) => each.attempts_used, right: true },
    { title: "COST", value: (each) => usd(each.cost_usd), right: true },
    { title: "CREATED", value: (each) => ago(each.created_at, nowMs) },
    { title: "TOOK", value: (each) => took(each) },
  ];
}

function took({ started_at, completed_at }: ExecutionSummary): string {
  if (!started_at || !completed_at) return "-";
  return duration(Date.parse(completed_at) - Date.parse(started_at));
}

async function list(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const status = options.status as string | undefined;
  const query = {
    status: status === undefined ? undefined : oneOf("execution status", EXECUTION_STATUSES, status),
    workflow_type: options.workflow as string | undefined,
    parent_execution_id: options.parent as string | undefined,
    ...timeRange(options, now),
  };
  const executions = await fetchList<ExecutionSummary>(
    session,
    "/api/v1/executions",
    "executions",
    query,
    options,
  );
  showList(session, executions, columns(now), "no executions");
}

async function replay(session: Session, [id]: string[]): Promise<undefined> {
  const answer = await session.api<z.infer<typeof ReplayAnswer>>(
    "POST",
    path`/api/v1/executions/${id!}/replay`,
  );
  session.show(answer, () => {
    session.screen.line(`${counted(answer.tasks.length, "task")} enqueued again`);
    session.screen.table(
      [
        { title: "NEW TASK", value: (each) => each.task_id },
        { title: "REPLAYS", value: (each) => each.replays },
      ],
      answer.tasks,
      "",
    );
  });
}

async function show(session: Session, [id]: string[]): Promise<undefined> {
  const execution = await session.api<Execution>("GET", path`/api/v1/executions/${id!}`);
  // Fetched before anything is printed, so that a refusal does not leave half an answer.
  const tree = session.json ? [] : await treeLines(session, execution);
  session.show(execution, () => render(session, execution, tree));
}

/** The descendants as lines, each under its parent; the answer itself holds only the first generation. */
async function treeLines(session: Session, root: Execution): Promise<string[]> {
  let requests = 0;
  const lines: string[] = [];
  const walk = async (
    children: readonly ExecutionSummary[],
    indent: string,
    depth: number,
  ): Promise<void> => {
    for (const [i, child] of children.entries()) {
      const last = i === children.length - 1;
      lines.push(`${indent}${last ? "└─ " : "├─ "}${nodeText(session.screen, child)}`);
      if (depth >= DEEPEST || requests >= MOST_REQUESTS) continue;
      requests++;
      const query = { parent_execution_id: child.execution_id };
      const below = await fetchList<ExecutionSummary>(session, "/api/v1/executions", "executions", query, {
        limit: 500,
      });
      await walk(below.rows, `${indent}${last ? "   " : "│  "}`, depth + 1);
    }
  };
  await walk(root.children ?? [], "", 1);
  if (requests >= MOST_REQUESTS) lines.push("… (deeper generations are not shown)");
  return lines;
}

function nodeText(screen: Screen, each: ExecutionSummary): string {
  const facts = [counted(each.task_count, "task"), usd(each.cost_usd), took(each)].filter(
    (fact) => fact !== "-",
  );
  return `${plain(each.execution_id)} ${paintStatus(screen, each.status)} ${plain(each.workflow_type)} (${facts.join(", ")})`;
}

function render({ screen, terminal }: Session, execution: Execution, tree: string[]): void {
  const now = terminal.now();
  printFields(screen, {
    execution: plain(execution.execution_id),
    parent: plain(execution.parent_execution_id),
    workflow: plain(execution.workflow_type),
    status: paintStatus(screen, execution.status),
    cost: usd(execution.cost_usd),
    created: ago(execution.created_at, now),
    started: execution.started_at ? ago(execution.started_at, now) : null,
    ended: execution.completed_at ? ago(execution.completed_at, now) : null,
    took: took(execution),
  });
  section(screen, "children", tree.length);
  for (const line of tree) screen.line(line);
  renderAttempts(screen, execution, now);
  section(screen, "transitions", execution.transitions.length);
  if (execution.transitions.length > 0) {
    screen.table(
      [
        { title: "AT", value: (each) => ago(each.at, now) },
        { title: "FROM", value: (each) => each.from },
        { title: "TO", value: (each) => each.to },
        { title: "BY", value: (each) => each.actor },
        { title: "REASON", value: (each) => each.reason, shrinks: true },
      ],
      execution.transitions,
      "",
    );
  }
  section(screen, "tasks", execution.tasks.length);
  if (execution.tasks.length > 0) screen.table(taskColumns(now), execution.tasks, "");
  printValue(screen, "error", execution.error);
  printValue(screen, "recovery", execution.recovery_actions);
  printValue(screen, "result", execution.result);
}

function renderAttempts(screen: Screen, execution: Execution, nowMs: number): void {
  section(screen, "attempts", execution.attempts.length);
  if (execution.attempts.length === 0) return;
  screen.table(
    [
      { title: "NO", value: (each) => each.attempt, right: true },
      { title: "STATE", value: (each) => each.state },
      { title: "TARGET", value: (each) => each.target, shrinks: true },
      { title: "DELIVERED", value: (each) => `${each.deliveries}×`, right: true },
      { title: "DISPATCHED", value: (each) => ago(each.dispatched_at, nowMs) },
      { title: "ENDED", value: (each) => ago(each.ended_at, nowMs) },
      { title: "CLAIMED BY", value: (each) => each.claimant, shrinks: true },
      { title: "WORD", value: (each) => errorText(each.error) ?? each.message, shrinks: true },
    ],
    execution.attempts,
    "",
  );
}

function errorText(error: unknown): string | null {
  if (error === null || error === undefined) return null;
  const { message } = error as { message?: unknown };
  return typeof message === "string" ? message : JSON.stringify(error);
}

function section(screen: Screen, title: string, rows: number): void {
  if (rows === 0) return;
  screen.line();
  screen.line(screen.paint("bold", title));
}
