/** Judges rules by facts: what holds, what does not, and what cannot be known. Remembers nothing. */
import type { AlertRule, AlertsPolicy, Counter, Severity } from "@master-orchestrator/contract";
import { baselineOf, deviationsFrom } from "./alerts-baseline.ts";
import { burnOf } from "./alerts-burn.ts";
import {
  type AlertLabels,
  type Counts,
  type EndedMetric,
  type Facts,
  isTickMetric,
  isWindowed,
  type Series,
  type TickMetric,
} from "./alerts-facts.ts";
import { absenceWords, counted, rateWords, thresholdWords, whose } from "./alerts-words.ts";
import { canonicalJson } from "./canonical.ts";
import { addCounts, percentile } from "./latency.ts";

export interface Finding {
  labels: AlertLabels;
  /** The labels as one text. */
  key: string;
  state: "holds" | "clear" | "unknown";
  value: number | null;
  words: string;
}

export interface Judged {
  rule: string;
  severity: Severity;
  summary: string | null;
  /** Whom the rule names. */
  channels: readonly string[] | null;
  forMs: number;
  clearMs: number;
  findings: readonly Finding[];
  /** What holds for a subject that is not among them. */
  others: "clear" | "unknown";
}

type Outcome = Pick<Judged, "findings" | "others">;

/** What is counted is known until some 95 s ago; when that stands still, nothing is known of what ended since. */
const COUNTS_STALE_AFTER_MS = 5 * 60_000;

/** Every enabled rule. */
export function judgeRules(rules: AlertsPolicy["rules"], facts: Facts): Judged[] {
  return Object.entries(rules)
    .filter(([, rule]) => rule.enabled)
    .map(([name, rule]) => ({
      rule: name,
      severity: rule.severity,
      summary: rule.summary ?? null,
      channels: rule.channels ?? null,
      forMs: rule.for_seconds * 1000,
      clearMs: rule.clear_seconds * 1000,
      ...only(rule, judge(rule, facts)),
    }));
}

function judge(rule: AlertRule, facts: Facts): Outcome {
  switch (rule.kind) {
    case "rate":
      return judgeRate(rule, facts);
    case "burn_rate":
      return judgeBurn(rule, facts);
    case "absence":
      return judgeAbsence(rule, facts);
    case "anomaly":
      return judgeAnomaly(rule, facts);
    default:
      if (isTickMetric(rule.metric)) return judgeTicks(rule, rule.metric, facts);
      return isWindowed(rule.metric) ? judgeWindow(rule, rule.metric, facts) : judgeState(rule, facts);
  }
}

/** Those whose labels the rule asks for. */
function only({ where }: AlertRule, { findings, others }: Outcome): Outcome {
  const wanted = Object.entries(where);
  const kept = findings.filter(({ labels }) => wanted.every(([name, value]) => labels[name] === value));
  return { findings: kept, others };
}

type ThresholdRule = Extract<AlertRule, { kind: "threshold" }>;

function found(labels: AlertLabels, value: number | null, holds: boolean, words: string): Finding {
  const state = value === null ? "unknown" : holds ? "holds" : "clear";
  return { labels, key: canonicalJson(labels), state, value, words };
}

function beyond(
  { at_least, at_most }: { at_least?: number | undefined; at_most?: number | undefined },
  value: number,
) {
  return at_least !== undefined ? value >= at_least : value <= (at_most as number);
}

function threshold(rule: ThresholdRule, labels: AlertLabels, value: number | null): Finding {
  if (value === null) return found(labels, null, false, "its figures are missing");
  return found(labels, value, beyond(rule, value), thresholdWords(rule, labels, value));
}

/** A list of subjects is read whole: who is not on it any more is well. */
function judgeState(rule: ThresholdRule, facts: Facts): Outcome {
  const series: readonly Series[] | undefined = facts.states[rule.metric as keyof Facts["states"]];
  if (!series) return { findings: [], others: "unknown" };
  return { findings: series.map(({ labels, value }) => threshold(rule, labels, value)), others: "clear" };
}

function judgeTicks(rule: ThresholdRule, metric: TickMetric, facts: Facts): Outcome {
  const { expected, ran } = facts.ticks.get(rule.over_minutes) ?? { expected: 0, ran: 0 };
  const missed = Math.max(0, expected - ran);
  const enough = expected >= (metric === "uptime_share" ? rule.least_events : 1);
  const value = metric === "ticks_missed" ? missed : 1 - missed / Math.max(1, expected);
  return { findings: [threshold(rule, {}, enough ? value : null)], others: "unknown" };
}

