/** Limits and money on the wire: what is used, what is left, and the ledger that proves it. */
import { z } from "zod";
import { NextCursor, PageQuery, Timestamp, Usd, Uuid } from "./primitives.ts";

const Dollars = z.number().meta({ description: "US dollars, to the millionth" });
const Provider = z.string().regex(/^[a-z][a-z0-9_.-]{0,62}$/, "must be a provider's name, e.g. gemini");
const Tokens = z.int().min(0).max(1_000_000_000);

export const LimitView = z
  .object({
    name: z.string().meta({ example: "gemini:requests_per_minute" }),
    kind: z.string(),
    model: z.string().nullable(),
    limit: z.int(),
    used: z.int(),
    next_free_at: Timestamp.nullable().meta({
      description: "When one more is free at the latest; null: now, or (of a limit of 0) never",
    }),
  })
  .meta({ id: "Limit" });

export const Resources = z
  .looseObject({
    budget: z.object({
      day: z.string().meta({ description: "The UTC day", example: "2026-12-01" }),
      daily_usd: Dollars,
      settled_usd: Dollars,
      held_usd: Dollars,
      left_usd: Dollars,
      forecast_usd: Dollars.meta({
        description: "What the day will have cost if it goes on as in the last hour",
      }),
      expected_usd: Dollars.meta({
        description: "What runs at work are expected to cost besides; nothing starts that would need it",
      }),
      caps: z.array(z.object({ scope: z.string(), cap_usd: Dollars, used_usd: Dollars })),
    }),
    providers: z.record(
      z.string(),
      z.object({
        limit: z.int().nullable().meta({ description: "Requests a minute; null: not limited" }),
        used: z.int(),
        next_free_at: Timestamp.nullable(),
        waiting: z.int().meta({ description: "Calls that are held open for a permit" }),
        expected: z.number().meta({ description: "Requests that runs at work are still expected to make" }),
        pauses: z.array(
          z.object({ model: z.string().nullable(), kind: z.string(), until: Timestamp, message: z.string() }),
        ),
        limits: z.array(LimitView),
      }),
    ),
    database: z
      .object({
        limit: z.int(),
        in_use: z.int().meta({ description: "Within the last seconds, on average" }),
        open: z.int(),
        waiting: z.int(),
        claimed: z.number().meta({
          description:
            "In use, and open by the word of the workflows that run (estimates.database_connections)",
        }),
      })
      .meta({
        description: "Connections of all replicas together, as they last said, and the policy's limit",
      }),
    memory: z
      .object({
        limit_mb: z.number(),
        largest_rss_mb: z.number().nullable(),
        replicas: z.int(),
        short: z.boolean().meta({ description: "Only critical workflows start" }),
      })
      .meta({ description: "Resident memory of the largest replica; the limit is each one's" }),
    high_load: z
      .object({ resource: z.string(), share: z.number() })
      .nullable()
      .meta({ description: "The resource that makes it a high load; null if none does" }),
    adaptation: z.object({ slowness: z.number(), reason: z.string() }),
    needs: z
      .array(
        z.object({
          lane: z.string(),
          runs: z.int(),
          calls: z.record(z.string(), z.number()),
          cost_usd: z.number(),
          run_seconds: z.number(),
        }),
      )
      .meta({
        description:
          "What one task of a lane has needed lately, and how long runs took; at most 100, the last measured first. A workflow's own estimates count before it",
      }),
  })
  .meta({ id: "Resources" });

export const PermitRequest = z
  .strictObject({
    provider: Provider,
    count: z.int().min(1).max(1000).default(1),
    model: z.string().min(1).max(200).optional(),
    max_input_tokens: Tokens.default(0),
    max_output_tokens: Tokens.default(0),
    max_cost_usd: Usd.optional().meta({
      description:
        "Set aside from the budget until the usage is reported; unless told, by the tokens and the model's price",
    }),
    wait_seconds: z.number().min(0).max(300).default(0),
  })
  .meta({ id: "PermitRequest" });
export type PermitRequest = z.infer<typeof PermitRequest>;

