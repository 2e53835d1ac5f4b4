/** The policy's part about alerts: what is watched, by which rule, who is told when. Judges nothing. */
import { z } from "zod";
import { isTimeZone } from "./workflow.ts";

/** As it stands at the moment; a subject that is not listed any more is well again. */
export const STATE_METRICS = [
  "queue_depth",
  "lane_depth",
  "oldest_waiting_seconds",
  "budget_used_share",
  "limit_used_share",
  "seconds_since_tick",
  "stuck_executions",
  "longest_execution_seconds",
  "breaker_open",
  "recovery_open",
  "set_aside",
  "dead_letters",
  "memory_used_share",
  "connections_used_share",
  "paused",
  "channel_failures",
] as const;
/** Over the last `over_minutes`; unknown where too little happened in them. */
export const WINDOW_METRICS = [
  "failed_attempts_share",
  "dead_letter_share",
  "end_to_end_p95_seconds",
  "wait_p95_seconds",
  "work_p95_seconds",
  "cost_per_task_usd",
  "ticks_missed",
  "uptime_share",
] as const;
/** Things that happen, and can be counted in any length of time. */
export const COUNTERS = ["completed", "dead_lettered", "attempts", "attempts_failed", "cost_usd"] as const;
export const SEVERITIES = ["info", "warning", "critical"] as const;
export const Severity = z.enum(SEVERITIES);
export type Severity = z.infer<typeof Severity>;
export type StateMetric = (typeof STATE_METRICS)[number];
export type WindowMetric = (typeof WINDOW_METRICS)[number];
export type Counter = (typeof COUNTERS)[number];

/** Bounds of the latency counts that an objective can be measured by. */
export const LATENCY_OBJECTIVES = [1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600] as const;

const Name = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,62}$/, "must be lower case letters, digits and _, starting with a letter");
export const RuleName = Name;
/** Of a channel; part of its address in the API. */
export const ChannelName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,62}$/, "must be lower case letters, digits, _ and -, starting with a letter")
  .refine((name) => name !== "settings", { message: "is reserved: choose another" });

const Bound = z.number().min(0).max(1_000_000_000);
const Minutes = z.number().min(1).max(43_200);
const By = z
  .enum(["all", "workflow_type"])
  .default("all")
  .meta({ description: "all: one figure for everything; workflow_type: one alert for each workflow" });
const least = (events: number) =>
  z.int().min(1).max(1_000_000).default(events).meta({
    description: "With fewer in the window nothing is known: it neither fires nor resolves",
  });

const common = {
  enabled: z.boolean().default(true),
  severity: Severity.default("warning"),
  for_seconds: z.number().min(0).max(86_400).default(0).meta({
    description: "It fires once its condition has held for so long, by the database's time",
  }),
  clear_seconds: z.number().min(0).max(86_400).default(60).meta({
    description: "It resolves once its condition has been false for so long",
  }),
  where: z
    .record(z.string().min(1).max(63), z.string().max(300))
    .default({})
    .meta({ description: "Only for subjects with these labels, e.g. workflow_type" }),
  channels: z.array(ChannelName).max(20).optional().meta({
    description: "Who is told instead of every channel that takes its severity",
  }),
  summary: z.string().max(300).optional().meta({ description: "What to do, in words; sent along" }),
};
const bounds = {
  at_least: Bound.optional().meta({ description: "Fires at this value and above" }),
  at_most: Bound.optional().meta({ description: "Fires at this value and below" }),
};
const oneBound = (rule: { at_least?: number | undefined; at_most?: number | undefined }) =>
  (rule.at_least === undefined) !== (rule.at_most === undefined);
const ONE_BOUND = { path: ["at_least"], message: "give exactly one of at_least and at_most" };

const Threshold = z
  .strictObject({
    kind: z.literal("threshold"),
    metric: z.enum([...STATE_METRICS, ...WINDOW_METRICS]),
    ...bounds,
    over_minutes: Minutes.default(15).meta({
      description: `Of ${WINDOW_METRICS.join(", ")}; up to 6 hours by minutes, longer ones by hours`,
    }),
    least_events: least(10),
    by: By,
    ...common,
  })
  .refine(oneBound, ONE_BOUND);

