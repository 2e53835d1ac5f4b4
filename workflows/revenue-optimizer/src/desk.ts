/** Owns what the API asks between runs: a funnel, an experiment's numbers, a unit's variant. Decides and keeps nothing. */
import { assign } from "./experiments/assign.ts";
import type { ExperimentResult } from "./experiments/result.ts";
import type { FunnelReport } from "./funnel.ts";
import type { Arms, Experiment, FunnelQuery, Library } from "./library.ts";

export interface RevenueDesk {
  assign: typeof assign;
  funnel(query: FunnelQuery): Promise<FunnelReport>;
  /** The numbers now, and what the stop rules would say to them. */
  judge(
    experiment: Experiment,
    arms: Arms,
    nowMs: number,
  ): Promise<{ result: ExperimentResult; waiting_for: string }>;
}

/** Loads the statistics at the first question. */
export function revenueDesk(library: Pick<Library, "funnel">): RevenueDesk {
  return {
    assign,
    async funnel(query) {
      const { funnelReport } = await import("./funnel.ts");
      return await funnelReport(library as Library, query);
    },
    async judge(experiment, arms, nowMs) {
      const [{ resultOf }, { decide, waitingFor }] = await Promise.all([
        import("./experiments/result.ts"),
        import("./experiments/decide.ts"),
      ]);
      const result = resultOf(experiment, arms, nowMs);
      return { result, waiting_for: decide(experiment, result)?.reason ?? waitingFor(experiment, result) };
    },
  };
}
