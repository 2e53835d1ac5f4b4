/** Executions on the wire: a cycle of the orchestrator, or one run of a sub-workflow over its tasks. */
import { z } from "zod";
import {
  isRange,
  Json,
  JsonObject,
  NextCursor,
  PageQuery,
  Timestamp,
  Uuid,
  WorkflowType,
} from "./primitives.ts";
import { TaskSummary } from "./task.ts";

export const EXECUTION_STATUSES = [
  "IDLE",
  "ANALYZING",
  "DISPATCHING",
  "MONITORING",
  "ERROR_RECOVERY",
  "COMPLETED",
  "FAILED",
  "CANCELLED",
] as const;
export const ExecutionStatus = z.enum(EXECUTION_STATUSES);
export type ExecutionStatus = z.infer<typeof ExecutionStatus>;

/** The orchestrator's own executions (its cycles) bear this type. */
export const MASTER = "master_orchestrator";

/** How an attempt may have ended. */
export const ENDED_ATTEMPT_STATES = [
  "completed",
  "partial",
  "failed",
  "refused",
  "timed_out",
  "lost",
  "undelivered",
  "cancelled",
] as const;

/** How an attempt stands. `sent`: no sign of life yet. */
export const ATTEMPT_STATES = ["sent", "snoozed", "accepted", ...ENDED_ATTEMPT_STATES] as const;
export const AttemptState = z.enum(ATTEMPT_STATES);
export type AttemptState = z.infer<typeof AttemptState>;

export const Attempt = z
  .object({
    attempt: z.int(),
    state: AttemptState,
    webhook_id: z.string(),
    target: z.string().nullable().meta({ description: "Where it was sent last, by the target's name" }),
    deliveries: z.int(),
    claimant: z.string().nullable(),
    dispatched_at: Timestamp,
    accepted_at: Timestamp.nullable(),
    deadline: Timestamp,
    last_heartbeat_at: Timestamp.nullable(),
    progress: z.number().nullable(),
    message: z.string().nullable(),
    ended_at: Timestamp.nullable(),
    error: Json.nullable(),
    metrics: Json.nullable(),
    task_ids: z.array(Uuid),
  })
  .meta({ id: "Attempt" });

export const Transition = z
  .object({
    at: Timestamp,
    from: z.string().nullable(),
    to: z.string(),
    reason: z.string(),
    actor: z.string(),
    cycle_id: Uuid.nullable(),
    metadata: JsonObject,
  })
  .meta({ id: "Transition" });

export const ExecutionSummary = z
  .object({
    execution_id: Uuid,
    parent_execution_id: Uuid.nullable(),
    workflow_type: z.string(),
    status: ExecutionStatus,
    priority: z.int(),
    attempts_used: z.int(),
    task_count: z.int(),
    cost_usd: z.number(),
    created_at: Timestamp,
    started_at: Timestamp.nullable(),
    completed_at: Timestamp.nullable(),
  })
  .meta({ id: "ExecutionSummary" });
export type ExecutionSummary = z.infer<typeof ExecutionSummary>;

export const Execution = ExecutionSummary.extend({
  input: Json.nullable(),
  result: Json.nullable(),
  error: Json.nullable().meta({ description: "message, code, stack_trace, system_state" }),
  context: JsonObject,
  recovery_actions: z.array(Json),
  attempts: z.array(Attempt),
  transitions: z.array(Transition),
  children: z.array(ExecutionSummary),
  tasks: z.array(TaskSummary),
}).meta({ id: "Execution" });
export type Execution = z.infer<typeof Execution>;

export const ExecutionListQuery = PageQuery.extend({
  status: ExecutionStatus.optional(),
  workflow_type: WorkflowType.optional(),
  parent_execution_id: Uuid.optional(),
  from: Timestamp.optional(),
  to: Timestamp.optional(),
}).refine(...isRange);
export type ExecutionListQuery = z.infer<typeof ExecutionListQuery>;
export const ExecutionList = z
  .object({ executions: z.array(ExecutionSummary), next_cursor: NextCursor })
  .meta({ id: "ExecutionList" });

export const ReplayAnswer = z
  .object({ execution_id: Uuid, tasks: z.array(z.object({ task_id: Uuid, replays: Uuid })) })
  .meta({ id: "ReplayAnswer" });
