/** The orchestrator itself on the wire: its state, cycles, queue and keys. */
import { z } from "zod";
import { ExecutionStatus } from "./execution.ts";
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
import { Bound, Hold } from "./task.ts";

export const Orchestrator = z
  .object({
    state: ExecutionStatus,
    paused: z.boolean(),
    paused_by: z.string().nullable(),
    replicas: z.array(
      z.object({
        replica_id: z.string(),
        started_at: Timestamp,
        seen_at: Timestamp,
        rss_mb: z.number().nullable(),
        event_loop_delay_ms: z
          .number()
          .nullable()
          .meta({ description: "99th percentile since the sample before" }),
        connections: z
          .object({ open: z.int(), in_use: z.int(), waiting: z.int() })
          .nullable()
          .meta({ description: "Of its pool to the database; waiting: calls that wait for one" }),
      }),
    ),
    recoveries: z
      .array(z.object({ recovery_id: Uuid, procedure: z.string(), subject: z.string(), state: z.string() }))
      .meta({ description: "Those that are open; GET /api/v1/recoveries shows them whole" }),
    last_tick: z.object({ boundary: Timestamp, ran_at: Timestamp, drift_ms: z.number() }).nullable(),
    next_tick: Timestamp,
    running: z.int(),
    waiting: z.int(),
    version: z.string(),
  })
  .meta({ id: "Orchestrator" });

export const TickAnswer = z.object({ cycle_id: Uuid.nullable() }).meta({ id: "TickAnswer" });

export const CycleSummary = z
  .object({
    cycle_id: Uuid,
    trigger: z.enum(["tick", "wake"]),
    boundary: Timestamp.nullable(),
    drift_ms: z.number().nullable(),
    started_at: Timestamp,
    duration_ms: z.number(),
    policy_version: z.int(),
    dispatched: z.int(),
    held: z.int(),
  })
  .meta({ id: "CycleSummary" });
export const Cycle = CycleSummary.extend({
  snapshot: JsonObject,
  decisions: z.array(Json),
  reasons: z.array(z.object({ lane: z.string(), reason: z.string(), cause: z.string(), tasks: z.int() })),
}).meta({ id: "Cycle" });
export const CycleListQuery = PageQuery.extend({
  trigger: z.enum(["tick", "wake"]).optional(),
  from: Timestamp.optional(),
  to: Timestamp.optional(),
  lane: z.string().max(130).optional().meta({ example: "content_pipeline/news" }),
  workflow_type: WorkflowType.optional(),
  reason: z
    .string()
    .max(200)
    .optional()
    .meta({ description: "Of a hold (concurrency_total, …) or of a decision" }),
  text: z.string().max(200).optional().meta({ description: "In what was decided or held, in any case" }),
}).refine(...isRange);
export const CycleList = z
  .object({
    cycles: z.array(CycleSummary),
    searched_back_to: Timestamp.nullable().meta({ description: "Null: to the beginning" }),
    next_cursor: NextCursor,
  })
  .meta({ id: "CycleList" });

export const OrchestratorMoment = z
  .object({
    at: Timestamp,
    paused: z.boolean(),
    policy_version: z.int().nullable(),
    cycle: CycleSummary.nullable().meta({ description: "The last one before it that is kept" }),
    snapshot: JsonObject.nullable().meta({ description: "What that cycle saw" }),
    holds: z.array(
      z.object({ lane: z.string(), reason: z.string(), cause: z.string(), since: Timestamp, cycle_id: Uuid }),
    ),
    running: z
      .array(z.object({ execution_id: Uuid, workflow_type: z.string(), since: Timestamp, tasks: z.int() }))
      .meta({ description: "At most 100, the oldest first; of the last 2,000 executions that had begun" }),
    recoveries: z.array(
      z.object({
        recovery_id: Uuid,
        procedure: z.string(),
        subject: z.string(),
        cause: z.string(),
        opened_at: Timestamp,
      }),
    ),
  })
  .meta({ id: "OrchestratorMoment" });

export const Queue = z
  .object({
    depth: z.int(),
    oldest_age_seconds: z.number().nullable(),
    lanes: z.array(
      z.object({
        lane: z.string(),
        workflow_type: z.string(),
        content_type: z.string(),
        depth: z.int(),
        depth_at_least: z.boolean().meta({ description: "There are more; they are being counted" }),
        depth_counted_at: Timestamp.meta({
          description:
            "Lanes of more than 10,000 waiting tasks are counted in the background, every few seconds",
        }),
        scheduled: z.int(),
        retrying: z.int(),
        running: z.int(),
        oldest_age_seconds: z.number().nullable(),
        completed_last_hour: z.int(),
        share: z.number().meta({ description: "Part of the last hour's completed tasks, 0 to 1" }),
        weight: z.number().meta({ description: "Of the lane in the policy × of its workflow" }),
        entitled_share: z.number().nullable().meta({
          description:
            "Its weight among the lanes that wait now, 0 to 1; null if it does not wait, or is outside of its hours",
        }),
        received_share: z.number().nullable().meta({
          description: "Its part of the last hour's completed work among the same lanes; null without any",
        }),
        bounds: z.array(z.object({ priority: z.int(), bound: Bound })).meta({
          description: "For a task that would be enqueued now with priority 0, 50, 100; none for weight 0",
        }),
        hold: Hold.nullable(),
      }),
    ),
  })
  .meta({ id: "Queue" });

export const ROLES = ["viewer", "operator", "admin", "worker"] as const;
export const Role = z.enum(ROLES);
export type Role = z.infer<typeof Role>;

export const NewApiKey = z
  .strictObject({
    name: z.string().min(1).max(100),
    role: Role,
    expires_at: Timestamp.nullish(),
  })
  .meta({ id: "NewApiKey" });
export const NewApiKeyAnswer = z
  .object({ key_id: z.string(), key: z.string().meta({ description: "Shown this once" }) })
  .meta({ id: "NewApiKeyAnswer" });
export const ApiKey = z
  .object({
    key_id: z.string(),
    name: z.string(),
    role: Role,
    created_at: Timestamp,
    expires_at: Timestamp.nullable(),
    revoked_at: Timestamp.nullable(),
  })
  .meta({ id: "ApiKey" });
export const ApiKeyList = z
  .object({ api_keys: z.array(ApiKey), next_cursor: NextCursor })
  .meta({ id: "ApiKeyList" });

export const ProblemResponse = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string(),
    hint: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: "Problem", description: "RFC 9457 problem response" });
