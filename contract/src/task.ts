/** Tasks on the wire: one piece of work asked for, with an idempotency key. */
import { z } from "zod";
import {
  ContentType,
  isRange,
  Json,
  JsonObject,
  NextCursor,
  PageQuery,
  Priority,
  Timestamp,
  Uuid,
  WorkflowType,
} from "./primitives.ts";

export const TASK_STATUSES = [
  "queued",
  "scheduled",
  "running",
  "retrying",
  "completed",
  "dead_lettered",
  "cancelled",
] as const;
export const TaskStatus = z.enum(TASK_STATUSES);
export type TaskStatus = z.infer<typeof TaskStatus>;

export const NewTask = z
  .strictObject({
    workflow_type: WorkflowType,
    content_type: ContentType.default("default"),
    priority: Priority.default(50),
    payload: JsonObject.default({}),
    idempotency_key: z.string().min(1).max(200).optional(),
    not_before: Timestamp.optional(),
  })
  .meta({ id: "NewTask" });
export type NewTask = z.infer<typeof NewTask>;

export const MAX_TASKS_PER_REQUEST = 10_000;

export const NewTasks = z
  .strictObject({ tasks: z.array(NewTask).min(1).max(MAX_TASKS_PER_REQUEST) })
  .meta({ id: "NewTasks" });

/** One task or many, for the documentation; the handler tells them apart by the member `tasks`. */
export const EnqueueBody = z.union([NewTask, NewTasks]);

export const EnqueueAnswer = z
  .object({ tasks: z.array(z.object({ task_id: Uuid, status: TaskStatus, duplicate: z.boolean() })) })
  .meta({ id: "EnqueueAnswer" });
export type EnqueueAnswer = z.infer<typeof EnqueueAnswer>;

/** Why a task waits: the same closed list in the plan, the API, the CLI and the dashboard. */
export const HOLD_REASONS = [
  "awaiting_decision",
  "orchestrator_paused",
  "workflow_paused",
  "workflow_without_target",
  "circuit_open",
  "outside_hours",
  "concurrency_total",
  "concurrency_workflow",
  "high_load",
  "recovering",
  "fair_share",
  "memory",
  "database_connections",
  "budget",
  "budget_critical_only",
  "rate_limit",
  "not_due",
  "backoff",
  "snoozed",
  "decision_limit",
] as const;
export const HoldReason = z.enum(HOLD_REASONS);
export type HoldReason = z.infer<typeof HoldReason>;

/** What would let a held task go on; closed, like the reasons. */
export const FREEING_EVENTS = [
  "time",
  "decision",
  "run_ends",
  "resume",
  "registration",
  "recovery",
  "permits",
  "budget",
  "resources",
] as const;

export const Hold = z
  .object({
    reason: HoldReason,
    cause: z.string().meta({ description: "The gate in words, with its numbers" }),
    expected_start: Timestamp.nullable().meta({
      description: "If runs go on taking what they take; of a past moment: when it really started, if it has",
    }),
    freed_by: z
      .object({
        event: z.enum(FREEING_EVENTS),
        detail: z.string(),
        execution_id: Uuid.nullable().meta({ description: "The run whose end is waited for" }),
      })
      .meta({ description: "The event that is expected to free it" }),
  })
  .meta({ id: "Hold" });
export type Hold = z.infer<typeof Hold>;

/** How much goes before a waiting task at the most; docs/fairness.md derives it. */
export const Bound = z
  .object({
    work_seconds: z.number().meta({
      description:
        "Expected seconds of work started from the queue before it, at the most, by what is there now",
    }),
    own_lane_seconds: z.number(),
    same_workflow_seconds: z.number(),
    other_workflows_seconds: z.number(),
    per_overtaking_task_seconds: z.number().meta({
      description: "What each task adds that joins its lane later and still goes before it",
    }),
    overtaken_until: Timestamp.nullable().meta({
      description: "No task that is enqueued later than this goes before it; null: none does from now on",
    }),
    starts_within_seconds: z.number().nullable().meta({
      description:
        "The bound at the present pace; null while its workflow cannot start anything, and for a lane with hours of its own",
    }),
  })
  .meta({ id: "Bound" });
