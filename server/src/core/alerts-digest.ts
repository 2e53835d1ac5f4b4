/** Daily summaries and weekly reports: when one is due in a time zone, and its figures in words. Pure; reads nothing. */
import type { AlertsPolicy, DigestKind } from "@master-orchestrator/contract";
import { count, seconds, share, usd } from "./alerts-words.ts";
import { percentile } from "./latency.ts";

export interface Period {
  completed: number;
  deadLettered: number;
  attemptsEnded: number;
  attemptsFailed: number;
  costMicros: number;
  totalBuckets: readonly number[];
}

export interface DigestFacts {
  period: Period;
  before: Period;
  /** Of the period, by workflow, the busiest first. */
  workflows: readonly (Period & { workflowType: string })[];
  /** How often each rule fired in it, the most frequent first. */
  fired: readonly { rule: string; times: number }[];
  /** What fires now. */
  firing: readonly { rule: string; words: string }[];
  /** Boundaries of the heartbeat in it, and those that were ticked in time. */
  ticks: { expected: number; ran: number };
  waiting: number;
  deadLetters: number;
  dailyBudgetUsd: number;
}

const DAY_MS = 86_400_000;
const WEEKDAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

type Times = Pick<AlertsPolicy, "time_zone" | "daily_summary" | "weekly_report">;

/** The last moment, now or before, at which one of this kind was due; and the one before that, where its period begins. */
export function lastDue(kind: DigestKind, policy: Times, nowMs: number): { fromMs: number; toMs: number } {
  const { at } = kind === "daily_summary" ? policy.daily_summary : policy.weekly_report;
  const weekday = kind === "daily_summary" ? null : WEEKDAYS.indexOf(policy.weekly_report.weekday);
  const due: number[] = [];
  for (let day = 1; day >= -16 && due.length < 2; day--) {
    const date = localDate(nowMs + day * DAY_MS, policy.time_zone);
    if (weekday !== null && date.getUTCDay() !== weekday) continue;
    const moment = momentOf(date, at, policy.time_zone);
    if (moment <= nowMs && moment !== due[0]) due.push(moment);
  }
  return { fromMs: due[1] as number, toMs: due[0] as number };
}

/** The calendar's day there, as midnight of that day in UTC. */
function localDate(atMs: number, timeZone: string): Date {
  const day = new Date(atMs + offsetMs(atMs, timeZone));
  return new Date(Math.floor(day.getTime() / DAY_MS) * DAY_MS);
}

/** When the clocks there show this time on this day; the later of two offsets where a change of the clocks lies between. */
function momentOf(date: Date, time: string, timeZone: string): number {
  const [hour = 0, minute = 0] = time.split(":").map(Number);
  const local = date.getTime() + (hour * 60 + minute) * 60_000;
  const first = local - offsetMs(local, timeZone);
  return local - offsetMs(first, timeZone);
}

/** How far the clocks there are ahead of UTC. */
function offsetMs(atMs: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    ...{ timeZone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric" },
    ...{ hour: "numeric", minute: "numeric", second: "numeric" },
  }).formatToParts(atMs);
  const part = (type: string) => Number(parts.find((one) => one.type === type)?.value);
  const shown = Date.UTC(
    part("year"),
    part("month") - 1,
    part("day"),
    part("hour"),
    part("minute"),
    part("second"),
  );
  return shown - Math.floor(atMs / 1000) * 1000;
}

export function digestTitle(kind: DigestKind, facts: DigestFacts, toMs: number): string {
  const day = new Date(toMs - 1).toISOString().slice(0, 10);
  const { completed, costMicros } = facts.period;
  const what = kind === "daily_summary" ? `Daily summary, ${day}` : `Weekly report, week to ${day}`;
  return `${what}: ${count(completed)} tasks completed, ${usd(costMicros / 1e6)} spent`;
}

export function digestLines(kind: DigestKind, facts: DigestFacts): string[] {
  const { period, before, ticks, fired, firing } = facts;
  const earlier = kind === "daily_summary" ? "the day before" : "the week before";
  const lines = [
    `${outcome(period)} (${earlier}: ${outcome(before)})`,
    `${costs(period)} (${earlier}: ${costs(before)}); the budget is ${usd(facts.dailyBudgetUsd)} a day`,
    latency(period),
    period.attemptsEnded > 0
      ? `${count(period.attemptsFailed)} of ${count(period.attemptsEnded)} attempts failed (${share(period.attemptsFailed / period.attemptsEnded)})`
      : "no attempt ended",
  ];
  if (ticks.expected > 0) {
    const missed = Math.max(0, ticks.expected - ticks.ran);
    lines.push(`heartbeat: ${share(1 - missed / ticks.expected)} of ${count(ticks.expected)} ticks in time`);
  }
  if (kind === "weekly_report") {
    for (const row of facts.workflows.slice(0, 10)) {
      lines.push(`${row.workflowType || "no workflow"}: ${outcome(row)}, ${costs(row)}`);
    }
  }
  const times = fired.slice(0, 10).map((one) => (one.times === 1 ? one.rule : `${one.rule} × ${one.times}`));
  lines.push(times.length === 0 ? "no alert fired" : `alerts that fired: ${times.join(", ")}`);
  for (const alert of firing.slice(0, 10)) lines.push(`fires now: ${alert.rule}: ${alert.words}`);
  lines.push(
    `now ${count(facts.waiting)} tasks wait, and ${count(facts.deadLetters)} dead letters for a person`,
  );
  return lines;
}

function outcome({ completed, deadLettered }: Period): string {
  const ended = completed + deadLettered;
  if (ended === 0) return "no task ended";
  return `${count(completed)} tasks completed, ${count(deadLettered)} dead letters, ${share(completed / ended)} success`;
}

function costs({ completed, costMicros }: Period): string {
  const each = completed > 0 ? `, ${usd(costMicros / 1e6 / completed)} a task` : "";
  return `${usd(costMicros / 1e6)} spent${each}`;
}

function latency({ totalBuckets }: Period): string {
  const half = percentile(totalBuckets, 0.5);
  const most = percentile(totalBuckets, 0.95);
  if (half === null || most === null) return "no task was completed whose time could be told";
  return `from first due to completion: half within ${seconds(half)}, 95 % within ${seconds(most)}`;
}
