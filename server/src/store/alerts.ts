/** Owns the rows of alerts and of their history: what is open, what a look changed, how people see them. Judges nothing. */
import type { AlertState, Severity } from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import type { Told, ToldAlert } from "#core/alerts-routing.ts";
import type { Change, OpenAlert } from "#core/alerts-states.ts";
import { enqueueTellings } from "./alerts-outbox.ts";
import type { Queryable, Row } from "./database.ts";

const BY_RULE = "orchestrator";
/** What never fired was nobody's business; what did stays for the history. */
const KEPT = { pending: "7 days", fired: "400 days" };

export interface AlertRow extends OpenAlert {
  alertId: string;
  resolvedAtMs: number | null;
  acknowledgedAtMs: number | null;
  acknowledgedBy: string | null;
  note: string | null;
  toldAtMs: number | null;
  toldChannels: string[];
  escalations: number;
}

function alertOf(row: Row): AlertRow {
  return {
    alertId: row.alert_id,
    rule: row.rule,
    labels: row.labels,
    key: row.labels_key,
    severity: row.severity,
    state: row.state,
    value: row.value,
    words: row.words,
    summary: row.summary,
    channels: row.channels,
    startedAtMs: row.started_at,
    firedAtMs: row.fired_at,
    clearSinceMs: row.clear_since,
    noDataSinceMs: row.no_data_since,
    resolvedReason: row.resolved_reason,
    resolvedAtMs: row.resolved_at,
    acknowledgedAtMs: row.acknowledged_at,
    acknowledgedBy: row.acknowledged_by,
    note: row.note,
    toldAtMs: row.told_at,
    toldChannels: row.told_channels,
    escalations: row.escalations,
  };
}

/** All that are pending or fire: a rule has at most 100. */
export async function openAlerts(tx: Queryable): Promise<AlertRow[]> {
  const { rows } = await tx.query("select * from alerts where state <> 'resolved' order by alert_id");
  return rows.map(alertOf);
}

/** Writes what a look has changed, with the steps as history. Alerts that have begun get their ids. */
export async function applyChanges(
  tx: Queryable,
  changes: readonly Change[],
  nowMs: number,
): Promise<(Change & { alertId: string })[]> {
  if (changes.length === 0) return [];
  const known = changes.map(({ alert, steps }) => ({ alert, steps, alertId: alert.alertId ?? uuidv7() }));
  await tx.query(
    `insert into alerts as a (alert_id, rule, labels, labels_key, severity, state, value, words, summary, channels,
         started_at, fired_at, clear_since, no_data_since, resolved_at, resolved_reason)
     select alert_id, rule, labels, labels_key, severity, state, value, words, summary, channels, started_at, fired_at,
            clear_since, no_data_since, case when state = 'resolved' then $2::timestamptz end, resolved_reason
       from jsonb_to_recordset($1::jsonb) as n (alert_id uuid, rule text, labels jsonb, labels_key text, severity text,
              state text, value float8, words text, summary text, channels text[], started_at timestamptz,
              fired_at timestamptz, clear_since timestamptz, no_data_since timestamptz, resolved_reason text)
     on conflict (alert_id) do update set severity = excluded.severity, state = excluded.state, value = excluded.value,
       words = excluded.words, summary = excluded.summary, channels = excluded.channels, fired_at = excluded.fired_at,
       clear_since = excluded.clear_since, no_data_since = excluded.no_data_since, resolved_at = excluded.resolved_at,
       resolved_reason = excluded.resolved_reason`,
    [JSON.stringify(known.map(({ alert, alertId }) => rowOf(alert, alertId))), new Date(nowMs)],
  );
  const steps = known.flatMap(({ alert, alertId, steps: taken }) =>
    taken.map(({ to, reason }) => ({ alertId, to, reason, value: alert.value })),
  );
  await insertSteps(tx, steps, { actor: BY_RULE, nowMs });
  return known;
}

const at = (ms: number | null) => (ms === null ? null : new Date(ms));

