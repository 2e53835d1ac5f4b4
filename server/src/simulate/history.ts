/** Owns turning what a service has recorded into a workload: the same arrivals, durations and failures. Reads nothing. */
import type {
  Attempt,
  AttemptState,
  Execution,
  NextTask,
  TaskSummary,
  WorkflowSettings,
} from "@master-orchestrator/contract";
import type { z } from "zod";
import { FIRST_ASKED } from "#core/next.ts";
import { scheduleRule, slotAt } from "#core/schedule.ts";
import { type Arrival, laneOf, likeOthers, type Nature, type Workload, workloadOf } from "./workload.ts";

export interface History {
  tasks: readonly TaskSummary[];
  /** Runs of sub-workflows, whole, the oldest first. */
  executions: readonly Pick<Execution, "attempts" | "cost_usd">[];
  /** By workflow: what will enqueue by itself, as it did then. */
  settings?: Readonly<Record<string, Partial<Pick<WorkflowSettings, "next" | "schedule">>>>;
}

export interface Replay {
  workload: Workload;
  /** Tasks that a person took back: they are left out. */
  cancelled: number;
  /** Follow-ups and tasks of schedules: they are no arrivals, since the same rules bring them about again. */
  caused: number;
  /** Tasks that have not run; they are given the median duration of their lane. */
  guessed: number;
}

/** A schedule that is seen for the first time begins with its next slot: so it is seen a little before. */
const BEFORE_FIRST_SLOT_MS = 60_000;

/** What is known of one task from its tries. */
interface Tried {
  durationMs: number;
  costMicros: number;
  tries: number;
}

/** Attempts in which nobody worked say nothing about durations. */
const WITHOUT_WORK: readonly AttemptState[] = ["sent", "snoozed", "refused", "undelivered", "cancelled"];

/** Null where no task has run, so that nobody knows how long one takes. */
export function replayOf({ tasks, executions, settings = {} }: History, tasksAtOnce: number): Replay | null {
  const kept = tasks.filter((task) => task.status !== "cancelled").sort(byCreation);
  const tried = triesOf(executions, tasksAtOnce);
  const typical = typicalDurations(kept, tried);
  if (kept.length > 0 && typical(kept[0] as TaskSummary) === null) return null;
  const known = new Map(kept.map((task) => [task.task_id, task]));
  const origins = new Map(kept.map((task) => [task.task_id, originOf(task, known, settings)]));
  const asks = asksBy(kept, origins);
  const natureOf = (task: TaskSummary): Nature => {
    const of = tried.get(task.task_id);
    const asked = asks.get(task.task_id);
    return {
      durationMs: of?.durationMs ?? (typical(task) as number),
      failures: task.status === "dead_lettered" ? Number.POSITIVE_INFINITY : task.failures,
      costMicros: of ? Math.round(of.costMicros / of.tries) : 0,
      ...(asked ? { asks: asked } : {}),
    };
  };
  const arrivals = kept.flatMap((task): Arrival[] => {
    const origin = origins.get(task.task_id) as Origin;
    if (origin.kind === "caused" || origin.kind === "asked") return [];
    const { task_id: key, workflow_type: workflowType, content_type: contentType, priority } = task;
    const isTopic = origin.kind === "topic";
    return [
      {
        atMs: isTopic ? slotOf(task, settings) : dueAtMs(task),
        workflowType,
        contentType,
        priority,
        key,
        isTopic,
        ...natureOf(task),
      },
    ];
  });
  const created = kept.map((task) => Date.parse(task.created_at));
  const bySchedule = kept.some((task) => task.idempotency_key?.startsWith("schedule:"));
  return {
    workload: workloadOf(arrivals, bySchedule ? leastOf(created) - BEFORE_FIRST_SLOT_MS : undefined, {
      endsAtMs: created.at(-1) ?? 0,
      consequence: asRecorded(kept, natureOf),
    }),
    cancelled: tasks.length - kept.length,
    caused: kept.length - arrivals.length,
    guessed: kept.filter((task) => !tried.has(task.task_id)).length,
  };
}

function leastOf(moments: readonly number[]): number {
  return moments.reduce((least, moment) => Math.min(least, moment), Number.POSITIVE_INFINITY);
}

/** A topic was there at the latest when its slot began, a moment before its task was. */
function slotOf(task: TaskSummary, settings: NonNullable<History["settings"]>): number {
  const createdMs = Date.parse(task.created_at);
  const schedule = settings[task.workflow_type]?.schedule;
  return schedule ? slotAt(createdMs, scheduleRule(schedule).everyMs) : createdMs;
}

/** Why a task was there: somebody sent it, or (by the rules as they are now) the orchestrator would enqueue it again. */
type Origin =
  | { kind: "sent" | "topic" | "caused" }
  /** The callback of `parentId` asked for it. */
  | { kind: "asked"; parentId: string };

