/** Every reason to be held, in the API's words. The type sees to it that none is missing. */
import type { HoldReason } from "@master-orchestrator/contract";

const REASONS: Readonly<Record<HoldReason, true>> = {
  awaiting_decision: true,
  orchestrator_paused: true,
  workflow_paused: true,
  workflow_without_target: true,
  circuit_open: true,
  outside_hours: true,
  concurrency_total: true,
  concurrency_workflow: true,
  high_load: true,
  recovering: true,
  fair_share: true,
  memory: true,
  database_connections: true,
  budget: true,
  budget_critical_only: true,
  rate_limit: true,
  not_due: true,
  backoff: true,
  snoozed: true,
  decision_limit: true,
};

export const HOLD_REASONS = Object.keys(REASONS) as HoldReason[];
