/** Owns what the schedules of a workflow mean: rules of all node versions, as cron expressions. Pure; asks no clock. */
import { CronExpressionParser } from "cron-parser";
import { isDisabled, triggerKind } from "./kinds.ts";
import { kindOf, type N8nNode, type N8nWorkflow, objectAt } from "./workflow.ts";

export interface ScheduleRule {
  /** In words: "every 15 minutes". */
  text: string;
  /** With seconds first or without; null where n8n has none (an interval from its activation on) or it cannot be read. */
  cron: string | null;
  /** Seconds between two firings, where they are even; null otherwise. */
  everySeconds: number | null;
  /** Of the hours that the cron expression names n8n takes only those so far apart. */
  hoursApart: number | null;
  /** What the file does not say about its moments; null: they are known to the minute. */
  uncertain: string | null;
  /** Not even the minute is known beforehand: it may meet any other. */
  floating: boolean;
  /** Why n8n could not run it; null for a sound one. */
  problem: string | null;
}

export interface NodeSchedule {
  node: string;
  disabled: boolean;
  rules: ScheduleRule[];
}

/** Every schedule of a workflow, disabled ones too. */
export function schedulesOf(workflow: N8nWorkflow): NodeSchedule[] {
  return workflow.nodes
    .filter((node) => triggerKind(node) === "schedule")
    .map((node) => ({ node: node.name, disabled: isDisabled(node), rules: rulesOf(node).map(checked) }));
}

function rulesOf(node: N8nNode): ScheduleRule[] {
  switch (kindOf(node)) {
    case "cron":
      return listIn(objectAt(node.parameters, "triggerTimes"), "item").map(cronNodeRule);
    case "interval":
      return [intervalNodeRule(node.parameters ?? {})];
    default:
      return listIn(objectAt(node.parameters, "rule"), "interval").map(triggerRule);
  }
}

type Entry = Record<string, unknown>;

/** n8n leaves out what has its default: no list at all is one rule with every default. */
function listIn(parent: Entry, key: string): Entry[] {
  const list = parent[key];
  return Array.isArray(list) && list.length > 0 ? (list as Entry[]) : [{}];
}

const UNKNOWN = {
  cron: null,
  everySeconds: null,
  hoursApart: null,
  uncertain: null,
  floating: false,
  problem: null,
} as const;

class Unreadable extends Error {}

/** A whole number of a rule; the default where it is left out. Throws where it is an expression. */
function number(entry: Entry, key: string, otherwise: number): number {
  const value = entry[key] ?? otherwise;
  const read = typeof value === "string" && /^\d+$/.test(value.trim()) ? Number(value) : value;
  if (typeof read !== "number" || !Number.isInteger(read) || read < 0) {
    throw new Unreadable(`its ${key} is ${JSON.stringify(value)}, not a whole number`);
  }
  return read;
}

function guarded(text: string, read: () => ScheduleRule): ScheduleRule {
  try {
    return read();
  } catch (error) {
    if (error instanceof Unreadable) return { ...UNKNOWN, text, problem: error.message };
    throw error;
  }
}

const NAMES = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const clock = (hour: number, minute: number) =>
  `${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}`;
const every = (amount: number, unit: string) => `every ${amount === 1 ? unit : `${amount} ${unit}s`}`;

/** `scheduleTrigger`, all versions: a rule without `field` is daily. */
function triggerRule(entry: Entry): ScheduleRule {
  const field = String(entry.field ?? "days");
  return guarded(field, () => {
    if (field === "cronExpression") return cronRule(entry.expression);
    const minute = field === "seconds" || field === "minutes" ? 0 : number(entry, "triggerAtMinute", 0);
    switch (field) {
      case "seconds":
        return repeating(number(entry, "secondsInterval", 30), "second", 59);
      case "minutes":
        return repeating(number(entry, "minutesInterval", 5), "minute", 59);
      case "hours":
        return hourly(number(entry, "hoursInterval", 1), minute);
      case "days":
        return daily(number(entry, "daysInterval", 1), number(entry, "triggerAtHour", 0), minute);
      case "weeks":
        return weekly(entry, number(entry, "triggerAtHour", 0), minute);
      case "months":
        return monthly(entry, number(entry, "triggerAtHour", 0), minute);
      default:
        throw new Unreadable(`a rule of the unknown kind "${field}"`);
    }
  });
}

function cronRule(expression: unknown): ScheduleRule {
  const cron = typeof expression === "string" ? expression.trim() : "";
  if (cron === "") throw new Unreadable("its cron expression is empty");
  if (cron.startsWith("=")) throw new Unreadable("its cron expression is an n8n expression");
  return { ...UNKNOWN, text: `cron ${cron}`, cron };
}

