/** Owns the moments of a workflow's own schedule, to the second. Pure; asks no clock. */
import { CronExpressionParser } from "cron-parser";
import { firings } from "./n8n/firings.ts";
import { schedulesOf } from "./n8n/schedules.ts";
import { type N8nWorkflow, readExport } from "./n8n/workflow.ts";

export interface Timetable {
  /** In words. */
  texts: string[];
  timeZone: string;
  /** Null: its moments can be known beforehand. Else why not. */
  unknown: string | null;
  /** The moments from one on until before another, in order; empty where they are unknown. */
  between(fromMs: number, toMs: number): number[];
  /** The last moment that is not later; null where none is known in the two days before. */
  lastAt(atMs: number): number | null;
  /** The first moment that is later; null where none is known in the two days after. */
  nextAfter(atMs: number): number | null;
  /** On average over a week. */
  perDay: number;
}

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const WEEK_MS = 7 * DAY_MS;
/** Any week will do: the schedules of n8n have none that is special. */
const A_MONDAY_MS = Date.UTC(2026, 0, 5);
/** Looked at in growing steps, so that a dense schedule is not walked for days. */
const REACHES_MS = [10 * MINUTE_MS, 60 * MINUTE_MS, 6 * 60 * MINUTE_MS, 2 * DAY_MS];

export function workflowOf(content: Uint8Array): N8nWorkflow {
  return readExport(content).workflows[0]!;
}

export function timetableOf(workflow: N8nWorkflow, instanceTimeZone: string): Timetable {
  const set = workflow.settings?.timezone;
  const timeZone = typeof set === "string" && set !== "DEFAULT" && set !== "" ? set : instanceTimeZone;
  const rules = schedulesOf(workflow).flatMap(({ disabled, rules: all }) => (disabled ? [] : all));
  const unclear = rules.find((rule) => rule.cron === null || rule.uncertain !== null || rule.floating);
  const unknown =
    rules.length === 0
      ? "no schedule starts it"
      : unclear
        ? `nobody knows beforehand ${unclear.uncertain ?? unclear.problem ?? "when it fires"} (${unclear.text})`
        : null;
  const between = (fromMs: number, toMs: number) =>
    unknown === null
      ? [...new Set(rules.flatMap((rule) => momentsOf(rule, timeZone, fromMs, toMs)))].sort((a, b) => a - b)
      : [];
  return {
    texts: rules.map(({ text }) => text),
    timeZone,
    unknown,
    between,
    lastAt: (atMs) => first(REACHES_MS, (reach) => between(atMs - reach, atMs + 1).at(-1)),
    nextAfter: (atMs) => first(REACHES_MS, (reach) => between(atMs + 1, atMs + reach)[0]),
    perDay: between(A_MONDAY_MS, A_MONDAY_MS + WEEK_MS).length / 7,
  };
}

function first(reaches: readonly number[], look: (reachMs: number) => number | undefined): number | null {
  for (const reach of reaches) {
    const found = look(reach);
    if (found !== undefined) return found;
  }
  return null;
}

type Rule = Parameters<typeof firings>[0];

function momentsOf(rule: Rule, timeZone: string, fromMs: number, toMs: number): number[] {
  const from = Math.floor(fromMs / MINUTE_MS) * MINUTE_MS;
  const minutes = [...firings(rule, timeZone, from, toMs).keys()];
  const seconds = CronExpressionParser.parse(rule.cron!).fields.second.values.map(Number);
  return minutes
    .flatMap((minute) => seconds.map((second) => minute + second * 1000))
    .filter((moment) => moment >= fromMs && moment < toMs);
}
