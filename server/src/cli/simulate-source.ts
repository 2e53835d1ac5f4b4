/** Owns where a simulation's work comes from: a seed, a file, or a service's history. Never simulates. */
import {
  ContentType,
  defaultPolicy,
  type Execution,
  type ExecutionSummary,
  MASTER,
  Policy,
  type PolicyVersion,
  Problem,
  type TaskSummary,
  validate,
  type Workflow,
  WorkflowType,
} from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { PROFILES, type SeededArrivals, seededArrivals } from "#simulate/arrivals.ts";
import { replayOf } from "#simulate/history.ts";
import { recordedArrival } from "#simulate/recorded.ts";
import { type Arrival, type Workload, workloadOf } from "#simulate/workload.ts";
import { path } from "./api.ts";
import { Failure, Interrupted, oneOf, UsageError } from "./failure.ts";
import { openInput, readLines } from "./input.ts";
import { readNdjson } from "./json-input.ts";
import { fetchList, timeRange } from "./list.ts";
import { type Options, type Session, wholeNumber } from "./session.ts";
import { counted, duration, plain } from "./text.ts";

export interface Source {
  /** What it is, for `--json`. */
  about: Record<string, unknown>;
  /** The same in one line. */
  headline: string;
  workload: Workload;
  /** Workflows that had tasks: follow-ups may ask for any of them. */
  types: readonly string[];
  /** The policy that others are compared with, and merged over. */
  base: { name: string; policy: Policy };
  /** Settings by workflow type, as far as anything is known. */
  settings: Record<string, Record<string, unknown>>;
}

const SEEDED = {
  seed: "--seed",
  days: "--days",
  arrivals: "--arrivals",
  profile: "--profile",
  lanes: "--lanes",
  backlog: "--backlog",
  duration: "--duration",
  failures: "--failures",
  cost: "--cost",
} as const;
const MOST_TASKS = 2_000_000;
const MOST_BAD_LINES = 20;
const DETAILS_AT_ONCE = 8;

export function addSourceOptions(command: Command): Command {
  return command
    .option("--seed <n>", "make up the work from this number (default 1)")
    .option("--days <n>", "over so many days (default 7)")
    .option("--arrivals <n/day>", "so many tasks, e.g. 500/day or 60/hour (default 500/day)")
    .option("--profile <profile>", `${PROFILES.join(", ")} (default flat)`)
    .option("--lanes <shares>", "workflow_type/content_type=share,…")
    .option("--backlog <n>", "tasks that wait already at the start (default 0)")
    .option("--duration <seconds>", "how long one task takes on average (default 60)")
    .option("--failures <share>", "which share of tries fails (default 0.02)")
    .option("--cost <usd>", "what one try of a task costs (default 0.05)")
    .option("--file <file>", "or read the work from NDJSON (- is standard input)")
    .option("--history", "or take what a running service has recorded")
    .option("--from <time>", "with --history: tasks created at or after (2026-12-01, 7d)")
    .option("--to <time>", "with --history: tasks created before");
}

/** Finds the work. Throws a UsageError where the options contradict each other. */
export async function findSource(session: Session, options: Options, tasksAtOnce: number): Promise<Source> {
  const seeded = Object.keys(SEEDED).find((name) => options[name] !== undefined) as keyof typeof SEEDED;
  const other = options.file !== undefined ? "--file" : options.history === true ? "--history" : null;
  if (options.file !== undefined && options.history === true)
    throw new UsageError("--file and --history exclude each other");
  if (other !== null && seeded) throw new UsageError(`${SEEDED[seeded]} and ${other} exclude each other`);
  if (options.history !== true && (options.from !== undefined || options.to !== undefined))
    throw new UsageError("--from and --to belong to --history");
  if (options.history === true) return await fromHistory(session, options, tasksAtOnce);
  return options.file === undefined ? fromSeed(options) : await fromFile(session, String(options.file));
}

