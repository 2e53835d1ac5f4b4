/** Insights and executive reports: what the intelligence engine found in the numbers, and wrote about it. */
import { z } from "zod";
import { JsonObject, NextCursor, PageQuery, Timestamp, Uuid } from "./primitives.ts";

export const INSIGHT_KINDS = [
  "trend",
  "change",
  "anomaly",
  "forecast",
  "season",
  "gap",
  "investigation",
] as const;

const Day = z.iso.date().meta({ example: "2026-12-01" });
const ToDay = Day.meta({ description: "The first day behind the period" });

export const Insight = z
  .object({
    insight_id: Uuid,
    kind: z.enum(INSIGHT_KINDS),
    metric: z.string().meta({ example: "views" }),
    subject: z.string().meta({ example: "channel:Organic Search", description: "all, or DIMENSION:MEMBER" }),
    from: Day,
    to: ToDay,
    importance: z.number().min(0).max(1),
    headline: z.string(),
    words: z.string(),
    numbers: JsonObject.meta({ description: "What the words rest on" }),
    evidence: JsonObject,
    told_by: z.string().meta({ description: "deterministic, or the model whose words they are" }),
    task_id: Uuid,
    found_at: Timestamp,
    updated_at: Timestamp,
    ended_at: Timestamp.nullable().meta({ description: "When it was found no more" }),
  })
  .meta({ id: "Insight" });
export type Insight = z.infer<typeof Insight>;

export const InsightListQuery = PageQuery.extend({
  kind: z.enum(INSIGHT_KINDS).optional(),
  metric: z.string().max(100).optional(),
  all: z.stringbool().optional().meta({ description: "Those that are found no more as well" }),
});
export const InsightList = z
  .object({ insights: z.array(Insight), next_cursor: NextCursor })
  .meta({ id: "InsightList" });

const REPORT_KINDS = ["day", "week", "month"] as const;
export const REPORT_FORMATS = ["json", "html", "markdown"] as const;

export const Report = z
  .object({
    report_id: Uuid,
    kind: z.enum(REPORT_KINDS),
    from: Day,
    to: ToDay,
    headline: z.string(),
    told_by: z
      .string()
      .meta({ description: "deterministic, or the model whose headline and summary it has" }),
    sha256: z
      .object({ html: z.string(), markdown: z.string(), json: z.string() })
      .meta({ description: "Of each form, as it is served" }),
    task_id: Uuid,
    created_at: Timestamp,
  })
  .meta({ id: "Report" });
export type Report = z.infer<typeof Report>;

export const ReportListQuery = PageQuery.extend({ kind: z.enum(REPORT_KINDS).optional() });
export const ReportList = z
  .object({ reports: z.array(Report), next_cursor: NextCursor })
  .meta({ id: "ReportList" });
export const ReportQuery = z.strictObject({ format: z.enum(REPORT_FORMATS).default("json") });

/** What is expected of a metric, beside what came before and how far earlier forecasts were off. */
export const ReportForecast = z
  .looseObject({
    metric: z.string().meta({ example: "views" }),
    words: z.string().meta({ example: "page views" }),
    model: z.string(),
    beats_naive: z
      .boolean()
      .meta({ description: "Whether the back-test was better than repeating the last week" }),
    history: z.array(z.object({ day: Day, value: z.number().nullable() })),
    days: z.array(
      z.object({
        ...{ day: Day, mean: z.number(), low_80: z.number(), high_80: z.number() },
        ...{ low_95: z.number(), high_95: z.number() },
      }),
    ),
    told: z.string().meta({ description: "In words, with the error of the back-test" }),
  })
  .meta({ id: "ReportForecast" });

/** The JSON form of a report; `format` names its version. */
export const ExecutiveReport = z
  .looseObject({
    format: z.literal("executive_report/1"),
    kind: z.enum(REPORT_KINDS),
    from: Day,
    to: ToDay,
    complete: z.boolean().meta({ description: "Whether the period was over" }),
    generated_at: Timestamp,
    headline: z.string(),
    told_by: z.string(),
    summary: z.array(z.string()),
    production: JsonObject,
    readers: JsonObject,
    forecasts: z.array(ReportForecast),
    findings: z.array(JsonObject),
    anomalies: z.array(JsonObject),
    recommendations: z.array(z.object({ words: z.string(), because: z.string() })),
    limits: z.array(z.string()),
  })
  .meta({ id: "ExecutiveReport" });
