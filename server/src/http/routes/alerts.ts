/** Alerts over HTTP: list, show, acknowledge, end by hand; rules as they stand; summaries. Judges nothing. */
import {
  Alert,
  AlertDetail,
  AlertList,
  AlertListQuery,
  AlertNote,
  AlertRuleList,
  type AlertRuleView,
  type AlertState,
  Digest,
  DigestList,
  DigestListQuery,
  Problem,
  Uuid,
} from "@master-orchestrator/contract";
import { z } from "zod";
import { silenceOf } from "#core/alerts-routing.ts";
import {
  type AlertRow,
  acknowledgeAlert,
  alertById,
  alertSteps,
  listAlerts,
  openAlerts,
  resolveAlert,
} from "#store/alerts.ts";
import { type DigestRow, digestById, listDigests } from "#store/alerts-digests.ts";
import { investigationOf } from "#store/alerts-investigations.ts";
import { notificationsAbout } from "#store/alerts-outbox.ts";
import { activeSilences, type SilenceRow } from "#store/alerts-silences.ts";
import { readLooks } from "#store/alerts-watch.ts";
import type { Database } from "#store/database.ts";
import { currentPolicy } from "#store/policies.ts";
import { pagesOf } from "../cursor.ts";
import { time } from "../present.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";

const AlertPath = z.strictObject({ alert_id: Uuid });
const DigestPath = z.strictObject({ digest_id: Uuid });
const about = { tag: "Alerts" } as const;

export function alertRoutes({ db }: { db: Database }): Route[] {
  return [
    ...reading(db),
    acting(
      db,
      "acknowledge",
      "Look after it: nobody is reminded of it or escalated to any more",
      acknowledgeAlert,
    ),
    acting(db, "resolve", "End it by hand; while its condition holds it begins anew", resolveAlert),
    rules(db),
    ...digests(db),
  ];
}

function reading(db: Database): Route[] {
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/alerts",
      summary: "What fires, is about to, and did, newest first",
      access: "viewer",
      query: AlertListQuery,
      answers: { 200: AlertList },
      async handle({ query }) {
        const pages = pagesOf("alerts", query);
        const [rows, silences] = await Promise.all([
          listAlerts(db, {
            states: statesOf(query.state),
            severity: query.severity ?? null,
            rule: query.rule ?? null,
            acknowledged: query.acknowledged === undefined ? null : query.acknowledged === "true",
            from: query.from ?? null,
            to: query.to ?? null,
            before: pages.after(),
            limit: query.limit,
          }),
          activeSilences(db),
        ]);
        const next_cursor = pages.next(rows, (row) => row.alertId);
        return { status: 200, body: { alerts: rows.map((row) => shown(row, silences)), next_cursor } };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/alerts/:alert_id",
      summary: "One alert, its history, and who was told",
      access: "viewer",
      params: AlertPath,
      answers: { 200: AlertDetail },
      handle: async ({ params }) => ({ status: 200, body: await detail(db, params.alert_id) }),
    }),
  ];
}

function statesOf(state: z.output<typeof AlertListQuery>["state"]): AlertState[] | null {
  if (state === undefined) return null;
  return state === "open" ? ["pending", "firing"] : [state];
}

function acting(
  db: Database,
  action: "acknowledge" | "resolve",
  summary: string,
  act: typeof acknowledgeAlert | typeof resolveAlert,
): Route {
  return defineRoute({
    ...about,
    method: "POST",
    path: `/api/v1/alerts/:alert_id/${action}`,
    summary,
    access: "operator",
    params: AlertPath,
    body: AlertNote,
    answers: { 200: Alert },
    async handle({ params, body, caller }) {
      const { alert_id: alertId } = params;
      const by = { actor: actorOf(caller), note: body.note ?? null };
      const acted = await db.transaction((tx) => act(tx, alertId, by));
      const row = await existing(db, alertId);
      if (!acted && row.state === "resolved") {
        const hint = "An alert that fires again is a new one: list them with GET /api/v1/alerts?state=open.";
        throw new Problem("conflict", `alert ${alertId} is over since ${time(row.resolvedAtMs)}`, hint);
      }
      return { status: 200, body: shown(row, await activeSilences(db)) };
    },
  });
}

async function existing(db: Database, alertId: string): Promise<AlertRow> {
  const row = await alertById(db, alertId);
  if (row) return row;
  throw new Problem("not_found", `there is no alert ${alertId}`, "List them with GET /api/v1/alerts.");
}