/** By the keys that `core/next.ts` and `core/schedule.ts` give. */
function originOf(
  task: TaskSummary,
  known: ReadonlyMap<string, TaskSummary>,
  settings: NonNullable<History["settings"]>,
): Origin {
  const [kind, first = "", type, number] = (task.idempotency_key ?? "").split(":");
  const own = settings[task.workflow_type]?.schedule;
  if (kind === "topics") return { kind: own?.source === "topics" ? "topic" : "sent" };
  if (kind === "schedule")
    return { kind: own && !own.source && first === task.workflow_type ? "caused" : "sent" };
  const parent = kind === "next" ? known.get(first) : undefined;
  if (!parent || type !== task.workflow_type) return { kind: "sent" };
  if (Number(number) >= FIRST_ASKED) return { kind: "asked", parentId: first };
  const rule = settings[parent.workflow_type]?.next?.[Number(number) - 1];
  return { kind: rule?.workflow_type === task.workflow_type ? "caused" : "sent" };
}

/** What the callback of each task asked for, in its order. */
function asksBy(
  tasks: readonly TaskSummary[],
  origins: ReadonlyMap<string, Origin>,
): Map<string, NextTask[]> {
  const asks = new Map<string, NextTask[]>();
  for (const { task_id, workflow_type, content_type, priority } of tasks) {
    const origin = origins.get(task_id);
    if (origin?.kind !== "asked") continue;
    const before = asks.get(origin.parentId) ?? [];
    asks.set(origin.parentId, [...before, { workflow_type, content_type, priority }]);
  }
  return asks;
}

/** What was caused then is caused again with the same nature; what was not, is like others of its lane. */
function asRecorded(
  tasks: readonly TaskSummary[],
  natureOf: (task: TaskSummary) => Nature,
): Workload["consequence"] {
  const byKey = new Map(tasks.map((task) => [task.idempotency_key, task]));
  const others = likeOthers(
    tasks.map((task) => ({
      ...natureOf(task),
      workflowType: task.workflow_type,
      contentType: task.content_type,
    })),
  );
  return (key, lane) => {
    const task = byKey.get(key);
    return task ? { key: task.task_id, nature: natureOf(task) } : others(key, lane);
  };
}

function byCreation(a: TaskSummary, b: TaskSummary): number {
  return Date.parse(a.created_at) - Date.parse(b.created_at) || (a.task_id < b.task_id ? -1 : 1);
}

/** A failure moves `due_at`, so it says when the task was to begin only of tasks that never failed. */
function dueAtMs(task: TaskSummary): number {
  const createdMs = Date.parse(task.created_at);
  return task.failures > 0 ? createdMs : Math.max(createdMs, Date.parse(task.due_at));
}

function triesOf(executions: History["executions"], tasksAtOnce: number): Map<string, Tried> {
  const tried = new Map<string, Tried>();
  for (const { attempts, cost_usd } of executions) {
    const worked = attempts.filter((attempt) => workedMs(attempt) !== null);
    const tries = worked.reduce((sum, attempt) => sum + attempt.task_ids.length, 0);
    for (const attempt of worked) {
      // A batch is worked off a few at a time: so many rounds of equal length.
      const rounds = Math.ceil(attempt.task_ids.length / tasksAtOnce);
      const durationMs = Math.max(1, Math.round((workedMs(attempt) as number) / rounds));
      for (const taskId of attempt.task_ids) {
        const before = tried.get(taskId);
        const costMicros = (before?.costMicros ?? 0) + (cost_usd * 1e6) / tries;
        tried.set(taskId, { durationMs, costMicros, tries: (before?.tries ?? 0) + 1 });
      }
    }
  }
  return tried;
}

function workedMs(attempt: z.infer<typeof Attempt>): number | null {
  if (attempt.ended_at === null || WITHOUT_WORK.includes(attempt.state)) return null;
  return Math.max(0, Date.parse(attempt.ended_at) - Date.parse(attempt.accepted_at ?? attempt.dispatched_at));
}

/** The median of a task's lane, else of its workflow, else of all. */
function typicalDurations(
  tasks: readonly TaskSummary[],
  tried: ReadonlyMap<string, Tried>,
): (task: TaskSummary) => number | null {
  const known = new Map<string, number[]>();
  const namesOf = ({ workflow_type: workflowType, content_type: contentType }: TaskSummary) => [
    laneOf({ workflowType, contentType }),
    workflowType,
    "",
  ];
  for (const task of tasks) {
    const durationMs = tried.get(task.task_id)?.durationMs;
    if (durationMs === undefined) continue;
    for (const name of namesOf(task)) {
      const durations = known.get(name);
      if (durations) durations.push(durationMs);
      else known.set(name, [durationMs]);
    }
  }
  const medians = new Map([...known].map(([name, durations]) => [name, median(durations)]));
  return (task) => {
    const name = namesOf(task).find((candidate) => medians.has(candidate));
    return name === undefined ? null : (medians.get(name) as number);
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] as number;
}
