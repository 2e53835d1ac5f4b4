/** What alerts are judged by: figures as they were read, and which of them the rules need. Judges nothing. */
import type { AlertRule, StateMetric } from "@master-orchestrator/contract";

export type AlertLabels = Readonly<Record<string, string>>;

/** One subject of a metric. */
export interface Series {
  labels: AlertLabels;
  value: number;
}

/** What ended in a length of time, in one workflow; of calls of no workflow the name is empty. */
export interface Counts {
  workflowType: string;
  completed: number;
  deadLettered: number;
  attemptsEnded: number;
  attemptsFailed: number;
  costMicros: number;
  /** By `LATENCY_BOUNDS`. */
  waitBuckets: readonly number[];
  workBuckets: readonly number[];
  totalBuckets: readonly number[];
}

export interface Facts {
  nowMs: number;
  paused: boolean;
  /** Those that the rules need, each with all of its subjects. */
  states: Readonly<Partial<Record<StateMetric, readonly Series[]>>>;
  /** Until when all that ended is counted; null before the first counting. */
  countedUntilMs: number | null;
  /** By length in minutes: what ended in the window that ends at `countedUntilMs`. */
  windows: ReadonlyMap<number, readonly Counts[]>;
  /** By length in minutes: boundaries of the heartbeat that went by, and those that were ticked in time. */
  ticks: ReadonlyMap<number, { expected: number; ran: number }>;
  /** The last full hour, and the same hour of the week in earlier weeks, newest first; null: before counting began. */
  hours: readonly (readonly Counts[] | null)[];
  /** Registered ones. */
  workflows: readonly string[];
  /** How long the oldest waiting task has waited, by workflow. */
  waitingSeconds: ReadonlyMap<string, number>;
}

export interface Needs {
  states: ReadonlySet<StateMetric>;
  windows: readonly number[];
  ticks: readonly number[];
  /** Earlier weeks whose hours are compared; 0: none. */
  weeks: number;
}

/** What has to be read to judge these rules. */
export function needsOf(rules: readonly AlertRule[]): Needs {
  const states = new Set<StateMetric>();
  const windows = new Set<number>();
  const ticks = new Set<number>();
  let weeks = 0;
  for (const rule of rules) {
    if (rule.kind === "rate") windows.add(rule.over_minutes);
    else if (rule.kind === "absence") windows.add(rule.within_minutes);
    else if (rule.kind === "anomaly") weeks = Math.max(weeks, rule.weeks);
    else if (rule.kind === "burn_rate") {
      const of = rule.objective === "uptime" ? ticks : windows;
      for (const pair of rule.windows) of.add(pair.long_minutes).add(pair.short_minutes);
    } else if (isTickMetric(rule.metric)) ticks.add(rule.over_minutes);
    else if (isWindowed(rule.metric)) windows.add(rule.over_minutes);
    else states.add(rule.metric);
  }
  return { states, windows: [...windows], ticks: [...ticks], weeks };
}

type Metric = Extract<AlertRule, { kind: "threshold" }>["metric"];
const TICK_METRICS = ["ticks_missed", "uptime_share"] as const;
const ENDED_METRICS = [
  "failed_attempts_share",
  "dead_letter_share",
  "end_to_end_p95_seconds",
  "wait_p95_seconds",
  "work_p95_seconds",
  "cost_per_task_usd",
] as const;
export type TickMetric = (typeof TICK_METRICS)[number];
export type EndedMetric = (typeof ENDED_METRICS)[number];

export function isTickMetric(metric: Metric): metric is TickMetric {
  return (TICK_METRICS as readonly string[]).includes(metric);
}

export function isWindowed(metric: Metric): metric is EndedMetric {
  return (ENDED_METRICS as readonly string[]).includes(metric);
}
