/** What there is of what runs out, and what is known of who needs how much: figures that admissions are judged by. Judges nothing. */

/** Requests that one limit lets through. */
export interface PermitSupply {
  provider: string;
  /** As the gateway names it, e.g. `gemini:requests_per_minute`. */
  name: string;
  kind: "requests_per_minute" | "requests_per_day";
  limit: number;
  /** How long a grant stays counted. */
  windowMs: number;
  used: number;
  free: number;
  /** Of those that are used, when how many come free, the soonest first. Never told too early. */
  freeing: readonly { inMs: number; permits: number }[];
}

/** A provider that rests, by its own word. */
export interface PausedProvider {
  provider: string;
  kind: string;
  untilMs: number;
}

/** A ceiling of this UTC day, and what was spent or set aside of it. */
export interface MoneySupply {
  /** `all`, `provider:gemini`, `workflow:…`, `content_type:…`. */
  scope: string;
  capMicros: number;
  usedMicros: number;
}

/** What a task of a lane has needed lately, smoothed over its runs. */
export interface MeasuredNeed {
  workflowType: string;
  contentType: string;
  /** Runs that were measured. */
  runs: number;
  /** Of one task, by provider. */
  calls: Readonly<Record<string, number>>;
  /** Of one task, in all, and by provider where the gateway metered it. */
  costMicros: number;
  providerMicros: Readonly<Record<string, number>>;
  /** From a run's start to its callback. */
  seconds: number;
}

/** What a run at work has used so far. */
export interface RunUse {
  executionId: string;
  workflowType: string;
  contentType: string;
  tasks: number;
  ageMs: number;
  calls: Readonly<Record<string, number>>;
  /** Spent or set aside, by provider; "" is for what belongs to none. */
  micros: Readonly<Record<string, number>>;
}

export interface Supplies {
  permits: readonly PermitSupply[];
  paused: readonly PausedProvider[];
  /** The day's budget (`all`) first; empty where nobody has said what may be spent. */
  money: readonly MoneySupply[];
  needs: readonly MeasuredNeed[];
  /** Runs at work of lanes whose needs are known. */
  atWork: readonly RunUse[];
}

/** Nothing is limited, and nothing is known. */
export const NO_SUPPLIES: Supplies = { permits: [], paused: [], money: [], needs: [], atWork: [] };

/** What the workflow itself says about what its work needs. */
export interface Estimates {
  /** Of one task, by provider. */
  calls: Readonly<Record<string, number>>;
  /** Of one task; null if nothing is said. */
  costMicros: number | null;
  /** Connections to our database that a run of it has open. */
  databaseConnections: number;
}

const CALLS = /^([a-z][a-z0-9_.-]*)_calls_per_task$/;

/** Reads `estimates` of a workflow's settings: `<provider>_calls_per_task`, `cost_usd_per_task`, `database_connections`. */
export function estimatesOf(settings: { estimates?: Record<string, number> | undefined }): Estimates {
  const said = settings.estimates ?? {};
  const calls = Object.entries(said).flatMap(([name, value]) => {
    const provider = CALLS.exec(name)?.[1];
    return provider === undefined ? [] : [[provider, value] as const];
  });
  const cost = said.cost_usd_per_task;
  return {
    calls: Object.fromEntries(calls),
    costMicros: cost === undefined ? null : Math.round(cost * 1e6),
    databaseConnections: said.database_connections ?? 0,
  };
}

export const NO_ESTIMATES: Estimates = { calls: {}, costMicros: null, databaseConnections: 0 };

/** Spent or set aside for a run, in all. */
export function spentOn({ micros }: Pick<RunUse, "micros">): number {
  return Object.values(micros).reduce((sum, one) => sum + one, 0);
}

/** The day's budget in all; null where nobody has said what may be spent. */
export function daysMoney({ money }: Supplies): MoneySupply | null {
  return money.find(({ scope }) => scope === "all") ?? null;
}
