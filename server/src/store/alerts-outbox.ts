/** Owns the messages about alerts: written with the change that they tell, delivered at least once, in order. Sends nothing. */
import { v7 as uuidv7 } from "uuid";
import type { Telling } from "#core/alerts-routing.ts";
import type { Queryable, Row } from "./database.ts";

export interface NotificationRow {
  notificationId: string;
  channel: string;
  kind:
    | "firing"
    | "reminder"
    | "escalation"
    | "acknowledged"
    | "resolved"
    | "daily_summary"
    | "weekly_report";
  groupKey: string;
  alertIds: string[];
  digestId: string | null;
  state: "waiting" | "delivered" | "failed" | "dropped";
  createdAtMs: number;
  dueAtMs: number;
  tries: number;
  lastError: string | null;
  deliveredAtMs: number | null;
}

/** Whoever takes a message has so long to deliver it; then another one may. */
const LEASE = "60 seconds";
/** Alerts of one message; more go into the next. */
const MOST_ALERTS = 50;
const KEPT = "30 days";

function notificationOf(row: Row): NotificationRow {
  return {
    notificationId: row.notification_id,
    channel: row.channel,
    kind: row.kind,
    groupKey: row.group_key,
    alertIds: row.alert_ids,
    digestId: row.digest_id,
    state: row.state,
    createdAtMs: row.created_at,
    dueAtMs: row.due_at,
    tries: row.tries,
    lastError: row.last_error,
    deliveredAtMs: row.delivered_at,
  };
}

/** Adds each to a message of its channel, kind and group that nobody has tried to send yet, or begins a new one. */
export async function enqueueTellings(
  tx: Queryable,
  tellings: readonly Telling[],
  nowMs: number,
): Promise<void> {
  const groups = Map.groupBy(tellings, ({ channel, kind, groupKey }) =>
    JSON.stringify([channel, kind, groupKey]),
  );
  for (const group of groups.values()) {
    for (let from = 0; from < group.length; from += MOST_ALERTS) {
      await enqueueGroup(tx, group.slice(from, from + MOST_ALERTS), nowMs);
    }
  }
}

