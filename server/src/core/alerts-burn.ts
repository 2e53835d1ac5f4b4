/** How fast an objective's error budget burns: several pairs of windows, as the SRE workbook (chapter 5) has it. Pure. */
import type { AlertRule } from "@master-orchestrator/contract";
import type { Counts } from "./alerts-facts.ts";
import { minutes, seconds, share } from "./alerts-words.ts";
import { LATENCY_BOUNDS } from "./latency.ts";

type BurnRule = Extract<AlertRule, { kind: "burn_rate" }>;

export interface WindowPair {
  long_minutes: number;
  short_minutes: number;
  factor: number;
  /** What ended in them; undefined: not known. */
  long: Counts | undefined;
  short: Counts | undefined;
}

export interface Burn {
  holds: boolean;
  /** Times the speed that would use up the budget exactly; null: too little happened to say. */
  value: number | null;
  words: string;
}

/**
 * It burns when the long window of a pair does, and its short one still does: so an alert comes soon, and goes soon after
 * the cause. A pair of which one window is not known says nothing; when no pair says anything, nothing is known.
 */
export function burnOf(rule: BurnRule, pairs: readonly WindowPair[]): Burn {
  const seen = pairs.flatMap((pair) => {
    const long = burnIn(rule, pair.long, rule.least_events);
    const short = burnIn(rule, pair.short, 1);
    return long === null || short === null ? [] : [{ ...pair, longBurn: long, shortBurn: short }];
  });
  const burning = seen.find(({ longBurn, shortBurn, factor }) => longBurn >= factor && shortBurn >= factor);
  const shown = burning ?? seen[0];
  if (!shown) return { holds: false, value: null, words: "too little happened to say" };
  const words =
    `the error budget of ${objectiveWords(rule)} burns ${times(shown.longBurn)} as fast as it may over ` +
    `${minutes(shown.long_minutes)}, ${times(shown.shortBurn)} over ${minutes(shown.short_minutes)} ` +
    `(${times(shown.factor)} and above)`;
  return { holds: burning !== undefined, value: shown.longBurn, words };
}

function burnIn(rule: BurnRule, counts: Counts | undefined, leastEvents: number): number | null {
  if (!counts) return null;
  const { good, all } = eventsOf(rule, counts);
  return all < leastEvents ? null : (all - good) / all / (1 - rule.target);
}

function eventsOf({ objective, seconds: bound }: BurnRule, counts: Counts): { good: number; all: number } {
  if (objective === "attempts") {
    return { good: counts.attemptsEnded - counts.attemptsFailed, all: counts.attemptsEnded };
  }
  // Of uptime: ticks that ran, and those that were missed.
  if (objective === "success" || objective === "uptime") {
    return { good: counts.completed, all: counts.completed + counts.deadLettered };
  }
  const below = LATENCY_BOUNDS.filter((upper) => upper <= (bound as number)).length;
  const within = counts.totalBuckets.slice(0, below).reduce((sum, one) => sum + one, 0);
  return { good: within, all: counts.totalBuckets.reduce((sum, one) => sum + one, 0) };
}

function objectiveWords({ objective, target, seconds: bound }: BurnRule): string {
  if (objective === "uptime") return `"${share(target)} of the ticks run in time"`;
  if (objective === "success") return `"${share(target)} of the tasks complete"`;
  if (objective === "attempts") return `"${share(target)} of the attempts succeed"`;
  return `"${share(target)} of the tasks complete within ${seconds(bound as number)}"`;
}

function times(value: number): string {
  return `${Number(value.toFixed(1))} times`;
}
