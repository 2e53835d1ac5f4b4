/** What is kept of a cycle for people: its snapshot in figures and its decisions in the wire's words. */
import type {
  Decision,
  Enqueue,
  Expected,
  Hold,
  RecoveryStep,
  ScheduleSlot,
  SkipNext,
  TakeWork,
  TaskChange,
} from "./decision.ts";
import { fleetConnections } from "./health.ts";
import { overdueRuns } from "./recovery.ts";
import type { Snapshot } from "./snapshot.ts";
import { failuresInRow } from "./target-health.ts";
import { targetSubject } from "./targets.ts";

/** The figures that the decisions were made from; kept with each failure, too, as the system's state. */
export function snapshotRecord(snapshot: Snapshot) {
  return {
    at: new Date(snapshot.nowMs).toISOString(),
    paused: snapshot.paused,
    policy_version: snapshot.policyVersion,
    slowness: snapshot.adaptation.slowness,
    ...(snapshot.spending ? { spent_today_usd: snapshot.spending.spentTodayMicros / 1e6 } : {}),
    running: snapshot.running,
    running_at_targets: snapshot.atTargets,
    targets_failing: Object.fromEntries(
      snapshot.targets
        .filter((memory) => failuresInRow(memory) > 0)
        .map((memory) => [targetSubject(memory.workflowType, memory.name), failuresInRow(memory)]),
    ),
    waiting: Object.fromEntries(
      snapshot.lanes.map((lane) => [`${lane.workflowType}/${lane.contentType}`, lane.depth]),
    ),
    priorities: Object.fromEntries(
      snapshot.lanes.map((lane) => [
        `${lane.workflowType}/${lane.contentType}`,
        Math.max(...lane.heads.map((task) => task.priority)),
      ]),
    ),
    health: healthRecord(snapshot),
    resources: resourcesRecord(snapshot),
    supplies: suppliesRecord(snapshot),
    recoveries: snapshot.recoveries.map(({ procedure, subject, state, cause }) => ({
      procedure,
      subject,
      state,
      cause,
    })),
    runs_looked_at: snapshot.runs.length,
    facts: snapshot.facts.length,
    due_tasks: snapshot.dueTasks.length,
  };
}

function healthRecord(snapshot: Snapshot) {
  const { health, policy } = snapshot;
  return {
    window_minutes: policy.recovery.window_minutes,
    attempts: Object.fromEntries(
      Object.entries(health.outcomes).map(([type, outcomes]) => [
        type,
        {
          ended: outcomes.ended,
          failed_endpoint: outcomes.failedEndpoint,
          failed_task: outcomes.failedTask,
          failures_in_row: outcomes.failuresInRow,
        },
      ]),
    ),
    overdue_runs: overdueRuns(snapshot).length,
    missed_ticks: health.missedTicks,
    cycles: health.cycles.count,
    cycle_p95_ms: Math.round(health.cycles.p95Ms),
    failed_cycles: health.failedCycles,
  };
}

/** What nobody has measured is null. */
function resourcesRecord({ resources, policy }: Snapshot) {
  const { open, inUse, waiting } = fleetConnections(resources);
  const worst = (values: readonly (number | null)[]) => {
    const known = values.filter((value) => value !== null);
    return known.length === 0 ? null : Math.max(...known);
  };
  return {
    replicas: resources.replicas.length,
    connections: { open, in_use: inUse, waiting, limit: policy.database.max_connections },
    rss_mb: worst(resources.replicas.map(({ rssMb }) => rssMb)),
    rss_limit_mb: policy.memory.max_rss_mb,
    memory_pressed: resources.replicas.some(({ memoryPressed }) => memoryPressed === true),
    event_loop_delay_ms: worst(resources.replicas.map(({ eventLoopDelayMs }) => eventLoopDelayMs)),
  };
}

/** What the gates for permits and money saw. */
function suppliesRecord({ supplies, nowMs, policy }: Snapshot) {
  const { permits, paused, money, atWork } = supplies;
  return {
    permits: permits.map(({ name, limit, used, free, freeing }) => ({
      ...{ name, limit, used, free },
      next_free_at: free > 0 || !freeing[0] ? null : new Date(nowMs + freeing[0].inMs).toISOString(),
    })),
    paused: paused.map(({ provider, kind, untilMs }) => ({
      ...{ provider, kind },
      until: new Date(untilMs).toISOString(),
    })),
    money: money.map(({ scope, capMicros, usedMicros }) => ({
      ...{ scope, cap_usd: capMicros / 1e6, used_usd: usedMicros / 1e6 },
    })),
    critical_only_at: policy.budget.critical_only_at,
    runs_at_work: atWork.length,
  };
}

