/** What would have changed under another policy, on the wire. */
import { z } from "zod";
import { Json, Timestamp } from "./primitives.ts";

export const PolicyPreviewBody = z
  .strictObject({
    policy: z
      .record(z.string(), Json)
      .meta({ description: "A partial document, as PUT /api/v1/policy takes it" }),
    hours: z.int().min(1).max(168).default(24).meta({ description: "How far back tasks are taken from" }),
  })
  .meta({ id: "PolicyPreviewBody" });

const Spread = z
  .object({ p50: z.number(), p95: z.number(), max: z.number() })
  .nullable()
  .meta({ description: "Seconds; null where there is nothing to measure" });

const Outcome = z.object({
  completed: z.int(),
  dead_lettered: z.int(),
  unfinished: z.int().meta({ description: "Tasks that nothing would ever have started" }),
  completed_per_hour: z.number(),
  span_seconds: z.number().meta({ description: "Until the last task ended" }),
  wait: Spread,
  result: Spread,
  waited_seconds: z.number().meta({ description: "Of all tasks together" }),
  cost_usd: z.number(),
  dearest_day_usd: z.number(),
  daily_usd: z.number(),
  headroom_usd: z.number().meta({ description: "What the dearest day left of its budget" }),
  slots: z.object({ limit: z.int(), mean: z.number(), peak: z.number() }),
  runs: z.int(),
  lanes: z.array(
    z.object({ lane: z.string(), tasks: z.int(), completed: z.int(), wait: Spread, result: Spread }),
  ),
});
export type PolicyOutcome = z.infer<typeof Outcome>;

export const PolicyPreview = z
  .object({
    policy_version: z.int(),
    from: Timestamp,
    to: Timestamp,
    tasks: z.int().meta({ description: "Recorded tasks that both policies were given" }),
    left_out: z.int().meta({ description: "Cancelled ones" }),
    guessed: z.int().meta({ description: "Ones that have not run; they take their lane's median" }),
    cut: z.boolean().meta({ description: "There were more than 5,000 tasks: the newest were taken" }),
    current: Outcome,
    proposed: Outcome,
  })
  .meta({ id: "PolicyPreview" });
