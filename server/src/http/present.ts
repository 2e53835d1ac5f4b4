/** Words of the wire for what the store returns: snake_case, RFC 3339, dollars. Reads nothing. */
import type { ExecutionSummary, TaskSummary } from "@master-orchestrator/contract";
import type { CycleSummaryRow } from "#store/cycles.ts";
import type { AttemptRow, ExecutionSummaryRow } from "#store/execution-views.ts";
import type { TaskErrorRow, TaskSummaryRow } from "#store/task-views.ts";
import type { Transition } from "#store/transitions.ts";

export function time(atMs: number): string;
export function time(atMs: number | null): string | null;
export function time(atMs: number | null): string | null {
  return atMs === null ? null : new Date(atMs).toISOString();
}

/** Millionths of a dollar as dollars. */
export function usd(micros: number): number;
export function usd(micros: number | null): number | null;
export function usd(micros: number | null): number | null {
  return micros === null ? null : micros / 1e6;
}

export function taskSummary(row: TaskSummaryRow): TaskSummary {
  return {
    task_id: row.taskId,
    workflow_type: row.workflowType,
    content_type: row.contentType,
    priority: row.priority,
    status: row.status,
    failures: row.failures,
    idempotency_key: row.idempotencyKey,
    created_at: time(row.createdAtMs),
    due_at: time(row.dueAtMs),
    started_at: time(row.startedAtMs),
    completed_at: time(row.completedAtMs),
    execution_id: row.executionId,
  };
}

export function taskError(row: TaskErrorRow) {
  return {
    execution_id: row.executionId,
    attempt: row.attempt,
    at: time(row.atMs),
    code: row.code,
    message: row.message,
    stack_trace: row.stackTrace,
    fingerprint: row.fingerprint,
  };
}

export function executionSummary(row: ExecutionSummaryRow): ExecutionSummary {
  return {
    execution_id: row.executionId,
    parent_execution_id: row.parentExecutionId,
    workflow_type: row.workflowType,
    status: row.status,
    priority: row.priority,
    attempts_used: row.attemptsUsed,
    task_count: row.taskCount,
    cost_usd: row.costMicros / 1e6,
    created_at: time(row.createdAtMs),
    started_at: time(row.startedAtMs),
    completed_at: time(row.completedAtMs),
  };
}

export function attempt(row: AttemptRow) {
  return {
    attempt: row.attempt,
    state: row.state,
    webhook_id: row.webhookId,
    target: row.target,
    deliveries: row.deliveries,
    claimant: row.claimant,
    dispatched_at: time(row.dispatchedAtMs),
    accepted_at: time(row.acceptedAtMs),
    deadline: time(row.deadlineAtMs),
    last_heartbeat_at: time(row.lastHeartbeatAtMs),
    progress: row.progress,
    message: row.message,
    ended_at: time(row.endedAtMs),
    error: row.error,
    metrics: row.metrics,
    task_ids: row.taskIds,
  };
}

export function transition(row: Transition) {
  return {
    at: time(row.atMs),
    from: row.from,
    to: row.to,
    reason: row.reason,
    actor: row.actor,
    cycle_id: row.cycleId,
    metadata: row.metadata,
  };
}

export function cycleSummary(row: CycleSummaryRow) {
  return {
    cycle_id: row.cycleId,
    trigger: row.trigger,
    boundary: time(row.boundaryMs),
    drift_ms: row.driftMs,
    started_at: time(row.startedAtMs),
    duration_ms: row.durationMs,
    policy_version: row.policyVersion,
    dispatched: row.dispatched,
    held: row.held,
  };
}
