/** Sends elsewhere, with the same attempt, what its target certainly has not got. Touches no run that may be there. */
import type { Advance } from "./decision.ts";
import { resume } from "./fold.ts";
import type { FoldContext } from "./folding.ts";
import type { Run, Snapshot } from "./snapshot.ts";
import { choose, chooseWithRoom, occupy, type Place, type Places, placeOf } from "./targets.ts";

export interface Rerouted {
  runs: readonly Run[];
  advances: readonly Advance[];
  /** Runs that were asked to wait, and are posted elsewhere at once: they keep the slots that they had. */
  resumed: readonly Run[];
}

/**
 * A posting that could not even be connected, or whose target was removed before it was made, is made again at another target;
 * one that was answered with 429 or 503, at once where another has room. The webhook-id stays the same.
 */
export function reroute(
  { runs, advances }: { runs: readonly Run[]; advances: readonly Advance[] },
  snapshot: Snapshot,
  places: Places,
  context: FoldContext,
): Rerouted {
  const byId = new Map(runs.map((run) => [run.executionId, run]));
  const resumed: Run[] = [];
  const moved = advances.map((advance) => {
    const run = byId.get(advance.executionId) as Run;
    if (run.attempt.mayBeThere || run.attempt.target === null) return advance;
    if (advance.deliver) return deliveredElsewhere(advance, run, places);
    if (!isAskedToWait(advance) || isStopped(run, snapshot)) return advance;
    const place = chooseWithRoom(places, run.workflowType, run.attempt.target);
    if (!place) return advance;
    occupy(place, occupantOf(run), places.nowMs);
    const again = resume(run, context);
    const attempt = { ...again.attempt, target: place.target.name };
    resumed.push(run);
    byId.set(run.executionId, { ...run, attempt, dueAtMs: again.dueAtMs });
    return { ...advance, attempt, dueAtMs: again.dueAtMs, deliver: true };
  });
  return { runs: [...byId.values()], advances: moved, resumed };
}

function deliveredElsewhere(advance: Advance, run: Run, places: Places): Advance {
  const place = choose(places, run.workflowType, run.attempt.target);
  if (!place || place.target.name === run.attempt.target) return advance;
  leave(placeOf(places, run.workflowType, run.attempt.target));
  occupy(place, occupantOf(run), places.nowMs);
  return { ...advance, attempt: { ...advance.attempt, target: place.target.name } };
}

function leave(place: Place | undefined): void {
  if (place) place.runs -= 1;
}

/** By this very plan, so that it had its slots until now. */
function isAskedToWait({ attempt, signals }: Advance): boolean {
  return attempt.state === "snoozed" && signals.some(({ kind }) => kind === "snoozed");
}

function isStopped({ workflowType }: Run, snapshot: Snapshot): boolean {
  return snapshot.paused || (snapshot.workflows[workflowType]?.paused ?? true);
}

function occupantOf({ tasks, attempt }: Run) {
  return { taskId: tasks[0]?.taskId as string, timeoutMs: attempt.timeoutMs };
}
