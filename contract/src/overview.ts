/** The overview: how the system does, in words and figures. */
import { z } from "zod";
import { Orchestrator } from "./orchestrator.ts";

export const Overview = z
  .object({
    verdict: z.object({
      level: z.enum(["healthy", "attention", "trouble"]),
      words: z.string().meta({
        example:
          "healthy: 3 running, 41 waiting, next tick 14:35:00 UTC, $112.00 of $500.00, on pace for 530 articles today",
      }),
      causes: z.array(
        z.object({
          level: z.enum(["attention", "trouble"]),
          about: z.enum([
            "orchestrator",
            "recoveries",
            "queue",
            "budget",
            "dead_letters",
            "executions",
            "providers",
            "alerts",
          ]),
          words: z.string(),
        }),
      ),
      ruled_out: z.array(z.string()).meta({ description: "What was looked at as well, and is no cause" }),
    }),
    orchestrator: Orchestrator,
    states: z
      .object({
        executions: z.record(z.string(), z.int()),
        tasks: z.record(z.string(), z.int()),
      })
      .meta({
        description:
          "How many are in each state now, counted up to 10,000; of ends (COMPLETED, completed, …) those of the last hour",
      }),
    budget: z.object({
      cap_usd: z.number(),
      settled_usd: z.number(),
      held_usd: z.number(),
      forecast_usd: z
        .number()
        .meta({ description: "By the end of the UTC day, if it goes on as in the last hour" }),
    }),
    articles: z.object({ today: z.int(), last_hour: z.int(), forecast_today: z.int() }),
    yesterday: z
      .object({
        day: z.string().meta({ example: "2026-12-01" }),
        cost_usd: z.number().meta({ description: "What the ledger has settled for that UTC day" }),
        completed: z.int(),
        dead_lettered: z.int(),
        articles: z.int(),
        cost_per_article_usd: z.number().nullable(),
      })
      .meta({ description: "The UTC day before today" }),
    dead_letters: z.int(),
    empty: z.boolean().meta({ description: "Nothing has ever been enqueued here" }),
  })
  .meta({ id: "Overview" });
export type Overview = z.infer<typeof Overview>;
