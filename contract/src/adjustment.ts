/** Adjustments on the wire: what is recommended to cost less, what is expected of it, and what came of it. */
import { z } from "zod";
import { Json, NextCursor, PageQuery, Timestamp, Uuid } from "./primitives.ts";

const Share = z.number().min(0).max(1);

/** When an adjustment is recommended, and how it is judged; a part of the policy. */
export const AdjustPolicy = z
  .strictObject({
    enabled: z.boolean().default(true).meta({
      description: "false: nothing is recommended; what is being measured is still judged",
    }),
    every_minutes: z.int().min(5).max(1440).default(60),
    window_hours: z
      .int()
      .min(3)
      .max(168)
      .default(24)
      .meta({ description: "The last full hours, held against the lane's own baseline before them" }),
    baseline_days: z.int().min(1).max(60).default(7),
    dearer_share: z.number().min(0.01).max(10).default(0.15).meta({
      description: "A task costs this share more than in the baseline, beyond chance (95 %)",
    }),
    least_tasks: z.int().min(1).max(1_000_000).default(30).meta({
      description: "Completed in the window, in the baseline, and before a change is judged",
    }),
    least_saving_share: Share.default(0.05).meta({
      description: "Expected by the simulator; less is not recommended, and less measured does not keep it",
    }),
    measure_hours: z.int().min(3).max(720).default(24),
    measure_within_hours: z.int().min(3).max(2160).default(96).meta({
      description: "With too few tasks until then nothing is proven, and it is taken back",
    }),
    failures_share: Share.default(0.02).meta({
      description: "More dead letters by this share of the tasks are a hurt, beyond chance",
    }),
    proposal_hours: z.int().min(1).max(2160).default(168).meta({
      description: "A recommendation that nobody has decided on expires",
    }),
    again_after_days: z.int().min(1).max(365).default(14).meta({
      description: "What was rejected or taken back is not recommended again sooner",
    }),
  })
  .refine((adjust) => adjust.measure_hours <= adjust.measure_within_hours, {
    path: ["measure_within_hours"],
    message: "must not be less than measure_hours",
  })
  .prefault({})
  .meta({ id: "AdjustPolicy" });
export type AdjustPolicy = z.infer<typeof AdjustPolicy>;

export const ADJUSTMENT_STATES = [
  "proposed",
  "approved",
  "measuring",
  "kept",
  "rolled_back",
  "rejected",
  "expired",
  "superseded",
] as const;
export const AdjustmentState = z.enum(ADJUSTMENT_STATES);
export type AdjustmentState = z.infer<typeof AdjustmentState>;

export const ADJUSTMENT_KINDS = ["model", "batch", "hours"] as const;
export const AdjustmentKind = z.enum(ADJUSTMENT_KINDS);
export type AdjustmentKind = z.infer<typeof AdjustmentKind>;

export const VERDICTS = ["helped", "did_nothing", "hurt"] as const;
export const Verdict = z.enum(VERDICTS);
export type Verdict = z.infer<typeof Verdict>;

/** One field of the policy; null: it is not there. */
const PolicyField = z.object({ path: z.array(z.string()), before: Json, after: Json });
export type PolicyField = z.infer<typeof PolicyField>;

/** What a lane's tasks cost in some full hours. */
export const Efficiency = z.object({
  hours: z.int().meta({ description: "Hours in which something ended or was charged" }),
  completed: z.int(),
  dead_lettered: z.int(),
  cost_usd: z.number(),
  cost_per_task_usd: z.number().nullable(),
  standard_error_usd: z.number().nullable().meta({
    description: "Of the cost per task, from how it varies between hours; null with fewer than three",
  }),
});
export type Efficiency = z.infer<typeof Efficiency>;

const Pair = z.object({ current: z.number().nullable(), proposed: z.number().nullable() });
/** What the simulator makes of the recorded past with and without the change. */
export const ExpectedEffect = z.object({
  hours: z.int(),
  tasks: z.int().meta({ description: "Recorded tasks of all lanes that both were given" }),
  saving_share: z.number().meta({ description: "Of the lane's cost per task" }),
  cost_per_task_usd: Pair,
  completed: Pair.meta({ description: "Of the lane" }),
  wait_p95_seconds: Pair,
  result_p95_seconds: Pair,
});
export type ExpectedEffect = z.infer<typeof ExpectedEffect>;

export const Adjustment = z
  .object({
    adjustment_id: Uuid,
    lane: z.string().meta({ example: "content_pipeline/how_to" }),
    kind: AdjustmentKind,
    title: z.string(),
    why: z.string().meta({ description: "What has become dearer, and what the proposal is derived from" }),
    changes: z.array(PolicyField),
    expected: ExpectedEffect,
    state: AdjustmentState,
    reason: z.string().meta({ description: "Of its state" }),
    baseline: Efficiency.meta({ description: "The lane before it became dearer" }),
    before: Efficiency.meta({
      description: "The window on which it was proposed; from the approval on, before it",
    }),
    after: Efficiency.nullable().meta({ description: "Since the first full hour after the approval" }),
    verdict: Verdict.nullable(),
    proposed_at: Timestamp,
    decided_at: Timestamp.nullable(),
    decided_by: z.string().nullable(),
    note: z.string().nullable(),
    measured_from: Timestamp.nullable(),
    ended_at: Timestamp.nullable(),
    policy_version: z.int().nullable().meta({ description: "That put it into force" }),
    rolled_back_version: z.int().nullable(),
  })
  .meta({ id: "Adjustment" });
export type Adjustment = z.infer<typeof Adjustment>;

export const AdjustmentDetail = Adjustment.extend({
  steps: z.array(z.object({ at: Timestamp, to: AdjustmentState, reason: z.string(), actor: z.string() })),
}).meta({ id: "AdjustmentDetail" });
export type AdjustmentDetail = z.infer<typeof AdjustmentDetail>;

export const AdjustmentListQuery = PageQuery.extend({
  state: z
    .enum([...ADJUSTMENT_STATES, "open", "any"])
    .default("any")
    .meta({ description: "open: proposed, approved or measuring" }),
  lane: z.string().max(130).optional(),
});
export const AdjustmentList = z
  .object({ adjustments: z.array(Adjustment), next_cursor: NextCursor })
  .meta({ id: "AdjustmentList" });
export const AdjustmentNote = z
  .strictObject({ note: z.string().trim().min(1).max(2000).optional() })
  .default({})
  .meta({ id: "AdjustmentNote" });