function judgeWindow(rule: ThresholdRule, metric: EndedMetric, facts: Facts): Outcome {
  const groups = grouped(rule.by, facts, facts.windows.get(rule.over_minutes));
  if (!groups) return { findings: [], others: "unknown" };
  const findings = groups.map(({ labels, counts }) =>
    threshold(rule, labels, figureOf(metric, counts, rule.least_events)),
  );
  return { findings, others: "unknown" };
}

/** Null where too little happened to say anything. */
function figureOf(metric: EndedMetric, counts: Counts, leastEvents: number): number | null {
  const { completed, deadLettered, attemptsEnded, attemptsFailed, costMicros } = counts;
  const of = (events: number, figure: () => number | null) => (events >= leastEvents ? figure() : null);
  switch (metric) {
    case "failed_attempts_share":
      return of(attemptsEnded, () => attemptsFailed / attemptsEnded);
    case "dead_letter_share":
      return of(completed + deadLettered, () => deadLettered / (completed + deadLettered));
    case "end_to_end_p95_seconds":
      return of(completed, () => percentile(counts.totalBuckets, 0.95));
    case "wait_p95_seconds":
      return of(completed, () => percentile(counts.waitBuckets, 0.95));
    case "work_p95_seconds":
      return of(completed, () => percentile(counts.workBuckets, 0.95));
    default:
      return of(completed, () => costMicros / 1e6 / completed);
  }
}

/** Where something is counted, what was not counted did not happen. */
function judgeRate(rule: Extract<AlertRule, { kind: "rate" }>, facts: Facts): Outcome {
  const groups = grouped(rule.by, facts, facts.windows.get(rule.over_minutes));
  if (!groups) return { findings: [], others: "unknown" };
  const findings = groups.map(({ labels, counts }) => {
    const value = countOf(rule.counter, counts) / rule.over_minutes;
    return found(labels, value, beyond(rule, value), rateWords(rule, labels, value));
  });
  return { findings, others: "clear" };
}

function judgeBurn(rule: Extract<AlertRule, { kind: "burn_rate" }>, facts: Facts): Outcome {
  if (rule.objective === "uptime") return judgeUptime(rule, facts);
  const windows = rule.windows.map((pair) => ({
    ...pair,
    long: grouped(rule.by, facts, facts.windows.get(pair.long_minutes)),
    short: grouped(rule.by, facts, facts.windows.get(pair.short_minutes)),
  }));
  const first = windows[0]?.long;
  if (!first) return { findings: [], others: "unknown" };
  const findings = first.map(({ labels }, i) => {
    const pairs = windows.map(({ long, short, ...pair }) => {
      return { ...pair, long: (long ?? [])[i]?.counts, short: (short ?? [])[i]?.counts };
    });
    const burn = burnOf(rule, pairs);
    return found(labels, burn.value, burn.holds, `${burn.words}${whose(labels)}`);
  });
  return { findings, others: "unknown" };
}

/** The heartbeat is the house's, not a workflow's; what is known of it does not depend on what was counted. */
function judgeUptime(rule: Extract<AlertRule, { kind: "burn_rate" }>, { ticks }: Facts): Outcome {
  const ended = (minutes: number): Counts | undefined => {
    const seen = ticks.get(minutes);
    const completed = seen ? Math.min(seen.ran, seen.expected) : 0;
    return seen && { ...totalOf([], undefined), completed, deadLettered: seen.expected - completed };
  };
  const pairs = rule.windows.map((pair) => {
    return { ...pair, long: ended(pair.long_minutes), short: ended(pair.short_minutes) };
  });
  const burn = burnOf(rule, pairs);
  return { findings: [found({}, burn.value, burn.holds, burn.words)], others: "unknown" };
}

/** Missing figures are what it is about: with counting at a stand, nothing was counted either. */
function judgeAbsence(rule: Extract<AlertRule, { kind: "absence" }>, facts: Facts): Outcome {
  const windowMs = rule.within_minutes * 60_000;
  const standsStill = facts.countedUntilMs === null || facts.nowMs - facts.countedUntilMs >= windowMs;
  const counts = standsStill ? [] : (facts.windows.get(rule.within_minutes) ?? []);
  const findings = groupsOf(rule.by, facts.workflows, counts).map(({ labels, counts: of }) => {
    const value = countOf(rule.counter, of);
    const awaited = !rule.while_waiting || (!facts.paused && waitsLongerThan(labels, windowMs / 1000, facts));
    const absent = value === 0 && awaited;
    return found(labels, value, absent, absenceWords(rule, labels, absent ? null : value));
  });
  return { findings, others: "clear" };
}

