/** The queue over HTTP, lane by lane: depth, age, throughput, shares, bounds, and what holds it. Decides nothing. */
import { type HoldReason, Queue } from "@master-orchestrator/contract";
import { holdOf } from "#core/explain.ts";
import { laneName, weightOf, workOf } from "#core/share.ts";
import { aheadOfNew } from "#store/competition.ts";
import type { Database } from "#store/database.ts";
import { laneHoldAt } from "#store/task-views.ts";
import { completedLastHour, laneCounts } from "#store/tasks.ts";
import { defineRoute, type Route } from "../route.ts";
import { asSlots, holdersFor, readStanding, type Standing, shownBound, turnsFor } from "../standing.ts";

/** Priorities for which bounds are shown. */
const PRIORITIES = [0, 50, 100];

/** What was counted of one lane. */
interface Counted {
  workflowType: string;
  contentType: string;
  depth: number;
  scheduled: number;
  retrying: number;
  running: number;
  oldestAgeSeconds: number | null;
  completed: number;
}

export function queueRoutes({ db }: { db: Database }): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/queue",
      summary: "The queue by lanes: depth, oldest age, throughput, shares, bounds, and what holds each lane",
      description:
        "A lane is a content type within a workflow. docs/fairness.md says how shares and bounds come about.",
      tag: "Orchestrator",
      access: ["viewer", "worker"],
      answers: { 200: Queue },
      handle: async () => ({ status: 200, body: await showQueue(db) }),
    }),
  ];
}

async function showQueue(db: Database) {
  const standing = await readStanding(db);
  const counted = await countLanes(db);
  const ahead = await aheadOfNew(db, PRIORITIES, standing.of.policy.ageing);
  const lanes = await Promise.all(
    counted.map(async (lane) => ({
      lane: laneName(lane),
      workflow_type: lane.workflowType,
      content_type: lane.contentType,
      depth: lane.depth,
      scheduled: lane.scheduled,
      retrying: lane.retrying,
      running: lane.running,
      oldest_age_seconds: lane.oldestAgeSeconds,
      completed_last_hour: lane.completed,
      ...sharesOf(standing, lane, counted),
      hold: await laneHold(db, standing, lane),
      bounds: boundsOf(standing, lane, ahead.get(laneName(lane)) ?? new Map()),
    })),
  );
  const ages = lanes.flatMap((lane) => (lane.oldest_age_seconds === null ? [] : [lane.oldest_age_seconds]));
  return {
    depth: lanes.reduce((sum, lane) => sum + lane.depth, 0),
    oldest_age_seconds: ages.length > 0 ? Math.max(...ages) : null,
    lanes: lanes.sort((a, b) => (a.lane < b.lane ? -1 : 1)),
  };
}

async function countLanes(db: Database): Promise<Counted[]> {
  const counts = await laneCounts(db);
  const completed = await completedLastHour(db);
  const nameOf = (row: { workflow_type: string; content_type: string }) =>
    `${row.workflow_type}/${row.content_type}`;
  const waiting = new Map(counts.map((row) => [nameOf(row as never), row]));
  const done = new Map(completed.map((row) => [nameOf(row as never), row]));
  return [...new Set([...waiting.keys(), ...done.keys()])].map((name) => {
    const row = waiting.get(name);
    const [workflowType, contentType] = name.split("/") as [string, string];
    return {
      workflowType,
      contentType,
      depth: row?.depth ?? 0,
      scheduled: row?.scheduled ?? 0,
      retrying: row?.retrying ?? 0,
      running: row?.running ?? 0,
      oldestAgeSeconds: row?.oldest_age_seconds ?? null,
      completed: done.get(name)?.completed ?? 0,
    };
  });
}

/** What the lane got of the last hour, and what its weight entitles it to among those that wait now. */
function sharesOf({ of }: Standing, lane: Counted, all: readonly Counted[]) {
  const part = (own: number, whole: number) => (whole > 0 ? own / whole : null);
  const total = (lanes: readonly Counted[], value: (lane: Counted) => number) =>
    lanes.reduce((sum, one) => sum + value(one), 0);
  const waiting = all.filter((one) => one.depth > 0);
  const work = (one: Counted) => workOf(one.completed, one, of);
  const weight = (one: Counted) => weightOf(one, of);
  return {
    share:
      part(
        lane.completed,
        total(all, (one) => one.completed),
      ) ?? 0,
    weight: weight(lane),
    entitled_share: lane.depth > 0 ? part(weight(lane), total(waiting, weight)) : null,
    received_share: lane.depth > 0 ? part(work(lane), total(waiting, work)) : null,
  };
}

/** What holds the lane, with the time at which its next task is expected to start. */
async function laneHold(db: Database, standing: Standing, lane: Counted) {
  const held = await laneHoldAt(db, lane.workflowType, lane.contentType, standing.nowMs);
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

function boundsOf(standing: Standing, lane: Counted, ahead: ReadonlyMap<number, number>) {
  return PRIORITIES.flatMap((priority) => {
    const waiter = { ...lane, tasksAhead: ahead.get(priority) ?? 0, runsAlone: false };
    const bound = shownBound(standing, waiter, { priority, agedFromMs: standing.nowMs });
    return bound ? [{ priority, bound }] : [];
  });
}
