/** What a plan decides, as plain values that `store/apply.ts` carries out. All times are epoch milliseconds. */
import type {
  ExecutionStatus,
  HoldReason,
  NextTask,
  RecoveryState,
  ScheduleDecision,
  TaskStatus,
  WorkSource,
} from "@master-orchestrator/contract";
import type { Outcomes } from "./health.ts";
import type { Recovery, Run, RunAttempt, TargetMemory } from "./snapshot.ts";
import type { MeasuredNeed } from "./supplies.ts";

/** Why an attempt or a task failed. */
export interface Failure {
  code: string;
  message: string;
  stackTrace: string | null;
}

/** A change of an existing task. What is undefined stays as it is. */
export interface TaskChange {
  taskId: string;
  from: TaskStatus;
  to: TaskStatus;
  reason: string;
  actor: string;
  failures?: number;
  dueAtMs?: number;
  /** From when it counts its age; else that stays, so that waiting counts in full. */
  agedFromMs?: number;
  runsAlone?: boolean;
  /** The task leaves its execution and goes back to the queue, or has ended. */
  leaves?: boolean;
  result?: unknown;
  failure?: Failure;
  /** What the callback that completed it wants to be done next. */
  next?: readonly NextTask[];
}

/** A change of an execution's state; several in a row when one cycle folds in several facts. */
export interface ExecutionStep {
  from: ExecutionStatus;
  to: ExecutionStatus;
  reason: string;
  actor: string;
}

/** How an execution ends. */
export interface ExecutionEnd {
  result: unknown;
  failure: Failure | null;
}

/** Something that a plan has seen happen at a target. */
export type Signal = { target: string } & (
  | { kind: "answered"; tookMs: number | null }
  /** A callback, whatever it reports: the target works. */
  | { kind: "returned" }
  | { kind: "snoozed"; untilMs: number }
  /** A posting came to nothing that is known. */
  | { kind: "unanswered"; message: string }
  /** An attempt ended as refused or undelivered (`posting`), timed out or lost. */
  | { kind: "failed"; posting: boolean; message: string }
);

/** Moves one live run: its attempt as it is now, the steps of its state, and what became of its tasks. */
export interface Advance {
  kind: "advance";
  executionId: string;
  parentId: string | null;
  workflowType: string;
  attempt: RunAttempt & { ended: boolean; failure: Failure | null; metrics: unknown };
  steps: readonly ExecutionStep[];
  tasks: readonly TaskChange[];
  dueAtMs: number | null;
  costMicros: number;
  recoveryAction: { action: string; reason: string } | null;
  end: ExecutionEnd | null;
  /** Post the message (again). */
  deliver: boolean;
  /** What it tells of its target. */
  signals: readonly Signal[];
}

/** What a run is expected to use: promised to it when it starts. */
export interface Expected {
  /** By provider. */
  calls: Readonly<Record<string, number>>;
  /** Null where nobody knows. */
  costMicros: number | null;
}

/** Opens an execution over a batch of waiting tasks of one lane. */
export interface Dispatch {
  kind: "dispatch";
  workflowType: string;
  contentType: string;
  taskIds: readonly string[];
  priority: number;
  score: number;
  timeoutMs: number;
  /** The name of the target that it is sent to. */
  target: string;
  /** Null where nothing is known. */
  expects: Expected | null;
  reason: string;
}

/** Starts the next attempt of an execution over the tasks it still carries. */
export interface Retry {
  kind: "retry";
  executionId: string;
  workflowType: string;
  attempt: number;
  taskIds: readonly string[];
  timeoutMs: number;
  target: string;
  /** Null where nothing is known. */
  expects: Expected | null;
  reason: string;
}

/** Posts a snoozed attempt again: the same attempt, the same message id. */
export interface Resume {
  kind: "resume";
  run: Run;
  target: string | null;
}

export interface ChangeTask {
  kind: "change_task";
  change: TaskChange;
}

export interface SetPriority {
  kind: "set_priority";
  taskId: string;
  priority: number;
  actor: string;
}

