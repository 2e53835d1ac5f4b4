/** Experiments on the wire: how they are set up, who gets what, what is recorded, what they say. */
import { z } from "zod";
import { JsonObject, NextCursor, PageQuery, Timestamp, Uuid } from "./primitives.ts";
import { Change, ContentScope, Strategy, Surface } from "./strategy.ts";

export const MAX_UNITS_PER_REQUEST = 1_000;

export const ExperimentKey = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, "must be lower case letters, digits, _ and -, at most 63")
  .meta({ example: "tide-calendar-offer" });
const VariantKey = ExperimentKey.meta({ example: "control" });
const Goal = z.string().trim().min(1).max(200).meta({ example: "newsletter" });
const Unit = z.string().min(1).max(200).meta({
  description: "A pseudonym of the visitor, session or account; never a name or an address",
});
const Share = z.number().min(0).max(1);

const StopRules = z
  .strictObject({
    min_sample: z.int().min(100).max(100_000_000).default(1_000).meta({
      description: "Units that each variant needs before anything is decided, but harm",
    }),
    max_days: z.number().min(1).max(365).default(60),
    alpha: z.number().min(0.001).max(0.2).default(0.05).meta({
      description: "The chance of ever calling a difference where there is none, however often one looks",
    }),
    min_effect: Share.default(0).meta({
      description:
        "Relative effect below which it is not worth having; with it an experiment can end as futile",
    }),
    win_chance: Share.min(0.5).default(0.95),
    max_expected_loss: Share.default(0.01).meta({ description: "As a share of the control's mean" }),
    auto_roll_out: z.boolean().default(false).meta({
      description: "A win becomes a strategy update at once; else by POST …/roll-out",
    }),
  })
  .prefault({});

const distinct = <T>(of: readonly T[], key: (one: T) => string) => new Set(of.map(key)).size === of.length;

export const ExperimentBody = z
  .strictObject({
    key: ExperimentKey,
    hypothesis: z.string().trim().min(10, "must say what is expected, and why").max(2000),
    surface: Surface,
    scope: ContentScope,
    unit: z.enum(["visitor", "session", "account"]).default("visitor"),
    variants: z
      .array(
        z.strictObject({
          key: VariantKey,
          weight: z.number().min(0.001).max(1_000).default(1),
          change: Change.default({}),
        }),
      )
      .min(2)
      .max(10)
      .refine((variants) => distinct(variants, ({ key }) => key), { message: "have different keys" })
      .meta({ description: "The first one is the control" }),
    metric: z.enum(["conversion", "revenue_per_unit"]).default("conversion"),
    goal: Goal.optional().meta({
      description: "The kind of conversion; any (but guardrails') when left out",
    }),
    guardrails: z
      .array(z.strictObject({ goal: Goal, harm: z.enum(["more", "fewer"]) }))
      .max(5)
      .default([])
      .refine((guardrails) => distinct(guardrails, ({ goal }) => goal), { message: "have different goals" }),
    outcomes: z.enum(["recorded", "events"]).default("recorded").meta({
      description: "recorded: by POST …/outcomes; events: imported conversions and revenue of the visitor",
    }),
    stop: StopRules,
  })
  .refine((experiment) => experiment.guardrails.every(({ goal }) => goal !== experiment.goal), {
    path: ["guardrails"],
    message: "the goal itself cannot be a guardrail",
  })
  .refine(({ outcomes, unit }) => outcomes !== "events" || unit === "visitor", {
    path: ["unit"],
    message: "must be visitor where outcomes come from events: those know visitors only",
  })
  .meta({ id: "ExperimentBody" });
export type ExperimentBody = z.output<typeof ExperimentBody>;

const Figure = z.number().nullable();
const Interval = z.object({ low: z.number(), high: z.number() });

const VariantResult = z.object({
  key: z.string(),
  control: z.boolean(),
  units: z.int(),
  converted: z.int(),
  revenue_usd: z.number(),
  mean: Figure.meta({ description: "Share that converted, or US dollars per unit" }),
  low: Figure,
  high: Figure.meta({ description: "low and high: at this one look (Wilson; normal for revenue)" }),
  chance_best: Figure,
  chance_better: Figure.meta({ description: "Than the control (Bayesian)" }),
  expected_loss: Figure.meta({ description: "Given up on average by choosing it, in the metric's unit" }),
  effect: Interval.extend({
    absolute: z.number(),
    relative: Figure,
    relative_low: Figure,
    relative_high: Figure,
  })
    .nullable()
    .meta({ description: "Against the control; its intervals hold at every look" }),
  guardrails: z.array(
    z.object({ goal: z.string(), share: z.number(), effect: Interval.nullable(), harmed: z.boolean() }),
  ),
  missing: z.string().nullable().meta({ description: "Why its numbers are not to be relied on yet" }),
});

