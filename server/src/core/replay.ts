/** Folds the transitions of a task or an execution into what its row must say. Reads no row. */
import type { ExecutionStatus, TaskStatus } from "@master-orchestrator/contract";
import { hasEnded } from "./states.ts";

/** One event of the audit log, as far as a replay needs it. */
export interface Event {
  atMs: number;
  from: string | null;
  to: string;
  metadata: Readonly<Record<string, unknown>>;
}

export interface ReplayedTask {
  status: TaskStatus;
  /** Since when it is known. */
  createdAtMs: number;
  /** When it first ran. */
  startedAtMs: number | null;
  /** When it ended; null again once it was sent back. */
  completedAtMs: number | null;
  failures: number;
  /** Null while nobody has changed the one that it was enqueued with. */
  priority: number | null;
}

export interface ReplayedExecution {
  status: ExecutionStatus;
  createdAtMs: number;
  completedAtMs: number | null;
  /** Attempts that it has begun; a cycle has none. */
  attempts: number;
}

const ENDED_TASK: readonly string[] = ["completed", "dead_lettered", "cancelled"] satisfies TaskStatus[];
const PRIORITY = /^priority (\d+)$/;

/** The task that these events, oldest first, have led to. Throws if one does not begin where the one before it ended. */
export function replayTask(events: readonly Event[]): ReplayedTask {
  const [first, ...later] = events;
  if (!first) throw new Error("nothing to replay");
  let task: ReplayedTask = {
    status: first.to as TaskStatus,
    createdAtMs: first.atMs,
    startedAtMs: null,
    completedAtMs: null,
    failures: 0,
    priority: null,
  };
  for (const event of later) task = taskAfter(task, event);
  return task;
}

function taskAfter(task: ReplayedTask, event: Event): ReplayedTask {
  const priority = PRIORITY.exec(event.to)?.[1];
  if (priority !== undefined) return { ...task, priority: Number(priority) };
  refuseGap(task.status, event);
  const { failures } = event.metadata;
  return {
    ...task,
    status: event.to as TaskStatus,
    startedAtMs: task.startedAtMs ?? (event.to === "running" ? event.atMs : null),
    completedAtMs: ENDED_TASK.includes(event.to) ? event.atMs : null,
    failures: typeof failures === "number" ? failures : task.failures,
  };
}

/** As for tasks. */
export function replayExecution(events: readonly Event[]): ReplayedExecution {
  const [first, ...later] = events;
  if (!first) throw new Error("nothing to replay");
  // A cycle comes to DISPATCHING too, by way of ERROR_RECOVERY as well, but posts nothing itself.
  const isCycle = events.some((event) => event.to === "ANALYZING");
  let execution: ReplayedExecution = {
    status: first.to as ExecutionStatus,
    createdAtMs: first.atMs,
    completedAtMs: null,
    attempts: 0,
  };
  for (const event of later) {
    refuseGap(execution.status, event);
    const status = event.to as ExecutionStatus;
    const posted = status === "DISPATCHING" && !isCycle;
    execution = {
      ...execution,
      status,
      completedAtMs: hasEnded(status) ? event.atMs : null,
      attempts: execution.attempts + (posted ? 1 : 0),
    };
  }
  return execution;
}

function refuseGap(status: string, event: Event): void {
  if (event.from !== status)
    throw new Error(`an event leads from ${event.from}, the one before it to ${status}`);
}
