/** What was done over time, for charts: throughput, latency, success, cost. */
import { z } from "zod";
import { ContentType, isRange, Timestamp, WorkflowType } from "./primitives.ts";

export const HISTORY_STEPS = ["minute", "hour", "day"] as const;
export type HistoryStep = (typeof HISTORY_STEPS)[number];

export const HistoryQuery = z
  .strictObject({
    step: z.enum(HISTORY_STEPS).default("hour"),
    from: Timestamp.optional().meta({ description: "60 steps back unless told" }),
    to: Timestamp.optional(),
    workflow_type: WorkflowType.optional(),
    content_type: ContentType.optional(),
  })
  .refine(...isRange);

const Latency = z
  .object({
    mean_seconds: z.number(),
    p50_seconds: z.number(),
    p95_seconds: z.number(),
    p99_seconds: z.number(),
  })
  .nullable()
  .meta({
    description: "Of completed tasks, null without any; percentiles by interpolation between fixed bounds",
  });

export const History = z
  .object({
    step: z.enum(HISTORY_STEPS),
    from: Timestamp,
    to: Timestamp,
    counted_until: Timestamp.nullable().meta({ description: "What ended later is not counted yet" }),
    points: z
      .array(
        z.object({
          at: Timestamp.meta({
            description: "Where the step begins; a step in which nothing ended is left out",
          }),
          completed: z.int(),
          dead_lettered: z.int(),
          cancelled: z.int(),
          success_share: z
            .number()
            .nullable()
            .meta({ description: "completed of completed and dead_lettered" }),
          attempts_ended: z.int(),
          attempts_failed: z.int(),
          cost_usd: z.number(),
          cost_per_task_usd: z.number().nullable(),
          wait: Latency.meta({ description: "From when it was first due to its first start" }),
          work: Latency.meta({ description: "From its first start to its end" }),
          total: Latency.meta({ description: "From when it was first due to its end" }),
        }),
      )
      .meta({ description: "At most 2,000" }),
  })
  .meta({ id: "History" });
export type History = z.infer<typeof History>;