export const ExperimentResult = z
  .object({
    as_of: Timestamp,
    days: z.number(),
    metric: z.string(),
    units: z.int(),
    crossed_units: z.int().meta({ description: "Were shown several variants: counted nowhere" }),
    sample_ratio: z
      .object({ chi_square: z.number(), degrees_of_freedom: z.int(), p: z.number(), ok: z.boolean() })
      .nullable(),
    variants: z.array(VariantResult),
  })
  .meta({ id: "ExperimentResult" });

export const EXPERIMENT_STATUSES = ["running", "decided", "stopped"] as const;

export const Experiment = z
  .object({
    experiment_id: Uuid,
    key: z.string(),
    hypothesis: z.string(),
    surface: z.string(),
    scope: ContentScope,
    unit: z.string(),
    variants: z.array(z.object({ key: z.string(), weight: z.number(), change: Change })),
    metric: z.string(),
    goal: z.string().nullable(),
    guardrails: z.array(z.object({ goal: z.string(), harm: z.string() })),
    outcomes: z.string(),
    stop: z.object({
      min_sample: z.int(),
      max_days: z.number(),
      alpha: z.number(),
      min_effect: z.number(),
      win_chance: z.number(),
      max_expected_loss: z.number(),
      auto_roll_out: z.boolean(),
    }),
    salt: z.string().meta({ description: "Seed of the assignment (docs/revenue.md)" }),
    status: z.enum(EXPERIMENT_STATUSES),
    started_at: Timestamp,
    started_by: z.string(),
    ended_at: Timestamp.nullable(),
    ended_by: z.string().nullable().meta({ description: "`rule`: a stop rule" }),
    decision: z
      .object({ outcome: z.string(), variant: z.string().nullable(), reason: z.string() })
      .nullable()
      .meta({ description: "win, lose, futile, harm, max_duration, invalid; or stopped by a person" }),
    result: JsonObject.nullable().meta({
      description: "The numbers at the last run, and those that decided",
    }),
    result_at: Timestamp.nullable(),
  })
  .meta({ id: "Experiment" });
export type Experiment = z.infer<typeof Experiment>;
export const ExperimentNow = Experiment.extend({
  now: ExperimentResult.meta({ description: "The numbers at this moment" }),
  waiting_for: z
    .string()
    .nullable()
    .meta({ description: "What it waits for, or what the next run would say" }),
  looks: z
    .array(
      z.object({
        at: Timestamp,
        variants: z.array(z.object({ key: z.string(), chance_best: Figure, mean: Figure, units: z.int() })),
      }),
    )
    .meta({ description: "How the figures went, at most 200 looks, the oldest first" }),
}).meta({ id: "ExperimentNow" });
export type ExperimentNow = z.infer<typeof ExperimentNow>;

export const ExperimentListQuery = PageQuery.extend({ status: z.enum(EXPERIMENT_STATUSES).optional() });
export const ExperimentList = z
  .object({ experiments: z.array(Experiment), next_cursor: NextCursor })
  .meta({ id: "ExperimentList" });

export const StopBody = z.strictObject({ reason: z.string().trim().min(1).max(2000) });
export const RollOutBody = z.strictObject({
  variant: VariantKey.optional().meta({ description: "The winner when left out" }),
  reason: z.string().trim().min(1).max(2000).optional(),
});
export const RollOutAnswer = Strategy;

export const AssignQuery = z.strictObject({ unit: Unit });
export const AssignBody = z.strictObject({
  units: z.array(Unit).min(1).max(MAX_UNITS_PER_REQUEST),
  expose: z.boolean().default(false).meta({ description: "Note at once that they are shown it" }),
});
const Assignment = z.object({
  unit: z.string(),
  variant: z.string(),
  change: Change,
  in_experiment: z.boolean().meta({
    description: "false: it has ended; the variant is the winner, else the control",
  }),
});
export const AssignAnswer = z.object({ assignments: z.array(Assignment) }).meta({ id: "Assignments" });

const At = Timestamp.optional().meta({ description: "Now when left out" });
export const Exposure = z.strictObject({
  unit: Unit,
  variant: VariantKey.optional().meta({ description: "What was shown; its own when left out" }),
  at: At,
});
export const ExposuresBody = z.strictObject({
  exposures: z.array(Exposure).min(1).max(MAX_UNITS_PER_REQUEST),
});
export const ExperimentOutcome = z.strictObject({
  id: z.string().min(1).max(500).optional().meta({
    description: "The same id is the same outcome; without one unit, goal and time tell it from others",
  }),
  unit: Unit,
  goal: Goal.default("conversion"),
  amount_usd: z.number().min(-1_000_000).max(1_000_000).default(0),
  at: At,
});
export const OutcomesBody = z.strictObject({
  outcomes: z.array(ExperimentOutcome).min(1).max(MAX_UNITS_PER_REQUEST),
});
export const RecordedAnswer = z
  .object({ received: z.int(), added: z.int().meta({ description: "Were not there before" }) })
  .meta({ id: "Recorded" });
