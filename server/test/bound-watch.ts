/**
 * Owns the check of `core/bound.ts` upon a simulated world: what was really started before each task, against
 * what was promised when it joined the queue. Decides nothing.
 */
import { boundOf, type Waiter } from "#core/bound.ts";
import type { Decision, Dispatch } from "#core/decision.ts";
import { everAheadUntil, overtakenUntil, score } from "#core/rank.ts";
import { type Competition, laneName, workOf } from "#core/share.ts";
import type { LaneView, Snapshot } from "#core/snapshot.ts";
import type { World, WorldTask } from "#simulate/world.ts";

/** A task that waits, and what has been started since it was promised its bound. */
interface Watched {
  task: WorldTask;
  of: Competition;
  waiter: Waiter;
  /** Tasks of its lane that waited when the promise was made. */
  known: ReadonlySet<string>;
  consumed: number;
  overtaking: number;
  restarts: number;
}

export interface Verdict {
  /** Consumed by bound; 0 where nothing was promised to be before it and nothing was. */
  ratio: number;
  consumed: number;
  bound: number;
}

export interface BoundWatch {
  /** Watches those of the newly queued tasks that `chosen` says; to be called by the plan with its snapshot. */
  look(snapshot: Snapshot, chosen: (task: WorldTask) => boolean): void;
  /** Makes every promise anew, as after a change of the policy. */
  promiseAgain(snapshot: Snapshot): void;
  /** Counts what a cycle has started. Throws for a task that started later than promised. */
  count(decisions: readonly Decision[]): void;
  verdicts: readonly Verdict[];
}

/** `lanes`: every lane that will ever be, by workflow and content type. */
export function watchBounds(
  world: World,
  lanes: readonly { workflowType: string; contentType: string }[],
): BoundWatch {
  const watched = new Map<string, Watched>();
  const seen = new Set<string>();
  const verdicts: Verdict[] = [];
  const competition = ({ virtualTime, workflows, policy, lanes: waiting }: Snapshot): Competition => {
    const idle = lanes.filter((lane) => !waiting.some((one) => laneName(one) === laneName(lane)));
    return {
      virtualTime,
      workflows,
      policy,
      lanes: [...waiting, ...idle.map((lane) => asIdle(lane, world))],
    };
  };
  const promise = (task: WorldTask, of: Competition): Watched => {
    const queue = [...world.tasks.values()].filter(
      (other) => other.status === "queued" && laneName(other) === laneName(task) && other !== task,
    );
    const waiter = {
      ...task,
      tasksAhead: queue.filter((other) => mayGoBefore(other, task, world, of)).length,
    };
    const known = new Set(queue.map((other) => other.taskId));
    return { task, of, waiter, known, consumed: 0, overtaking: 0, restarts: 0 };
  };
  return {
    verdicts,
    look(snapshot, chosen) {
      let of: Competition | null = null;
      for (const task of world.tasks.values()) {
        if (task.status !== "queued" || seen.has(task.taskId)) continue;
        seen.add(task.taskId);
        if (!chosen(task)) continue;
        of ??= competition(snapshot);
        watched.set(task.taskId, promise(task, of));
      }
    },
    promiseAgain(snapshot) {
      const of = competition(snapshot);
      for (const { task } of watched.values()) watched.set(task.taskId, promise(task, of));
    },
    count(decisions) {
      for (const verdict of countStarts(world, watched, decisions)) verdicts.push(verdict);
    },
  };
}

function asIdle(lane: { workflowType: string; contentType: string }, world: World): LaneView {
  return { ...lane, depth: 0, virtualTime: world.virtualTimeOf(lane), waited: false, heads: [] };
}

function mayGoBefore(other: WorldTask, task: WorldTask, world: World, { policy }: Competition): boolean {
  if (other.priority === task.priority && other.agedFromMs === task.agedFromMs)
    return other.taskId < task.taskId;
  return other.agedFromMs <= everAheadUntil(task, other.priority, world.nowMs, policy.ageing);
}

/** Goes through what was started, in its order, and counts it for those that could have had the slot. */
function countStarts(world: World, watched: Map<string, Watched>, decisions: readonly Decision[]): Verdict[] {
  const starts = decisions.filter((d) => d.kind === "dispatch" || d.kind === "retry");
  // Slots that were free when admission began, by workflow: those that are now, and those that were taken.
  const free = new Map<string, number>();
  const freeOf = (workflowType: string, limit: number) => {
    const taken = starts.filter((start) => start.workflowType === workflowType).length;
    return limit - (world.running[workflowType] ?? 0) + taken;
  };
  const verdicts: Verdict[] = [];
  for (const start of starts) {
    if (start.kind === "dispatch") {
      for (const taskId of start.taskIds) {
        const one = watched.get(taskId);
        if (one) verdicts.push(judge(one));
        watched.delete(taskId);
      }
    }
    for (const one of watched.values()) {
      const { workflowType } = one.task;
      const limit = one.of.workflows[workflowType]?.maxConcurrent as number;
      if (!free.has(workflowType)) free.set(workflowType, freeOf(workflowType, limit));
      if (start.kind === "retry") one.restarts += Number(start.workflowType === workflowType);
      else if ((free.get(workflowType) as number) > 0) countFor(one, start, world);
    }
    const left = free.get(start.workflowType);
    if (left !== undefined) free.set(start.workflowType, left - 1);
  }
  return verdicts;
}

function countFor(one: Watched, start: Dispatch, world: World): void {
  const own = laneName(start) === laneName(one.task);
  one.consumed += workOf(start.taskIds.length, start, one.of);
  if (!own) return;
  const { ageing } = one.of.policy;
  for (const taskId of start.taskIds) {
    if (one.known.has(taskId)) continue;
    const other = world.tasks.get(taskId) as WorldTask;
    const ahead = score(other, world.nowMs, ageing) >= score(one.task, world.nowMs, ageing);
    if (one.waiter.runsAlone && !ahead) continue;
    one.overtaking += 1;
    // Who goes before it must have come early enough, or be back from a failure with an age of its own.
    const older = other.agedFromMs <= one.task.agedFromMs;
    if (!older && other.agedFromMs >= overtakenUntil(one.task, ageing))
      throw new Error(
        `${taskId} came after ${one.task.taskId} could no longer be overtaken, and overtook it`,
      );
  }
}

function judge(one: Watched): Verdict {
  const { of, waiter, consumed, overtaking, restarts } = one;
  const bound = boundOf(of, waiter, { overtaking, restarts })?.workSeconds ?? Number.POSITIVE_INFINITY;
  if (consumed > bound + 1e-6 * (1 + bound))
    throw new Error(
      `${one.task.taskId} of ${laneName(one.task)} was to start within ${bound} s of work, and ${consumed} s were started before it`,
    );
  return { ratio: bound > 0 ? consumed / bound : 0, consumed, bound };
}