function waitsLongerThan(
  { workflow_type }: AlertLabels,
  seconds: number,
  { waitingSeconds }: Facts,
): boolean {
  const waits =
    workflow_type === undefined ? [...waitingSeconds.values()] : [waitingSeconds.get(workflow_type) ?? 0];
  return waits.some((wait) => wait >= seconds);
}

/** Below these, a deviation means nothing. */
const LEAST_DEVIATION = { counts: 1, usd: 0.1 };

function judgeAnomaly(rule: Extract<AlertRule, { kind: "anomaly" }>, facts: Facts): Outcome {
  const [hour, ...past] = facts.hours.slice(0, rule.weeks + 1);
  if (isStale(facts) || !hour) return { findings: [], others: "unknown" };
  const known = past.filter((counts) => counts !== null);
  const isCost = rule.counter === "cost_usd";
  const least = isCost ? LEAST_DEVIATION.usd : LEAST_DEVIATION.counts;
  const findings = groupsOf(rule.by, facts.workflows, hour).map(({ labels, counts }) => {
    const value = countOf(rule.counter, counts);
    if (known.length < rule.least_weeks) return found(labels, null, false, "too few weeks are known");
    const of = (rows: readonly Counts[]) => countOf(rule.counter, totalOf(rows, labels.workflow_type));
    const baseline = baselineOf(known.map(of), { least, counts: !isCost });
    const distance = deviationsFrom(baseline, value);
    const far =
      rule.direction === "above" ? distance : rule.direction === "below" ? -distance : Math.abs(distance);
    const usual = `usually ${counted(rule.counter, baseline.median)} in this hour of the week`;
    const apart = `${Math.abs(distance).toFixed(1)} deviations ${distance < 0 ? "below" : "above"}`;
    const words = `${counted(rule.counter, value)}${whose(labels)} in the last full hour; ${usual} (${apart})`;
    return found(labels, value, far >= rule.deviations, words);
  });
  return { findings, others: "clear" };
}

function countOf(counter: Counter, counts: Counts): number {
  switch (counter) {
    case "completed":
      return counts.completed;
    case "dead_lettered":
      return counts.deadLettered;
    case "attempts":
      return counts.attemptsEnded;
    case "attempts_failed":
      return counts.attemptsFailed;
    default:
      return counts.costMicros / 1e6;
  }
}

function isStale({ countedUntilMs, nowMs }: Facts): boolean {
  return countedUntilMs === null || nowMs - countedUntilMs > COUNTS_STALE_AFTER_MS;
}

interface Group {
  labels: AlertLabels;
  counts: Counts;
}

/** Null where nothing is known of what ended lately. */
function grouped(by: string, facts: Facts, counts: readonly Counts[] | undefined): Group[] | null {
  return isStale(facts) || !counts ? null : groupsOf(by, facts.workflows, counts);
}

function groupsOf(by: string, workflows: readonly string[], counts: readonly Counts[]): Group[] {
  if (by === "all") return [{ labels: {}, counts: totalOf(counts, undefined) }];
  return workflows.map((workflowType) => {
    return { labels: { workflow_type: workflowType }, counts: totalOf(counts, workflowType) };
  });
}

/** Of one workflow, or of all. */
function totalOf(counts: readonly Counts[], workflowType: string | undefined): Counts {
  const rows = counts.filter((row) => workflowType === undefined || row.workflowType === workflowType);
  const sum = (of: (row: Counts) => number) => rows.reduce((total, row) => total + of(row), 0);
  const add = (of: (row: Counts) => readonly number[]) =>
    rows.map(of).reduce<readonly number[]>(addCounts, []);
  return {
    workflowType: workflowType ?? "",
    completed: sum((row) => row.completed),
    deadLettered: sum((row) => row.deadLettered),
    attemptsEnded: sum((row) => row.attemptsEnded),
    attemptsFailed: sum((row) => row.attemptsFailed),
    costMicros: sum((row) => row.costMicros),
    waitBuckets: add((row) => row.waitBuckets),
    workBuckets: add((row) => row.workBuckets),
    totalBuckets: add((row) => row.totalBuckets),
  };
}
