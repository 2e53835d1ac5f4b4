/** The states of alerts: pending, firing, resolved; and what moves one on. Pure: the same rows and findings give the same changes. */
import type { AlertState, Severity } from "@master-orchestrator/contract";
import type { AlertLabels } from "./alerts-facts.ts";
import type { Finding, Judged } from "./alerts-judge.ts";

/** What is kept of an alert between two looks. */
export interface OpenAlert {
  /** Null for one that has just begun. */
  alertId: string | null;
  rule: string;
  labels: AlertLabels;
  key: string;
  severity: Severity;
  state: AlertState;
  value: number | null;
  words: string;
  summary: string | null;
  channels: readonly string[] | null;
  startedAtMs: number;
  firedAtMs: number | null;
  clearSinceMs: number | null;
  noDataSinceMs: number | null;
  resolvedReason: string | null;
}

export interface Change {
  alert: OpenAlert;
  /** What it became at this look, oldest first; empty: only its figures moved. */
  steps: readonly { to: AlertState; reason: string }[];
}

/** So many subjects of one rule may be open; the first that come. */
export const MOST_OPEN = 100;

/** What has changed since the last look, for every alert that is open or opens. */
export function stepAlerts(open: readonly OpenAlert[], judged: readonly Judged[], nowMs: number): Change[] {
  const changes: Change[] = [];
  const rules = new Map(judged.map((rule) => [rule.rule, rule]));
  for (const alert of open) {
    const rule = rules.get(alert.rule);
    const change = rule
      ? stepOpen(alert, rule, nowMs)
      : resolved(alert, "its rule was removed or switched off");
    if (change) changes.push(change);
  }
  const known = new Set(open.map(({ rule, key }) => `${rule} ${key}`));
  for (const rule of judged) {
    const room = MOST_OPEN - open.filter((alert) => alert.rule === rule.rule).length;
    const begun = rule.findings.filter(
      ({ state, key }) => state === "holds" && !known.has(`${rule.rule} ${key}`),
    );
    changes.push(...begun.slice(0, Math.max(0, room)).map((finding) => begin(rule, finding, nowMs)));
  }
  return changes;
}

function begin(rule: Judged, finding: Finding, nowMs: number): Change {
  const alert: OpenAlert = {
    alertId: null,
    rule: rule.rule,
    labels: finding.labels,
    key: finding.key,
    state: "pending",
    ...seen(rule, finding),
    startedAtMs: nowMs,
    firedAtMs: null,
    clearSinceMs: null,
    noDataSinceMs: null,
    resolvedReason: null,
  };
  const pending = { to: "pending" as const, reason: finding.words };
  if (rule.forMs > 0) return { alert, steps: [pending] };
  return { alert: fired(alert, nowMs), steps: [pending, { to: "firing", reason: finding.words }] };
}

function fired(alert: OpenAlert, nowMs: number): OpenAlert {
  return { ...alert, state: "firing", firedAtMs: nowMs };
}

function seen(rule: Judged, finding: Finding) {
  const { value, words } = finding;
  return { value, words, severity: rule.severity, summary: rule.summary, channels: rule.channels };
}

/** Null where nothing at all has changed. */
function stepOpen(alert: OpenAlert, rule: Judged, nowMs: number): Change | null {
  const finding = rule.findings.find(({ key }) => key === alert.key);
  const state = finding?.state ?? rule.others;
  // Of what cannot be known nothing follows, neither this nor that.
  if (state === "unknown") {
    return alert.noDataSinceMs === null ? { alert: { ...alert, noDataSinceMs: nowMs }, steps: [] } : null;
  }
  if (state === "holds") return stepHolding(alert, rule, finding as Finding, nowMs);
  const clearSinceMs = alert.clearSinceMs ?? nowMs;
  const words = finding?.words ?? alert.words;
  const cleared = { ...alert, value: finding?.value ?? null, clearSinceMs, noDataSinceMs: null };
  if (alert.state === "pending") return resolved(cleared, "its condition did not hold long enough");
  if (nowMs - clearSinceMs >= rule.clearMs) {
    return resolved(cleared, finding ? `now ${words}` : "it is not there any more");
  }
  return { alert: cleared, steps: [] };
}

function stepHolding(alert: OpenAlert, rule: Judged, finding: Finding, nowMs: number): Change | null {
  const holding = { ...alert, ...seen(rule, finding), clearSinceMs: null, noDataSinceMs: null };
  if (alert.state === "pending" && nowMs - alert.startedAtMs >= rule.forMs) {
    return { alert: fired(holding, nowMs), steps: [{ to: "firing", reason: finding.words }] };
  }
  const same =
    holding.value === alert.value &&
    holding.severity === alert.severity &&
    alert.clearSinceMs === null &&
    alert.noDataSinceMs === null;
  return same ? null : { alert: holding, steps: [] };
}

function resolved(alert: OpenAlert, reason: string): Change {
  return {
    alert: { ...alert, state: "resolved", resolvedReason: reason },
    steps: [{ to: "resolved", reason }],
  };
}
