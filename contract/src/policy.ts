/** The policy: everything that an operator may change about how decisions are made. */
import { z } from "zod";
import { AdjustPolicy } from "./adjustment.ts";
import { AlertsPolicy } from "./alerts-policy.ts";
import { mergeDocument } from "./merge.ts";
import { DayHours, Json, NextCursor, PageQuery, Timestamp, Usd } from "./primitives.ts";
import { RecoveryPolicy } from "./recovery.ts";
import { validate } from "./validate.ts";

const Count = z.int().min(0).max(1_000_000);
const Amount = z.number().min(0).max(1_000_000_000);
const Share = z.number().min(0).max(1);
/** `workflow_type/content_type`. */
export const LaneName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,62}\/[a-z0-9][a-z0-9_-]{0,62}$/, "must be workflow_type/content_type");

const ModelName = z.string().min(1).max(200);
const Tokens = z.int().min(0).max(1_000_000_000);

const Price = z.strictObject({
  input_usd_per_million: Amount,
  output_usd_per_million: Amount,
  cached_input_usd_per_million: Amount.optional(),
  max_output_tokens: Tokens.optional().meta({
    description: "What a call that names no bound may produce; 32,768 unless told",
  }),
  max_input_tokens: Tokens.optional().meta({
    description: "What a call that refers to something outside of its body may read; 1,048,576 unless told",
  }),
});

/** Limits of a provider, or of one of its models; what is left out is not limited. */
const Limits = z.strictObject({
  requests_per_minute: Count.optional(),
  requests_per_day: Count.optional(),
  input_tokens_per_minute: Tokens.optional(),
  output_tokens_per_minute: Tokens.optional(),
  concurrency: Count.optional(),
});

const Caps = z.record(z.string().min(1).max(200), Usd.nullable()).default({});

const Fallback = z.strictObject({
  model: ModelName.meta({ description: "The model that was asked for" }),
  to: ModelName,
  provider: z.enum(["openai", "gemini"]).optional().meta({
    description:
      "Where `to` is; the asked model's own provider unless told. Calls of OpenAI's form may go to gemini, not the other way",
  }),
  when: z.enum(["budget_pace", "provider_down"]),
});

const Batch = z.int().min(1).max(10).optional();
const LanePolicy = z
  .strictObject({
    weight: Amount.default(1),
    batch_min: Batch.meta({
      description: "No run of fewer tasks while more wait; within the workflow's batch",
    }),
    batch_max: Batch.meta({ description: "No run of more tasks; within the workflow's batch" }),
    hours: DayHours.optional().meta({
      description:
        "Of the UTC day: tasks start from the first hour until before the second, over midnight if it is the larger",
    }),
    models: z
      .record(ModelName, z.strictObject({ to: ModelName, provider: z.enum(["openai", "gemini"]).optional() }))
      .optional()
      .meta({ description: "By the model that this lane's calls ask for: the one that is called instead" }),
  })
  .refine(({ batch_min = 1, batch_max = 10 }) => batch_min <= batch_max, {
    path: ["batch_min"],
    message: "must not exceed batch_max",
  });

/**
 * How batches and intervals give way as spending or errors grow, or a limit comes near. All but `step` are ends of straight
 * lines: nothing gives way up to the first, all that is allowed from the second on.
 */
const Adapt = z
  .strictObject({
    by: z.enum(["pace", "ceiling"]).default("pace"),
    ahead_from: Share.default(0.05).meta({
      description: "Shares of the day's budget by which spending is ahead of an even pace",
    }),
    ahead_full: Share.default(0.25),
    errors_from: Share.default(0.2).meta({ description: "Shares of the attempts that failed lately" }),
    errors_full: Share.default(0.5),
    resources_from: Share.default(0.8).meta({
      description: "Shares of a limit on requests, connections or memory that are used",
    }),
    resources_full: Share.default(1),
    slow_from: z.number().min(1).max(1000).default(1.5).meta({
      description: "Times the p95 of work of the day before; of the last 15 minutes, over 20 tasks or more",
    }),
    slow_full: z.number().min(1).max(1000).default(3),
    longest_interval: z.number().min(1).max(100).default(4).meta({ description: "Times every_seconds" }),
    smallest_batch: Share.default(0.25).meta({
      description: "Share of batch.max and per_slot; 1 task at least",
    }),
    step: z.number().gt(0).max(1).default(0.1).meta({ description: "The farthest move of one tick" }),
  })
  .refine((adapt) => adapt.ahead_from <= adapt.ahead_full, {
    path: ["ahead_full"],
    message: "must not be less than ahead_from",
  })
  .refine((adapt) => adapt.errors_from <= adapt.errors_full, {
    path: ["errors_full"],
    message: "must not be less than errors_from",
  })
  .refine((adapt) => adapt.resources_from <= adapt.resources_full, {
    path: ["resources_full"],
    message: "must not be less than resources_from",
  })
  .refine((adapt) => adapt.slow_from <= adapt.slow_full, {
    path: ["slow_full"],
    message: "must not be less than slow_from",
  });