async function detail(db: Database, alertId: string): Promise<AlertDetail> {
  const row = await existing(db, alertId);
  const [silences, steps, notifications, investigation] = await Promise.all([
    activeSilences(db),
    alertSteps(db, alertId),
    notificationsAbout(db, alertId),
    investigationOf(db, alertId),
  ]);
  return {
    ...shown(row, silences),
    investigation: investigation && {
      task_id: investigation.taskId,
      due_at: time(investigation.dueAtMs),
      ended_at: time(investigation.endedAtMs),
      finding: investigation.finding,
      error: investigation.error,
    },
    transitions: steps.map(({ atMs, ...step }) => ({ at: time(atMs), ...step })),
    notifications: notifications.map((one) => ({
      notification_id: one.notificationId,
      channel: one.channel,
      kind: one.kind,
      state: one.state,
      tries: one.tries,
      due_at: time(one.dueAtMs),
      delivered_at: time(one.deliveredAtMs),
      last_error: one.lastError,
    })),
  };
}

function shown(row: AlertRow, silences: readonly SilenceRow[]): Alert {
  return {
    alert_id: row.alertId,
    rule: row.rule,
    labels: { ...row.labels },
    severity: row.severity,
    state: row.state,
    value: row.value,
    words: row.words,
    summary: row.summary,
    started_at: time(row.startedAtMs),
    fired_at: time(row.firedAtMs),
    resolved_at: time(row.resolvedAtMs),
    resolved_reason: row.resolvedReason,
    acknowledged_at: time(row.acknowledgedAtMs),
    acknowledged_by: row.acknowledgedBy,
    note: row.note,
    silenced_by: row.state === "resolved" ? null : silenceOf(row, silences),
    told_at: time(row.toldAtMs),
    escalations: row.escalations,
    no_data_since: time(row.noDataSinceMs),
  };
}

function rules(db: Database): Route {
  return defineRoute({
    ...about,
    method: "GET",
    path: "/api/v1/alerts/rules",
    summary: "The rules of the policy, and what each saw at the last look",
    access: "viewer",
    answers: { 200: AlertRuleList },
    async handle() {
      const [stored, { evaluatedAtMs, looks }, open] = await Promise.all([
        currentPolicy(db),
        readLooks(db),
        openAlerts(db),
      ]);
      const known = Object.entries(stored?.policy.alerts.rules ?? {}).toSorted(([a], [b]) =>
        a < b ? -1 : 1,
      );
      const all = known.map(([rule, definition]): AlertRuleView => {
        const look = looks[rule];
        const own = open.filter((alert) => alert.rule === rule);
        const worst = own.some(({ state }) => state === "firing") ? "firing" : own[0]?.state;
        const calm =
          look && look.holds + look.clear > 0 ? "clear" : look && look.unknown === 0 ? "clear" : "unknown";
        return {
          rule,
          definition,
          state: definition.enabled ? ((worst as "firing" | "pending" | undefined) ?? calm) : "off",
          subjects: look ? look.holds + look.clear + look.unknown : 0,
          words: look?.words ?? null,
        };
      });
      return { status: 200, body: { rules: all, evaluated_at: time(evaluatedAtMs), next_cursor: null } };
    },
  });
}

function digests(db: Database): Route[] {
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/alerts/digests",
      summary: "Daily summaries and weekly reports, newest first",
      access: "viewer",
      query: DigestListQuery,
      answers: { 200: DigestList },
      async handle({ query }) {
        const pages = pagesOf("alert_digests", query);
        const rows = await listDigests(db, {
          kind: query.kind ?? null,
          before: pages.after(),
          limit: query.limit,
        });
        const next_cursor = pages.next(rows, (row) => row.digestId);
        return { status: 200, body: { digests: rows.map(shownDigest), next_cursor } };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/alerts/digests/:digest_id",
      summary: "One summary or report, with its figures",
      access: "viewer",
      params: DigestPath,
      answers: { 200: Digest },
      async handle({ params }) {
        const row = await digestById(db, params.digest_id);
        if (row) return { status: 200, body: shownDigest(row) };
        const hint = "List them with GET /api/v1/alerts/digests.";
        throw new Problem("not_found", `there is no summary ${params.digest_id}`, hint);
      },
    }),
  ];
}

function shownDigest(row: DigestRow): Digest {
  return {
    digest_id: row.digestId,
    kind: row.kind,
    from: time(row.fromMs),
    to: time(row.toMs),
    title: row.title,
    lines: row.lines,
    figures: row.figures as Digest["figures"],
  };
}