function fromSeed(options: Options): Source {
  const text = (name: keyof typeof SEEDED, otherwise: string) => String(options[name] ?? otherwise);
  const asked: SeededArrivals = {
    seed: wholeNumber("--seed", text("seed", "1"), 0, 2 ** 32 - 1),
    days: wholeNumber("--days", text("days", "7"), 1, 3660),
    perDay: perDay(text("arrivals", "500/day")),
    profile: oneOf("profile", PROFILES, text("profile", "flat")),
    backlog: wholeNumber("--backlog", text("backlog", "0"), 0, MOST_TASKS),
    lanes: lanesFrom(text("lanes", DEFAULT_LANES)),
    meanSeconds: amount("--duration", text("duration", "60"), 0.001, 86_400),
    failureShare: amount("--failures", text("failures", "0.02"), 0, 1),
    costUsd: amount("--cost", text("cost", "0.05"), 0, 1_000_000),
  };
  const tasks = Math.round(asked.days * asked.perDay) + asked.backlog;
  if (tasks === 0)
    throw new UsageError("there is no task to simulate", "raise --arrivals, or give --backlog");
  if (tasks > MOST_TASKS) {
    const most = MOST_TASKS.toLocaleString("en-US");
    throw new UsageError(`${tasks.toLocaleString("en-US")} tasks are too many`, `at most ${most}`);
  }
  const { seed, days, profile, backlog, lanes, meanSeconds, failureShare, costUsd } = asked;
  const extra = backlog > 0 ? `, ${counted(backlog, "task")} at the start` : "";
  return {
    ...noService(),
    about: {
      ...{ kind: "seed", seed, days, arrivals_per_day: asked.perDay, profile, backlog },
      lanes: Object.fromEntries(
        lanes.map((lane) => [`${lane.workflowType}/${lane.contentType}`, lane.share]),
      ),
      ...{ mean_duration_seconds: meanSeconds, failure_share: failureShare, cost_usd: costUsd },
    },
    headline:
      `seed ${seed}: ${counted(tasks, "task")} in ${counted(days, "day")} (${asked.perDay.toLocaleString("en-US")} a day, ` +
      `${profile}${extra}), each ${duration(meanSeconds * 1000)} on average, ${failureShare * 100} % of tries fail`,
    workload: seededArrivals(asked),
    types: lanes.map((lane) => lane.workflowType),
  };
}

const DEFAULT_LANES = "content_pipeline/how_to=0.5,content_pipeline/news=0.3,content_pipeline/review=0.2";

function noService(): Pick<Source, "base" | "settings"> {
  return { base: { name: "default", policy: defaultPolicy() }, settings: {} };
}

function perDay(text: string): number {
  const [, count, unit = "day"] = /^(\d+(?:\.\d+)?)(?:\/(day|hour))?$/.exec(text) ?? [];
  if (count === undefined)
    throw new UsageError(`--arrivals is "${text}"`, "write it like 500/day or 60/hour");
  return Number(count) * (unit === "hour" ? 24 : 1);
}

function amount(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && value >= least && value <= most) return value;
  throw new UsageError(`${name} is "${text}"`, `it has to be a number from ${least} to ${most}`);
}

function lanesFrom(text: string): SeededArrivals["lanes"] {
  const lanes = text.split(",").map((part) => {
    const [, workflowType = "", contentType = "", share = "1"] =
      /^\s*([^/=]*)\/([^/=]*?)(?:=([\d.]+))?\s*$/.exec(part) ?? [];
    const isLane = WorkflowType.safeParse(workflowType).success && ContentType.safeParse(contentType).success;
    if (!isLane || !(Number(share) > 0)) {
      const hint = "write workflow_type/content_type=share, divided by commas; a share is a number above 0";
      throw new UsageError(`--lanes: "${part}" is no lane with a share`, hint);
    }
    return { workflowType, contentType, share: Number(share) };
  });
  const names = lanes.map((lane) => `${lane.workflowType}/${lane.contentType}`);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UsageError(`--lanes names ${twice} twice`);
  return lanes;
}

async function fromFile(session: Session, name: string): Promise<Source> {
  const input = await openInput(name, "ndjson", session.terminal);
  const arrivals: Arrival[] = [];
  const bad: string[] = [];
  for await (const entry of readNdjson(readLines(input))) {
    const outcome = "problem" in entry ? entry.problem : readArrival(entry.value);
    if (typeof outcome === "string") bad.push(`line ${entry.line}: ${outcome}`);
    else arrivals.push(outcome);
    if (bad.length >= MOST_BAD_LINES || arrivals.length > MOST_TASKS) break;
  }
  for (const line of bad) session.screen.remark(plain(line));
  if (bad.length > 0) {
    const many = bad.length >= MOST_BAD_LINES ? "at least " : "";
    throw new Failure(`${name} has ${many}${counted(bad.length, "bad line")}; nothing was simulated`, FIELDS);
  }
  if (arrivals.length > MOST_TASKS) {
    throw new Failure(`${name} holds more than ${counted(MOST_TASKS, "task")}`, "cut it into parts");
  }
  if (arrivals.length === 0) throw new Failure(`${name} holds no task`, FIELDS);
  return {
    ...noService(),
    about: { kind: "file", file: name },
    headline: `${plain(name)}: ${counted(arrivals.length, "task")}`,
    workload: workloadOf(arrivals),
    types: arrivals.map((arrival) => arrival.workflowType),
  };
}

