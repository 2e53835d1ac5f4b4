/** One look at everything that alerts are about: what changed, who is to be told, in one transaction by one replica. */
import type { DigestKind, Policy } from "@master-orchestrator/contract";
import { digestLines, digestTitle, lastDue } from "#core/alerts-digest.ts";
import { needsOf } from "#core/alerts-facts.ts";
import { inquiryOf } from "#core/alerts-investigate.ts";
import { judgeRules } from "#core/alerts-judge.ts";
import { tellings } from "#core/alerts-routing.ts";
import { type Change, stepAlerts } from "#core/alerts-states.ts";
import { applyChanges, openAlerts, pruneAlerts, recordTold, toldAlerts } from "#store/alerts.ts";
import { listChannels, MOST_CHANNELS } from "#store/alerts-channels.ts";
import { insertDigest, readDigestFacts } from "#store/alerts-digests.ts";
import { readAlertFacts } from "#store/alerts-facts.ts";
import { askInquiries, attachFindings } from "#store/alerts-investigations.ts";
import { enqueueDigest, enqueueTellings, pruneNotifications, withdraw } from "#store/alerts-outbox.ts";
import { activeSilences } from "#store/alerts-silences.ts";
import { endTurn, markDigest, type Turn, takeTurn } from "#store/alerts-watch.ts";
import type { Database, Queryable } from "#store/database.ts";
import { countedUntil } from "#store/roll-ups.ts";

export interface LookContext {
  db: Database;
  tickIntervalMs: number;
}

/** What is old enough is deleted about once an hour. */
const PRUNE_EVERY_MS = 3_600_000;
/** A summary waits so long for the last minutes to be counted; then it does without. */
const COUNTING_WITHIN_MS = 10 * 60_000;

/** Null while another replica looks, or has just done so. Returns what has changed. */
export async function look(context: LookContext, policy: Policy): Promise<Change[] | null> {
  return await context.db.transaction(async (tx) => {
    const turn = await takeTurn(tx, policy.alerts.evaluate_every_seconds);
    if (!turn) return null;
    const changes = policy.alerts.enabled ? await judgeAndTell(tx, { policy, turn, context }) : [];
    await digestIfDue(tx, "daily_summary", { policy, turn, context });
    await digestIfDue(tx, "weekly_report", { policy, turn, context });
    return changes;
  });
}

interface Look {
  policy: Policy;
  turn: Turn;
  context: LookContext;
}

async function judgeAndTell(tx: Queryable, { policy, turn, context }: Look): Promise<Change[]> {
  const { nowMs } = turn;
  const { rules } = policy.alerts;
  const needs = needsOf(Object.values(rules).filter(({ enabled }) => enabled));
  const facts = await readAlertFacts(tx, needs, { policy, nowMs, tickIntervalMs: context.tickIntervalMs });
  const judged = judgeRules(rules, facts);
  const changes = stepAlerts(await openAlerts(tx), judged, nowMs);
  await investigate(tx, policy, await applyChanges(tx, changes, nowMs), nowMs);
  await tell(tx, policy, nowMs);
  await endTurn(tx, judged, nowMs);
  if (nowMs % PRUNE_EVERY_MS < policy.alerts.evaluate_every_seconds * 1000) {
    await Promise.all([pruneAlerts(tx), pruneNotifications(tx)]);
  }
  return changes;
}

/** So many of those that began to fire at one look are looked into. */
const MOST_INQUIRIES = 10;

async function investigate(
  tx: Queryable,
  { alerts: { rules } }: Policy,
  changes: Awaited<ReturnType<typeof applyChanges>>,
  nowMs: number,
): Promise<void> {
  const asked = changes
    .filter(({ steps }) => steps.some(({ to }) => to === "firing"))
    .flatMap(({ alert, alertId }) => {
      const inquiry = inquiryOf(alert, alertId, rules[alert.rule], nowMs);
      return inquiry ? [{ ...inquiry, alertId }] : [];
    });
  await askInquiries(tx, asked.slice(0, MOST_INQUIRIES), nowMs);
  await attachFindings(tx, nowMs);
}

async function tell(tx: Queryable, policy: Policy, nowMs: number): Promise<void> {
  const alerts = await toldAlerts(tx);
  if (alerts.length === 0) return;
  const [listeners, silences] = await Promise.all([
    listChannels(tx, null, MOST_CHANNELS),
    activeSilences(tx),
  ]);
  const next = tellings(alerts, { listeners, silences, policy: policy.alerts, nowMs });
  const over = next.tellings.filter(({ kind }) => kind === "resolved").map(({ alertId }) => alertId);
  const withdrawn = await withdraw(tx, over);
  const sent = next.tellings.filter(
    ({ kind, alertId, channel }) => kind !== "resolved" || !withdrawn.get(alertId)?.includes(channel),
  );
  await enqueueTellings(tx, sent, nowMs);
  await recordTold(tx, next.told);
}

/** Made once for each moment at which one is due; at the first start the last such moment is passed over. */
async function digestIfDue(tx: Queryable, kind: DigestKind, { policy, turn, context }: Look): Promise<void> {
  const { alerts } = policy;
  const { enabled } = kind === "daily_summary" ? alerts.daily_summary : alerts.weekly_report;
  const seenMs = kind === "daily_summary" ? turn.dailyAtMs : turn.weeklyAtMs;
  const span = { kind, nowMs: turn.nowMs, ...lastDue(kind, alerts, turn.nowMs) };
  if (seenMs !== null && span.toMs <= seenMs) return;
  if (seenMs === null || !enabled) return await markDigest(tx, kind, span.toMs);
  const counted = (await countedUntil(tx)) ?? 0;
  if (counted < span.toMs && turn.nowMs - span.toMs < COUNTING_WITHIN_MS) return;
  const facts = await readDigestFacts(tx, span, {
    tickIntervalMs: context.tickIntervalMs,
    dailyBudgetUsd: policy.budget.daily_usd,
  });
  const digestId = await insertDigest(tx, {
    kind,
    fromMs: span.fromMs,
    toMs: span.toMs,
    title: digestTitle(kind, facts, span.toMs),
    lines: digestLines(kind, facts),
    figures: { ...facts },
  });
  if (digestId !== null) {
    const listeners = await listChannels(tx, null, MOST_CHANNELS);
    const wanting = listeners.filter(
      (one) => one.enabled && (kind === "daily_summary" ? one.dailySummary : one.weeklyReport),
    );
    const channels = wanting.map(({ name }) => name);
    await enqueueDigest(tx, { digestId, kind, channels }, turn.nowMs);
  }
  await markDigest(tx, kind, span.toMs);
}
