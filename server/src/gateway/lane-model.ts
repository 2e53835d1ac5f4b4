/** Which model the policy wants for a lane's calls instead of the one they ask for. Calls nobody. */
import type { Policy } from "@master-orchestrator/contract";
import type { Fallback } from "#core/fallback.ts";
import type { Database } from "#store/database.ts";
import { laneOfExecution } from "#store/execution-lane.ts";

export type LaneModels = (
  policy: Policy,
  call: { executionId: string | null; model: string },
) => Promise<Fallback | null>;

/** A run's lane never changes; more runs than these are not at work at once. */
const MOST_KNOWN = 1_000;

/** Asks the database only where a lane of the policy has a model of its own for what is asked. */
export function createLaneModels(db: Database): LaneModels {
  const known = new Map<string, string | null>();
  const laneOf = async (executionId: string) => {
    const seen = known.get(executionId);
    if (seen !== undefined) return seen;
    const lane = await laneOfExecution(db, executionId);
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(executionId, lane);
    return lane;
  };
  return async ({ lanes }, { executionId, model }) => {
    const concerned = Object.values(lanes).some(({ models }) => models && Object.hasOwn(models, model));
    if (!concerned || executionId === null) return null;
    const lane = await laneOf(executionId);
    const instead = lane === null ? undefined : lanes[lane]?.models?.[model];
    return instead ? { ...instead, model, when: "lane" } : null;
  };
}
