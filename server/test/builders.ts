/** Owns values for tests of the core: each complete and plausible, with only what matters to the test spelled out. */
import { type Callback, Policy } from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import { NO_ADAPTATION } from "#core/adapt.ts";
import { NEUTRAL_HEALTH } from "#core/health.ts";
import type {
  DeliveryFact,
  Fact,
  LaneView,
  NamedTask,
  Recovery,
  Run,
  RunAttempt,
  RunTask,
  Snapshot,
  TargetMemory,
  TargetView,
  WaitingTask,
  WorkflowView,
} from "#core/snapshot.ts";
import {
  type MeasuredNeed,
  NO_ESTIMATES,
  NO_SUPPLIES,
  type PermitSupply,
  type RunUse,
} from "#core/supplies.ts";
import { newMemory, targetSubject } from "#core/targets.ts";
import type { Ask } from "#store/permits.ts";

/** The moment at which every snapshot is taken, unless it says otherwise. */
export const NOW = Date.UTC(2026, 0, 5, 12);
export const SECOND = 1_000;
export const MINUTE = 60_000;
const DAY = 86_400_000;

export const WORKFLOW = "content_pipeline";
/** Its one target, unless a test gives it others. */
export const TARGET = "main";

let last = 0;
/** A name that no other value of this process has. */
export function freshId(kind: string): string {
  last += 1;
  return `${kind}-${String(last).padStart(4, "0")}`;
}

/** A policy; what is left out has its default. */
export function aPolicy(patch: Record<string, unknown> = {}): Policy {
  return Policy.parse(patch);
}

/** A task that waits in a lane, enqueued just now. */
export function aTask(over: Partial<WaitingTask> = {}): WaitingTask {
  return { taskId: freshId("task"), priority: 50, agedFromMs: NOW, runsAlone: false, ...over };
}

/** `count` tasks of one kind. */
export function tasks(count: number, over: Partial<WaitingTask> = {}): WaitingTask[] {
  return Array.from({ length: count }, () => aTask(over));
}

/** A lane whose heads are `waiting`, in the order in which the store returns them; as deep as there are heads. */
export function aLane(waiting: readonly WaitingTask[], over: Partial<LaneView> = {}): LaneView {
  return {
    workflowType: WORKFLOW,
    contentType: "default",
    depth: waiting.length,
    virtualTime: null,
    waited: false,
    heads: waiting,
    ...over,
  };
}

export function aTarget(over: Partial<TargetView> = {}): TargetView {
  return { name: TARGET, weight: 1, maxConcurrent: null, draining: false, ...over };
}

/** A target that nothing has happened at yet. */
export function aMemory(over: Partial<TargetMemory> = {}): TargetMemory {
  return { ...newMemory(WORKFLOW, TARGET), ...over };
}

export function aWorkflow(over: Partial<WorkflowView> = {}): WorkflowView {
  return {
    workflowType: WORKFLOW,
    paused: false,
    pausedBy: null,
    hasTarget: true,
    targets: [aTarget()],
    maxConcurrent: 3,
    batchMin: 1,
    batchMax: 10,
    timeoutMs: 300 * SECOND,
    weight: 1,
    critical: false,
    secondsPerTask: null,
    estimates: NO_ESTIMATES,
    next: [],
    schedule: null,
    ...over,
  };
}

/** A limit of which nothing is used yet. */
export function aPermitSupply(over: Partial<PermitSupply> = {}): PermitSupply {
  return {
    provider: "gemini",
    name: "gemini:requests_per_minute",
    kind: "requests_per_minute",
    limit: 60,
    windowMs: 63 * SECOND,
    used: 0,
    free: over.limit ?? 60,
    freeing: [],
    ...over,
  };
}

/** What a task of the default lane has needed lately: nothing, within a minute. */
export function aNeed(over: Partial<MeasuredNeed> = {}): MeasuredNeed {
  return {
    workflowType: WORKFLOW,
    contentType: "default",
    runs: 5,
    calls: {},
    costMicros: 0,
    providerMicros: {},
    seconds: 60,
    ...over,
  };
}

