/** Owns what a task of the engine may ask for, checked. Exactly one thing, or nothing: then everything that is due. */
import { z } from "zod";
import { DIMENSIONS, METRICS } from "./metrics.ts";

const Day = z.iso.date({ error: "must be a day such as 2026-12-01" }).meta({ example: "2026-12-01" });
/** So that no series is longer than what is analysed. */
const MAX_DAYS = 800;

const isSpan: [(span: { from: string; to: string }) => boolean, { path: string[]; message: string }] = [
  ({ from, to }) => from < to && (Date.parse(to) - Date.parse(from)) / 86_400_000 <= MAX_DAYS,
  {
    path: ["to"],
    message: `must be later than from (it is the first day behind), by ${MAX_DAYS} days at the most`,
  },
];

const SUBJECT = new RegExp(`^(all|(${DIMENSIONS.join("|")}):.{0,300}|workflow:[a-z][a-z0-9_]{0,62})$`, "u");

/** What changed between `from` and before `to`, and what it may have come from. */
const Investigation = z
  .strictObject({
    metric: z.enum(METRICS).optional(),
    subject: z
      .string()
      .regex(
        SUBJECT,
        `must be all, workflow:NAME, or one of ${DIMENSIONS.map((name) => `${name}:NAME`).join(", ")}`,
      )
      .optional(),
    from: Day,
    to: Day,
    question: z.string().trim().max(2000).optional(),
    alert_id: z.string().max(200).optional(),
  })
  .refine(...isSpan)
  .refine(({ metric, subject }) => metric !== undefined || subject !== undefined, {
    path: ["metric"],
    message: "needs a metric, a subject, or both",
  });

export const TaskSchema = z
  .strictObject({
    scheduled_for: z.string().max(100).optional(),
    rollup: z
      .strictObject({ from: Day, to: Day })
      .refine(...isSpan)
      .optional(),
    report: z
      .strictObject({
        kind: z.enum(["day", "week", "month"]),
        day: Day.optional(),
      })
      .optional(),
    investigate: Investigation.optional(),
  })
  .refine(({ rollup, report, investigate }) => [rollup, report, investigate].filter(Boolean).length <= 1, {
    message: "asks for more than one thing: send a task for each of rollup, report and investigate",
  });

export type TaskInput = z.output<typeof TaskSchema>;
export type Investigation = z.output<typeof Investigation>;

/** What the registration's `params` may say. What is wrong there is refused before any task. */
export const ParamsSchema = z.object({
  /** Reports that are written when their period is over. */
  reports: z
    .array(z.enum(["day", "week", "month"]))
    .max(3)
    .default(["week", "month"]),
  targets: z
    .strictObject({
      articles_per_day: z.number().positive().default(500),
      seconds_to_result: z.number().positive().default(120),
      success_share: z.number().positive().max(1).default(0.95),
      cost_per_article_usd: z.number().positive().default(0.1),
    })
    .prefault({}),
});
export type Params = z.output<typeof ParamsSchema>;
export type Targets = Params["targets"];