function repeating(amount: number, unit: "second" | "minute", most: number): ScheduleRule {
  if (amount < 1 || amount > most) throw new Unreadable(`every ${amount} ${unit}s; n8n takes 1 to ${most}`);
  const seconds = amount * (unit === "second" ? 1 : 60);
  const cron = unit === "second" ? `*/${amount} * * * * *` : `*/${amount} * * * *`;
  const everySeconds = 60 % amount === 0 ? seconds : null;
  return { ...UNKNOWN, text: every(amount, unit), cron, everySeconds };
}

function hourly(hours: number, minute: number): ScheduleRule {
  if (hours < 1 || hours > 23) throw new Unreadable(`every ${hours} hours; n8n takes 1 to 23`);
  const text = `${every(hours, "hour")} at minute ${minute}`;
  const even = 24 % hours === 0;
  const about = { everySeconds: even ? hours * 3600 : null, hoursApart: even ? null : hours };
  return { ...UNKNOWN, ...about, text, cron: `${minute} */${hours} * * *` };
}

function daily(days: number, hour: number, minute: number): ScheduleRule {
  if (days < 1 || days > 31) throw new Unreadable(`every ${days} days; n8n takes 1 to 31`);
  const about = { text: `${every(days, "day")} at ${clock(hour, minute)}`, cron: `${minute} ${hour} * * *` };
  return { ...UNKNOWN, ...about, uncertain: days === 1 ? null : "on which of the days" };
}

function weekly(entry: Entry, hour: number, minute: number): ScheduleRule {
  const weeks = number(entry, "weeksInterval", 1);
  const days = Array.isArray(entry.triggerAtDay) ? entry.triggerAtDay.map(Number) : [0];
  const names = days.map((day) => NAMES[day] ?? `day ${day}`).join(", ");
  const text = `${every(weeks, "week")} on ${names || "each day"} at ${clock(hour, minute)}`;
  const cron = `${minute} ${hour} * * ${days.length === 0 ? "*" : days.join(",")}`;
  return { ...UNKNOWN, text, cron, uncertain: weeks === 1 ? null : "in which of the weeks" };
}

function monthly(entry: Entry, hour: number, minute: number): ScheduleRule {
  const months = number(entry, "monthsInterval", 1);
  if (months < 1) throw new Unreadable("every 0 months");
  const day = number(entry, "triggerAtDayOfMonth", 1);
  const text = `${every(months, "month")} on day ${day} at ${clock(hour, minute)}`;
  const cron = `${minute} ${hour} ${day} * *`;
  return { ...UNKNOWN, text, cron, uncertain: months === 1 ? null : "in which of the months" };
}

/** `cron`, version 1. */
function cronNodeRule(entry: Entry): ScheduleRule {
  const mode = String(entry.mode ?? "everyDay");
  return guarded(mode, () => {
    const minute = number(entry, "minute", 0);
    const hour = number(entry, "hour", 14);
    switch (mode) {
      case "everyMinute":
        return repeating(1, "minute", 59);
      case "everyHour":
        return hourly(1, minute);
      case "everyDay":
        return daily(1, hour, minute);
      case "everyWeek":
        return weekly({ triggerAtDay: [number(entry, "weekday", 1)] }, hour, minute);
      case "everyMonth":
        return monthly({ triggerAtDayOfMonth: number(entry, "dayOfMonth", 1) }, hour, minute);
      case "everyX":
        return everyX(entry);
      case "custom":
        return cronRule(entry.cronExpression);
      default:
        throw new Unreadable(`a rule of the unknown kind "${mode}"`);
    }
  });
}

function everyX(entry: Entry): ScheduleRule {
  const amount = number(entry, "value", 2);
  if ((entry.unit ?? "hours") === "minutes") return repeating(amount, "minute", 59);
  const uncertain = "at which minute: n8n draws it";
  return { ...hourly(amount, 0), text: every(amount, "hour"), uncertain, floating: true };
}

/** `interval`, version 1: it counts from the moment at which the workflow was switched on. */
function intervalNodeRule(parameters: Entry): ScheduleRule {
  return guarded("interval", () => {
    const unit = String(parameters.unit ?? "seconds");
    const unitSeconds = { seconds: 1, minutes: 60, hours: 3600 }[unit];
    const amount = number(parameters, "interval", 1);
    if (unitSeconds === undefined || amount < 1) throw new Unreadable(`an interval of ${amount} ${unit}`);
    const text = every(amount, unit.slice(0, -1));
    const uncertain = "when it begins: it counts from its activation on";
    return { ...UNKNOWN, text, everySeconds: amount * unitSeconds, uncertain, floating: true };
  });
}

/** A rule whose cron expression n8n would refuse has that as its problem. */
function checked(rule: ScheduleRule): ScheduleRule {
  if (rule.cron === null) return rule;
  try {
    CronExpressionParser.parse(rule.cron);
    return rule;
  } catch (error) {
    return { ...rule, cron: null, problem: `no cron expression: ${(error as Error).message}` };
  }
}
