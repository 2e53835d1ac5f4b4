/** How the system does, in words: a verdict, its causes, and the causes ruled out. Looks at figures only. */

export interface Standing {
  nowMs: number;
  paused: boolean;
  pausedBy: string | null;
  running: number;
  waiting: number;
  /** Null before the first tick. */
  lastTick: { boundaryMs: number; driftMs: number } | null;
  nextTickMs: number;
  tickIntervalMs: number;
  recoveries: readonly { procedure: string; subject: string; state: string }[];
  deadLetters: number;
  setAside: number;
  budget: {
    capMicros: number;
    settledMicros: number;
    heldMicros: number;
    elapsed: number;
    forecastMicros: number;
  };
  providersPaused: readonly { provider: string; untilMs: number }[];
  /** Articles completed on this UTC day, and in the hour behind us. */
  articlesToday: number;
  articlesLastHour: number;
  /** Tasks that ended in the hour behind us. */
  lastHour: { completed: number; deadLettered: number; attemptsEnded: number; attemptsFailed: number };
  highLoadAbove: number;
  budgetWarnsAt: number;
  /** Alerts that fire and nobody has acknowledged; the worst ones by name. */
  alerts: { unacknowledged: number; worst: readonly { severity: string; rule: string; words: string }[] };
}

export const VERDICT_LEVELS = ["healthy", "attention", "trouble"] as const;
export type VerdictLevel = (typeof VERDICT_LEVELS)[number];

export interface Cause {
  level: Exclude<VerdictLevel, "healthy">;
  /** What it is about, for a link: the closed list of the dashboard's pages. */
  about:
    | "orchestrator"
    | "recoveries"
    | "queue"
    | "budget"
    | "dead_letters"
    | "executions"
    | "providers"
    | "alerts";
  words: string;
}

export interface Verdict {
  level: VerdictLevel;
  words: string;
  causes: Cause[];
  ruledOut: string[];
  /** Articles of this UTC day, if the rest of it goes as the last hour did. */
  articlesForecast: number;
}

/** Fewer attempts say nothing about errors. */
const ENOUGH_ATTEMPTS = 10;
/** Failed attempts of the last hour, as a share. */
const MANY_FAIL = 0.1;
const MOST_FAIL = 0.5;
const TICKS_MISSED = 2;

type Check = (standing: Standing) => Cause | Cause[] | string;

