/** Writes what the fold decided about live runs: their attempts, states, errors and costs. */
import type { Advance, Failure } from "#core/decision.ts";
import { hasEnded } from "#core/states.ts";
import type { Queryable } from "./database.ts";
import { chargeCallbacks } from "./ledger.ts";
import { rowset } from "./rowset.ts";

interface AdvanceContext {
  nowMs: number;
  cycleId: string;
  /** Kept with every failure: what the system looked like. */
  systemState: Record<string, unknown>;
}

/** Updates attempts and executions of all advanced runs, one statement each. */
export async function updateAdvanced(
  tx: Queryable,
  advances: readonly Advance[],
  context: AdvanceContext,
): Promise<void> {
  if (advances.length === 0) return;
  await Promise.all([
    updateAttempts(tx, advances, context.nowMs),
    updateExecutions(tx, advances, context),
    chargeCallbacks(
      tx,
      advances.map(({ executionId, attempt, costMicros }) => ({
        ...{ executionId, costMicros },
        attempt: attempt.number,
      })),
    ),
  ]);
}

const ATTEMPTS = rowset({
  execution_id: "uuid",
  attempt: "int",
  state: "text",
  target: "text",
  may_be_there: "boolean",
  deliveries: "int",
  deliver_at: "timestamptz",
  snoozed_since: "timestamptz",
  accepted_at: "timestamptz",
  deadline_at: "timestamptz",
  last_heartbeat_at: "timestamptz",
  silent_at: "timestamptz",
  progress: "float8",
  message: "text",
  ended: "boolean",
  error: "jsonb",
  metrics: "jsonb",
});

async function updateAttempts(tx: Queryable, advances: readonly Advance[], nowMs: number): Promise<void> {
  await tx.query(
    `update attempts a set
        state = c.state, target = c.target, may_be_there = c.may_be_there, deliveries = c.deliveries, deliver_at = c.deliver_at, snoozed_since = c.snoozed_since,
        accepted_at = c.accepted_at, deadline_at = c.deadline_at, last_heartbeat_at = c.last_heartbeat_at,
        silent_at = c.silent_at, progress = c.progress, message = c.message,
        ended_at = case when c.ended then coalesce(a.ended_at, $2::timestamptz) end,
        error = coalesce(c.error, a.error), metrics = coalesce(c.metrics, a.metrics)
       from ${ATTEMPTS.from("$1", "c")}
      where a.execution_id = c.execution_id and a.attempt = c.attempt`,
    [
      ATTEMPTS.json(
        advances.map(({ executionId, attempt }) => ({
          execution_id: executionId,
          attempt: attempt.number,
          state: attempt.state,
          target: attempt.target,
          may_be_there: attempt.mayBeThere,
          deliveries: attempt.deliveries,
          deliver_at: instant(attempt.deliverAtMs),
          snoozed_since: instant(attempt.snoozedSinceMs),
          accepted_at: instant(attempt.acceptedAtMs),
          deadline_at: instant(attempt.deadlineAtMs),
          last_heartbeat_at: instant(attempt.lastHeartbeatAtMs),
          silent_at: instant(attempt.silentAtMs),
          progress: attempt.progress,
          message: attempt.message,
          ended: attempt.ended,
          error: attempt.failure && failureRecord(attempt.failure),
          metrics: attempt.metrics,
        })),
      ),
      new Date(nowMs),
    ],
  );
}

const EXECUTIONS = rowset({
  execution_id: "uuid",
  status: "text",
  due_at: "timestamptz",
  result: "jsonb",
  error: "jsonb",
  recovery_actions: "jsonb",
  cost_micros: "bigint",
  ended: "boolean",
});

async function updateExecutions(
  tx: Queryable,
  advances: readonly Advance[],
  context: AdvanceContext,
): Promise<void> {
  await tx.query(
    `update workflow_orchestration e set
        status = coalesce(c.status, e.status), due_at = c.due_at,
        result = coalesce(c.result, e.result), error = coalesce(c.error, e.error),
        recovery_actions = e.recovery_actions || c.recovery_actions,
        cost_micros = e.cost_micros + c.cost_micros,
        completed_at = case when c.ended then $2::timestamptz else e.completed_at end
       from ${EXECUTIONS.from("$1", "c")}
      where e.execution_id = c.execution_id`,
    [EXECUTIONS.json(advances.map((advance) => executionChange(advance, context))), new Date(context.nowMs)],
  );
}

function executionChange(advance: Advance, context: AdvanceContext) {
  const status = advance.steps.at(-1)?.to;
  const failure = advance.end?.failure ?? advance.attempt.failure;
  const action = advance.recoveryAction;
  const recovery = action && {
    at: new Date(context.nowMs),
    cycle_id: context.cycleId,
    attempt: advance.attempt.number,
    ...action,
  };
  return {
    execution_id: advance.executionId,
    status,
    due_at: instant(advance.dueAtMs),
    result: advance.end?.result,
    error: failure && { ...failureRecord(failure), system_state: context.systemState },
    recovery_actions: recovery ? [recovery] : [],
    cost_micros: advance.costMicros,
    ended: status !== undefined && hasEnded(status),
  };
}

function failureRecord(failure: Failure) {
  return { code: failure.code, message: failure.message, stack_trace: failure.stackTrace };
}

function instant(atMs: number | null): Date | null {
  return atMs === null || !Number.isFinite(atMs) ? null : new Date(atMs);
}
