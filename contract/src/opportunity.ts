/** Opportunities on the wire: where revenue is to be had, how sure that is, and what operators say to it. */
import { z } from "zod";
import { JsonObject, NextCursor, PageQuery, Timestamp, Uuid } from "./primitives.ts";

export const OPPORTUNITY_STATUSES = ["open", "accepted", "dismissed", "expired"] as const;

export const Opportunity = z
  .object({
    opportunity_id: Uuid,
    kind: z.string().meta({ description: "low_conversion, better_offer, content_type" }),
    subject: z.string(),
    title: z.string(),
    expected_usd: z.number().meta({ description: "In thirty days; low and high: the 95 % interval" }),
    low_usd: z.number(),
    high_usd: z.number(),
    chance: z.number().meta({ description: "That there is anything to gain" }),
    evidence: JsonObject,
    action: JsonObject.meta({ description: "What is recommended" }),
    status: z.enum(OPPORTUNITY_STATUSES),
    found_at: Timestamp,
    seen_at: Timestamp,
    task_id: Uuid.meta({ description: "The run that saw it last" }),
    settled_at: Timestamp.nullable(),
    settled_by: z.string().nullable(),
    note: z.string().nullable(),
  })
  .meta({ id: "Opportunity" });
export type Opportunity = z.infer<typeof Opportunity>;

export const OpportunityListQuery = PageQuery.extend({
  status: z.enum([...OPPORTUNITY_STATUSES, "any"]).default("open"),
});
export const OpportunityList = z
  .object({ opportunities: z.array(Opportunity), next_cursor: NextCursor })
  .meta({ id: "OpportunityList" });
export const SettleBody = z.strictObject({ note: z.string().trim().min(1).max(2000).optional() });
