/** The queue over HTTP, lane by lane: depth, age, throughput, shares, bounds, and what holds it. Decides nothing. */
import { type HoldReason, Queue } from "@master-orchestrator/contract";
import { holdOf } from "#core/explain.ts";
import { isOpen } from "#core/hours.ts";
import { laneName, weightOf, workOf } from "#core/share.ts";
import type { Log } from "#log.ts";
import type { Database } from "#store/database.ts";
import { completedLastHour, type LaneCount, laneCounts, waitingCounts } from "#store/lane-counts.ts";
import { type LaneHold, laneHoldsAt } from "#store/task-views.ts";
import { createDeepLanes, DEEP, type DeepLanes } from "../deep-lanes.ts";
import { time } from "../present.ts";
import { defineRoute, type Route } from "../route.ts";
import { asSlots, holdersFor, readStanding, type Standing, shownBound, turnsFor } from "../standing.ts";

/** Priorities for which bounds are shown. */
const PRIORITIES = [0, 50, 100];

/** What was counted of one lane. */
interface Counted extends LaneCount {
  completed: number;
  atLeast: boolean;
  countedAtMs: number;
  /** By priority; null while nobody has counted that. */
  ahead: ReadonlyMap<number, number> | null;
}

export interface QueueRoutesContext {
  db: Database;
  log: Log;
  clock: { nowMs(): number; monotonicMs(): number };
}

export function queueRoutes(context: QueueRoutesContext): Route[] {
  const { db } = context;
  const deep = createDeepLanes({ ...context, priorities: PRIORITIES });
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/queue",
      summary: "The queue by lanes: depth, oldest age, throughput, shares, bounds, and what holds each lane",
      description:
        "A lane is a content type within a workflow. docs/fairness.md says how shares and bounds come about. " +
        "Lanes up to 10,000 tasks deep are counted as they are now; deeper ones when `depth_counted_at` says.",
      tag: "Orchestrator",
      access: ["viewer", "worker"],
      answers: { 200: Queue },
      handle: async () => ({ status: 200, body: await showQueue(db, deep) }),
    }),
  ];
}

async function showQueue(db: Database, deep: DeepLanes) {
  const [standing, counts, completed] = await Promise.all([
    readStanding(db),
    laneCounts(db, DEEP),
    completedLastHour(db),
  ]);
  const counted = await countLanes(db, { standing, counts, completed }, deep);
  const held = await laneHoldsAt(db, counted, standing.nowMs);
  const [oldest, sharesOf] = [oldestAges(standing), sharesAmong(standing, counted)];
  const lanes = counted.map((lane, i) => ({
    lane: laneName(lane),
    workflow_type: lane.workflowType,
    content_type: lane.contentType,
    depth: lane.depth,
    depth_at_least: lane.atLeast,
    depth_counted_at: time(lane.countedAtMs),
    scheduled: lane.scheduled,
    retrying: lane.retrying,
    running: lane.running,
    oldest_age_seconds: oldest.get(laneName(lane)) ?? null,
    completed_last_hour: lane.completed,
    ...sharesOf(lane),
    hold: shownHold(standing, lane, held[i] ?? null),
    bounds: boundsOf(standing, lane),
  }));
  const ages = lanes.flatMap((lane) => (lane.oldest_age_seconds === null ? [] : [lane.oldest_age_seconds]));
  return {
    depth: lanes.reduce((sum, lane) => sum + lane.depth, 0),
    oldest_age_seconds: ages.length > 0 ? Math.max(...ages) : null,
    lanes: lanes.sort((a, b) => (a.lane < b.lane ? -1 : 1)),
  };
}

