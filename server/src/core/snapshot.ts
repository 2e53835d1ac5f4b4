/** What a decision is made from: one plain value, read once, never changed. All times are epoch milliseconds. */
import type {
  AttemptState,
  Callback,
  ExecutionStatus,
  Policy,
  Procedure,
  RecoveryState,
  Target,
  TaskStatus,
  WorkflowSettings,
  WorkSource,
} from "@master-orchestrator/contract";
import type { Health, Resources } from "./health.ts";
import type { Estimates, Supplies } from "./supplies.ts";

export interface Snapshot {
  nowMs: number;
  paused: boolean;
  /** Where a lane that was idle begins in virtual time. */
  virtualTime: number;
  /** Since when a heartbeat could have reached us: silence before that proves nothing. */
  listeningSinceMs: number;
  policyVersion: number;
  policy: Policy;
  workflows: Readonly<Record<string, WorkflowView>>;
  /** Runs that may be working now, by workflow: each holds a slot of its workflow and one of all. */
  running: Readonly<Record<string, number>>;
  /** Runs whose sub-workflow asked to wait, by workflow: each keeps only the slot of its workflow. */
  snoozed: Readonly<Record<string, number>>;
  /** Runs that may be working at each target, by `workflow/target`. */
  atTargets: Readonly<Record<string, number>>;
  /** Targets that something was sent to. */
  targets: readonly TargetMemory[];
  lanes: readonly LaneView[];
  /** Live runs that a fact concerns or whose time has come. */
  runs: readonly Run[];
  facts: readonly Fact[];
  /** Tasks of the facts that name a task. */
  namedTasks: readonly NamedTask[];
  /** Scheduled and retrying tasks whose time has come. */
  dueTasks: readonly DueTask[];
  /** Live children of each parent of `runs`. */
  liveChildren: Readonly<Record<string, number>>;
  /** Schedules that a cycle has seen before. */
  schedules: readonly ScheduleState[];
  /** How far work gives way at present, as an earlier tick decided. */
  adaptation: Adaptation;
  /** What the day has cost; read on ticks alone, null in between. */
  spending: Spending | null;
  health: Health;
  resources: Resources;
  supplies: Supplies;
  /** Those that are open. */
  recoveries: readonly Recovery[];
  /** When the last reduction ended, if that was within the window. */
  reducedUntilMs: number | null;
}

/** Something that is being done about trouble, and not over yet. */
export interface Recovery {
  /** Null for one that this very plan opens. */
  recoveryId: string | null;
  procedure: Procedure;
  /** A workflow, or `orchestrator`, or what was set aside. At most one of a procedure is open for a subject. */
  subject: string;
  state: RecoveryState;
  cause: string;
  entryRule: string;
  exitRule: string;
  /** The figures that it was opened with. */
  numbers: Readonly<Record<string, number>>;
  openedAtMs: number;
  /** Since when it is in its state. */
  sinceMs: number;
  /** When its rule looks again, whatever happens; null if every cycle does. */
  nextAtMs: number | null;
  /** How often a circuit breaker has opened again since it tripped. */
  reopened: number;
  /** A task of the one run that a half-open breaker let through. */
  probe: string | null;
}

/** A target as a plan sees it. */
export type TargetView = Omit<Target, "url">;

/** What is remembered of a target of a workflow. */
export interface TargetMemory {
  workflowType: string;
  name: string;
  /** Postings that came to nothing since the last one that was answered. */
  unansweredInRow: number;
  /** Attempts that timed out or fell silent since the last callback. */
  failedInRow: number;
  lastSuccessAtMs: number | null;
  lastFailureAtMs: number | null;
  lastFailure: string | null;
  /** It has asked to be left alone until then. */
  restsUntilMs: number | null;
  /** How much of its weight it takes at present, up to 1. */
  room: number;
  /** Runs that were sent there, ever. */
  received: number;
  /** The same, each counted the less the longer ago it was, as of `latelyAtMs`. */
  receivedLately: number;
  latelyAtMs: number;
}

export interface Adaptation {
  /** From 0, nothing gives way, to 1, everything does as far as policy `adapt` allows. */
  slowness: number;
  reason: string;
  /** Since when; null if it never was otherwise. */
  sinceMs: number | null;
}

export interface Spending {
  /** Spent or set aside on this UTC day by the ledger, in millionths of a dollar. */
  spentTodayMicros: number;
}

export interface WorkflowView {
  workflowType: string;
  paused: boolean;
  /** Who paused it; null while nobody has, or if that is not known. */
  pausedBy: string | null;
  hasTarget: boolean;
  targets: readonly TargetView[];
  maxConcurrent: number;
  batchMin: number;
  batchMax: number;
  timeoutMs: number;
  /** Share of the capacity, relative to other workflows. */
  weight: number;
  /** Goes on when the budget is nearly spent, and when memory is short. */
  critical: boolean;
  /** Expected work of one task; null if nobody said. */
  secondsPerTask: number | null;
  /** What it says about what its work needs. */
  estimates: Estimates;
  next: readonly NextRule[];
  schedule: ScheduleRule | null;
}