/** A new task that the orchestrator itself asks for. A key that is there already makes it nothing. */
export interface Enqueue {
  kind: "enqueue";
  workflowType: string;
  contentType: string;
  priority: number;
  payload: Record<string, unknown>;
  idempotencyKey: string;
  parentTaskId: string | null;
  chainDepth: number;
  createdBy: "next" | "schedule";
  reason: string;
}

/** A follow-up that was asked for and is not enqueued; kept with the execution, with the reason. */
export interface SkipNext {
  kind: "skip_next";
  executionId: string;
  taskId: string;
  workflowType: string;
  reason: string;
}

/** What is decided about a slot of a workflow's schedule, once. With `run` an `Enqueue` or more go along. */
export interface ScheduleSlot {
  kind: "schedule";
  workflowType: string;
  slotMs: number;
  everyMs: number;
  /** Slots between the one that was decided before and this one: they went by unseen. */
  missed: number;
  run: boolean;
  reason: ScheduleDecision;
  cause: string;
  /** As in `ScheduleState`, after this decision. */
  lastRunMs: number | null;
}

/** Work of a source has become tasks (by `Enqueue`), so that it waits no more. */
export interface TakeWork {
  kind: "take_work";
  workflowType: string;
  source: WorkSource;
  workIds: readonly string[];
}

/** How far work gives way from now on; once a tick at most. */
export interface Adapt {
  kind: "adapt";
  from: number;
  slowness: number;
  reason: string;
}

/** The workflow has no schedule any more: one that it gets later is a new one. */
export interface ForgetSchedule {
  kind: "forget_schedule";
  workflowType: string;
}

/** All children of a cycle have ended, so the cycle's own execution ends. */
export interface FinishCycle {
  kind: "finish_cycle";
  executionId: string;
}

/** The waiting tasks of a lane were not admitted, and why. */
export interface Hold {
  kind: "hold";
  workflowType: string;
  contentType: string;
  reason: HoldReason;
  cause: string;
  tasks: number;
  /** When its cause is looked at again, where that is known. */
  expectedAtMs?: number | undefined;
}

/** Where the lanes stand after this plan's dispatches; only those that moved, or whose waiting has begun or ended. */
export interface Share {
  kind: "share";
  systemTime: number;
  lanes: readonly { workflowType: string; contentType: string; virtualTime: number; waits: boolean }[];
  /** Workflows whose other lanes, those that have nothing waiting, move forward with them. */
  lifts: readonly { workflowType: string; by: number }[];
}

/** A recovery was opened, changed or closed; `recovery` is as it stands now, or stood when it was closed. */
export interface RecoveryStep {
  kind: "recovery";
  step: "opened" | "changed" | "closed";
  from: RecoveryState | null;
  recovery: Recovery;
  reason: string;
  actor: string;
}

/** The orchestrator itself pauses a workflow, or resumes one that it has paused. */
export interface SwitchWorkflow {
  kind: "switch_workflow";
  workflowType: string;
  paused: boolean;
  reason: string;
}

/** Attempts of a workflow that end in this plan; `failuresInRow` is the new figure, the others are added. */
export interface CountOutcomes extends Outcomes {
  kind: "count_outcomes";
  workflowType: string;
}

/** What is known of a target from now on. */
export interface RememberTarget {
  kind: "remember_target";
  memory: TargetMemory;
}

/** What tasks of a lane have needed, with the runs that end in this plan. */
export interface MeasureNeed {
  kind: "measure_need";
  need: MeasuredNeed;
}

export type Decision =
  | Advance
  | Dispatch
  | Retry
  | Resume
  | ChangeTask
  | SetPriority
  | Enqueue
  | SkipNext
  | ScheduleSlot
  | TakeWork
  | ForgetSchedule
  | Adapt
  | FinishCycle
  | Share
  | RecoveryStep
  | SwitchWorkflow
  | CountOutcomes
  | RememberTarget
  | MeasureNeed
  | Hold;
