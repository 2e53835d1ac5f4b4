/** Who is told what, and when: audiences, silences, groups, reminders, escalation. Pure; sends nothing. */
import type { AlertsPolicy, SilenceMatcher } from "@master-orchestrator/contract";
import { SEVERITIES, type Severity } from "@master-orchestrator/contract";
import type { AlertLabels } from "./alerts-facts.ts";

/** An alert that fires, or is over and somebody has to be told so. */
export interface ToldAlert {
  alertId: string;
  rule: string;
  labels: AlertLabels;
  severity: Severity;
  state: "firing" | "resolved";
  channels: readonly string[] | null;
  firedAtMs: number;
  acknowledged: boolean;
  toldAtMs: number | null;
  toldChannels: readonly string[];
  escalations: number;
}

export interface Listener {
  name: string;
  enabled: boolean;
  /** False: only what names it, escalates to it, and summaries. */
  alerts: boolean;
  leastSeverity: Severity;
}

export interface Silenced {
  silenceId: string;
  match: SilenceMatcher;
}

/** One message to one channel; what is due by then and agrees goes along with it. */
export interface Telling {
  channel: string;
  kind: "firing" | "reminder" | "escalation" | "acknowledged" | "resolved";
  groupKey: string;
  alertId: string;
  dueMs: number;
}

export interface Told {
  alertId: string;
  toldAtMs: number;
  toldChannels: readonly string[];
  escalations: number;
}

type Rules = Pick<AlertsPolicy, "group_by" | "group_wait_seconds" | "remind_hours" | "escalation">;

/** What has to be told now. `silences` are those that are active. */
export function tellings(
  alerts: readonly ToldAlert[],
  {
    listeners,
    silences,
    policy,
    nowMs,
  }: { listeners: readonly Listener[]; silences: readonly Silenced[]; policy: Rules; nowMs: number },
): { tellings: Telling[]; told: Told[] } {
  const all: Telling[] = [];
  const told: Told[] = [];
  for (const alert of alerts) {
    const next = alert.state === "resolved" ? end(alert) : news(alert);
    // Whom nobody could be told of stays untold, until there is a channel. A step of the escalation is over all the same.
    if (!next || (next.channels.length === 0 && (next.kind === "firing" || next.kind === "reminder")))
      continue;
    const { kind, channels, escalations = alert.escalations } = next;
    const groupKey = groupOf(alert, policy.group_by);
    const waits = kind === "firing" || kind === "resolved";
    const dueMs = nowMs + (waits ? policy.group_wait_seconds * 1000 : 0);
    all.push(...channels.map((channel) => ({ channel, kind, groupKey, alertId: alert.alertId, dueMs })));
    const toldChannels = kind === "resolved" ? [] : [...new Set([...alert.toldChannels, ...channels])];
    told.push({ alertId: alert.alertId, toldAtMs: nowMs, toldChannels, escalations });
  }
  return { tellings: all, told };

  function stepsFor({ severity }: ToldAlert) {
    return policy.escalation.filter(({ least_severity: least }) => rank(severity) >= rank(least));
  }

  type News = { kind: Telling["kind"]; channels: string[]; escalations?: number };

  /** Whoever was told that it fires is told that it is over, silenced or not. */
  function end({ toldChannels }: ToldAlert): News | null {
    const there = listeners.filter(({ name, enabled }) => enabled && toldChannels.includes(name));
    return { kind: "resolved", channels: there.map(({ name }) => name) };
  }

  function news(alert: ToldAlert): News | null {
    if (alert.acknowledged || silenceOf(alert, silences)) return null;
    if (alert.toldAtMs === null) return { kind: "firing", channels: audience(alert, listeners) };
    const step = stepsFor(alert)[alert.escalations];
    if (step && nowMs - alert.firedAtMs >= step.after_minutes * 60_000) {
      const channels = named(alert, step.channels, listeners);
      return { kind: "escalation", channels, escalations: alert.escalations + 1 };
    }
    const remindMs = policy.remind_hours * 3_600_000;
    if (remindMs > 0 && nowMs - alert.toldAtMs >= remindMs) {
      return { kind: "reminder", channels: audience(alert, listeners) };
    }
    return null;
  }
}

function rank(severity: Severity): number {
  return SEVERITIES.indexOf(severity);
}

/** Those whom the rule names; where it names none that is there, all that take its severity. */
function audience(alert: ToldAlert, listeners: readonly Listener[]): string[] {
  const meant = named(alert, alert.channels ?? [], listeners);
  if (meant.length > 0) return meant;
  const taking = listeners.filter(
    ({ alerts, leastSeverity }) => alerts && rank(alert.severity) >= rank(leastSeverity),
  );
  return named(
    alert,
    taking.map(({ name }) => name),
    listeners,
  );
}

/** A channel is not told through itself that it fails. */
function named({ labels }: ToldAlert, names: readonly string[], listeners: readonly Listener[]): string[] {
  return listeners
    .filter(({ name, enabled }) => enabled && names.includes(name) && labels.channel !== name)
    .map(({ name }) => name);
}

type About = Pick<ToldAlert, "rule" | "labels" | "severity">;

/** The first silence that matches. */
export function silenceOf(alert: About, silences: readonly Silenced[]): string | null {
  return silences.find(({ match }) => matches(match, alert))?.silenceId ?? null;
}

/** Each part that is given has to agree. */
export function matches({ rule, severity, labels }: SilenceMatcher, alert: About): boolean {
  return (
    (rule === undefined || rule === alert.rule) &&
    (severity === undefined || severity === alert.severity) &&
    Object.entries(labels ?? {}).every(([name, value]) => alert.labels[name] === value)
  );
}

function groupOf(alert: About, by: readonly string[]): string {
  const own: AlertLabels = { ...alert.labels, rule: alert.rule, severity: alert.severity };
  return by.map((name) => `${name}=${own[name] ?? ""}`).join(",") || "all";
}

const FIRST_RETRY_MS = 10_000;
const LONGEST_RETRY_MS = 15 * 60_000;
/** A message that the receiver itself calls wrong is not better for being repeated. */
const REFUSED_TRIES = 3;

/** How long a channel rests after so many failures in a row. */
export function restMs(failuresInRow: number): number {
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(20, Math.max(0, failuresInRow - 1)));
}

/** Whether a message that could not be delivered is tried again. */
export function isTriedAgain(
  message: { tries: number; ageMs: number; refused: boolean },
  { give_up_hours }: Pick<AlertsPolicy, "give_up_hours">,
): boolean {
  if (message.ageMs >= give_up_hours * 3_600_000) return false;
  return !message.refused || message.tries < REFUSED_TRIES;
}