/** A run at work that has used nothing yet. */
export function aUse(over: Partial<RunUse> = {}): RunUse {
  return {
    executionId: freshId("run"),
    workflowType: WORKFLOW,
    contentType: "default",
    tasks: 1,
    ageMs: 0,
    calls: {},
    micros: {},
    ...over,
  };
}

/** A task that a run carries. */
export function aRunTask(over: Partial<RunTask> = {}): RunTask {
  return {
    taskId: freshId("task"),
    status: "running",
    priority: 50,
    agedFromMs: NOW - MINUTE,
    failures: 0,
    chainDepth: 0,
    ...over,
  };
}

/** The first attempt, posted once a second ago; no outcome is known. */
export function anAttempt(over: Partial<RunAttempt> = {}): RunAttempt {
  return {
    number: 1,
    state: "sent",
    target: TARGET,
    mayBeThere: false,
    timeoutMs: 300 * SECOND,
    deliveries: 1,
    deliverAtMs: null,
    snoozedSinceMs: null,
    acceptedAtMs: null,
    deadlineAtMs: NOW + 299 * SECOND,
    lastHeartbeatAtMs: null,
    silentAtMs: null,
    progress: null,
    message: null,
    ...over,
  };
}

type RunShape = Partial<Omit<Run, "attempt">> & { attempt?: Partial<RunAttempt> };

/** A run of one task whose message was posted a second ago. */
export function aRun(over: RunShape = {}): Run {
  const carried = over.tasks ?? [aRunTask()];
  return {
    executionId: freshId("run"),
    parentId: "cycle-1",
    workflowType: WORKFLOW,
    contentType: "default",
    status: "DISPATCHING",
    taskCount: carried.length,
    dueAtMs: NOW + 14 * SECOND,
    ...over,
    tasks: carried,
    attempt: anAttempt(over.attempt),
  };
}

/** A run that was accepted a second ago and works. */
export function aWorkingRun(over: RunShape = {}): Run {
  return aRun({
    status: "MONITORING",
    dueAtMs: NOW + 299 * SECOND,
    ...over,
    attempt: { state: "accepted", acceptedAtMs: NOW - SECOND, ...over.attempt },
  });
}

/** A run whose attempt has failed, and whose next one is due now. */
export function aFailedRun(over: RunShape = {}): Run {
  return aRun({
    status: "ERROR_RECOVERY",
    dueAtMs: NOW,
    ...over,
    tasks: over.tasks ?? [aRunTask({ status: "retrying", failures: 1 })],
    attempt: { state: "timed_out", ...over.attempt },
  });
}

/** A run whose sub-workflow was busy, and whose next delivery is due now. */
export function aSnoozedRun(over: RunShape = {}): Run {
  return aRun({
    dueAtMs: NOW,
    ...over,
    attempt: { state: "snoozed", deliverAtMs: NOW, snoozedSinceMs: NOW - 5 * SECOND, ...over.attempt },
  });
}

export function aNamedTask(over: Partial<NamedTask> = {}): NamedTask {
  return { taskId: freshId("task"), status: "queued", executionId: null, dueAtMs: NOW, failures: 0, ...over };
}

/** A recovery that began a minute ago. */
export function aRecovery(over: Partial<Recovery> = {}): Recovery {
  return {
    recoveryId: freshId("recovery"),
    procedure: "trip_breaker",
    subject: WORKFLOW,
    state: over.procedure === undefined || over.procedure === "trip_breaker" ? "open" : "active",
    cause: "it fails",
    entryRule: "it begins",
    exitRule: "it ends",
    numbers: {},
    openedAtMs: NOW - MINUTE,
    sinceMs: NOW - MINUTE,
    nextAtMs: null,
    reopened: 0,
    probe: null,
    ...over,
  };
}

