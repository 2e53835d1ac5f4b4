/** Webhooks by the Standard Webhooks specification: signed over the raw body, with an id by which a receiver drops repeats. */
import { sign } from "@master-orchestrator/contract/signature";
import type { AlertRow } from "#store/alerts.ts";
import { type Deliver, jsonOf, postJson, quoted, Undelivered } from "../delivery.ts";
import type { Message } from "../message.ts";

export const deliverToWebhook: Deliver = async ({ settings, secret }, message, means, signal) => {
  const body = Buffer.from(JSON.stringify(bodyOf(message)));
  const headers =
    secret === null
      ? { "webhook-id": message.id, "webhook-timestamp": String(Math.floor(message.atMs / 1000)) }
      : sign(secret, message.id, message.atMs / 1000, body);
  const answer = await postJson(means, { url: String(settings.url), body, headers: { ...headers } }, signal);
  // A proxy or a server that still starts answers 200 with a page; others put their refusal into the body.
  if (/^text\/html\b/.test(answer.headers["content-type"] ?? "")) {
    throw new Undelivered(`it answered ${answer.status} with a web page instead of taking the message`);
  }
  const said = jsonOf(answer);
  if (
    said &&
    (said.ok === false || said.success === false || said.status === "error" || hasError(said.error))
  ) {
    throw new Undelivered(`it answered ${answer.status}, but says that it failed${quoted(answer)}`);
  }
  return `it answered ${answer.status}${secret === null ? "; the message was not signed" : ""}`;
};

function hasError(error: unknown): boolean {
  return error !== undefined && error !== null && error !== false && error !== "";
}

function bodyOf(message: Message) {
  return {
    type: message.digest ? `orchestrator.${message.kind}` : `alert.${message.kind}`,
    timestamp: new Date(message.atMs).toISOString(),
    data: {
      title: message.title,
      lines: message.lines,
      url: message.url,
      alerts: message.alerts.map(shown),
      ...(message.digest && {
        digest: { digest_id: message.digest.digestId, figures: message.digest.figures },
      }),
    },
  };
}

const time = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());

function shown(alert: AlertRow) {
  return {
    alert_id: alert.alertId,
    rule: alert.rule,
    labels: alert.labels,
    severity: alert.severity,
    state: alert.state,
    value: alert.value,
    words: alert.words,
    started_at: time(alert.startedAtMs),
    fired_at: time(alert.firedAtMs),
    resolved_at: time(alert.resolvedAtMs),
  };
}
