/** Figures of alerts in words, the same in every channel, the API and the dashboard. Decides nothing. */
import type { AlertRule, Counter } from "@master-orchestrator/contract";
import type { AlertLabels } from "./alerts-facts.ts";

type Metric = Extract<AlertRule, { kind: "threshold" }>["metric"];

export function count(value: number): string {
  return (Number.isInteger(value) ? value : Number(value.toFixed(2))).toLocaleString("en-US");
}

export function share(value: number): string {
  const percent = value * 100;
  return `${Number(percent.toFixed(percent < 10 || (percent > 90 && percent < 100) ? 1 : 0))} %`;
}

export function seconds(value: number): string {
  if (value < 120) return `${Number(value.toFixed(value < 10 ? 1 : 0))} s`;
  if (value < 7_200) return `${Math.round(value / 60)} min`;
  return value < 172_800 ? `${Number((value / 3600).toFixed(1))} h` : `${Math.round(value / 86_400)} d`;
}

export function minutes(value: number): string {
  return seconds(value * 60);
}

export function usd(value: number): string {
  const digits = value !== 0 && Math.abs(value) < 1 ? 4 : 2;
  return `$${value.toFixed(digits)}`;
}

/** The figure as people say it, and what it is a figure of. */
const METRICS: Record<
  Metric,
  [shown: (value: number) => string, what: (labels: AlertLabels, value: number) => string]
> = {
  queue_depth: [count, (_, n) => many(n, "task waits", "tasks wait")],
  lane_depth: [count, (of, n) => `${many(n, "task waits", "tasks wait")} in ${lane(of)}`],
  oldest_waiting_seconds: [seconds, (of) => `is how long the oldest task of ${lane(of)} has waited`],
  budget_used_share: [
    share,
    (of) => `of the day's budget${of.scope === "all" ? "" : ` of ${of.scope}`} are spent or held`,
  ],
  limit_used_share: [share, (of) => `of ${of.limit} are used`],
  seconds_since_tick: [seconds, () => "since the last tick"],
  stuck_executions: [
    count,
    (_, n) =>
      many(
        n,
        "execution is overdue and no cycle has looked at it",
        "executions are overdue and no cycle has looked at them",
      ),
  ],
  longest_execution_seconds: [seconds, (of) => `is how long a run of ${of.workflow_type} has been going on`],
  breaker_open: [count, (of) => `the circuit breaker of ${of.subject} is open`],
  recovery_open: [count, (of) => `the recovery ${of.procedure} of ${of.subject} is open`],
  set_aside: [
    count,
    (_, n) =>
      many(
        n,
        "item is set aside: no cycle could process it",
        "items are set aside: no cycle could process them",
      ),
  ],
  dead_letters: [
    count,
    (_, n) => many(n, "dead letter waits for a person", "dead letters wait for a person"),
  ],
  memory_used_share: [share, (of) => `of its memory are used by replica ${of.replica}`],
  connections_used_share: [share, () => "of the connections to the database are in use"],
  paused: [count, () => "the orchestrator is paused"],
  channel_failures: [
    count,
    (of, n) => `${many(n, "message", "messages in a row")} could not be delivered to channel ${of.channel}`,
  ],
  failed_attempts_share: [share, (of) => `of the attempts${whose(of)} failed`],
  dead_letter_share: [share, (of) => `of the tasks${whose(of)} ended as dead letters`],
  end_to_end_p95_seconds: [
    seconds,
    (of) => `from first due to completion, for the slowest 5 % of the tasks${whose(of)}`,
  ],
  wait_p95_seconds: [seconds, (of) => `until the start, for the slowest 5 % of the tasks${whose(of)}`],
  work_p95_seconds: [
    seconds,
    (of) => `from start to completion, for the slowest 5 % of the tasks${whose(of)}`,
  ],
  cost_per_task_usd: [usd, (of) => `for a completed task${whose(of)}`],
  ticks_missed: [count, (_, n) => `of the heartbeat's ticks ${many(n, "was", "were")} missed`],
  uptime_share: [share, () => "of the ticks came in time"],
};
/** They are so or they are not: a number says nothing. */
const FLAGS: readonly Metric[] = ["breaker_open", "recovery_open", "paused"];
const COUNTERS: Record<Counter, [shown: (value: number) => string, what: (value: number) => string]> = {
  completed: [count, (n) => many(n, "task completed", "tasks completed")],
  dead_lettered: [count, (n) => many(n, "task became a dead letter", "tasks became dead letters")],
  attempts: [count, (n) => many(n, "attempt ended", "attempts ended")],
  attempts_failed: [count, (n) => many(n, "attempt failed", "attempts failed")],
  cost_usd: [usd, () => "were spent"],
};

/** As it is said of one, and of any other number. */
function many(n: number, one: string, others: string): string {
  return n === 1 ? one : others;
}

function lane({ workflow_type, content_type }: AlertLabels): string {
  return `${workflow_type}/${content_type}`;
}

export function whose({ workflow_type }: AlertLabels): string {
  return workflow_type === undefined ? "" : ` of ${workflow_type}`;
}

/** `612 tasks wait (500 and above)`. */
export function thresholdWords(
  rule: Extract<AlertRule, { kind: "threshold" }>,
  labels: AlertLabels,
  value: number,
): string {
  const [shown, what] = METRICS[rule.metric];
  if (FLAGS.includes(rule.metric)) return value === 0 ? `not: ${what(labels, value)}` : what(labels, value);
  const { at_least: most, at_most: least } = rule;
  const bound = most === undefined ? `${shown(least as number)} and below` : `${shown(most)} and above`;
  return `${shown(value)} ${what(labels, value)} (${bound})`;
}

/** `12 attempts failed a minute of writer (5 and above)`. */
export function rateWords(
  rule: Extract<AlertRule, { kind: "rate" }>,
  labels: AlertLabels,
  value: number,
): string {
  const [shown, what] = COUNTERS[rule.counter];
  const { at_least: most, at_most: least } = rule;
  const bound = most === undefined ? `${shown(least as number)} and below` : `${shown(most)} and above`;
  return `${shown(value)} ${what(value)} a minute${whose(labels)}, over ${minutes(rule.over_minutes)} (${bound})`;
}

/** `value`: what was counted, where nothing is amiss. */
export function absenceWords(
  rule: Extract<AlertRule, { kind: "absence" }>,
  labels: AlertLabels,
  value: number | null,
): string {
  const within = `${whose(labels)} within ${minutes(rule.within_minutes)}`;
  if (value !== null) return `${counted(rule.counter, value)}${within}`;
  return `no ${COUNTERS[rule.counter][1](0)}${within}${rule.while_waiting ? ", while tasks wait" : ""}`;
}

export function counted(counter: Counter, value: number): string {
  const [shown, what] = COUNTERS[counter];
  return `${shown(value)} ${what(value)}`;
}
