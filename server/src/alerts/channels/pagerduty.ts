/** PagerDuty's Events API v2: one event for each alert, whose id keeps repeats and the resolution together. */
import type { AlertRow } from "#store/alerts.ts";
import { type Deliver, jsonOf, postJson, quoted, Undelivered } from "../delivery.ts";
import type { Message } from "../message.ts";

const MOST_SUMMARY = 1_024;

export const deliverToPagerDuty: Deliver = async ({ settings, secret }, message, means, signal) => {
  if (secret === null) throw new Undelivered("it has no integration key: set it as its secret");
  const events =
    message.alerts.length > 0 ? message.alerts.map((alert) => event(alert, message)) : [plain(message)];
  for (const one of events) {
    const body = JSON.stringify({ routing_key: secret, ...one });
    const answer = await postJson(means, { url: String(settings.url), body }, signal);
    if (answer.status !== 202 || jsonOf(answer)?.status !== "success") {
      throw new Undelivered(`it answered ${answer.status}, but not 202 with status success${quoted(answer)}`);
    }
  }
  return `PagerDuty took ${events.length === 1 ? "the event" : `${events.length} events`}`;
};

function event(alert: AlertRow, message: Message) {
  const key = { dedup_key: `orchestrator-${alert.alertId}` };
  if (message.kind === "resolved") return { ...key, event_action: "resolve" };
  if (message.kind === "acknowledged") return { ...key, event_action: "acknowledge" };
  return {
    ...key,
    event_action: "trigger",
    payload: {
      summary: `${alert.rule}: ${alert.words}`.slice(0, MOST_SUMMARY),
      source: "master-orchestrator",
      severity: alert.severity,
      timestamp: new Date(alert.firedAtMs ?? alert.startedAtMs).toISOString(),
      class: alert.rule,
      custom_details: { ...alert.labels, value: alert.value },
    },
    links: [{ href: message.url, text: "Dashboard" }],
  };
}

/** A summary, or a test, which nobody has to be woken for. */
function plain(message: Message) {
  return {
    event_action: "trigger",
    dedup_key: `orchestrator-${message.id}`,
    payload: {
      summary: message.title.slice(0, MOST_SUMMARY),
      source: "master-orchestrator",
      severity: "info",
      timestamp: new Date(message.atMs).toISOString(),
      custom_details: { lines: message.lines },
    },
  };
}