/** Lanes that are not deep are counted now, with what would be ahead of a new task; of deep ones it is known from before. */
async function countLanes(
  db: Database,
  found: { standing: Standing; counts: LaneCount[]; completed: Map<string, number> },
  deep: DeepLanes,
): Promise<Counted[]> {
  const { counts, completed } = found;
  const { nowMs, of } = found.standing;
  const [waiting, deepOnes] = [counts.filter(isShallow), counts.filter((lane) => lane.depth >= DEEP)];
  const shallow = await waitingCounts(db, waiting, PRIORITIES, of.policy.ageing);
  const known = deep.find(deepOnes, of.policy.ageing);
  const waitingLanes = counts.map((lane): Counted => {
    const name = laneName(lane);
    const own = { ...lane, completed: completed.get(name) ?? 0, countedAtMs: nowMs, atLeast: false };
    if (lane.depth < DEEP) return { ...own, ahead: shallow.get(name)?.ahead ?? new Map() };
    const before = known(name);
    if (!before) return { ...own, atLeast: true, ahead: null };
    return {
      ...own,
      depth: Math.max(DEEP, before.depth),
      ahead: before.ahead,
      countedAtMs: before.countedAtMs,
    };
  });
  const names = new Set(counts.map(laneName));
  const idle = [...completed].filter(([name]) => !names.has(name));
  return [...waitingLanes, ...idle.map(([name, tasks]) => ({ ...emptyLane(name, nowMs), completed: tasks }))];
}

function isShallow({ depth }: LaneCount): boolean {
  return depth > 0 && depth < DEEP;
}

function emptyLane(name: string, nowMs: number): Counted {
  const [workflowType, contentType] = name.split("/") as [string, string];
  return {
    ...{ workflowType, contentType, completed: 0 },
    ...{ depth: 0, scheduled: 0, retrying: 0, running: 0 },
    ...{ atLeast: false, countedAtMs: nowMs, ahead: new Map() },
  };
}

/** Seconds, by lane that has something waiting. Among the first of each priority level is the oldest of all. */
function oldestAges({ of, nowMs }: Standing): Map<string, number> {
  return new Map(
    of.lanes
      .filter(({ heads }) => heads.length > 0)
      .map((lane) => {
        const agedFromMs = Math.min(...lane.heads.map((head) => head.agedFromMs));
        return [laneName(lane), Math.max(0, nowMs - agedFromMs) / 1_000];
      }),
  );
}

/** What a lane got of the last hour, and what its weight entitles it to among those that may start now. */
function sharesAmong({ of, nowMs }: Standing, all: readonly Counted[]) {
  const part = (own: number, whole: number) => (whole > 0 ? own / whole : null);
  const total = (lanes: Iterable<Counted>, value: (lane: Counted) => number) =>
    [...lanes].reduce((sum, one) => sum + value(one), 0);
  const work = (one: Counted) => workOf(one.completed, one, of);
  const weight = (one: Counted) => weightOf(one, of);
  const competing = new Set(all.filter((one) => one.depth > 0 && isOpen(one, { policy: of.policy, nowMs })));
  const [completed, weights, worked] = [
    total(all, (one) => one.completed),
    total(competing, weight),
    total(competing, work),
  ];
  return (lane: Counted) => ({
    share: part(lane.completed, completed) ?? 0,
    weight: weight(lane),
    entitled_share: competing.has(lane) ? part(weight(lane), weights) : null,
    received_share: competing.has(lane) ? part(work(lane), worked) : null,
  });
}

/** What holds the lane, with the time at which its next task is expected to start. */
function shownHold(standing: Standing, lane: Counted, held: LaneHold | null) {
  if (!held) return null;
  const reason = held.reason as HoldReason;
  return holdOf({
    atMs: standing.nowMs,
    status: "queued",
    dueAtMs: standing.nowMs,
    laneHold: { ...held, reason },
    rank: 1,
    workflowType: lane.workflowType,
    batchMax: standing.of.workflows[lane.workflowType]?.batchMax ?? 10,
    slots: asSlots(standing, holdersFor(standing, lane, reason)),
    ...turnsFor(standing, lane, reason),
    run: null,
  });
}

/** None while it is not known how many are ahead: a bound that might be broken is none. */
function boundsOf(standing: Standing, lane: Counted) {
  const { ahead } = lane;
  if (ahead === null) return [];
  return PRIORITIES.flatMap((priority) => {
    const waiter = { ...lane, tasksAhead: ahead.get(priority) ?? 0, runsAlone: false };
    const bound = shownBound(standing, waiter, { priority, agedFromMs: standing.nowMs });
    return bound ? [{ priority, bound }] : [];
  });
}
