/** How a sub-workflow is registered. */
import { z } from "zod";
import {
  ContentType,
  DayHours,
  JsonObject,
  NextCursor,
  Priority,
  Timestamp,
  WorkflowType,
} from "./primitives.ts";
import { TargetSettings, TargetShown, WebhookUrl } from "./target.ts";

const WebhookAuth = z.union([
  z.strictObject({
    type: z.literal("header"),
    name: z.string().regex(/^[A-Za-z0-9-]{1,100}$/, "must be a header name"),
    value: z.string().min(1).max(4000),
  }),
  z.strictObject({ type: z.literal("bearer"), token: z.string().min(1).max(4000) }),
  z.strictObject({ type: z.literal("basic"), user: z.string().max(200), password: z.string().max(4000) }),
]);
export type WebhookAuth = z.infer<typeof WebhookAuth>;

export const SigningSecret = z
  .string()
  .regex(/^whsec_[A-Za-z0-9+/]{22,}={0,2}$/, "must be whsec_ and the base64 of at least 16 bytes");

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/**
 * Where a slot's work can come from, besides being the slot itself: `topics` are those that wait in
 * `content.topics` (POST /api/v1/topics); `stale_days` is one task when anything is to be looked at: days of which
 * something was imported since they were rolled up, or a day of the house that is over; `events` is one task when
 * readers' events came in since the last run, or experiments run; `articles_due` are the articles that are due for an
 * audit.
 */
export const WORK_SOURCES = ["topics", "stale_days", "events", "articles_due"] as const;
export type WorkSource = (typeof WORK_SOURCES)[number];
/** How many tasks a slot makes of what its source has waiting, unless the schedule says otherwise. */
export const DEFAULT_PER_SLOT = 10;

/** Slots that are looked at to find one in the hours: at two hours and more they reach over a change of the clocks. */
const SLOTS_LOOKED_AT = 2_000;
const HOUR_MS = 3_600_000;
const A_WINTER_DAY_MS = Date.UTC(2026, 0, 1);

/** False for a schedule of which no slot ever begins within its hours: it would never run. */
function everRuns(schedule: {
  every_seconds: number;
  hours?: [number, number];
  time_zone?: string;
}): boolean {
  const { hours, time_zone: timeZone = "UTC" } = schedule;
  const everyMs = Math.round(schedule.every_seconds * 1000);
  if (!hours || everyMs <= HOUR_MS || !isTimeZone(timeZone)) return true;
  const [from, to] = hours;
  const format = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", hourCycle: "h23" });
  const first = Math.floor(A_WINTER_DAY_MS / everyMs);
  for (let i = 0; i < SLOTS_LOOKED_AT; i++) {
    const hour = Number(format.format((first + i) * everyMs));
    if (from < to ? hour >= from && hour < to : hour >= from || hour < to) return true;
  }
  return false;
}

/** When a workflow runs by itself: in slots of equal length, counted from the Unix epoch (UTC). */
export const Schedule = z
  .strictObject({
    every_seconds: z.number().min(1).max(2_592_000),
    cooldown_seconds: z
      .number()
      .min(0)
      .max(2_592_000)
      .optional()
      .meta({ description: "No run sooner than this after the last scheduled task has ended" }),
    hours: DayHours.optional().meta({
      description: "Runs only from the first hour until before the second, in time_zone",
    }),
    time_zone: z
      .string()
      .max(100)
      .refine(isTimeZone, { message: "must be an IANA time zone, e.g. Europe/Berlin" })
      .optional()
      .meta({ description: "UTC when left out" }),
    content_type: ContentType.optional(),
    priority: Priority.optional(),
    payload: JsonObject.optional().meta({ description: "Of each task; scheduled_for is added to it" }),
    source: z.enum(WORK_SOURCES).optional().meta({
      description:
        "Left out: each slot is one task. topics: a slot makes tasks of the topics that wait, if any. stale_days: one task, if days have changed or are over. events: one task, if there are new events or experiments to judge. articles_due: a slot makes tasks of the articles that are due for an audit",
    }),
    per_slot: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .meta({
        description: `With a source: so many tasks of a slot at the most; ${DEFAULT_PER_SLOT} when left out`,
      }),
  })
  .refine((schedule) => schedule.per_slot === undefined || schedule.source !== undefined, {
    path: ["per_slot"],
    message: "needs a source: without one each slot is one task",
  })
  .refine(
    ({ source, payload, content_type, priority }) =>
      source === undefined || [payload, content_type, priority].every((part) => part === undefined),
    { path: ["source"], message: "brings payload, content_type and priority along: leave those out" },
  )
  .refine(everRuns, {
    path: ["hours"],
    message: "no slot ever begins within them; every_seconds 3600 with one hour is once a day at that hour",
  })
  .meta({ id: "Schedule" });