/** When tasks of the workflow are enqueued by themselves, and with what. */
export interface ScheduleRule {
  everyMs: number;
  /** No run sooner than this after the last scheduled task has ended. */
  cooldownMs: number;
  /** From the first hour until before the second, in `timeZone`; over midnight if the first is later. */
  hours: readonly [from: number, to: number] | null;
  timeZone: string;
  contentType: string;
  priority: number;
  payload: Readonly<Record<string, unknown>>;
  /** Where the work of a slot comes from; null: the slot itself is one task. */
  source: WorkSource | null;
  /** At most so many tasks of its slots that have not ended; 1 without a source. */
  perSlot: number;
}

/** Where a schedule stands. The last three are read only when a slot is to be decided. */
export interface ScheduleState {
  workflowType: string;
  /** The interval by which the last slot was counted; null where nobody noted it. */
  everyMs: number | null;
  /** The last slot that was decided. */
  lastSlotMs: number;
  /** Where the last run stands in an even spacing: its slot, or up to one interval before. Null before the first. */
  lastRunMs: number | null;
  /** Tasks that the schedule enqueued and that have not ended; counted up to `perSlot`. */
  unfinished: number;
  lastEndedAtMs: number | null;
  /** What waits in the rule's source, the first ones first; counted only as far as one slot could take. */
  waiting: readonly WaitingWork[];
}

/** Something that a source holds ready to become a task. */
export interface WaitingWork {
  /** Its id in its source. */
  workId: string;
  contentType: string;
  priority: number;
  payload: Readonly<Record<string, unknown>>;
}

/** What follows a task of the workflow when it ends. */
export type NextRule = NonNullable<WorkflowSettings["next"]>[number];

/** A lane: the tasks of one content type within a workflow, as far as this cycle could need them. */
export interface LaneView {
  workflowType: string;
  contentType: string;
  /** Waiting tasks; counted only up to a bound, so never exact above the policy's thresholds. */
  depth: number;
  /** How far it has come by what it was given; null before a cycle has seen it. */
  virtualTime: number | null;
  /** Tasks of it were left waiting by the last cycle: it has not been idle. */
  waited: boolean;
  /** The oldest tasks of each priority level; any monotone ageing curve has its best among them. */
  heads: readonly WaitingTask[];
}

export interface WaitingTask {
  taskId: string;
  priority: number;
  agedFromMs: number;
  runsAlone: boolean;
}

export interface DueTask {
  taskId: string;
  status: TaskStatus;
}

export interface NamedTask {
  taskId: string;
  status: TaskStatus;
  executionId: string | null;
  dueAtMs: number;
  failures: number;
}

/** A task that a run carries and that has no outcome yet. */
export interface RunTask {
  taskId: string;
  status: TaskStatus;
  priority: number;
  agedFromMs: number;
  failures: number;
  /** How many follow-ups led to it. */
  chainDepth: number;
}

/** One live execution of a sub-workflow with its current attempt. */
export interface Run {
  executionId: string;
  parentId: string | null;
  workflowType: string;
  contentType: string;
  status: ExecutionStatus;
  tasks: readonly RunTask[];
  taskCount: number;
  /** When a cycle has to look again; null once it has ended. */
  dueAtMs: number | null;
  attempt: RunAttempt;
}

export interface RunAttempt {
  number: number;
  state: AttemptState;
  /** Where it was sent last, by the target's name; null if that was before targets were recorded. */
  target: string | null;
  /** A posting of it may have been received, so that it stays at its target. */
  mayBeThere: boolean;
  timeoutMs: number;
  deliveries: number;
  deliverAtMs: number | null;
  snoozedSinceMs: number | null;
  acceptedAtMs: number | null;
  deadlineAtMs: number;
  lastHeartbeatAtMs: number | null;
  silentAtMs: number | null;
  progress: number | null;
  message: string | null;
}

interface FactBase {
  factId: number;
  atMs: number;
}
interface AttemptFact extends FactBase {
  executionId: string;
  attempt: number;
}

/** How one delivery of a dispatch message ended, as the deliverer saw it. */
export interface DeliveryFact extends AttemptFact {
  kind: "delivery";
  outcome: "accepted" | "refused" | "snoozed" | "unknown";
  /** Which delivery of the attempt it was. */
  delivery: number;
  retryAfterMs: number | null;
  message: string;
  /** Of an unknown one; false: it certainly was not received. */
  maybeReceived?: boolean;
  /** Until there was an answer. */
  tookMs?: number | null;
}

export type Fact =
  | DeliveryFact
  | (AttemptFact & { kind: "claim"; nextWithinMs?: number | null })
  | (AttemptFact & {
      kind: "heartbeat";
      progress: number | null;
      message: string | null;
      nextWithinMs: number | null;
    })
  | (AttemptFact & { kind: "callback"; callback: Callback })
  | (FactBase & { kind: "cancel_execution"; executionId: string; actor: string })
  | (FactBase & { kind: "cancel_task"; taskId: string; actor: string })
  | (FactBase & { kind: "set_priority"; taskId: string; priority: number; actor: string })
  | (FactBase & { kind: "redrive"; taskId: string; actor: string })
  | (FactBase & { kind: "close_recovery"; recoveryId: string; actor: string });
