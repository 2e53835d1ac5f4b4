/** What the orchestrator posts to a sub-workflow, and what the sub-workflow says back. */
import { z } from "zod";
import { ContentType, Json, JsonObject, Priority, Timestamp, Usd, Uuid, WorkflowType } from "./primitives.ts";

/** The body of a dispatch webhook. Receivers ignore fields that they do not know. */
export const DispatchMessage = z
  .object({
    execution_id: Uuid,
    parent_execution_id: Uuid.nullable(),
    attempt: z.int().min(1),
    workflow_type: WorkflowType,
    priority: z.int(),
    input_data: z.object({
      tasks: z.array(
        z.object({
          task_id: Uuid,
          content_type: z.string(),
          payload: JsonObject,
          traceparent: z
            .string()
            .optional()
            .meta({ description: "Where this attempt at the task stands in the task's own trace (W3C)" }),
        }),
      ),
      params: JsonObject,
    }),
    context: JsonObject,
    timeout_seconds: z.number(),
    deadline: Timestamp,
    callback_url: z.url(),
    gateway: z.object({ openai_base_url: z.url(), gemini_base_url: z.url() }),
    authentication: z.object({ type: z.literal("bearer"), token: z.string() }),
  })
  .meta({ id: "DispatchMessage" });
export type DispatchMessage = z.infer<typeof DispatchMessage>;

const AttemptNumber = z.int().min(1).max(1000);

const NextWithin = z
  .number()
  .min(1)
  .max(3600)
  .optional()
  .meta({ description: "A promise: silent for longer than this means that the run is lost" });

export const ClaimBody = z
  .strictObject({
    attempt: AttemptNumber,
    claimant: z.string().min(1).max(200),
    next_within_seconds: NextWithin,
  })
  .meta({ id: "ClaimBody" });
export const ClaimAnswer = z.object({ claimed: z.literal(true) }).meta({ id: "ClaimAnswer" });

const ErrorData = z
  .looseObject({
    message: z.string().max(20_000).optional(),
    stack_trace: z.string().max(100_000).nullish(),
    retry_recommended: z.boolean().nullish(),
  })
  .meta({ id: "ErrorData", description: "message, stack_trace, retry_recommended, and anything else" });
export type ErrorData = z.infer<typeof ErrorData>;

export const MAX_NEXT_TASKS = 20;

/** A follow-up task; what is left out is as with the follow-ups of the workflow's own settings. */
export const NextTask = z
  .strictObject({
    workflow_type: WorkflowType,
    content_type: ContentType.optional(),
    priority: Priority.optional().meta({ description: "that of the task that it follows when left out" }),
    payload: JsonObject.optional().meta({ description: "source and result_data when left out" }),
  })
  .meta({ id: "NextTask" });
export type NextTask = z.infer<typeof NextTask>;

export const CallbackItem = z
  .strictObject({
    task_id: Uuid,
    status: z.enum(["completed", "failed"]),
    result_data: Json.optional(),
    error_data: ErrorData.nullish(),
    next: z
      .array(NextTask)
      .max(MAX_NEXT_TASKS)
      .optional()
      .meta({ description: "Enqueued when this callback completes the task" }),
  })
  .meta({ id: "CallbackItem" });
export type CallbackItem = z.infer<typeof CallbackItem>;

export const Metrics = z
  .looseObject({
    duration_ms: z.number().min(0).optional(),
    items_processed: z.int().min(0).optional(),
    cost_usd: Usd.optional(),
    api_calls: z.record(z.string().max(100), z.number().min(0)).optional(),
  })
  .meta({ id: "Metrics" });

export const Callback = z
  .strictObject({
    execution_id: Uuid.optional(),
    attempt: AttemptNumber,
    status: z.enum(["completed", "partial", "failed"]),
    items: z.array(CallbackItem).max(1000).optional(),
    result_data: Json.optional(),
    error_data: ErrorData.nullish(),
    metrics: Metrics.nullish(),
    next: z
      .array(NextTask)
      .max(MAX_NEXT_TASKS)
      .optional()
      .meta({ description: "Enqueued once, when this callback completes a task: they follow the first" }),
  })
  .meta({ id: "Callback" });
export type Callback = z.infer<typeof Callback>;

/**
 * The answer to a callback. `duplicate` means that this very callback was taken before.
 * A callback that was superseded is answered 409 `stale_attempt` instead.
 */
export const CallbackAnswer = z
  .object({ accepted: z.boolean(), reason: z.literal("duplicate").optional() })
  .meta({ id: "CallbackAnswer" });

export const HeartbeatBody = z
  .strictObject({
    attempt: AttemptNumber.optional(),
    progress: z.number().min(0).max(1).nullish(),
    message: z.string().max(1000).nullish(),
    next_within_seconds: NextWithin,
  })
  .meta({ id: "HeartbeatBody" });
export const HeartbeatAnswer = z
  .object({ recorded: z.literal(true), deadline: Timestamp })
  .meta({ id: "HeartbeatAnswer" });

/** The largest checkpoint value, in bytes of JSON. */
export const MAX_CHECKPOINT_BYTES = 1_048_576;
export const CheckpointKey = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/, "must be letters, digits and . _ : -, at most 100");
export const CheckpointBody = z.strictObject({ task_id: Uuid, value: Json }).meta({ id: "CheckpointBody" });
export const CheckpointQuery = z.strictObject({ task_id: Uuid });
export const CheckpointList = z
  .object({
    checkpoints: z.array(z.object({ key: z.string(), value: Json, saved_at: Timestamp })),
    next_cursor: z.null(),
  })
  .meta({ id: "CheckpointList" });