/** Nothing runs, nothing waits; one workflow; the service has listened for a day. Slots of `runs` are counted. */
export function aSnapshot(over: Partial<Snapshot> = {}): Snapshot {
  const runs = over.runs ?? [];
  const running: Record<string, number> = {};
  const snoozed: Record<string, number> = {};
  const liveChildren: Record<string, number> = {};
  const atTargets: Record<string, number> = {};
  for (const run of runs) {
    const { state, target } = run.attempt;
    const held = state === "snoozed" ? snoozed : state === "sent" || state === "accepted" ? running : null;
    if (held) held[run.workflowType] = (held[run.workflowType] ?? 0) + 1;
    const at = target === null || held !== running ? null : targetSubject(run.workflowType, target);
    if (at !== null) atTargets[at] = (atTargets[at] ?? 0) + 1;
    if (run.parentId) liveChildren[run.parentId] = (liveChildren[run.parentId] ?? 0) + 1;
  }
  return {
    nowMs: NOW,
    paused: false,
    virtualTime: 0,
    listeningSinceMs: NOW - DAY,
    policyVersion: 1,
    policy: aPolicy(),
    workflows: { [WORKFLOW]: aWorkflow() },
    running,
    snoozed,
    atTargets,
    targets: [],
    lanes: [],
    runs,
    facts: [],
    namedTasks: [],
    dueTasks: [],
    liveChildren,
    schedules: [],
    adaptation: NO_ADAPTATION,
    spending: null,
    health: NEUTRAL_HEALTH,
    resources: { replicas: [] },
    supplies: NO_SUPPLIES,
    recoveries: [],
    reducedUntilMs: null,
    ...over,
  };
}

let lastFact = 0;
const base = () => ({ factId: ++lastFact, atMs: NOW });
const about = (run: Run) => ({ ...base(), executionId: run.executionId, attempt: run.attempt.number });

export function aDelivery(
  run: Run,
  outcome: DeliveryFact["outcome"],
  over: Partial<DeliveryFact> = {},
): DeliveryFact {
  const message = `HTTP says ${outcome}`;
  const delivery = run.attempt.deliveries;
  return { kind: "delivery", ...about(run), outcome, delivery, retryAfterMs: null, message, ...over };
}

export function aClaim(run: Run, over: { attempt?: number; atMs?: number } = {}): Fact {
  return { kind: "claim", ...about(run), ...over };
}

export function aHeartbeat(
  run: Run,
  over: Partial<Extract<Fact, { kind: "heartbeat" }>> = {},
): Extract<Fact, { kind: "heartbeat" }> {
  return { kind: "heartbeat", ...about(run), progress: null, message: null, nextWithinMs: null, ...over };
}

export function aCallback(run: Run, callback: Partial<Callback> & Pick<Callback, "status">): Fact {
  const { attempt } = { attempt: run.attempt.number, ...callback };
  return { kind: "callback", ...about(run), attempt, callback: { ...callback, attempt } };
}

export function cancelExecution(run: Run, actor = "ops"): Fact {
  return { kind: "cancel_execution", ...base(), executionId: run.executionId, actor };
}

export function cancelTask(taskId: string, actor = "ops"): Fact {
  return { kind: "cancel_task", ...base(), taskId, actor };
}

export function setPriority(taskId: string, priority: number, actor = "ops"): Fact {
  return { kind: "set_priority", ...base(), taskId, priority, actor };
}

export function redrive(taskId: string, actor = "ops"): Fact {
  return { kind: "redrive", ...base(), taskId, actor };
}

export function closeRecovery(recoveryId: string, actor = "ops"): Fact {
  return { kind: "close_recovery", ...base(), recoveryId, actor };
}

/** The same value, with which nobody can tamper any more. */
export function deepFrozen<T>(value: T): T {
  if (value !== null && typeof value === "object" && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFrozen(inner);
  }
  return value;
}

/** A call that asks for its permit and its money. */
export const anAsk = (over: Partial<Ask> = {}): Ask => ({
  entryId: uuidv7(),
  source: "permit",
  provider: "gemini",
  models: [],
  askedModel: null,
  fallback: null,
  operation: "permits",
  permits: 1,
  reservedMicros: 0,
  inputTokens: 0,
  outputTokens: 0,
  priceVersion: null,
  executionId: null,
  attempt: null,
  workflowType: null,
  run: null,
  actor: "the test",
  replicaId: null,
  wait: false,
  deadlineMs: 600_000,
  ...over,
});