const FIELDS =
  "each line is a JSON object with at, workflow_type, duration_seconds, and maybe content_type, priority, fails, cost_usd";

function readArrival(value: unknown): Arrival | string {
  try {
    return recordedArrival(value);
  } catch (error) {
    if (error instanceof Problem) return error.message;
    throw error;
  }
}

async function fromHistory(session: Session, options: Options, tasksAtOnce: number): Promise<Source> {
  const range = timeRange(options, session.terminal.now());
  const all = { limit: String(1_000_000) };
  const inForce = await session.api<z.infer<typeof PolicyVersion>>("GET", "/api/v1/policy");
  const workflows = await fetchList<z.infer<typeof Workflow>>(
    session,
    "/api/v1/workflows",
    "workflows",
    {},
    all,
  );
  const tasks = await fetchList<TaskSummary>(session, "/api/v1/tasks", "tasks", range, all);
  const span = `from ${range.from ?? "the beginning"} to ${range.to ?? "now"}`;
  if (tasks.rows.length === 0) {
    throw new Failure(`the history is empty: no task was created ${span}`, "widen --from and --to");
  }
  const runs = await fetchList<ExecutionSummary>(
    session,
    "/api/v1/executions",
    "executions",
    { from: range.from },
    all,
  );
  const own = runs.rows.filter((run) => run.workflow_type !== MASTER && run.completed_at !== null).reverse();
  session.screen.remark(`reading ${counted(own.length, "run")} of ${counted(tasks.rows.length, "task")} …`);
  const executions = await whole(session, own);
  const settings = Object.fromEntries(
    workflows.rows.map((workflow) => [workflow.workflow_type, decisive(workflow.settings)]),
  );
  const replay = replayOf({ tasks: tasks.rows, executions, settings }, tasksAtOnce);
  if (replay === null) {
    throw new Failure("no task of the history has run yet, so nobody knows how long one takes");
  }
  const { workload, cancelled, guessed, caused } = replay;
  if (workload.arrivals.length + caused === 0)
    throw new Failure(`the history is empty: every task ${span} was cancelled`);
  if (cancelled > 0) session.screen.remark(`${counted(cancelled, "cancelled task")} left out`);
  if (caused > 0) {
    const what = `${counted(caused, "task")} of schedules and follow-ups`;
    session.screen.remark(`${what} left out: they come again by rule, with what was recorded of them`);
  }
  if (guessed > 0) {
    session.screen.remark(
      `${counted(guessed, "task")} never ran: taken to last as long as their lane's median`,
    );
  }
  return {
    about: { kind: "history", ...range, policy_version: inForce.version, cancelled, guessed, caused },
    headline: `history ${span}: ${counted(workload.arrivals.length, "task")}`,
    workload,
    types: tasks.rows.map((task) => task.workflow_type),
    base: { name: `current (v${inForce.version})`, policy: validate(Policy, inForce.policy) },
    settings,
  };
}

/** Of a workflow's settings those that a plan looks at; that it is paused now says nothing about then. */
function decisive(settings: Record<string, unknown>): Record<string, unknown> {
  const names = [
    ...["timeout_seconds", "batch", "max_concurrent", "weight", "estimates", "next", "schedule"],
    ...["webhook_url", "targets"],
  ];
  return Object.fromEntries(
    names.flatMap((name) => (settings[name] === undefined ? [] : [[name, settings[name]]])),
  );
}

/** The runs with their attempts, a few requests at a time, in their order. */
async function whole(session: Session, runs: readonly ExecutionSummary[]): Promise<Execution[]> {
  const found: Execution[] = [];
  const rest = runs.entries();
  const worker = async () => {
    for (const [i, run] of rest) {
      if (session.terminal.interrupt.aborted) throw new Interrupted("interrupted");
      found[i] = await session.api<Execution>("GET", path`/api/v1/executions/${run.execution_id}`);
    }
  };
  await Promise.all(Array.from({ length: DETAILS_AT_ONCE }, worker));
  return found;
}