async function enqueueGroup(tx: Queryable, group: readonly Telling[], nowMs: number): Promise<void> {
  const [{ channel, kind, groupKey, dueMs }] = group as [Telling];
  const ids = group.map(({ alertId }) => alertId);
  const joined = await tx.query(
    `update alert_notifications set alert_ids = alert_ids || $4::uuid[]
      where notification_id = (
        select notification_id from alert_notifications
         where channel = $1 and kind = $2 and group_key = $3 and state = 'waiting' and tries = 0
           and cardinality(alert_ids) <= $5 order by notification_id limit 1 for update skip locked)
        and state = 'waiting' and tries = 0`,
    [channel, kind, groupKey, ids, MOST_ALERTS - ids.length],
  );
  if (joined.rowCount === 1) return;
  await tx.query(
    `insert into alert_notifications (notification_id, channel, kind, group_key, alert_ids, created_at, due_at)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [uuidv7(), channel, kind, groupKey, ids, new Date(nowMs), new Date(dueMs)],
  );
}

/** One message about a summary to each of these channels. */
export async function enqueueDigest(
  tx: Queryable,
  digest: { digestId: string; kind: NotificationRow["kind"]; channels: readonly string[] },
  nowMs: number,
): Promise<void> {
  for (const channel of digest.channels) {
    await tx.query(
      `insert into alert_notifications (notification_id, channel, kind, group_key, digest_id, created_at, due_at)
       values ($1, $2, $3, $3, $4, $5, $5)`,
      [uuidv7(), channel, digest.kind, digest.digestId, new Date(nowMs)],
    );
  }
}

/**
 * Takes alerts that are over out of messages that nobody has tried to send: whom they were for need not hear of them at
 * all. Returns whom, by alert.
 */
export async function withdraw(tx: Queryable, alertIds: readonly string[]): Promise<Map<string, string[]>> {
  const withdrawn = new Map<string, string[]>();
  if (alertIds.length === 0) return withdrawn;
  const { rows } = await tx.query(
    `with waiting as (
       select notification_id, channel, alert_ids from alert_notifications
        where state = 'waiting' and tries = 0 and kind = 'firing' and alert_ids && $1::uuid[] for update skip locked),
     changed as (
       update alert_notifications n
          set alert_ids = array(select unnest(n.alert_ids) except select unnest($1::uuid[])),
              state = case when n.alert_ids <@ $1::uuid[] then 'dropped' else 'waiting' end
         from waiting where n.notification_id = waiting.notification_id)
     select channel, id::text from waiting, unnest(alert_ids) id where id = any ($1::uuid[])`,
    [alertIds],
  );
  for (const { channel, id } of rows) withdrawn.set(id, [...(withdrawn.get(id) ?? []), channel]);
  return withdrawn;
}

export interface TakenNotification extends NotificationRow {
  takenAtMs: number;
}

/** The first message of each channel that may be tried now, for this process alone. */
export async function takeNotifications(db: Queryable): Promise<TakenNotification[]> {
  const { rows } = await db.query(
    `update alert_notifications n
        set taken_until = orchestrator_now() + interval '${LEASE}', tries = tries + 1
      where n.notification_id in (
          select first.notification_id from alert_channels c cross join lateral (
            select w.notification_id, w.due_at, w.taken_until from alert_notifications w
             where w.channel = c.name and w.state = 'waiting' order by w.due_at, w.notification_id limit 1) first
           where c.enabled and (c.next_try_at is null or c.next_try_at <= orchestrator_now())
             and first.due_at <= orchestrator_now()
             and (first.taken_until is null or first.taken_until <= orchestrator_now())
           limit 50 for update of c skip locked)
        and n.state = 'waiting' and (n.taken_until is null or n.taken_until <= orchestrator_now())
      returning n.*, orchestrator_now() as now`,
  );
  return rows.map((row) => ({ ...notificationOf(row), takenAtMs: row.now }));
}

/** When the next message may be tried; null without any. */
export async function nextNotification(db: Queryable): Promise<number | null> {
  const { rows } = await db.query(
    `select min(greatest(n.due_at, coalesce(n.taken_until, n.due_at), coalesce(c.next_try_at, n.due_at))) as due
       from alert_notifications n join alert_channels c on c.name = n.channel
      where n.state = 'waiting' and c.enabled`,
  );
  return rows[0]?.due ?? null;
}

/** It was taken: so its channel is well. False if it had been given to another one meanwhile. */
export async function recordDelivered(
  tx: Queryable,
  { notificationId, channel, tries }: NotificationRow,
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update alert_notifications set state = 'delivered', delivered_at = orchestrator_now(), taken_until = null, last_error = null
      where notification_id = $1 and tries = $2 and state = 'waiting'`,
    [notificationId, tries],
  );
  await tx.query(
    `update alert_channels set failures_in_row = 0, failing_since = null, last_error = null, next_try_at = null,
            last_delivered_at = orchestrator_now() where name = $1`,
    [channel],
  );
  return rowCount === 1;
}

/** It was not: the channel rests, longer each time. `again`: whether this message is tried once more. */
export async function recordUndelivered(
  tx: Queryable,
  { notificationId, channel, tries }: NotificationRow,
  { error, again, restMs }: { error: string; again: boolean; restMs: (failuresInRow: number) => number },
): Promise<void> {
  await tx.query(
    `update alert_notifications set state = $3, taken_until = null, last_error = $4
      where notification_id = $1 and tries = $2 and state = 'waiting'`,
    [notificationId, tries, again ? "waiting" : "failed", error],
  );
  const { rows } = await tx.query(
    `update alert_channels set failures_in_row = failures_in_row + 1, last_error = $2,
            failing_since = coalesce(failing_since, orchestrator_now())
      where name = $1 returning failures_in_row as failures`,
    [channel, error],
  );
  if (!rows[0]) return;
  await tx.query(
    "update alert_channels set next_try_at = orchestrator_now() + $2::float8 * interval '1 millisecond' where name = $1",
    [channel, restMs(rows[0].failures)],
  );
}

/** Its alerts are gone: there is nothing to tell. */
export async function dropNotification(db: Queryable, notificationId: string): Promise<void> {
  await db.query(
    "update alert_notifications set state = 'dropped', taken_until = null where notification_id = $1",
    [notificationId],
  );
}

/** The newest 200 about an alert, newest first. */
export async function notificationsAbout(db: Queryable, alertId: string): Promise<NotificationRow[]> {
  const { rows } = await db.query(
    "select * from alert_notifications where alert_ids @> array[$1]::uuid[] order by notification_id desc limit 200",
    [alertId],
  );
  return rows.map(notificationOf);
}

export async function pruneNotifications(tx: Queryable): Promise<void> {
  await tx.query(
    `delete from alert_notifications where created_at < orchestrator_now() - interval '${KEPT}' and state <> 'waiting'`,
  );
}