const Rate = z
  .strictObject({
    kind: z.literal("rate"),
    counter: z.enum(COUNTERS),
    ...bounds,
    over_minutes: Minutes.default(15),
    by: By,
    ...common,
  })
  .refine(oneBound, ONE_BOUND)
  .meta({ description: "So many a minute, on average over the window" });

const Window = z.strictObject({
  long_minutes: Minutes,
  short_minutes: Minutes,
  factor: z.number().gt(0).max(1000),
});
const BurnRate = z
  .strictObject({
    kind: z.literal("burn_rate"),
    objective: z.enum(["success", "attempts", "latency", "uptime"]).meta({
      description:
        "uptime: boundaries of the heartbeat that were ticked in time; success: tasks that completed, of those that ended; attempts: those that did not fail; latency: tasks completed within `seconds`",
    }),
    target: z.number().gt(0).lt(1).meta({ description: "The share that is to be good, e.g. 0.95" }),
    seconds: z.literal(LATENCY_OBJECTIVES).optional(),
    windows: z.array(Window).min(1).max(5),
    least_events: least(20),
    by: By,
    ...common,
  })
  .refine(({ objective, seconds }) => (objective === "latency") === (seconds !== undefined), {
    path: ["seconds"],
    message: "belongs to objective latency, and is needed there",
  })
  .refine(({ target, windows }) => windows.every(({ factor }) => factor * (1 - target) < 1), {
    path: ["windows"],
    message: "a factor can never be reached: when everything fails, 1 / (1 - target) is the most",
  })
  .refine(({ windows }) => windows.every((pair) => pair.short_minutes < pair.long_minutes), {
    path: ["windows"],
    message: "short_minutes must be less than long_minutes",
  })
  .meta({ description: "Fires when a long and a short window burn the objective's error budget that fast" });

const Absence = z
  .strictObject({
    kind: z.literal("absence"),
    counter: z.enum(COUNTERS),
    within_minutes: Minutes.default(60),
    while_waiting: z.boolean().default(true).meta({
      description: "Only while tasks wait and the orchestrator is not paused",
    }),
    by: By,
    ...common,
  })
  .meta({ description: "Nothing of the kind was counted in the window" });

const Anomaly = z
  .strictObject({
    kind: z.literal("anomaly"),
    counter: z.enum(COUNTERS),
    direction: z.enum(["above", "below", "both"]).default("both"),
    deviations: z.number().min(1).max(100).default(6).meta({
      description: "Robust standard deviations from the median of the same hours of earlier weeks",
    }),
    weeks: z.int().min(3).max(52).default(8),
    least_weeks: z.int().min(3).max(52).default(4),
    by: By,
    ...common,
  })
  .refine(({ weeks, least_weeks }) => least_weeks <= weeks, {
    path: ["least_weeks"],
    message: "must not exceed weeks",
  })
  .meta({ description: "The last full hour is far from what this hour of the week usually is" });

export const AlertRule = z
  .discriminatedUnion("kind", [Threshold, Rate, BurnRate, Absence, Anomaly])
  .meta({ id: "AlertRule" });
export type AlertRule = z.infer<typeof AlertRule>;

type Written = z.input<typeof AlertRule>;
const day = 24 * 60;
const budget = (share: number, severity: Severity): Written => {
  return { kind: "threshold", metric: "budget_used_share", at_least: share, severity };
};