export type Bound = z.infer<typeof Bound>;

/** The same for errors that differ only in numbers, ids, quoted values, paths, addresses, times. */
export const Fingerprint = z
  .string()
  .regex(/^([0-9a-f]{16}|unknown)$/, "must be 16 hexadecimal digits, or unknown")
  .meta({ example: "010259bd93420d37", description: "Names one kind of error; unknown for errors of old" });

export const TaskError = z
  .object({
    execution_id: Uuid,
    attempt: z.int(),
    at: Timestamp,
    code: z.string(),
    message: z.string(),
    stack_trace: z.string().nullable(),
    fingerprint: Fingerprint,
  })
  .meta({ id: "TaskError" });

export const TaskAttempt = z.object({
  execution_id: Uuid,
  attempt: z.int(),
  state: z.string(),
  target: z.string().nullable().meta({ description: "Where it was sent last, by the target's name" }),
  dispatched_at: Timestamp,
  accepted_at: Timestamp.nullable(),
  ended_at: Timestamp.nullable(),
});

export const TaskSummary = z
  .object({
    task_id: Uuid,
    workflow_type: WorkflowType,
    content_type: z.string(),
    priority: z.int(),
    status: TaskStatus,
    failures: z.int(),
    idempotency_key: z.string().nullable(),
    created_at: Timestamp,
    due_at: Timestamp,
    started_at: Timestamp.nullable(),
    completed_at: Timestamp.nullable(),
    execution_id: Uuid.nullable(),
  })
  .meta({ id: "TaskSummary" });
export type TaskSummary = z.infer<typeof TaskSummary>;

export const Task = TaskSummary.extend({
  payload: JsonObject,
  result_data: Json.nullable(),
  score: z.number().nullable().meta({ description: "Rank score now; null once it no longer waits" }),
  rank: z.int().nullable().meta({ description: "1 is next in its lane; null once it no longer waits" }),
  hold: Hold.nullable(),
  bound: Bound.nullable().meta({ description: "Null unless it is queued, and for lanes of weight 0" }),
  errors: z.array(TaskError),
  attempts: z.array(TaskAttempt),
  execution_ids: z.array(Uuid),
  parent_task_id: Uuid.nullable().meta({ description: "The task whose end asked for this one" }),
  follow_ups: z.array(Uuid).meta({ description: "Tasks that its end asked for, at most 100" }),
}).meta({ id: "Task" });
export type Task = z.infer<typeof Task>;

export const TaskListQuery = PageQuery.extend({
  status: TaskStatus.optional(),
  workflow_type: WorkflowType.optional(),
  content_type: ContentType.optional(),
  from: Timestamp.optional(),
  to: Timestamp.optional(),
}).refine(...isRange);
export type TaskListQuery = z.infer<typeof TaskListQuery>;

export const TaskList = z
  .object({ tasks: z.array(TaskSummary), next_cursor: NextCursor })
  .meta({ id: "TaskList" });

export const TaskPatch = z.strictObject({ priority: Priority }).meta({ id: "TaskPatch" });

/** One gate on a task's way, in the order in which they are met. */
export const Gate = z.object({
  gate: z.string(),
  passed: z.boolean(),
  detail: z.string(),
});

export const Explanation = z
  .object({
    task_id: Uuid,
    at: Timestamp,
    status: TaskStatus,
    verdict: z.string().meta({ description: "One sentence: where it stands and why" }),
    score: z.number().nullable(),
    rank: z.int().nullable(),
    hold: Hold.nullable(),
    bound: Bound.nullable().meta({ description: "Null unless it is queued now, and for lanes of weight 0" }),
    gates: z.array(Gate),
    slot_holders: z.array(
      z.object({
        execution_id: Uuid,
        workflow_type: z.string(),
        target: z.string().nullable(),
        since: Timestamp,
        tasks: z.int(),
        expected_end: Timestamp.meta({
          description: "If it takes as long as its workflow's runs usually do",
        }),
      }),
    ),
    history: z.array(
      z.object({ at: Timestamp, from: z.string().nullable(), to: z.string(), reason: z.string() }),
    ),
  })
  .meta({ id: "Explanation" });
export type Explanation = z.infer<typeof Explanation>;