function rowOf(alert: OpenAlert, alertId: string) {
  return {
    alert_id: alertId,
    rule: alert.rule,
    labels: alert.labels,
    labels_key: alert.key,
    severity: alert.severity,
    state: alert.state,
    value: alert.value,
    words: alert.words,
    summary: alert.summary,
    channels: alert.channels,
    started_at: at(alert.startedAtMs),
    fired_at: at(alert.firedAtMs),
    clear_since: at(alert.clearSinceMs),
    no_data_since: at(alert.noDataSinceMs),
    resolved_reason: alert.resolvedReason,
  };
}

interface Step {
  alertId: string;
  to: string;
  reason: string;
  value: number | null;
}

export async function insertSteps(
  tx: Queryable,
  steps: readonly Step[],
  { actor, nowMs }: { actor: string; nowMs: number },
): Promise<void> {
  if (steps.length === 0) return;
  await tx.query(
    `insert into alert_transitions (alert_id, at, to_state, reason, actor, value)
     select "alertId", $2, "to", reason, $3, value
       from jsonb_to_recordset($1::jsonb) as n ("alertId" uuid, "to" text, reason text, value float8)`,
    [JSON.stringify(steps), new Date(nowMs), actor],
  );
}

/** Those that fire, and those that are over and somebody was told of. */
export async function toldAlerts(tx: Queryable): Promise<ToldAlert[]> {
  const { rows } = await tx.query(
    `select * from alerts where state = 'firing'
     union all select * from alerts where state = 'resolved' and told_channels <> '{}'
        and resolved_at > orchestrator_now() - interval '7 days'
      order by alert_id`,
  );
  return rows.map(alertOf).map((alert) => ({
    alertId: alert.alertId,
    rule: alert.rule,
    labels: alert.labels,
    severity: alert.severity,
    state: alert.state as ToldAlert["state"],
    channels: alert.channels,
    firedAtMs: alert.firedAtMs ?? alert.startedAtMs,
    acknowledged: alert.acknowledgedAtMs !== null,
    toldAtMs: alert.toldAtMs,
    toldChannels: alert.toldChannels,
    escalations: alert.escalations,
  }));
}

export async function recordTold(tx: Queryable, told: readonly Told[]): Promise<void> {
  if (told.length === 0) return;
  await tx.query(
    `update alerts a set told_at = t.told_at, told_channels = t.told_channels, escalations = t.escalations
       from jsonb_to_recordset($1::jsonb) as t (alert_id uuid, told_at timestamptz, told_channels text[], escalations int)
      where a.alert_id = t.alert_id`,
    [
      JSON.stringify(
        told.map((one) => ({
          alert_id: one.alertId,
          told_at: new Date(one.toldAtMs),
          told_channels: one.toldChannels,
          escalations: one.escalations,
        })),
      ),
    ],
  );
}

export interface AlertFilter {
  states: readonly AlertState[] | null;
  severity: Severity | null;
  rule: string | null;
  acknowledged: boolean | null;
  from: string | null;
  to: string | null;
  /** The last row of the page before. */
  before: string | undefined;
  limit: number;
}

/** Newest first. What was pending and never fired is history only while it is young. */
export async function listAlerts(db: Queryable, filter: AlertFilter): Promise<AlertRow[]> {
  const { rows } = await db.query(
    `select * from alerts
      where ($1::text[] is null or state = any ($1)) and ($2::text is null or severity = $2)
        and ($3::text is null or rule = $3) and ($4::boolean is null or (acknowledged_at is not null) = $4)
        and ($5::timestamptz is null or started_at >= $5) and ($6::timestamptz is null or started_at < $6)
        and ($7::uuid is null or alert_id < $7)
      order by alert_id desc limit $8`,
    [
      filter.states,
      filter.severity,
      filter.rule,
      filter.acknowledged,
      filter.from,
      filter.to,
      filter.before ?? null,
      filter.limit,
    ],
  );
  return rows.map(alertOf);
}

export async function alertById(db: Queryable, alertId: string): Promise<AlertRow | null> {
  const { rows } = await db.query("select * from alerts where alert_id = $1", [alertId]);
  return rows[0] ? alertOf(rows[0]) : null;
}