/** One decision without the results that passed through it; holds are kept apart, as reasons. */
export function decisionRecord(decision: Decision): Record<string, unknown> | null {
  switch (decision.kind) {
    case "advance":
      if (decision.steps.length + decision.tasks.length === 0 && !decision.deliver) return null;
      return {
        kind: "advance",
        execution_id: decision.executionId,
        attempt: decision.attempt.number,
        attempt_state: decision.attempt.state,
        steps: decision.steps.map((step) => ({ from: step.from, to: step.to, reason: step.reason })),
        tasks: decision.tasks.map(taskRecord),
        delivers_again: decision.deliver,
        ...(decision.deliver ? { target: decision.attempt.target } : {}),
      };
    case "dispatch":
      return {
        kind: "dispatch",
        lane: `${decision.workflowType}/${decision.contentType}`,
        task_ids: decision.taskIds,
        score: Math.round(decision.score * 1000) / 1000,
        target: decision.target,
        ...expectedRecord(decision.expects),
        reason: decision.reason,
      };
    case "retry":
      return {
        kind: "retry",
        execution_id: decision.executionId,
        attempt: decision.attempt,
        task_ids: decision.taskIds,
        target: decision.target,
        ...expectedRecord(decision.expects),
        reason: decision.reason,
      };
    case "change_task":
      return { kind: "change_task", ...taskRecord(decision.change) };
    case "set_priority":
      return { kind: "set_priority", task_id: decision.taskId, priority: decision.priority };
    case "enqueue":
    case "skip_next":
    case "schedule":
    case "take_work":
      return followingRecord(decision);
    case "adapt":
      return { kind: "adapt", from: decision.from, to: decision.slowness, reason: decision.reason };
    case "forget_schedule":
      return { kind: "forget_schedule", workflow_type: decision.workflowType };
    case "finish_cycle":
      return { kind: "finish_cycle", execution_id: decision.executionId };
    case "recovery":
      return recoveryRecord(decision);
    case "switch_workflow": {
      const { workflowType, paused, reason } = decision;
      return { kind: paused ? "pause_workflow" : "resume_workflow", workflow_type: workflowType, reason };
    }
    case "resume":
    case "count_outcomes":
    case "remember_target":
    case "measure_need":
    case "share":
    case "hold":
      return null;
  }
}

/** What was promised to a run; a cost that nobody knows is null. */
function expectedRecord(expects: Expected | null): { expects?: Record<string, unknown> } {
  if (expects === null) return {};
  const { calls, costMicros } = expects;
  return { expects: { calls, cost_usd: costMicros === null ? null : costMicros / 1e6 } };
}

/** What is asked for by an end or by a schedule, or is not. */
function followingRecord(decision: Enqueue | SkipNext | ScheduleSlot | TakeWork): Record<string, unknown> {
  switch (decision.kind) {
    case "enqueue":
      return {
        kind: "enqueue",
        lane: `${decision.workflowType}/${decision.contentType}`,
        idempotency_key: decision.idempotencyKey,
        parent_task_id: decision.parentTaskId,
        reason: decision.reason,
      };
    case "skip_next":
      return {
        kind: "skip_next",
        execution_id: decision.executionId,
        task_id: decision.taskId,
        workflow_type: decision.workflowType,
        reason: decision.reason,
      };
    case "schedule":
      return {
        kind: "schedule",
        workflow_type: decision.workflowType,
        slot: new Date(decision.slotMs).toISOString(),
        run: decision.run,
        missed: decision.missed,
        reason: decision.reason,
        cause: decision.cause,
      };
    case "take_work":
      return {
        kind: "take_work",
        workflow_type: decision.workflowType,
        source: decision.source,
        work_ids: decision.workIds,
      };
  }
}

/** A step of a recovery, as it is recorded, logged and answered. */
export function recoveryRecord({ step, recovery, reason, actor }: RecoveryStep): Record<string, unknown> {
  return {
    kind: "recovery",
    step,
    procedure: recovery.procedure,
    subject: recovery.subject,
    state: step === "closed" ? "closed" : recovery.state,
    reason,
    numbers: recovery.numbers,
    actor,
  };
}

function taskRecord(change: TaskChange) {
  return { task_id: change.taskId, from: change.from, to: change.to, reason: change.reason };
}

/** One line per lane: of several holds in a lane, the one of its best candidate. */
export function holdsByLane(decisions: readonly Decision[]): Hold[] {
  const lanes = new Map<string, Hold>();
  for (const decision of decisions) {
    if (decision.kind !== "hold") continue;
    const name = `${decision.workflowType}/${decision.contentType}`;
    const first = lanes.get(name);
    lanes.set(name, first ? { ...first, tasks: first.tasks + decision.tasks } : decision);
  }
  return [...lanes.values()];
}
