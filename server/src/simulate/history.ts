/** Owns turning what a service has recorded into a workload: the same arrivals, durations and failures. Reads nothing. */
import type { Attempt, AttemptState, Execution, TaskSummary } from "@master-orchestrator/contract";
import type { z } from "zod";
import { type Arrival, laneOf, type Workload, workloadOf } from "./workload.ts";

export interface History {
  tasks: readonly TaskSummary[];
  /** Runs of sub-workflows, whole, the oldest first. */
  executions: readonly Pick<Execution, "attempts" | "cost_usd">[];
}

export interface Replay {
  workload: Workload;
  /** Tasks that a person took back: they are left out. */
  cancelled: number;
  /** Tasks that have not run; they are given the median duration of their lane. */
  guessed: number;
}

/** What is known of one task from its tries. */
interface Tried {
  durationMs: number;
  costMicros: number;
  tries: number;
}

/** Attempts in which nobody worked say nothing about durations. */
const WITHOUT_WORK: readonly AttemptState[] = ["sent", "snoozed", "refused", "undelivered", "cancelled"];

/** Null where no task has run, so that nobody knows how long one takes. */
export function replayOf({ tasks, executions }: History, tasksAtOnce: number): Replay | null {
  const kept = tasks.filter((task) => task.status !== "cancelled");
  const tried = triesOf(executions, tasksAtOnce);
  const typical = typicalDurations(kept, tried);
  if (kept.length > 0 && typical(kept[0] as TaskSummary) === null) return null;
  const arrivals = [...kept].sort(byCreation).map((task): Arrival => {
    const known = tried.get(task.task_id);
    return {
      atMs: dueAtMs(task),
      workflowType: task.workflow_type,
      contentType: task.content_type,
      priority: task.priority,
      durationMs: known?.durationMs ?? (typical(task) as number),
      failures: task.status === "dead_lettered" ? Number.POSITIVE_INFINITY : task.failures,
      costMicros: known ? Math.round(known.costMicros / known.tries) : 0,
    };
  });
  return {
    workload: workloadOf(arrivals),
    cancelled: tasks.length - kept.length,
    guessed: kept.filter((task) => !tried.has(task.task_id)).length,
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
