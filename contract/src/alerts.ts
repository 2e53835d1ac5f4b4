/** Alerts on the wire: what fires, who was told, silences, channels, summaries. */
import { z } from "zod";
import { AlertRule, ChannelName, RuleName, Severity } from "./alerts-policy.ts";
import { isRange, JsonObject, NextCursor, PageQuery, Timestamp, Uuid } from "./primitives.ts";
import { SigningSecret } from "./workflow.ts";

export const ALERT_STATES = ["pending", "firing", "resolved"] as const;
export const AlertState = z.enum(ALERT_STATES);
export type AlertState = z.infer<typeof AlertState>;

const Labels = z.record(z.string(), z.string());
const Note = z.string().trim().min(1).max(2_000);

export const Alert = z
  .object({
    alert_id: Uuid,
    rule: z.string(),
    labels: Labels.meta({ description: "What it is about; with the rule they name it" }),
    severity: Severity,
    state: AlertState,
    value: z.number().nullable(),
    words: z.string().meta({ description: "What is wrong, with the numbers" }),
    summary: z.string().nullable().meta({ description: "What the rule says is to be done" }),
    started_at: Timestamp.meta({ description: "When its condition began to hold" }),
    fired_at: Timestamp.nullable(),
    resolved_at: Timestamp.nullable(),
    resolved_reason: z.string().nullable(),
    acknowledged_at: Timestamp.nullable(),
    acknowledged_by: z.string().nullable(),
    note: z.string().nullable(),
    silenced_by: Uuid.nullable().meta({ description: "The silence that matches it now" }),
    told_at: Timestamp.nullable().meta({ description: "When channels were last asked to tell it" }),
    escalations: z.int(),
    no_data_since: Timestamp.nullable().meta({
      description: "Since when its figures are missing: it neither fires nor resolves meanwhile",
    }),
  })
  .meta({ id: "Alert" });
export type Alert = z.infer<typeof Alert>;

export const AlertListQuery = PageQuery.extend({
  state: z
    .enum([...ALERT_STATES, "open"])
    .optional()
    .meta({ description: "open: pending or firing" }),
  severity: Severity.optional(),
  rule: RuleName.optional(),
  acknowledged: z.enum(["true", "false"]).optional(),
  from: Timestamp.optional().meta({ description: "Those that began then or later" }),
  to: Timestamp.optional(),
}).refine(...isRange);
export const AlertList = z
  .object({ alerts: z.array(Alert), next_cursor: NextCursor })
  .meta({ id: "AlertList" });

export const NOTIFICATION_STATES = ["waiting", "delivered", "failed", "dropped"] as const;
const Notification = z.object({
  notification_id: Uuid,
  channel: z.string(),
  kind: z.enum([
    "firing",
    "reminder",
    "escalation",
    "acknowledged",
    "resolved",
    "daily_summary",
    "weekly_report",
  ]),
  state: z.enum(NOTIFICATION_STATES),
  tries: z.int(),
  due_at: Timestamp,
  delivered_at: Timestamp.nullable(),
  last_error: z.string().nullable(),
});

export const AlertDetail = Alert.extend({
  investigation: z
    .object({
      task_id: Uuid.meta({ description: "Of the intelligence engine" }),
      due_at: Timestamp.meta({ description: "Once the day of the alert is over" }),
      ended_at: Timestamp.nullable(),
      finding: z
        .object({ headline: z.string(), words: z.array(z.string()), confidence: z.string() })
        .nullable(),
      error: z.string().nullable(),
    })
    .nullable()
    .meta({ description: "What was found about it; null where nobody looks into it: only anomalies are" }),
  transitions: z.array(
    z.object({
      at: Timestamp,
      to: z.string().meta({ example: "firing" }),
      reason: z.string(),
      actor: z.string(),
      value: z.number().nullable(),
    }),
  ),
  notifications: z.array(Notification).meta({ description: "The newest 200 messages about it" }),
}).meta({ id: "AlertDetail" });
export type AlertDetail = z.infer<typeof AlertDetail>;

/** A rule of the policy, and what it saw last. */
export const AlertRuleView = z
  .object({
    rule: z.string(),
    definition: AlertRule,
    state: z.enum(["off", "clear", "pending", "firing", "unknown"]).meta({
      description: "The worst of its subjects; unknown: its figures are missing, or it was not judged yet",
    }),
    subjects: z.int().meta({ description: "What it was judged for at the last look" }),
    words: z.string().nullable().meta({ description: "What the last look saw, of one subject" }),
  })
  .meta({ id: "AlertRuleView" });
export type AlertRuleView = z.infer<typeof AlertRuleView>;
export const AlertRuleList = z
  .object({
    rules: z.array(AlertRuleView),
    evaluated_at: Timestamp.nullable(),
    next_cursor: NextCursor,
  })
  .meta({ id: "AlertRuleList" });
export type AlertRuleList = z.infer<typeof AlertRuleList>;

export const AlertNote = z.strictObject({ note: Note.optional() }).default({}).meta({ id: "AlertNote" });

/** What a silence is about: each part that is given has to agree. */
const Matcher = z
  .strictObject({
    rule: RuleName.optional(),
    severity: Severity.optional(),
    labels: z.record(z.string().min(1).max(63), z.string().max(300)).optional(),
  })
  .refine(
    ({ rule, severity, labels }) =>
      rule !== undefined || severity !== undefined || Object.keys(labels ?? {}).length > 0,
    { message: "name a rule, a severity or labels: a silence about everything is no silence" },
  );
export type SilenceMatcher = z.infer<typeof Matcher>;

