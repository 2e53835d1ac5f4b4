/** The state machines of executions and tasks: which change of state is legal. Drawn in docs/states.md. */
import type { ExecutionStatus, TaskStatus } from "@master-orchestrator/contract";

export const EXECUTION_TRANSITIONS: Readonly<Record<ExecutionStatus, readonly ExecutionStatus[]>> = {
  IDLE: ["ANALYZING", "DISPATCHING"],
  ANALYZING: ["DISPATCHING", "MONITORING", "ERROR_RECOVERY", "COMPLETED"],
  DISPATCHING: ["MONITORING", "ERROR_RECOVERY", "COMPLETED", "FAILED", "CANCELLED"],
  MONITORING: ["ERROR_RECOVERY", "COMPLETED", "FAILED", "CANCELLED"],
  ERROR_RECOVERY: ["DISPATCHING", "COMPLETED", "FAILED", "CANCELLED"],
  COMPLETED: [],
  FAILED: [],
  CANCELLED: [],
};

export const TASK_TRANSITIONS: Readonly<Record<TaskStatus, readonly TaskStatus[]>> = {
  scheduled: ["queued", "cancelled"],
  queued: ["running", "cancelled"],
  running: ["completed", "retrying", "dead_lettered", "cancelled"],
  retrying: ["queued", "running", "completed", "dead_lettered", "cancelled"],
  completed: [],
  dead_lettered: ["queued"],
  cancelled: [],
};

/** True once an execution can never change again. */
export function hasEnded(status: ExecutionStatus): boolean {
  return EXECUTION_TRANSITIONS[status].length === 0;
}

/** A plan that asks for an illegal change is a bug: it stops the cycle instead of being written. */
export function assertExecutionStep(from: ExecutionStatus, to: ExecutionStatus): void {
  if (!EXECUTION_TRANSITIONS[from].includes(to)) throw new Error(`illegal execution step ${from} → ${to}`);
}

/** As for executions. */
export function assertTaskStep(from: TaskStatus, to: TaskStatus): void {
  if (!TASK_TRANSITIONS[from].includes(to)) throw new Error(`illegal task step ${from} → ${to}`);
}