/** The rules of a new installation. */
const DEFAULT_RULES: Record<string, Written> = {
  api_limit_80: { kind: "threshold", metric: "limit_used_share", at_least: 0.8, for_seconds: 120 },
  budget_80: budget(0.8, "info"),
  budget_90: budget(0.9, "warning"),
  budget_100: budget(1, "critical"),
  error_rate: {
    ...{ kind: "threshold", metric: "failed_attempts_share", at_least: 0.1, by: "workflow_type" },
    ...{ over_minutes: 15, least_events: 20 },
  },
  queue_500: { kind: "threshold", metric: "queue_depth", at_least: 500, for_seconds: 300 },
  queue_1000: {
    ...{ kind: "threshold", metric: "queue_depth", at_least: 1000, for_seconds: 300, severity: "critical" },
  },
  ticks_missed: {
    ...{ kind: "threshold", metric: "ticks_missed", at_least: 1, over_minutes: 15, severity: "critical" },
  },
  uptime: {
    ...{ kind: "threshold", metric: "uptime_share", at_most: 0.99, over_minutes: day, least_events: 100 },
  },
  uptime_burns_fast: {
    ...{ kind: "burn_rate", objective: "uptime", target: 0.99, least_events: 10, severity: "critical" },
    windows: [{ long_minutes: 60, short_minutes: 15, factor: 14.4 }],
  },
  stuck_executions: { kind: "threshold", metric: "stuck_executions", at_least: 1, severity: "critical" },
  latency: {
    ...{ kind: "threshold", metric: "end_to_end_p95_seconds", at_least: 120, by: "workflow_type" },
    for_seconds: 300,
  },
  breaker_open: { kind: "threshold", metric: "breaker_open", at_least: 1, severity: "critical" },
  channel_failing: { kind: "threshold", metric: "channel_failures", at_least: 3, severity: "critical" },
  set_aside: { kind: "threshold", metric: "set_aside", at_least: 1 },
  nothing_completes: { kind: "absence", counter: "completed", within_minutes: 60 },
  success_burns_fast: {
    ...{ kind: "burn_rate", objective: "success", target: 0.95, severity: "critical" },
    windows: [
      { long_minutes: 60, short_minutes: 5, factor: 14.4 },
      { long_minutes: 360, short_minutes: 30, factor: 6 },
    ],
  },
  success_burns_slowly: {
    ...{ kind: "burn_rate", objective: "success", target: 0.95 },
    windows: [{ long_minutes: 3 * day, short_minutes: 360, factor: 1 }],
  },
  unusual_spending: { kind: "anomaly", counter: "cost_usd", direction: "above", severity: "info" },
};

const LocalTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "must be a time of day such as 08:00");
const WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] as const;

export const AlertsPolicy = z
  .strictObject({
    enabled: z.boolean().default(true).meta({
      description: "false: nothing is judged; what fires keeps firing, silently",
    }),
    evaluate_every_seconds: z.number().min(5).max(3600).default(60),
    group_by: z
      .array(z.string().min(1).max(63))
      .max(5)
      .default(["rule"])
      .meta({ description: "Alerts that agree in these go into one message: rule, severity, or labels" }),
    group_wait_seconds: z.number().min(0).max(3600).default(30),
    remind_hours: z.number().min(0).max(168).default(4).meta({
      description: "What fires and nobody has acknowledged is told again so often; 0: never",
    }),
    escalation: z
      .array(
        z.strictObject({
          after_minutes: z.number().min(1).max(10_080),
          channels: z.array(ChannelName).min(1).max(20),
          least_severity: Severity.default("critical"),
        }),
      )
      .max(10)
      .default([])
      .refine(
        (steps) => steps.every((step, i) => i === 0 || step.after_minutes > steps[i - 1]!.after_minutes),
        {
          message: "each step must come later than the one before",
        },
      )
      .meta({ description: "Who else is told while nobody acknowledges" }),
    give_up_hours: z.number().min(0.1).max(168).default(24).meta({
      description: "A message that no retry could deliver in this time is given up, and shown as failed",
    }),
    daily_summary: z
      .strictObject({ enabled: z.boolean().default(true), at: LocalTime.default("08:00") })
      .prefault({}),
    weekly_report: z
      .strictObject({
        enabled: z.boolean().default(true),
        weekday: z.enum(WEEKDAYS).default("monday"),
        at: LocalTime.default("08:00"),
      })
      .prefault({}),
    time_zone: z
      .string()
      .max(100)
      .refine(isTimeZone, { message: "must be an IANA time zone, e.g. Europe/Berlin" })
      .default("UTC"),
    rules: z
      .record(RuleName, AlertRule)
      .prefault(DEFAULT_RULES)
      .refine((rules) => Object.keys(rules).length <= 200, { message: "at most 200 rules" }),
  })
  .prefault({})
  .meta({ id: "AlertsPolicy" });
export type AlertsPolicy = z.infer<typeof AlertsPolicy>;