/** Each is a cause, or the words that rule it out. In the order in which a person would look. */
const CHECKS: readonly Check[] = [
  ({ paused, pausedBy }) =>
    paused
      ? {
          level: "attention",
          about: "orchestrator",
          words: `the orchestrator is paused by ${pausedBy ?? "somebody"}`,
        }
      : "the orchestrator is not paused",
  ({ lastTick, nowMs, tickIntervalMs }) => {
    if (lastTick === null) return "the first tick is still to come";
    const late = nowMs - lastTick.boundaryMs - tickIntervalMs;
    return late > TICKS_MISSED * tickIntervalMs
      ? {
          level: "trouble",
          about: "orchestrator",
          words: `the last tick was ${minutes(nowMs - lastTick.boundaryMs)} ago`,
        }
      : `the heartbeat is on time (${Math.round(lastTick.driftMs)} ms late)`;
  },
  ({ recoveries }) =>
    recoveries.length > 0
      ? recoveries.map(({ procedure, subject, state }) => ({
          level: "trouble",
          about: "recoveries",
          words: `recovery ${procedure} of ${subject} is ${state}`,
        }))
      : "no recovery is open",
  ({ lastHour: { attemptsEnded, attemptsFailed } }) => {
    const share = attemptsEnded === 0 ? 0 : attemptsFailed / attemptsEnded;
    const words = `${percent(share)} of the last hour's ${attemptsEnded} attempts failed`;
    if (attemptsEnded < ENOUGH_ATTEMPTS || share < MANY_FAIL) return words;
    return { level: share < MOST_FAIL ? "attention" : "trouble", about: "executions", words };
  },
  ({ budget, budgetWarnsAt }) => {
    const used = budget.settledMicros + budget.heldMicros;
    const share = budget.capMicros === 0 ? 1 : used / budget.capMicros;
    const words = `${usd(used)} of the day's ${usd(budget.capMicros)} are spent or held`;
    if (share >= 1) return { level: "trouble", about: "budget", words };
    if (share >= budgetWarnsAt) return { level: "attention", about: "budget", words };
    return words;
  },
  ({ providersPaused, nowMs }) =>
    providersPaused.length > 0
      ? providersPaused.map(({ provider, untilMs }) => ({
          level: "attention",
          about: "providers",
          words: `${provider} asked for a pause of ${minutes(untilMs - nowMs)} more`,
        }))
      : "no provider has asked for a pause",
  ({ waiting, highLoadAbove }) =>
    waiting > highLoadAbove
      ? {
          level: "attention",
          about: "queue",
          words: `${waiting} tasks wait, more than ${highLoadAbove}: high load`,
        }
      : `${waiting} ${waiting === 1 ? "task waits" : "tasks wait"}`,
  ({ deadLetters }) =>
    deadLetters > 0
      ? {
          level: "attention",
          about: "dead_letters",
          words: `${deadLetters} ${deadLetters === 1 ? "dead letter waits" : "dead letters wait"} for a person`,
        }
      : "there are no dead letters",
  ({ setAside }) =>
    setAside > 0
      ? {
          level: "trouble",
          about: "recoveries",
          words: `${setAside} ${setAside === 1 ? "item is set aside: no cycle could process it" : "items are set aside: no cycle could process them"}`,
        }
      : "nothing is set aside",
  ({ alerts: { unacknowledged, worst } }) => {
    if (unacknowledged === 0) return "no alert fires that nobody has acknowledged";
    const named = worst.map(({ rule, words }) => `${rule} (${words})`).join("; ");
    const more = unacknowledged > worst.length ? `; and ${unacknowledged - worst.length} more` : "";
    return {
      level: worst.some(({ severity }) => severity === "critical") ? "trouble" : "attention",
      about: "alerts",
      words: `${unacknowledged} ${unacknowledged === 1 ? "alert fires" : "alerts fire"}: ${named}${more}`,
    };
  },
];

/** The worst cause names the level. */
export function judge(standing: Standing): Verdict {
  const outcomes = CHECKS.map((check) => check(standing));
  const causes = outcomes.flatMap((outcome) => (typeof outcome === "string" ? [] : outcome));
  const level = causes.some((cause) => cause.level === "trouble")
    ? "trouble"
    : causes.length > 0
      ? "attention"
      : "healthy";
  const forecast = Math.round(
    standing.articlesToday + standing.articlesLastHour * 24 * Math.max(0, 1 - standing.budget.elapsed),
  );
  return {
    level,
    words: wordsOf(standing, level, causes.length, forecast),
    causes,
    ruledOut: outcomes.filter((outcome) => typeof outcome === "string"),
    articlesForecast: forecast,
  };
}

function wordsOf(standing: Standing, level: VerdictLevel, causes: number, forecast: number): string {
  const { running, waiting, nextTickMs, budget } = standing;
  const begin = level === "healthy" ? "healthy" : `${level} (${causes} ${causes === 1 ? "cause" : "causes"})`;
  const used = usd(budget.settledMicros + budget.heldMicros);
  const parts = [
    `${running} running`,
    `${waiting} waiting`,
    `next tick ${new Date(nextTickMs).toISOString().slice(11, 19)} UTC`,
    `${used} of ${usd(budget.capMicros)}`,
    `on pace for ${forecast} articles today`,
  ];
  return `${begin}: ${parts.join(", ")}`;
}

function minutes(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function usd(micros: number): string {
  return `$${(micros / 1e6).toFixed(2)}`;
}
