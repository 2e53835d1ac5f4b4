/** Owns the rows of a simulated world, for those who read and change them. Neither reads nor changes any. */
import type { Policy, TaskStatus } from "@master-orchestrator/contract";
import { NO_ADAPTATION } from "#core/adapt.ts";
import type {
  Adaptation,
  Fact,
  Run,
  ScheduleState,
  TargetMemory,
  WaitingWork,
  WorkflowView,
} from "#core/snapshot.ts";
import { hasEnded } from "#core/states.ts";
import { type DueList, openDueList } from "./due-list.ts";
import { noTrouble, type Recovering } from "./recovering.ts";
import { fullSupplies, type Supplying } from "./supplying.ts";
import { openWaiting, type Waiting } from "./waiting.ts";

export interface WorldTask {
  taskId: string;
  workflowType: string;
  contentType: string;
  status: TaskStatus;
  priority: number;
  /** Since when it counts its age, and when it becomes due; epoch milliseconds. */
  agedFromMs: number;
  dueAtMs: number;
  failures: number;
  runsAlone: boolean;
  executionId: string | null;
  /** How many follow-ups led to it. */
  chainDepth: number;
  bySchedule: boolean;
}

/** A task that a plan asked for, and why it is there. */
export interface Enqueued {
  task: WorldTask;
  parentTaskId: string | null;
  idempotencyKey: string;
}

export type NewWorldTask = Partial<Omit<WorldTask, "taskId">> & Pick<WorldTask, "workflowType">;

export interface Rows {
  nowMs: number;
  paused: boolean;
  readonly beganMs: number;
  readonly policy: Policy;
  workflows: Readonly<Record<string, WorkflowView>>;
  readonly recovering: Recovering;
  readonly supplying: Supplying;
  /** Where a lane that was idle begins in virtual time. */
  virtualTime: number;
  readonly tasks: Map<string, WorldTask>;
  readonly runs: Map<string, Run>;
  /** Tasks by the execution that carries them. */
  readonly carried: Map<string, Set<string>>;
  /** Live children of each cycle. */
  readonly children: Map<string, number>;
  readonly running: Record<string, number>;
  readonly snoozed: Record<string, number>;
  /** Runs at work by `workflow/target`, and what is remembered of each of those. */
  readonly atTargets: Record<string, number>;
  readonly targets: Map<string, TargetMemory>;
  readonly waiting: Waiting;
  readonly dueRuns: DueList;
  readonly dueTasks: DueList;
  /** Idempotency keys of what plans enqueued. */
  readonly keys: Set<string>;
  /** Where each schedule stands. */
  readonly slots: Map<string, Pick<ScheduleState, "everyMs" | "lastSlotMs" | "lastRunMs">>;
  /** Of the tasks that each schedule enqueued: how many have not ended, and when the last one did. */
  readonly scheduled: Map<string, { unfinished: number; lastEndedAtMs: number | null }>;
  /** What waits in the order in which it is taken. */
  topics: (WaitingWork & { ranksFromMs: number })[];
  adaptation: Adaptation;
  /** What the runs that began on a UTC day have cost, by the number of the day. */
  readonly spentMicros: Map<number, number>;
  /** On which day each run began. */
  readonly runDays: Map<string, number>;
  /** Schedules begin no slot after this; epoch milliseconds. */
  schedulesUntilMs: number;
  /** What the last cycle enqueued. */
  enqueued: Enqueued[];
  readonly taken: Set<string>;
  facts: Fact[];
  posted: Run[];
  /** How many names were given. */
  named: number;
}

const DAY_MS = 86_400_000;
/** The UTC day that a moment belongs to, counted from the Unix epoch. */
export const dayOf = (atMs: number) => Math.floor(atMs / DAY_MS);

export const isLive = (run: Run) => !hasEnded(run.status);

export function emptyRows(policy: Policy, workflows: Rows["workflows"], nowMs: number): Rows {
  return {
    nowMs,
    paused: false,
    beganMs: nowMs,
    policy,
    workflows,
    recovering: noTrouble(),
    supplying: fullSupplies(),
    virtualTime: 0,
    tasks: new Map(),
    runs: new Map(),
    carried: new Map(),
    children: new Map(),
    running: {},
    snoozed: {},
    atTargets: {},
    targets: new Map(),
    waiting: openWaiting(),
    dueRuns: openDueList(),
    dueTasks: openDueList(),
    keys: new Set(),
    slots: new Map(),
    scheduled: new Map(),
    topics: [],
    adaptation: NO_ADAPTATION,
    spentMicros: new Map(),
    runDays: new Map(),
    schedulesUntilMs: Number.POSITIVE_INFINITY,
    enqueued: [],
    taken: new Set(),
    facts: [],
    posted: [],
    named: 0,
  };
}
