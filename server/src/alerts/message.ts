/** What is told, whatever the channel: composed of the alerts as they stand when it is sent. Sends nothing. */
import type { AlertRow } from "#store/alerts.ts";
import type { DigestRow } from "#store/alerts-digests.ts";
import type { NotificationRow } from "#store/alerts-outbox.ts";

export interface Message {
  /** The same for every delivery: receivers drop repeats by it. */
  id: string;
  kind: NotificationRow["kind"] | "test";
  title: string;
  lines: string[];
  /** Where a person looks further. */
  url: string;
  atMs: number;
  alerts: readonly AlertRow[];
  digest: DigestRow | null;
}

const MOST_LINES = 20;

export function alertMessage(
  notification: NotificationRow,
  alerts: readonly AlertRow[],
  { publicUrl, nowMs }: { publicUrl: string; nowMs: number },
): Message {
  const { kind } = notification;
  const [only] = alerts as [AlertRow];
  const url = `${publicUrl}/dashboard/alerts${alerts.length === 1 ? `/${only.alertId}` : ""}`;
  const lines = alerts.slice(0, MOST_LINES).flatMap((alert) => linesOf(alert, kind));
  if (alerts.length > MOST_LINES) lines.push(`and ${alerts.length - MOST_LINES} more`);
  const common = { id: notification.notificationId, kind, url, atMs: nowMs, alerts, digest: null };
  return { ...common, title: titleOf(kind, alerts), lines };
}

const TAGS: Partial<Record<Message["kind"], string>> = {
  acknowledged: "acknowledged",
  resolved: "resolved",
  reminder: "still firing",
  escalation: "escalated",
};

function titleOf(kind: NotificationRow["kind"], alerts: readonly AlertRow[]): string {
  const [first] = alerts as [AlertRow];
  const worst = ["critical", "warning", "info"].find((severity) =>
    alerts.some((alert) => alert.severity === severity),
  );
  const tag = [TAGS[kind], worst].filter(Boolean).join(", ");
  const what = kind === "resolved" ? (first.resolvedReason ?? first.words) : first.words;
  if (alerts.length === 1) return `[${tag}] ${first.rule}: ${what}`;
  const rules = [...new Set(alerts.map(({ rule }) => rule))].slice(0, 5).join(", ");
  return `[${tag}] ${alerts.length} alerts: ${rules}`;
}

function linesOf(alert: AlertRow, kind: NotificationRow["kind"]): string[] {
  const since = time(alert.firedAtMs ?? alert.startedAtMs);
  const about = Object.entries(alert.labels).map(([name, value]) => `${name} ${value}`);
  const subject = about.length > 0 ? ` (${about.join(", ")})` : "";
  if (kind === "resolved") {
    const until = alert.resolvedAtMs === null ? "" : ` until ${time(alert.resolvedAtMs)}`;
    return [`${alert.rule}${subject}: ${alert.resolvedReason ?? "over"}; it fired from ${since}${until}`];
  }
  const summary = alert.summary === null ? [] : [`  ${alert.summary}`];
  return [`${alert.rule}${subject}: ${alert.words}; since ${since}`, ...summary];
}

function time(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

export function digestMessage(
  notification: NotificationRow,
  digest: DigestRow,
  { publicUrl, nowMs }: { publicUrl: string; nowMs: number },
): Message {
  return {
    id: notification.notificationId,
    kind: digest.kind,
    title: digest.title,
    lines: digest.lines,
    url: `${publicUrl}/dashboard`,
    atMs: nowMs,
    alerts: [],
    digest,
  };
}

export function testMessage(
  id: string,
  { channel, publicUrl, nowMs }: { channel: string; publicUrl: string; nowMs: number },
): Message {
  const lines = [`This is a test of channel ${channel}. Nothing is wrong.`];
  const title = "[test] Master Orchestrator";
  return {
    id,
    kind: "test",
    title,
    lines,
    url: `${publicUrl}/dashboard/alerts`,
    atMs: nowMs,
    alerts: [],
    digest: null,
  };
}
