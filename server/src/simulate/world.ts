/**
 * Owns a world in memory: tasks and runs that live by plans alone, as rows do in the store, and complain of
 * a wrong plan. Decides nothing: that is `core/plan.ts`, here as in production.
 */
import type { Policy } from "@master-orchestrator/contract";
import type { Decision } from "#core/decision.ts";
import { plan } from "#core/plan.ts";
import { nameOf } from "#core/recovery-steps.ts";
import { nextSlotMs } from "#core/schedule.ts";
import type { Adaptation, Fact, Recovery, Run, Snapshot, WaitingWork, WorkflowView } from "#core/snapshot.ts";
import { applyDecisions, enqueue } from "./apply.ts";
import { type Enqueued, emptyRows, type NewWorldTask, type Rows, type WorldTask } from "./rows.ts";
import { call } from "./supplying.ts";
import { takeSnapshot } from "./take-snapshot.ts";

export type { NewWorldTask, WorldTask } from "./rows.ts";
export { isLive } from "./rows.ts";

export interface World {
  /** Virtual time, epoch milliseconds: whoever holds the world moves it, forward only. */
  nowMs: number;
  paused: boolean;
  readonly tasks: ReadonlyMap<string, WorldTask>;
  /** Every run there ever was, as it stands now. */
  readonly runs: ReadonlyMap<string, Run>;
  /** Every step that was taken, as `from → to`. */
  readonly taken: ReadonlySet<string>;
  /** Runs whose message the last cycle posted, for the first time or again. */
  readonly posted: readonly Run[];
  /** Tasks that the last cycle enqueued: follow-ups, and what schedules brought round. */
  readonly enqueued: readonly Enqueued[];
  readonly adaptation: Adaptation;
  /** What a UTC day has cost, by its number: calls on their day, what callbacks report beyond them on the run's first. */
  readonly spentMicros: ReadonlyMap<number, number>;
  /** What waits until a schedule takes it. */
  readonly topics: Rows["topics"];
  /** Schedules begin no slot after this; whoever holds the world moves it. */
  schedulesUntilMs: number;
  /** Runs at work, by workflow. */
  readonly running: Readonly<Record<string, number>>;
  enqueue(task: NewWorldTask): WorldTask;
  addTopic(topic: WaitingWork): void;
  /** To be folded in by the next cycle. */
  report(fact: Fact): void;
  /** Whether the next cycle has no fact to fold in. */
  nothingReported(): boolean;
  /** One cycle: snapshot, plan, apply. Returns what was decided. `tick`: it is the heartbeat's. */
  cycle(tick?: boolean): readonly Decision[];
  /** True if the next cycle should follow at once: something is left over, or has become due by this very one. */
  hasMoreNow(): boolean;
  /** The next moment after now at which a task or a run becomes due by itself; null if nothing will. */
  nextDueMs(): number | null;
  /** The next slot of any schedule; null without schedules, and when their time is over. */
  nextSlotMs(): number | null;
  /** Recoveries that are open. */
  recoveries(): readonly Recovery[];
  /** A call of a run at this moment, as the gateway answers it. */
  call(asked: Parameters<typeof call>[1]): ReturnType<typeof call>;
  /** Calls that count against a provider's limit of a minute, and how many were refused for want of money. */
  readonly supplying: Readonly<Rows["supplying"]>;
  /** How many tasks wait in a lane. */
  depth(workflowType: string, contentType: string): number;
  /** Where a lane stands in virtual time; null before a cycle has seen it. */
  virtualTimeOf(lane: { workflowType: string; contentType: string }): number | null;
  /** The tasks that a live run carries. */
  tasksOf(executionId: string): string[];
}

export interface WorldParts {
  policy: Policy;
  workflows: Readonly<Record<string, WorkflowView>>;
  /** Where virtual time begins, epoch milliseconds. */
  nowMs: number;
  /** Recoveries that are open when it begins. */
  recoveries?: readonly Recovery[];
  /** What stands for `plan`: tests freeze the snapshot first. */
  decide?: (snapshot: Snapshot) => { decisions: readonly Decision[] };
}

/** A world without any task, under one policy. */
export function openWorld({ policy, workflows, nowMs, recoveries = [], decide = plan }: WorldParts): World {
  let leftOver = false;
  let awaitedMs: number[] = [];
  const world: World & Rows = {
    ...emptyRows(policy, workflows, nowMs),
    enqueue: (task) => enqueue(world, task),
    report: (fact) => void world.facts.push(fact),
    nothingReported: () => world.facts.length === 0,
    addTopic(topic) {
      // As `ranks_from` in the store: a point of priority counts like ten minutes of waiting.
      const ranksFromMs = world.nowMs - topic.priority * 600_000;
      const place = world.topics.findLastIndex((other) => other.ranksFromMs <= ranksFromMs);
      world.topics.splice(place + 1, 0, { ...topic, ranksFromMs });
    },
    cycle(tick = false) {
      const { decisions } = decide(takeSnapshot(world, tick));
      world.facts = [];
      applyDecisions(world, decisions);
      leftOver = decisions.some(leavesSomething);
      awaitedMs = decisions.flatMap((one) => (one.kind === "hold" ? (one.expectedAtMs ?? []) : []));
      return decisions;
    },
    hasMoreNow: () => leftOver || world.dueRuns.hasFresh(world.nowMs) || world.dueTasks.hasFresh(world.nowMs),
    nextDueMs() {
      const moments = [
        world.dueRuns.nextMs(world.nowMs),
        world.dueTasks.nextMs(world.nowMs),
        ...awaitedMs.filter((atMs) => atMs > world.nowMs),
        ...world.recoveries().map(({ nextAtMs }) => nextLookMs(nextAtMs, world.nowMs)),
      ];
      const next = moments.filter((moment) => moment !== null);
      return next.length === 0 ? null : Math.min(...next);
    },
    nextSlotMs() {
      const next = nextSlotMs(workflows, world.nowMs);
      return next === null || next > world.schedulesUntilMs ? null : next;
    },
    recoveries: () => [...world.recovering.open.values()],
    call: (asked) => call(world, asked),
    depth: (workflowType, contentType) => world.waiting.depth(workflowType, contentType),
    virtualTimeOf: ({ workflowType, contentType }) => world.waiting.virtualTime(workflowType, contentType),
    tasksOf: (executionId) => [...(world.carried.get(executionId) ?? [])],
  };
  for (const recovery of recoveries) world.recovering.open.set(nameOf(recovery), recovery);
  return world;
}

/** A recovery without a moment of its own is judged again when something may have left the window. */
function nextLookMs(nextAtMs: number | null, nowMs: number): number {
  return nextAtMs !== null && nextAtMs > nowMs ? nextAtMs : nowMs + LOOK_AGAIN_MS;
}
const LOOK_AGAIN_MS = 15_000;

/** As `engine/cycle.ts` judges it: a bound was reached, or tasks have joined the queue only now. */
function leavesSomething(decision: Decision): boolean {
  return (
    decision.kind === "enqueue" ||
    (decision.kind === "change_task" && decision.change.to === "queued") ||
    (decision.kind === "hold" && decision.reason === "decision_limit")
  );
}
