/** Strategies on the wire: what is in force for which articles, version by version. */
import { z } from "zod";
import { ContentType, JsonObject, NextCursor, PageQuery, Timestamp, Uuid } from "./primitives.ts";

/** Which articles: exactly one of the three. */
export const ContentScope = z
  .strictObject({
    all: z.literal(true).optional(),
    content_types: z.array(ContentType).min(1).max(100).optional(),
    article_ids: z.array(Uuid).min(1).max(1_000).optional(),
  })
  .refine((scope) => Object.values(scope).filter((part) => part !== undefined).length === 1, {
    message: 'must be one of {"all": true}, {"content_types": […]}, {"article_ids": […]}',
  });
export type ContentScope = z.infer<typeof ContentScope>;

/** What is varied, e.g. `offer`, `headline`, `cta`. */
export const Surface = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,62}$/, "must be lower case letters, digits and _, starting with a letter")
  .meta({ example: "offer" });

export const Change = z
  .record(z.string().min(1).max(100), z.union([z.string().max(2000), z.number(), z.boolean(), z.null()]))
  .refine((change) => Object.keys(change).length <= 50, { message: "has at most 50 fields" })
  .meta({ description: "For whoever shows it", example: { offer: "Tide calendar" } });

const Rule = z.strictObject({
  scope: ContentScope,
  surface: Surface,
  change: Change,
  experiment: z.string().max(63).nullable().default(null).meta({
    description: "Key of the experiment that found it",
  }),
});

export const StrategyBody = z
  .strictObject({
    rules: z.array(Rule).max(1_000),
    reason: z.string().trim().min(1).max(2000),
    expected_version: z.int().min(0).optional().meta({
      description: "Refused unless this version is in force (0: none yet)",
    }),
  })
  .meta({ id: "StrategyBody" });
export const RollBackBody = z
  .strictObject({
    to_version: z.int().min(0).optional().meta({
      description: "The version before the one in force when left out; 0: nothing in force",
    }),
    reason: z.string().trim().min(1).max(2000).optional(),
  })
  .meta({ id: "RollBackBody" });

export const Strategy = z
  .object({
    version: z.int(),
    kind: z.enum(["edit", "roll_out", "roll_back"]),
    in_force: z.boolean(),
    rules: z.array(Rule),
    reason: z.string(),
    experiment_id: Uuid.nullable(),
    restores: z.int().nullable().meta({ description: "The version whose rules it brought back" }),
    in_force_at: Timestamp,
    created_by: z.string().meta({ description: "`rule`: by the revenue optimizer" }),
    watch: JsonObject.nullable().meta({
      description: "What is measured afterwards, and whether it rolls back",
    }),
    watch_over: z.boolean(),
    effect: JsonObject.nullable().meta({ description: "The effect as it was measured last" }),
    effect_at: Timestamp.nullable(),
  })
  .meta({ id: "Strategy" });
export type Strategy = z.infer<typeof Strategy>;
export const StrategyList = z
  .object({ strategies: z.array(Strategy), next_cursor: NextCursor })
  .meta({ id: "StrategyList" });
export const StrategyListQuery = PageQuery;

export const InForceQuery = z.strictObject({
  article_id: Uuid.optional().meta({
    description: "Only what holds for this article: one rule for each surface",
  }),
});
export const InForce = z
  .object({
    version: z.int().meta({ description: "0: nothing is in force yet" }),
    rules: z.array(Rule),
  })
  .meta({ id: "StrategyInForce" });
