/** Recoveries on the wire: what the orchestrator does about trouble, by which rule, and when that ends. */
import { z } from "zod";
import { Json, JsonObject, NextCursor, PageQuery, Timestamp, Uuid } from "./primitives.ts";

const Count = z.int().min(1).max(1_000_000);
const Seconds = z.number().min(1).max(86_400);
const Share = z.number().min(0.01).max(1);

/** When a recovery begins and ends; a part of the policy. */
export const RecoveryPolicy = z
  .strictObject({
    window_minutes: z.number().min(0.5).max(60).default(5),
    overdue_seconds: Seconds.default(30),
    breaker: z
      .strictObject({
        min_attempts: Count.default(20),
        failed_share: Share.default(0.8),
        open_seconds: Seconds.default(15),
        max_open_seconds: Seconds.default(300),
        pause_after: z.int().min(1).max(100).default(6),
        pause_seconds: Seconds.default(1800),
      })
      .prefault({}),
    target: z
      .strictObject({
        failures_in_row: Count.default(5),
        slow_seconds: z
          .number()
          .min(0.1)
          .max(10)
          .default(3)
          .meta({ description: "An answer that takes longer counts as slow" }),
      })
      .prefault({}),
    reduce: z
      .strictObject({
        min_attempts: Count.default(30),
        failed_share: Share.default(0.5),
        cycle_p95_ms: z.number().min(1).max(60_000).default(2000),
        failed_cycles: Count.default(5),
        calm_seconds: Seconds.default(120),
      })
      .prefault({}),
  })
  .prefault({});

/** What can be done about trouble. Each is described in docs/recovery.md. */
export const PROCEDURES = [
  "rescue_expired_attempts",
  "make_up_ticks",
  "set_aside",
  "trip_breaker",
  "trip_target",
  "pause",
  "reduce",
  "failover",
] as const;
export const Procedure = z.enum(PROCEDURES);
export type Procedure = z.infer<typeof Procedure>;

/** `open` and `half_open` are a circuit breaker's; every other recovery is `active` until it is closed. */
export const RECOVERY_STATES = ["active", "open", "half_open"] as const;
export const RecoveryState = z.enum(RECOVERY_STATES);
export type RecoveryState = z.infer<typeof RecoveryState>;

export const Recovery = z
  .object({
    recovery_id: Uuid,
    procedure: Procedure,
    subject: z.string().meta({
      description:
        "What it is about: a workflow, one of its targets (`workflow/target`), `orchestrator`, what was set aside",
    }),
    state: z.enum([...RECOVERY_STATES, "closed"]),
    cause: z.string().meta({ description: "Why it began, with the numbers" }),
    entry_rule: z.string(),
    exit_rule: z.string().meta({ description: "The rule by which it ends" }),
    numbers: JsonObject,
    opened_at: Timestamp,
    opened_in: Uuid.nullable().meta({ description: "The cycle that opened it" }),
    next_at: Timestamp.nullable().meta({
      description: "When its rule looks again: the next probe, the resume",
    }),
    closed_at: Timestamp.nullable(),
    closed_in: Uuid.nullable(),
    closed_by: z.string().nullable(),
    closed_reason: z.string().nullable(),
  })
  .meta({ id: "Recovery" });
export const RecoveryListQuery = PageQuery.extend({
  open: z
    .enum(["true", "false"])
    .optional()
    .meta({ description: "true: only those that are open; false: only those that are closed" }),
});
export const RecoveryList = z
  .object({ recoveries: z.array(Recovery), next_cursor: NextCursor })
  .meta({ id: "RecoveryList" });

/** What no cycle could stomach, out of the way until an operator puts it back. */
export const SetAside = z
  .object({
    set_aside_id: Uuid,
    kind: z.enum(["fact", "run", "task"]),
    item: z.string().meta({ description: "The fact's number, or the execution's or task's id" }),
    execution_id: Uuid.nullable().meta({ description: "The run it belongs to" }),
    task_id: Uuid.nullable(),
    fact: Json.nullable().meta({ description: "A fact as it was recorded: kind, data, time" }),
    error: z.object({ message: z.string() }).loose(),
    at: Timestamp,
    put_back_at: Timestamp.nullable(),
    put_back_by: z.string().nullable(),
  })
  .meta({ id: "SetAside" });
export const SetAsideQuery = PageQuery.extend({
  all: z
    .enum(["true", "false"])
    .default("false")
    .meta({ description: "true: those that were put back as well" }),
});
export const SetAsideList = z
  .object({ set_aside: z.array(SetAside), next_cursor: NextCursor })
  .meta({ id: "SetAsideList" });
