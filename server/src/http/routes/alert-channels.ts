/** Channels and silences of alerts over HTTP: who is told, and what nobody is told of. Shows no secret. */
import { randomUUID } from "node:crypto";
import {
  AlertChannel,
  AlertChannelList,
  AlertChannelRemoved,
  AlertChannelTested,
  ChannelName,
  ChannelPut,
  PageQuery,
  Problem,
  Silence,
  SilenceCreate,
  SilenceList,
  SilenceListQuery,
  Uuid,
} from "@master-orchestrator/contract";
import { z } from "zod";
import { deliver } from "#alerts/courier.ts";
import { type Means, Undelivered } from "#alerts/delivery.ts";
import { testMessage } from "#alerts/message.ts";
import { matches } from "#core/alerts-routing.ts";
import type { Outbound } from "#outbound/client.ts";
import { openAlerts } from "#store/alerts.ts";
import {
  type ChannelRow,
  channelNamed,
  listChannels,
  MOST_CHANNELS,
  putChannel,
  removeChannel,
} from "#store/alerts-channels.ts";
import {
  endSilence,
  insertSilence,
  listSilences,
  type SilenceRow,
  silenceById,
} from "#store/alerts-silences.ts";
import type { Database } from "#store/database.ts";
import { databaseNowMs } from "#store/orchestrator.ts";
import { pagesOf } from "../cursor.ts";
import { time } from "../present.ts";
import { wrongField } from "../problem.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";

export interface AlertChannelRoutesContext extends Means {
  db: Database;
  outbound: Pick<Outbound, "post" | "check">;
  publicUrl: string;
}

const Path = z.strictObject({ name: ChannelName });
const SilencePath = z.strictObject({ silence_id: Uuid });
const about = { tag: "Alerts" } as const;
const MOST_AHEAD_MS = 366 * 86_400_000;

export function alertChannelRoutes(context: AlertChannelRoutesContext): Route[] {
  return [
    ...channelReads(context),
    putting(context),
    testing(context),
    removing(context),
    ...silenceRoutes(context),
  ];
}

function channelReads({ db }: AlertChannelRoutesContext): Route[] {
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/alerts/channels",
      summary: "Who is told, by name, and whether that works; without their secrets",
      access: "viewer",
      query: PageQuery,
      answers: { 200: AlertChannelList },
      async handle({ query }) {
        const pages = pagesOf("alert_channels", query, /^[a-z][a-z0-9_-]{0,62}$/);
        const rows = await listChannels(db, pages.after() ?? null, query.limit);
        const next_cursor = pages.next(rows, (row) => row.name);
        return { status: 200, body: { channels: rows.map(shown), next_cursor } };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/alerts/channels/:name",
      summary: "One channel",
      access: "viewer",
      params: Path,
      answers: { 200: AlertChannel },
      handle: async ({ params }) => ({ status: 200, body: shown(await existing(db, params.name)) }),
    }),
  ];
}

function putting({ db, outbound, mail }: AlertChannelRoutesContext): Route {
  return defineRoute({
    ...about,
    method: "PUT",
    path: "/api/v1/alerts/channels/:name",
    summary: "Make a channel, or replace its settings",
    description:
      "The secret (Slack's address, a signing secret, PagerDuty's key) is never shown; left out, it stays as it is. " +
      "A channel that failed is tried at once again.",
    access: "admin",
    params: Path,
    body: ChannelPut,
    answers: { 200: AlertChannel },
    async handle({ params, body, caller }) {
      const { name } = params;
      const there = await channelNamed(db, name);
      await refuse(db, { there, body, mail }, outbound);
      const row = await putChannel(db, {
        name,
        kind: body.kind,
        settings: "settings" in body ? body.settings : {},
        secret: "secret" in body ? body.secret : null,
        enabled: body.enabled,
        alerts: body.alerts,
        leastSeverity: body.least_severity,
        dailySummary: body.daily_summary,
        weeklyReport: body.weekly_report,
        origin: "api",
        actor: actorOf(caller),
      });
      return { status: 200, body: shown(row) };
    },
  });
}

/** What could never be delivered through is refused when it is made. */
async function refuse(
  db: Database,
  { there, body, mail }: { there: ChannelRow | null; body: ChannelPut; mail: Means["mail"] },
  outbound: Pick<Outbound, "check">,
): Promise<void> {
  if (there?.origin === "environment") throw fromEnvironment(there.name);
  if (!there && (await listChannels(db, null, MOST_CHANNELS)).length >= MOST_CHANNELS) {
    throw new Problem("conflict", `there are ${MOST_CHANNELS} channels already`, "Remove one first.");
  }
  const kept = there?.kind === body.kind && there.secret !== null;
  if ((body.kind === "slack" || body.kind === "pagerduty") && body.secret === undefined && !kept) {
    throw wrongField("/secret", "is missing");
  }
  if (body.kind === "slack" && body.secret !== undefined) outbound.check(body.secret);
  if (body.kind === "webhook" || body.kind === "pagerduty") outbound.check(body.settings.url);
  if (body.kind === "email" && mail.smtpUrl === null) {
    throw wrongField("/kind", "there is no way to send mail: set SMTP_URL and start the service again");
  }
}

function testing(context: AlertChannelRoutesContext): Route {
  const { db, publicUrl } = context;
  return defineRoute({
    ...about,
    method: "POST",
    path: "/api/v1/alerts/channels/:name/test",
    summary: "Send a test message now, and tell what was answered",
    access: "operator",
    params: Path,
    answers: { 200: AlertChannelTested },
    async handle({ params, signal }) {
      const channel = await existing(db, params.name);
      const nowMs = await databaseNowMs(db);
      const message = testMessage(randomUUID(), { channel: channel.name, publicUrl, nowMs });
      try {
        return { status: 200, body: { ok: true, detail: await deliver(channel, message, context, signal) } };
      } catch (error) {
        if (!(error instanceof Undelivered)) throw error;
        return { status: 200, body: { ok: false, detail: error.message } };
      }
    },
  });
}

