/** Starts a run again that has its slot: its next attempt, or the same message once more; and at which target. */
import type { Decision, Expected, Resume } from "./decision.ts";
import { isSnoozed } from "./folding.ts";
import type { Run, Snapshot } from "./snapshot.ts";
import {
  choose,
  type Occupant,
  occupy,
  type Place,
  type Places,
  placeOf,
  returnTo,
  whyThere,
} from "./targets.ts";

/** A snoozed run that may be there all the same, from a posting that nobody answered. */
export function staysAtTarget(run: Run): boolean {
  return isSnoozed(run) && run.attempt.mayBeThere;
}

/** A next attempt goes to another target than the one where the last one failed, if there is one. */
export function restart(run: Run, expects: Expected | null, snapshot: Snapshot, places: Places): Decision {
  const { workflowType, attempt, tasks } = run;
  const timeoutMs = snapshot.workflows[workflowType]?.timeoutMs ?? attempt.timeoutMs;
  const occupant = { taskId: tasks[0]?.taskId as string, timeoutMs };
  if (attempt.state === "snoozed") return resumeAt(run, occupant, places);
  const place = choose(places, workflowType, attempt.target) as Place;
  const there = whyThere(places, place);
  occupy(place, occupant, snapshot.nowMs);
  return {
    kind: "retry",
    executionId: run.executionId,
    workflowType,
    attempt: attempt.number + 1,
    taskIds: tasks.map((task) => task.taskId),
    timeoutMs,
    target: place.target.name,
    expects,
    reason: `attempt ${attempt.number + 1} of ${snapshot.policy.retry.max_attempts}${there}`,
  };
}

/** At another target only if it certainly is not at its own. */
function resumeAt(run: Run, occupant: Occupant, places: Places): Resume {
  const { workflowType, attempt } = run;
  const own = placeOf(places, workflowType, attempt.target);
  const place = attempt.mayBeThere ? own : (choose(places, workflowType) ?? own);
  if (place && place !== own) occupy(place, occupant, places.nowMs);
  else if (place) returnTo(place, occupant);
  return { kind: "resume", run, target: place?.target.name ?? attempt.target };
}
