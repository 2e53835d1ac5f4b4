/** Owns the figures of a simulation: what was done, who waited how long for what, what it took. Decides nothing. */
import type { HoldReason, Policy, ScheduleDecision } from "@master-orchestrator/contract";
import type { Decision } from "#core/decision.ts";
import { holdsByLane } from "#core/record.ts";
import type { WorkflowView } from "#core/snapshot.ts";
import { openShareMeter, type ShareOf } from "./shares.ts";
import { laneOf, reachableLanes, type Workload } from "./workload.ts";
import type { World, WorldTask } from "./world.ts";

/** Milliseconds; null where there is nothing to measure. */
export interface Spread {
  p50: number;
  p95: number;
  max: number;
}

export interface LaneFigures {
  tasks: number;
  completed: number;
  deadLettered: number;
  /** From when a task was due to its first start. */
  wait: Spread | null;
  /** From when a task was due to its result. */
  result: Spread | null;
  /** Null for a lane that never competed with another. */
  share: ShareOf | null;
}

export interface SlotFigures {
  limit: number;
  mean: number;
  peak: number;
}

export interface Figures extends Omit<LaneFigures, "share"> {
  /** Tasks that nothing would ever start: a limit of 0, a paused workflow. */
  unfinished: number;
  /** From the beginning until the last task ended. */
  spanMs: number;
  lanes: Map<string, LaneFigures>;
  costMicros: number;
  slots: SlotFigures;
  slotsByWorkflow: Map<string, SlotFigures>;
  /** Waiting time of all tasks by reason, in milliseconds. */
  holds: Map<HoldReason, number>;
  /** How near the dearest UTC day came to the day's budget. */
  budget: { dailyMicros: number; dearestDayMicros: number };
  /** How far work gave way (policy `adapt`), from 0 to 1, and how often that moved. */
  slowness: { mean: number; peak: number; moves: number };
  /** By workflow: how often its schedule decided what. */
  schedules: Map<string, Map<ScheduleDecision, number>>;
  runs: number;
  cycles: number;
}

export interface Measure {
  /** Time goes on to `world.nowMs`, before anything happens there. */
  moveOn(): void;
  /** A task was enqueued; it waits since `sinceMs`. */
  arrived(task: WorldTask, sinceMs: number): void;
  /** A cycle has decided at `world.nowMs`. */
  decided(decisions: readonly Decision[]): void;
  figures(): Figures;
}

interface LaneTally {
  tasks: number;
  completed: number;
  deadLettered: number;
  waits: number[];
  results: number[];
}

interface Tally {
  lanes: Map<string, LaneTally>;
  beganMs: number;
  /** Where the virtual clock stood when time was last counted. */
  countedMs: number;
  lastEndMs: number;
  costMicros: number;
  runs: number;
  cycles: number;
  peak: Map<string, number>;
  slotMs: Map<string, number>;
  holdMs: Map<HoldReason, number>;
  slownessMs: number;
  slownessPeak: number;
  moves: number;
  schedules: Map<string, Map<ScheduleDecision, number>>;
  holding: readonly { reason: HoldReason; tasks: number }[];
  /** Tasks that have not been started yet, and those that have not ended, with the moment they were due. */
  unstarted: Map<string, number>;
  unended: Map<string, number>;
}

const ALL = "";

export function openMeasure(world: World, workload: Workload, policy: Policy, workflows: Workflows): Measure {
  const names = reachableLanes(workload, workflows);
  const tally = emptyTally(world.nowMs, names);
  const workflowOf = (lane: string) => workflows[lane.slice(0, lane.indexOf("/"))] as WorkflowView;
  const work = (lane: string, tasks: number) => tasks * (workflowOf(lane).secondsPerTask ?? 1);
  const weightOf = (lane: string) => (policy.lanes[lane]?.weight ?? 1) * workflowOf(lane).weight;
  const waiting = (lane: string) => {
    const slash = lane.indexOf("/");
    return work(lane, world.depth(lane.slice(0, slash), lane.slice(slash + 1)));
  };
  const shares = openShareMeter(world.nowMs, names, weightOf);
  return {
    moveOn() {
      countTime(tally, world);
      shares.moveTo(world.nowMs, waiting);
    },
    arrived(task, sinceMs) {
      const lane = laneOf(task);
      // Which lanes callbacks ask for is not known before they do.
      if (!tally.lanes.has(lane)) tally.lanes.set(lane, emptyLane());
      (tally.lanes.get(lane) as LaneTally).tasks += 1;
      tally.unstarted.set(task.taskId, sinceMs);
      tally.unended.set(task.taskId, sinceMs);
      shares.demanded(lane, work(lane, 1));
    },
    decided(decisions) {
      tally.cycles += 1;
      const holds = holdsByLane(decisions);
      tally.holding = holds;
      shares.held(holds);
      for (const decision of decisions) {
        if (decision.kind === "dispatch") {
          tally.runs += 1;
          const lane = laneOf(decision);
          shares.given(lane, work(lane, decision.taskIds.length));
        } else if (decision.kind === "change_task" && decision.change.to === "queued") {
          const lane = laneOf(world.tasks.get(decision.change.taskId) as WorldTask);
          shares.demanded(lane, work(lane, 1));
        }
        count(tally, world, decision);
      }
      countPeaks(tally, world);
    },
    figures: () => figuresOf(tally, { policy, workflows, shares: shares.total(), world }),
  };
}

type Workflows = Readonly<Record<string, WorkflowView>>;

function emptyLane(): LaneTally {
  return { tasks: 0, completed: 0, deadLettered: 0, waits: [], results: [] };
}

