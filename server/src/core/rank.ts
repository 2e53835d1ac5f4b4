/** The ranking: priority and age give a score; the highest goes first. */
import type { Policy } from "@master-orchestrator/contract";

const MS_PER_MINUTE = 60_000;
const HIGHEST_PRIORITY = 100;
/** The last moment that a date can name. */
const END_OF_TIME_MS = 8.64e15;

/**
 * `priority × 10 + age in minutes`, and past the boost's age `boost_per_minute` more per minute.
 * Rises with age whatever the policy says, so among tasks of one priority the oldest is first.
 */
export function score(
  task: { priority: number; agedFromMs: number },
  nowMs: number,
  ageing: Policy["ageing"],
): number {
  const ageMinutes = Math.max(0, nowMs - task.agedFromMs) / MS_PER_MINUTE;
  const boosted = Math.max(0, ageMinutes - ageing.boost_after_minutes);
  return task.priority * 10 + ageMinutes + boosted * ageing.boost_per_minute;
}

/**
 * The age in milliseconds at which a task of `priority` reaches `target`: the inverse of `score`.
 * 0 when it has it from the start.
 */
export function ageToReach(target: number, priority: number, ageing: Policy["ageing"]): number {
  const missing = target - priority * 10;
  if (missing <= 0) return 0;
  const minutes =
    missing <= ageing.boost_after_minutes
      ? missing
      : (missing + ageing.boost_after_minutes * ageing.boost_per_minute) / (1 + ageing.boost_per_minute);
  return minutes * MS_PER_MINUTE;
}

/**
 * The latest moment from which a task of another `priority` may count its age (epoch ms) and go before
 * `task`, in the very order of `byRank`; beyond all time where it does at any age.
 */
export function aheadUntil(
  task: { priority: number; agedFromMs: number },
  priority: number,
  nowMs: number,
  ageing: Policy["ageing"],
): number {
  const own = score(task, nowMs, ageing);
  if (priority * 10 > own) return END_OF_TIME_MS;
  const goesBefore = (agedFromMs: number) => {
    const other = score({ priority, agedFromMs }, nowMs, ageing);
    return other > own || (other === own && agedFromMs < task.agedFromMs);
  };
  // The inverse is exact but for rounding: the last milliseconds are tried one by one.
  let agedFromMs = Math.ceil(nowMs - ageToReach(own, priority, ageing)) + 1;
  while (!goesBefore(agedFromMs)) agedFromMs -= 1;
  return agedFromMs;
}

/**
 * The latest moment from which a waiting task of another `priority` may count its age (epoch ms) and be
 * ahead of `task` now or ever. Younger tasks only fall back (the curve is convex), so for them it is now that
 * counts; an older one of a lower priority gains until both are boosted, so for it the end counts.
 */
export function everAheadUntil(
  task: { priority: number; agedFromMs: number },
  priority: number,
  nowMs: number,
  ageing: Policy["ageing"],
): number {
  if (priority >= task.priority) return Math.max(task.agedFromMs, aheadUntil(task, priority, nowMs, ageing));
  const headStartMinutes = ((task.priority - priority) * 10) / (1 + ageing.boost_per_minute);
  return Math.ceil(task.agedFromMs - headStartMinutes * MS_PER_MINUTE);
}

/** The moment from which no new task of any priority goes before `task` any more (epoch ms). */
export function overtakenUntil(
  task: { priority: number; agedFromMs: number },
  ageing: Policy["ageing"],
): number {
  return task.agedFromMs + ageToReach(HIGHEST_PRIORITY * 10, task.priority, ageing);
}

/** Orders by score, then age, then id: the same input always gives the same order. */
export function byRank<T extends { taskId: string; priority: number; agedFromMs: number }>(
  tasks: readonly T[],
  nowMs: number,
  ageing: Policy["ageing"],
): T[] {
  return tasks
    .map((task) => ({ task, score: score(task, nowMs, ageing) }))
    .sort(
      (a, b) =>
        b.score - a.score ||
        a.task.agedFromMs - b.task.agedFromMs ||
        (a.task.taskId < b.task.taskId ? -1 : 1),
    )
    .map((ranked) => ranked.task);
}