export const SilenceCreate = z
  .strictObject({
    match: Matcher,
    starts_at: Timestamp.optional().meta({ description: "Now unless told" }),
    ends_at: Timestamp.meta({ description: "At most 366 days ahead" }),
    comment: Note.meta({ description: "Why" }),
  })
  .meta({ id: "SilenceCreate" });
export const Silence = z
  .object({
    silence_id: Uuid,
    match: z.object({
      rule: z.string().optional(),
      severity: Severity.optional(),
      labels: Labels.optional(),
    }),
    state: z.enum(["planned", "active", "ended"]),
    starts_at: Timestamp,
    ends_at: Timestamp,
    comment: z.string(),
    created_at: Timestamp,
    created_by: z.string(),
    ended_by: z.string().nullable().meta({ description: "Who ended it early" }),
    matches: z.int().meta({ description: "Open alerts that it matches" }),
  })
  .meta({ id: "Silence" });
export type Silence = z.infer<typeof Silence>;
export const SilenceListQuery = PageQuery.extend({
  all: z.enum(["true", "false"]).default("false").meta({ description: "true: those that are over as well" }),
});
export const SilenceList = z
  .object({ silences: z.array(Silence), next_cursor: NextCursor })
  .meta({ id: "SilenceList" });

const Url = z.url({ protocol: /^https?$/ }).max(2_000);
const Address = z
  .string()
  .max(320)
  .regex(/^[^\s@<>,;"]+@[^\s@<>,;"]+$/, "must be a mail address");
const channel = {
  enabled: z.boolean().default(true),
  alerts: z
    .boolean()
    .default(true)
    .meta({ description: "false: only what escalates to it, what names it, and summaries" }),
  least_severity: Severity.default("info"),
  daily_summary: z.boolean().default(false),
  weekly_report: z.boolean().default(false),
};

export const ChannelPut = z
  .discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("slack"),
      secret: Url.optional().meta({ description: "The address of an incoming webhook" }),
      ...channel,
    }),
    z.strictObject({
      kind: z.literal("email"),
      settings: z.strictObject({ to: z.array(Address).min(1).max(50) }),
      ...channel,
    }),
    z.strictObject({
      kind: z.literal("webhook"),
      settings: z.strictObject({ url: Url }),
      secret: SigningSecret.nullish().meta({ description: "Signs by Standard Webhooks; null: not signed" }),
      ...channel,
    }),
    z.strictObject({
      kind: z.literal("pagerduty"),
      settings: z
        .strictObject({ url: Url.default("https://events.pagerduty.com/v2/enqueue") })
        .prefault({})
        .meta({ description: "Of the Events API v2; another one in the EU" }),
      secret: z
        .string()
        .regex(/^[A-Za-z0-9]{32}$/, "must be an integration key of 32 letters and digits")
        .optional()
        .meta({ description: "The integration (routing) key" }),
      ...channel,
    }),
  ])
  .meta({ id: "AlertChannelPut", description: "A secret that is left out stays as it is" });
export type ChannelPut = z.infer<typeof ChannelPut>;
export const CHANNEL_KINDS = ["slack", "email", "webhook", "pagerduty"] as const;
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

/** As it is shown: of a secret only whether there is one. */
export const AlertChannel = z
  .object({
    name: ChannelName,
    kind: z.enum(CHANNEL_KINDS),
    settings: JsonObject,
    has_secret: z.boolean(),
    enabled: z.boolean(),
    alerts: z.boolean(),
    least_severity: Severity,
    daily_summary: z.boolean(),
    weekly_report: z.boolean(),
    origin: z.enum(["api", "environment"]).meta({
      description: "environment: made of the service's settings at its start, and changed there",
    }),
    failures_in_row: z.int().meta({ description: "0: the last message was taken" }),
    failing_since: Timestamp.nullable(),
    last_error: z.string().nullable(),
    last_delivered_at: Timestamp.nullable(),
    next_try_at: Timestamp.nullable(),
    waiting: z.int().meta({ description: "Messages that wait to be delivered" }),
    updated_at: Timestamp,
    updated_by: z.string(),
  })
  .meta({ id: "AlertChannel" });
export type AlertChannel = z.infer<typeof AlertChannel>;
export const AlertChannelList = z
  .object({ channels: z.array(AlertChannel), next_cursor: NextCursor })
  .meta({ id: "AlertChannelList" });
export const AlertChannelTested = z
  .object({
    ok: z.boolean(),
    detail: z.string().meta({ description: "What was answered, or what is wrong" }),
  })
  .meta({ id: "AlertChannelTested" });
export const AlertChannelRemoved = z.object({ name: z.string() }).meta({ id: "AlertChannelRemoved" });

export const DIGEST_KINDS = ["daily_summary", "weekly_report"] as const;
export type DigestKind = (typeof DIGEST_KINDS)[number];
export const Digest = z
  .object({
    digest_id: Uuid,
    kind: z.enum(DIGEST_KINDS),
    from: Timestamp,
    to: Timestamp,
    title: z.string(),
    lines: z.array(z.string()).meta({ description: "As it is sent" }),
    figures: JsonObject.meta({ description: "The numbers in it, and those of the period before" }),
  })
  .meta({ id: "AlertDigest" });
export type Digest = z.infer<typeof Digest>;
export const DigestListQuery = PageQuery.extend({ kind: z.enum(DIGEST_KINDS).optional() });
export const DigestList = z
  .object({ digests: z.array(Digest), next_cursor: NextCursor })
  .meta({ id: "AlertDigestList" });