export type Schedule = z.infer<typeof Schedule>;

/** What is decided about a slot: a run, a first look at a new schedule, or why there is no run. */
export const SCHEDULE_DECISIONS = [
  "run",
  "first_seen",
  "paused",
  "no_target",
  "outside_hours",
  "slowed_down",
  "previous_run_not_over",
  "cooling_down",
  "nothing_to_do",
] as const;
export const ScheduleDecision = z.enum(SCHEDULE_DECISIONS);
export type ScheduleDecision = z.infer<typeof ScheduleDecision>;

export const WorkflowSettings = z
  .strictObject({
    webhook_url: WebhookUrl.optional(),
    auth: WebhookAuth.nullish(),
    signing_secret: SigningSecret.nullish(),
    timeout_seconds: z.number().min(1).max(86_400).default(300),
    batch: z
      .strictObject({
        min: z.int().min(1).max(10).default(1),
        max: z.int().min(1).max(10).default(10),
      })
      .refine((batch) => batch.min <= batch.max, { message: "min must not exceed max" })
      .default({ min: 1, max: 10 }),
    max_concurrent: z.int().min(1).max(1000).default(3),
    targets: z.array(TargetSettings).min(1).max(50).optional().meta({
      description: "When there are several; webhook_url is one of them, with weight 1 unless it is listed",
    }),
    schedule: Schedule.nullish(),
    next: z
      .array(
        z.strictObject({
          workflow_type: WorkflowType,
          on: z.enum(["completed", "failed", "always"]).default("completed"),
          content_type: ContentType.optional(),
        }),
      )
      .max(20)
      .optional(),
    accept: z.enum(["json_accepted", "any_2xx"]).default("json_accepted"),
    weight: z.number().min(0).max(1000).default(1),
    critical: z.boolean().default(false),
    estimates: z.record(z.string().max(100), z.number().min(0)).optional().meta({
      description:
        "What its work needs: <provider>_calls_per_task, cost_usd_per_task, seconds_per_task; database_connections of a run. What is not said is measured",
    }),
    params: JsonObject.optional(),
    paused: z.boolean().default(false),
  })
  .meta({ id: "WorkflowSettings" });
export type WorkflowSettings = z.infer<typeof WorkflowSettings>;

/** Settings as they are shown: secrets are replaced by a mark that says only that they are set. */
export const Workflow = z
  .object({
    workflow_type: WorkflowType,
    built_in: z.boolean(),
    settings: z.looseObject({}),
    targets: z.array(TargetShown).meta({ description: "How each stands; docs/targets.md" }),
    schedule_state: z
      .object({
        last_slot: Timestamp.nullable().meta({ description: "null until a cycle has seen the schedule" }),
        next_slot: Timestamp,
        last_decision: ScheduleDecision.nullable(),
        cause: z.string().nullable().meta({ description: "The last decision in words, with its numbers" }),
        decided_at: Timestamp.nullable(),
      })
      .nullable()
      .meta({ description: "null without a schedule" }),
    adapted: z
      .object({
        slowness: z.number().meta({ description: "0: not at all; 1: as far as policy.adapt allows" }),
        batch_max: z.int().meta({ description: "The largest batch now" }),
        every_seconds: z.number().nullable().meta({
          description: "From run to run of its schedule, on average; null without one",
        }),
        per_slot: z.int().nullable().meta({ description: "Tasks of a slot now; null without a source" }),
        reason: z.string(),
        since: Timestamp.nullable(),
      })
      .meta({ description: "What spending and errors make of its settings at present" }),
    paused_by: z
      .string()
      .nullable()
      .meta({ description: "Who paused it; `orchestrator`: a recovery, which ends by its rule" }),
    updated_at: Timestamp,
    updated_by: z.string(),
  })
  .meta({ id: "Workflow" });
export const WorkflowList = z
  .object({ workflows: z.array(Workflow), next_cursor: NextCursor })
  .meta({ id: "WorkflowList" });
