/** Owns what a recorded past would have been under two policies: the same tasks through both. Reads nothing, knows no thread. */
import { type Policy, type PolicyOutcome, validate, WorkflowSettings } from "@master-orchestrator/contract";
import type { LaneCosts } from "#core/adjust-candidates.ts";
import { type History, replayOf } from "./history.ts";
import type { Figures, LaneFigures, Spread } from "./measure.ts";
import { simulate } from "./simulate.ts";
import { workflowOf } from "./workload.ts";

/** Values that a thread can be given. */
export interface PreviewTask {
  history: Pick<History, "tasks" | "executions">;
  /** By workflow type, as far as a plan looks at them. */
  settings: Record<string, Record<string, unknown>>;
  current: Policy;
  proposed: Policy;
  /** A lane whose tasks would cost other than they did. */
  costs?: { current: LaneCosts | null; proposed: LaneCosts | null } | undefined;
}

export interface PreviewFound {
  tasks: number;
  leftOut: number;
  guessed: number;
  current: PolicyOutcome;
  proposed: PolicyOutcome;
}

/** What the sdk works on of a batch at once. */
const TASKS_AT_ONCE = 3;

/** Null where no task has run, so that nobody knows how long one takes. */
export function preview({ history, settings, current, proposed, costs }: PreviewTask): PreviewFound | null {
  const parsed = Object.fromEntries(
    Object.entries(settings).map(([type, given]) => [type, validate(WorkflowSettings, given, `/${type}`)]),
  );
  const replay = replayOf({ ...history, settings: parsed }, TASKS_AT_ONCE);
  if (replay === null || replay.workload.arrivals.length + replay.caused === 0) return null;
  const workflows = Object.fromEntries(
    Object.entries(parsed).map(([type, given]) => [type, workflowOf(type, given)]),
  );
  const under = (policy: Policy, lane: LaneCosts | null) => {
    const common = { workload: replay.workload, workflows, tasksAtOnce: TASKS_AT_ONCE };
    return outcome(simulate({ ...common, policy, costs: lane ? [lane] : [] }));
  };
  return {
    tasks: replay.workload.arrivals.length + replay.caused,
    leftOut: replay.cancelled,
    guessed: replay.guessed,
    current: under(current, costs?.current ?? null),
    proposed: under(proposed, costs?.proposed ?? null),
  };
}

function outcome(figures: Figures): PolicyOutcome {
  const { dailyMicros, dearestDayMicros } = figures.budget;
  const { limit, mean, peak } = figures.slots;
  return {
    completed: figures.completed,
    dead_lettered: figures.deadLettered,
    unfinished: figures.unfinished,
    completed_per_hour: figures.spanMs > 0 ? rounded(figures.completed / (figures.spanMs / 3_600_000)) : 0,
    span_seconds: figures.spanMs / 1000,
    ...spreads(figures),
    waited_seconds: [...figures.holds.values()].reduce((sum, ms) => sum + ms, 0) / 1000,
    cost_usd: figures.costMicros / 1e6,
    dearest_day_usd: dearestDayMicros / 1e6,
    daily_usd: dailyMicros / 1e6,
    headroom_usd: (dailyMicros - dearestDayMicros) / 1e6,
    slots: { limit, mean: rounded(mean), peak },
    runs: figures.runs,
    lanes: [...figures.lanes]
      .filter(([, lane]) => lane.tasks > 0)
      .map(([lane, of]) => ({ lane, tasks: of.tasks, completed: of.completed, ...spreads(of) })),
  };
}

function spreads({ wait, result }: Pick<LaneFigures, "wait" | "result">) {
  const seconds = (of: Spread | null) => of && { p50: of.p50 / 1000, p95: of.p95 / 1000, max: of.max / 1000 };
  return { wait: seconds(wait), result: seconds(result) };
}

function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