export const Policy = z
  .strictObject({
    concurrency: z
      .strictObject({
        total: Count.default(10),
        high_load: Count.default(3),
      })
      .prefault({}),
    high_load: z
      .strictObject({ waiting_above: Count.default(1000), resource_above: Share.default(0.8) })
      .prefault({}),
    ageing: z
      .strictObject({
        boost_after_minutes: Amount.default(30),
        boost_per_minute: Amount.default(10),
      })
      .prefault({}),
    retry: z
      .strictObject({
        max_attempts: z.int().min(1).max(10).default(3),
        base_seconds: Amount.default(60),
        factor: z.number().min(1).max(10).default(2),
        max_seconds: Amount.default(960),
        jitter: Share.default(0.2),
        dead_letter_after: z.int().min(1).max(100).default(5),
        snooze_seconds: Amount.default(5),
        snooze_limit_seconds: Amount.default(86_400),
      })
      .prefault({}),
    lanes: z.record(LaneName, LanePolicy).default({}),
    batching: z.strictObject({ full_batches_above_depth: Count.default(1000) }).prefault({}),
    providers: z
      .record(
        z.string().regex(/^[a-z][a-z0-9_.-]{0,62}$/),
        Limits.extend({ models: z.record(ModelName, Limits).optional() }),
      )
      .default({ gemini: { requests_per_minute: 60 }, openai: { requests_per_minute: 50 } }),
    budget: z
      .strictObject({
        daily_usd: Usd.default(500),
        slow_down_at: Share.default(0.8),
        critical_only_at: Share.default(0.9),
        caps: z
          .strictObject({ providers: Caps, workflows: Caps, content_types: Caps })
          .prefault({})
          .meta({ description: "Dollars of a UTC day, besides daily_usd; null takes a cap away" }),
      })
      .prefault({}),
    database: z.strictObject({ max_connections: z.int().min(2).max(1000).default(15) }).prefault({}),
    memory: z
      .strictObject({
        max_rss_mb: Amount.default(1536).meta({ description: "Resident memory of each replica" }),
        resume_below: Share.default(0.85).meta({
          description: "Share of max_rss_mb below which everything goes on again",
        }),
        drain_above: z.number().min(1).max(100).default(1.5).meta({
          description:
            "Times max_rss_mb: a replica that stays above it ends for its supervisor to start anew",
        }),
        drain_after_seconds: Amount.default(60),
      })
      .prefault({}),
    retention: z
      .strictObject({
        archive_after_days: z.number().min(1).max(3650).default(30),
        dead_letters_after_days: z.number().min(1).max(36_500).default(365),
      })
      .prefault({}),
    recovery: RecoveryPolicy,
    adapt: Adapt.prefault({}),
    adjust: AdjustPolicy,
    alerts: AlertsPolicy,
    prices: z.record(ModelName, Price).default({}),
    gateway: z
      .strictObject({
        hold_seconds: z
          .number()
          .min(0)
          .max(300)
          .default(30)
          .meta({ description: "How long a call is held open for a permit" }),
      })
      .prefault({}),
    fallbacks: z
      .array(Fallback)
      .max(100)
      .default([])
      .meta({ description: "Which model is called instead of which, and when; the first that fits" }),
  })
  .meta({ id: "Policy" });
export type Policy = z.infer<typeof Policy>;

/** A partial policy as it is put: any branch may be left out, unknown names are refused after the merge. */
export const PolicyPatch = z
  .strictObject({ policy: z.record(z.string(), Json), comment: z.string().max(1000).optional() })
  .meta({ id: "PolicyPatch" });

export const PolicyVersion = z
  .object({
    version: z.int(),
    policy: Policy,
    comment: z.string().nullable(),
    changed_by: z.string(),
    changed_at: Timestamp,
  })
  .meta({ id: "PolicyVersion" });
export const PolicyHistoryQuery = PageQuery;
export const PolicyHistory = z
  .object({ versions: z.array(PolicyVersion), next_cursor: NextCursor })
  .meta({ id: "PolicyHistory" });

/** The policy of a new installation. */
export function defaultPolicy(): Policy {
  return Policy.parse({});
}

/** Parts whose entries have names of the operator's own, so that null can take one away. */
const REMOVABLE = new Set(["lanes", "providers", "prices", "alerts"]);

/** The policy with a partial document merged in. Throws Problem `validation_failed` that names each wrong field. */
export function mergePolicy(current: Policy, patch: Record<string, unknown>, where = ""): Policy {
  const merged = Object.entries(patch).map(([part, value]): [string, unknown] => {
    const before = (current as Record<string, unknown>)[part];
    return [part, mergeDocument(before, value, REMOVABLE.has(part))];
  });
  return validate(Policy, { ...current, ...Object.fromEntries(merged) }, where);
}