function emptyTally(nowMs: number, lanes: readonly string[]): Tally {
  return {
    lanes: new Map(lanes.map((name) => [name, emptyLane()])),
    beganMs: nowMs,
    countedMs: nowMs,
    lastEndMs: nowMs,
    costMicros: 0,
    runs: 0,
    cycles: 0,
    peak: new Map(),
    slotMs: new Map(),
    holdMs: new Map(),
    ...{ slownessMs: 0, slownessPeak: 0, moves: 0, schedules: new Map() },
    holding: [],
    unstarted: new Map(),
    unended: new Map(),
  };
}

/** What was so since the last cycle was so until now. */
function countTime(tally: Tally, world: World): void {
  const ms = world.nowMs - tally.countedMs;
  tally.countedMs = world.nowMs;
  tally.slownessMs += world.adaptation.slowness * ms;
  for (const { reason, tasks } of tally.holding) add(tally.holdMs, reason, tasks * ms);
  for (const [workflowType, runs] of Object.entries(world.running)) {
    add(tally.slotMs, workflowType, runs * ms);
    add(tally.slotMs, ALL, runs * ms);
  }
}

function countPeaks(tally: Tally, world: World): void {
  let all = 0;
  for (const [workflowType, runs] of Object.entries(world.running)) {
    all += runs;
    tally.peak.set(workflowType, Math.max(tally.peak.get(workflowType) ?? 0, runs));
  }
  tally.peak.set(ALL, Math.max(tally.peak.get(ALL) ?? 0, all));
}

function count(tally: Tally, world: World, decision: Decision): void {
  if (decision.kind === "dispatch") {
    for (const taskId of decision.taskIds) {
      const dueMs = tally.unstarted.get(taskId);
      tally.unstarted.delete(taskId);
      if (dueMs !== undefined) laneTally(tally, world, taskId).waits.push(world.nowMs - dueMs);
    }
  } else if (decision.kind === "adapt") {
    tally.moves += 1;
    tally.slownessPeak = Math.max(tally.slownessPeak, decision.slowness);
  } else if (decision.kind === "schedule") {
    const { workflowType, reason } = decision;
    const counts = tally.schedules.get(workflowType) ?? new Map<ScheduleDecision, number>();
    add(counts, reason, 1);
    tally.schedules.set(workflowType, counts);
  } else if (decision.kind === "advance") {
    tally.costMicros += decision.costMicros;
    for (const { taskId, to, dueAtMs } of decision.tasks) {
      if (to === "retrying") add(tally.holdMs, "backoff", (dueAtMs ?? world.nowMs) - world.nowMs);
      if (to === "completed" || to === "dead_lettered") countEnd(tally, world, taskId, to === "completed");
    }
  }
}

function countEnd(tally: Tally, world: World, taskId: string, completed: boolean): void {
  const lane = laneTally(tally, world, taskId);
  tally.lastEndMs = world.nowMs;
  if (completed) {
    lane.completed += 1;
    lane.results.push(world.nowMs - (tally.unended.get(taskId) as number));
  } else lane.deadLettered += 1;
  tally.unended.delete(taskId);
}

function laneTally(tally: Tally, world: World, taskId: string): LaneTally {
  return tally.lanes.get(laneOf(world.tasks.get(taskId) as WorldTask)) as LaneTally;
}

function figuresOf(
  tally: Tally,
  {
    policy,
    workflows,
    shares,
    world,
  }: {
    policy: Policy;
    workflows: Workflows;
    shares: Map<string, ShareOf>;
    world: World;
  },
): Figures {
  const lanes = [...tally.lanes.values()];
  const spanMs = tally.lastEndMs - tally.beganMs;
  const slots = (name: string, limit: number): SlotFigures => ({
    limit,
    mean: spanMs > 0 ? (tally.slotMs.get(name) ?? 0) / spanMs : 0,
    peak: tally.peak.get(name) ?? 0,
  });
  const sum = (of: "tasks" | "completed" | "deadLettered") => lanes.reduce((all, lane) => all + lane[of], 0);
  return {
    tasks: sum("tasks"),
    completed: sum("completed"),
    deadLettered: sum("deadLettered"),
    unfinished: tally.unended.size + world.topics.length,
    wait: spreadOf(lanes.flatMap((lane) => lane.waits)),
    result: spreadOf(lanes.flatMap((lane) => lane.results)),
    spanMs,
    lanes: new Map(
      [...tally.lanes].map(([name, { tasks, completed, deadLettered, waits, results }]) => [
        name,
        {
          ...{ tasks, completed, deadLettered, share: shares.get(name) ?? null },
          wait: spreadOf(waits),
          result: spreadOf(results),
        },
      ]),
    ),
    costMicros: tally.costMicros,
    slots: slots(ALL, policy.concurrency.total),
    slotsByWorkflow: new Map(
      Object.values(workflows).map(({ workflowType, maxConcurrent }) => [
        workflowType,
        slots(workflowType, maxConcurrent),
      ]),
    ),
    holds: new Map([...tally.holdMs].filter(([, ms]) => ms > 0).sort(([, a], [, b]) => b - a)),
    budget: {
      dailyMicros: Math.round(policy.budget.daily_usd * 1e6),
      dearestDayMicros: Math.max(0, ...world.spentMicros.values()),
    },
    slowness: {
      mean: spanMs > 0 ? tally.slownessMs / spanMs : 0,
      peak: tally.slownessPeak,
      moves: tally.moves,
    },
    schedules: tally.schedules,
    runs: tally.runs,
    cycles: tally.cycles,
  };
}

/** The nearest rank of what was measured: a value that really occurred. */
function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number;
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}

function add<Key>(sums: Map<Key, number>, key: Key, amount: number): void {
  sums.set(key, (sums.get(key) ?? 0) + amount);
}
