/** How attempts end, counted by workflow. Judges the attempt alone, never what follows from it. */
import type { AttemptState } from "@master-orchestrator/contract";
import type { Advance, CountOutcomes } from "./decision.ts";
import { type Health, NO_OUTCOMES, type Outcomes } from "./health.ts";

export type Verdict = "succeeded" | "failed_endpoint" | "failed_task" | "cancelled";

const VERDICTS: Readonly<Partial<Record<AttemptState, Verdict>>> = {
  completed: "succeeded",
  // Some of its tasks have their results: the sub-workflow works.
  partial: "succeeded",
  failed: "failed_task",
  refused: "failed_endpoint",
  timed_out: "failed_endpoint",
  lost: "failed_endpoint",
  undelivered: "failed_endpoint",
  cancelled: "cancelled",
};

/** How the attempt ended that ends in this very plan; null if none does. A late callback ends nothing twice. */
export function verdictOn({ attempt, steps }: Advance): Verdict | null {
  const endsNow =
    attempt.ended && steps.some(({ from, to }) => isAtWork(from) && !isAtWork(to) && from !== to);
  return endsNow ? (VERDICTS[attempt.state] ?? null) : null;
}

function isAtWork(status: string): boolean {
  return status === "DISPATCHING" || status === "MONITORING";
}

/** What this plan adds to the counts; one for each workflow of which an attempt ends. */
export function countOutcomes(advances: readonly Advance[], health: Health): CountOutcomes[] {
  const counts = new Map<string, CountOutcomes>();
  for (const advance of advances) {
    const verdict = verdictOn(advance);
    if (verdict === null || verdict === "cancelled") continue;
    const { workflowType } = advance;
    const before = counts.get(workflowType) ?? {
      kind: "count_outcomes",
      workflowType,
      ...NO_OUTCOMES,
      failuresInRow: health.outcomes[workflowType]?.failuresInRow ?? 0,
    };
    counts.set(workflowType, {
      ...before,
      ended: before.ended + 1,
      failedEndpoint: before.failedEndpoint + Number(verdict === "failed_endpoint"),
      failedTask: before.failedTask + Number(verdict === "failed_task"),
      failuresInRow: verdict === "succeeded" ? 0 : before.failuresInRow + 1,
    });
  }
  return [...counts.values()];
}

/** The outcomes of the window with those that this plan adds. */
export function withCounted(
  health: Health,
  counted: readonly CountOutcomes[],
): Readonly<Record<string, Outcomes>> {
  const added = counted.map(({ workflowType, ended, failedEndpoint, failedTask, failuresInRow }) => {
    const before = health.outcomes[workflowType] ?? NO_OUTCOMES;
    return [
      workflowType,
      {
        ended: before.ended + ended,
        failedEndpoint: before.failedEndpoint + failedEndpoint,
        failedTask: before.failedTask + failedTask,
        failuresInRow,
      },
    ] as const;
  });
  return { ...health.outcomes, ...Object.fromEntries(added) };
}