function removing({ db }: AlertChannelRoutesContext): Route {
  return defineRoute({
    ...about,
    method: "DELETE",
    path: "/api/v1/alerts/channels/:name",
    summary: "Remove a channel, with the messages that wait for it",
    access: "admin",
    params: Path,
    answers: { 200: AlertChannelRemoved },
    async handle({ params }) {
      const { name, origin } = await existing(db, params.name);
      if (origin === "environment") throw fromEnvironment(name);
      await removeChannel(db, name);
      return { status: 200, body: { name } };
    },
  });
}

function fromEnvironment(name: string): Problem {
  return new Problem(
    "conflict",
    `channel ${name} is made of the service's settings`,
    "Change or unset its environment variable and start the service again, or make a channel of another name.",
  );
}

async function existing(db: Database, name: string): Promise<ChannelRow> {
  const row = await channelNamed(db, name);
  if (row) return row;
  throw new Problem("not_found", `there is no channel ${name}`, "GET /api/v1/alerts/channels lists them.");
}

function shown(row: ChannelRow): z.input<typeof AlertChannel> {
  return {
    name: row.name,
    kind: row.kind,
    settings: row.settings as z.input<typeof AlertChannel>["settings"],
    has_secret: row.secret !== null,
    enabled: row.enabled,
    alerts: row.alerts,
    least_severity: row.leastSeverity,
    daily_summary: row.dailySummary,
    weekly_report: row.weeklyReport,
    origin: row.origin,
    failures_in_row: row.failuresInRow,
    failing_since: time(row.failingSinceMs),
    last_error: row.lastError,
    last_delivered_at: time(row.lastDeliveredAtMs),
    next_try_at: time(row.nextTryAtMs),
    waiting: row.waiting,
    updated_at: time(row.updatedAtMs),
    updated_by: row.updatedBy,
  };
}

function silenceRoutes({ db }: AlertChannelRoutesContext): Route[] {
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/alerts/silences",
      summary: "What nobody is told of, and until when; newest first",
      access: "viewer",
      query: SilenceListQuery,
      answers: { 200: SilenceList },
      async handle({ query }) {
        const pages = pagesOf("alert_silences", query);
        const rows = await listSilences(db, {
          all: query.all === "true",
          before: pages.after(),
          limit: query.limit,
        });
        const next_cursor = pages.next(rows, (row) => row.silenceId);
        return { status: 200, body: { silences: await shownSilences(db, rows), next_cursor } };
      },
    }),
    defineRoute({
      ...about,
      method: "POST",
      path: "/api/v1/alerts/silences",
      summary: "Tell nobody of alerts that match, for a while",
      description:
        "They are judged, shown and recorded all the same; what still fires when it ends is told then.",
      access: "operator",
      body: SilenceCreate,
      answers: { 201: Silence },
      async handle({ body, caller }) {
        const nowMs = await databaseNowMs(db);
        const span = spanOf(body, nowMs);
        const { match, comment } = body;
        const row = await insertSilence(db, { match, comment, ...span, actor: actorOf(caller) });
        if (!row)
          throw new Problem("conflict", "too many silences are in force", "End some that are not needed.");
        return { status: 201, body: (await shownSilences(db, [row]))[0] };
      },
    }),
    defineRoute({
      ...about,
      method: "DELETE",
      path: "/api/v1/alerts/silences/:silence_id",
      summary: "End a silence now; what is over stays as it was",
      access: "operator",
      params: SilencePath,
      answers: { 200: Silence },
      async handle({ params, caller }) {
        await endSilence(db, params.silence_id, actorOf(caller));
        const row = await silenceById(db, params.silence_id);
        if (row) return { status: 200, body: (await shownSilences(db, [row]))[0] };
        const hint = "List them with GET /api/v1/alerts/silences?all=true.";
        throw new Problem("not_found", `there is no silence ${params.silence_id}`, hint);
      },
    }),
  ];
}

/** A silence in the past would silence nothing: whoever asks for one has mistaken a time. */
function spanOf({ starts_at, ends_at }: z.output<typeof SilenceCreate>, nowMs: number) {
  const startsAtMs = starts_at === undefined ? nowMs : Date.parse(starts_at);
  const endsAtMs = Date.parse(ends_at);
  const now = `it is ${time(nowMs)} now`;
  if (endsAtMs <= nowMs) throw wrongField("/ends_at", `${ends_at} is in the past: ${now}`);
  if (startsAtMs < nowMs - 60_000)
    throw wrongField("/starts_at", `${starts_at} is in the past: ${now}; leave it out`);
  if (endsAtMs <= startsAtMs) throw wrongField("/ends_at", "must be later than starts_at");
  if (endsAtMs - nowMs > MOST_AHEAD_MS) throw wrongField("/ends_at", `must be within 366 days: ${now}`);
  return { startsAtMs, endsAtMs };
}

async function shownSilences(db: Database, rows: readonly SilenceRow[]): Promise<z.input<typeof Silence>[]> {
  const open = rows.length === 0 ? [] : await openAlerts(db);
  return rows.map((row) => ({
    silence_id: row.silenceId,
    match: row.match,
    state: row.state,
    starts_at: time(row.startsAtMs),
    ends_at: time(row.endsAtMs),
    comment: row.comment,
    created_at: time(row.createdAtMs),
    created_by: row.createdBy,
    ended_by: row.endedBy,
    matches: open.filter((alert) => matches(row.match, alert)).length,
  }));
}
