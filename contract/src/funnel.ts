/** Funnels on the wire: what became of views, and what they earned, with how sure each figure is. */
import { z } from "zod";
import { isRange, NextCursor, PageQuery, Timestamp } from "./primitives.ts";

export const FUNNEL_GROUPS = ["article", "channel", "offer", "content_type"] as const;
export const ATTRIBUTIONS = ["page", "first_touch", "last_touch"] as const;

export const FunnelQuery = PageQuery.extend({
  from: Timestamp.optional().meta({ description: "28 days before `to` when left out" }),
  to: Timestamp.optional().meta({ description: "Now when left out" }),
  by: z.enum(FUNNEL_GROUPS).default("article"),
  attribution: z.enum(ATTRIBUTIONS).default("page").meta({
    description:
      "To which page and channel a conversion is given: the one it names, or the first or last view of its visitor",
  }),
  goal: z.string().min(1).max(200).optional().meta({ description: "Only conversions of this kind" }),
  lookback_days: z.coerce.number().int().min(1).max(90).default(30),
}).refine(...isRange);

const Figure = z.number().nullable();

const StageRate = z.object({
  from: z.string(),
  to: z.string(),
  rate: Figure,
  low: Figure,
  high: Figure.meta({ description: "low and high: Wilson's interval at `confidence`" }),
  lost: z.number().nullable(),
  note: z.string().nullable().meta({ description: "Why there is no rate" }),
});

const FunnelFigures = {
  views: z.number(),
  engaged: z.number(),
  clicks: z.number(),
  conversions: z.number(),
  attributed: z.number().meta({ description: "Conversions and payments given to a view of their visitor" }),
  payments: z.number(),
  revenue_usd: z.number(),
  stages: z.array(StageRate),
  largest_drop: z.string().nullable(),
  rpm_usd: Figure.meta({ description: "Revenue per thousand views" }),
  rpm_low_usd: Figure,
  rpm_high_usd: Figure.meta({ description: "Fay and Feuer's interval, for payments that come at random" }),
  enough_data: z.boolean(),
  missing: z.string().nullable().meta({ description: "What there is too little of" }),
};

export const FunnelAnswer = z
  .object({
    from: Timestamp,
    to: Timestamp,
    by: z.enum(FUNNEL_GROUPS),
    attribution: z.enum(ATTRIBUTIONS),
    goal: z.string().nullable(),
    confidence: z.number(),
    total: z.object(FunnelFigures),
    groups: z.array(z.object({ key: z.string(), title: z.string().nullable(), ...FunnelFigures })),
    next_cursor: NextCursor,
  })
  .meta({ id: "Funnel" });
export type FunnelAnswer = z.infer<typeof FunnelAnswer>;
