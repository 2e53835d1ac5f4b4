/** Owns the channels that alerts are told through. Shows secrets to nobody but who delivers. */
import type { ChannelKind, Severity } from "@master-orchestrator/contract";
import type { Queryable, Row } from "./database.ts";

export interface ChannelSettings {
  name: string;
  kind: ChannelKind;
  settings: Record<string, unknown>;
  enabled: boolean;
  alerts: boolean;
  leastSeverity: Severity;
  dailySummary: boolean;
  weeklyReport: boolean;
  origin: "api" | "environment";
}

export interface ChannelRow extends ChannelSettings {
  secret: string | null;
  failuresInRow: number;
  failingSinceMs: number | null;
  lastError: string | null;
  lastDeliveredAtMs: number | null;
  nextTryAtMs: number | null;
  waiting: number;
  updatedAtMs: number;
  updatedBy: string;
}

export const MOST_CHANNELS = 100;

const SELECT = `select c.*, (select count(*) from alert_notifications n
  where n.channel = c.name and n.state = 'waiting')::int as waiting from alert_channels c`;

function channelOf(row: Row): ChannelRow {
  return {
    name: row.name,
    kind: row.kind,
    settings: row.settings,
    secret: row.secret,
    enabled: row.enabled,
    alerts: row.alerts,
    leastSeverity: row.least_severity,
    dailySummary: row.daily_summary,
    weeklyReport: row.weekly_report,
    origin: row.origin,
    failuresInRow: row.failures_in_row,
    failingSinceMs: row.failing_since,
    lastError: row.last_error,
    lastDeliveredAtMs: row.last_delivered_at,
    nextTryAtMs: row.next_try_at,
    waiting: row.waiting,
    updatedAtMs: row.updated_at,
    updatedBy: row.updated_by,
  };
}

/** By name; those after `after`. */
export async function listChannels(
  db: Queryable,
  after: string | null,
  limit: number,
): Promise<ChannelRow[]> {
  const { rows } = await db.query(
    `${SELECT} where $1::text is null or c.name > $1 order by c.name limit $2`,
    [after, limit],
  );
  return rows.map(channelOf);
}

export async function channelNamed(db: Queryable, name: string): Promise<ChannelRow | null> {
  const { rows } = await db.query(`${SELECT} where c.name = $1`, [name]);
  return rows[0] ? channelOf(rows[0]) : null;
}

/**
 * Registers a channel or replaces its settings; one that failed is tried at once again. A secret that is left out
 * (undefined) stays as it is, unless the kind changes.
 */
export async function putChannel(
  db: Queryable,
  channel: ChannelSettings & { secret: string | null | undefined; actor: string },
): Promise<ChannelRow> {
  const {
    name,
    kind,
    settings,
    secret,
    enabled,
    alerts,
    leastSeverity,
    dailySummary,
    weeklyReport,
    origin,
    actor,
  } = channel;
  await db.query(
    `insert into alert_channels as c (name, kind, settings, secret, enabled, alerts, least_severity, daily_summary,
         weekly_report, origin, updated_by)
     values ($1, $2, $3::jsonb, $4, $5, $6, $7, $8, $9, $10, $11)
     on conflict (name) do update set
       kind = excluded.kind, settings = excluded.settings, enabled = excluded.enabled, alerts = excluded.alerts,
       least_severity = excluded.least_severity, daily_summary = excluded.daily_summary,
       weekly_report = excluded.weekly_report, origin = excluded.origin, updated_by = excluded.updated_by,
       secret = case when $12 and c.kind = excluded.kind then c.secret else excluded.secret end,
       updated_at = orchestrator_now(), failures_in_row = 0, failing_since = null, last_error = null, next_try_at = null`,
    [
      ...[name, kind, JSON.stringify(settings), secret ?? null, enabled, alerts, leastSeverity, dailySummary],
      ...[weeklyReport, origin, actor, secret === undefined],
    ],
  );
  return (await channelNamed(db, name)) as ChannelRow;
}

/** Messages that wait for it are gone with it. */
export async function removeChannel(db: Queryable, name: string): Promise<boolean> {
  const { rowCount } = await db.query("delete from alert_channels where name = $1", [name]);
  return rowCount === 1;
}

/** Removes those of the environment that its settings no longer name. */
export async function keepEnvironmentChannels(db: Queryable, names: readonly string[]): Promise<void> {
  await db.query("delete from alert_channels where origin = 'environment' and not name = any ($1::text[])", [
    names,
  ]);
}
