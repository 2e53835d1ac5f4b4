/** The states of an execution, for filters; the compiler holds them against the contract's. */
import type { ExecutionStatus } from "@master-orchestrator/contract";

const EVERY: Record<ExecutionStatus, true> = {
  IDLE: true,
  ANALYZING: true,
  DISPATCHING: true,
  MONITORING: true,
  ERROR_RECOVERY: true,
  COMPLETED: true,
  FAILED: true,
  CANCELLED: true,
};
export const EXECUTION_STATUSES = Object.keys(EVERY) as ExecutionStatus[];