export async function alertsById(db: Queryable, alertIds: readonly string[]): Promise<AlertRow[]> {
  const { rows } = await db.query(
    "select * from alerts where alert_id = any ($1::uuid[]) order by alert_id",
    [alertIds],
  );
  return rows.map(alertOf);
}

export interface StepRow {
  atMs: number;
  to: string;
  reason: string;
  actor: string;
  value: number | null;
}

/** The newest 200, oldest first. */
export async function alertSteps(db: Queryable, alertId: string): Promise<StepRow[]> {
  const { rows } = await db.query(
    `select * from (select * from alert_transitions where alert_id = $1 order by transition_id desc limit 200) newest
      order by transition_id`,
    [alertId],
  );
  return rows.map((row) => {
    return { atMs: row.at, to: row.to_state, reason: row.reason, actor: row.actor, value: row.value };
  });
}

/**
 * Notes that somebody looks after it: nobody is reminded or escalated to, and PagerDuty, which does both by itself, is told. The
 * first one stands; false if nothing changed.
 */
export async function acknowledgeAlert(
  tx: Queryable,
  alertId: string,
  { actor, note }: { actor: string; note: string | null },
): Promise<boolean> {
  const { rows } = await tx.query(
    `update alerts set acknowledged_at = orchestrator_now(), acknowledged_by = $2, note = coalesce($3, note)
      where alert_id = $1 and state <> 'resolved' and acknowledged_at is null
     returning acknowledged_at as at, value,
               array(select name from alert_channels where kind = 'pagerduty' and name = any (told_channels)) as pagers`,
    [alertId, actor, note],
  );
  if (!rows[0]) return false;
  const told = { kind: "acknowledged", groupKey: alertId, alertId, dueMs: rows[0].at } as const;
  await enqueueTellings(
    tx,
    rows[0].pagers.map((channel: string) => ({ ...told, channel })),
    rows[0].at,
  );
  const step = {
    alertId,
    to: "acknowledged",
    reason: note ?? "somebody looks after it",
    value: rows[0].value,
  };
  await insertSteps(tx, [step], { actor, nowMs: rows[0].at });
  return true;
}

/** Ends it by hand; while its condition holds it begins anew at the next look. False if it was over already. */
export async function resolveAlert(
  tx: Queryable,
  alertId: string,
  { actor, note }: { actor: string; note: string | null },
): Promise<boolean> {
  const reason = note ?? "ended by hand";
  const { rows } = await tx.query(
    `update alerts set state = 'resolved', resolved_at = orchestrator_now(), resolved_reason = $2
      where alert_id = $1 and state <> 'resolved' returning resolved_at as at, value`,
    [alertId, reason],
  );
  if (!rows[0]) return false;
  await insertSteps(tx, [{ alertId, to: "resolved", reason, value: rows[0].value }], {
    actor,
    nowMs: rows[0].at,
  });
  return true;
}

export async function pruneAlerts(tx: Queryable): Promise<void> {
  await tx.query(
    `delete from alerts where state = 'resolved' and resolved_at < orchestrator_now() - interval '${KEPT.pending}'
        and (fired_at is null or resolved_at < orchestrator_now() - interval '${KEPT.fired}')`,
  );
}

/** Of those that fire, by severity, for metrics; and the worst three that nobody has acknowledged. */
export async function readFiring(db: Queryable): Promise<{
  bySeverity: Record<Severity, number>;
  unacknowledged: number;
  worst: { severity: Severity; rule: string; words: string }[];
}> {
  const { rows } = await db.query(
    `select severity, rule, words, acknowledged_at from alerts where state = 'firing'
      order by array_position(array['critical', 'warning', 'info'], severity), alert_id limit 2000`,
  );
  const open = rows.filter((row) => row.acknowledged_at === null);
  const of = (severity: Severity) => rows.filter((row) => row.severity === severity).length;
  return {
    bySeverity: { info: of("info"), warning: of("warning"), critical: of("critical") },
    unacknowledged: open.length,
    worst: open.slice(0, 3).map(({ severity, rule, words }) => ({ severity, rule, words })),
  };
}