export const PermitAnswer = z
  .object({
    permit_id: Uuid.meta({ description: "Report what the calls used under it: POST /api/v1/usage" }),
    provider: z.string(),
    count: z.int(),
    reserved_usd: Dollars,
    use_before: Timestamp.meta({
      description: "A request sent later may break the limit: ask again instead",
    }),
    report_before: Timestamp.meta({ description: "Without a report until then, the worst case is charged" }),
  })
  .meta({ id: "PermitAnswer" });
export type PermitAnswer = z.infer<typeof PermitAnswer>;

export const UsageReport = z
  .strictObject({
    permit_id: Uuid.optional().meta({ description: "Of the permit that the calls were made with" }),
    idempotency_key: z.string().min(1).max(200).optional(),
    provider: Provider.optional(),
    model: z.string().min(1).max(200).optional(),
    input_tokens: Tokens.optional(),
    cached_input_tokens: Tokens.optional(),
    output_tokens: Tokens.optional(),
    cost_usd: Usd.optional().meta({ description: "Unless told, by the tokens and the model's price" }),
    unused: z.literal(true).optional().meta({ description: "The provider never got the calls" }),
  })
  .meta({ id: "UsageReport" });
export type UsageReport = z.infer<typeof UsageReport>;

export const LedgerEntry = z
  .object({
    entry_id: Uuid,
    source: z.enum(["gateway", "permit", "usage", "callback"]),
    state: z.enum(["held", "settled", "released"]),
    outcome: z.string().nullable().meta({
      description: "metered, reported, not_billed, never_sent; assumed: unknown, so the worst case",
    }),
    day: z.string(),
    provider: z.string().nullable(),
    model: z.string().nullable(),
    asked_model: z.string().nullable(),
    fallback: z.string().nullable(),
    operation: z.string().nullable(),
    workflow_type: z.string().nullable(),
    content_type: z.string().nullable(),
    execution_id: Uuid.nullable(),
    attempt: z.int().nullable(),
    run: z.string().nullable(),
    actor: z.string(),
    permits: z.int(),
    reserved_usd: Dollars,
    cost_usd: Dollars.nullable(),
    input_tokens: z.int().nullable(),
    cached_input_tokens: z.int().nullable(),
    output_tokens: z.int().nullable(),
    thinking_tokens: z.int().nullable(),
    price_version: z.string().nullable(),
    http_status: z.int().nullable(),
    granted_at: Timestamp,
    settled_at: Timestamp.nullable(),
  })
  .meta({ id: "LedgerEntry" });

const Day = z.iso.date();

export const LedgerQuery = PageQuery.extend({
  day: Day.optional(),
  state: z.enum(["held", "settled", "released"]).optional(),
  provider: Provider.optional(),
  execution_id: Uuid.optional(),
  task_id: Uuid.optional(),
  fallback: z.enum(["true"]).optional(),
});
export const LedgerList = z
  .object({ entries: z.array(LedgerEntry), next_cursor: NextCursor })
  .meta({ id: "LedgerList" });

export const LEDGER_GROUPS = [
  "provider",
  "model",
  "workflow",
  "content_type",
  "source",
  "actor",
  "execution",
] as const;
export const SummaryQuery = z.strictObject({
  day: Day.optional(),
  by: z.enum(LEDGER_GROUPS).default("provider"),
});
export const LedgerSummary = z
  .object({
    day: z.string(),
    by: z.enum(LEDGER_GROUPS),
    daily_usd: Dollars,
    reserved_usd: Dollars,
    settled_usd: Dollars,
    held_usd: Dollars,
    released_usd: Dollars,
    assumed_usd: Dollars.meta({
      description: "Of what is settled: charged at the worst case, since nobody told",
    }),
    agrees: z.boolean().meta({ description: "Whether the running sums equal the sums over the entries" }),
    groups: z.array(
      z.object({
        name: z.string().nullable(),
        calls: z.int(),
        reserved_usd: Dollars,
        settled_usd: Dollars,
        held_usd: Dollars,
        released_usd: Dollars,
        assumed_usd: Dollars,
        input_tokens: z.int(),
        output_tokens: z.int(),
      }),
    ),
  })
  .meta({ id: "LedgerSummary" });
