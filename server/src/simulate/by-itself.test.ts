/** What a simulated orchestrator does by itself: schedules, follow-ups without end, and giving way to what a day costs. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Policy, type ScheduleDecision, WorkflowSettings } from "@master-orchestrator/contract";
import { seededArrivals } from "./arrivals.ts";
import type { Figures } from "./measure.ts";
import { openSimulation, type SimulationParts, simulate } from "./simulate.ts";
import { type Arrival, workflowOf, workloadOf } from "./workload.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 5);

function parts(
  settings: Record<string, Record<string, unknown>>,
  arrivals: Partial<Arrival>[],
  over: Partial<SimulationParts> & { endsAtMs?: number; policy?: Policy } = {},
): SimulationParts {
  const plain = { atMs: START, workflowType: "w", contentType: "x", priority: 50 };
  const nature = { durationMs: MINUTE, failures: 0, costMicros: 10_000 };
  const { endsAtMs, ...rest } = over;
  return {
    workload: workloadOf(
      arrivals.map((arrival) => ({ ...plain, ...nature, ...arrival })),
      START,
      endsAtMs === undefined ? {} : { endsAtMs },
    ),
    policy: Policy.parse({}),
    workflows: Object.fromEntries(
      Object.entries(settings).map(([type, of]) => [type, workflowOf(type, WorkflowSettings.parse(of))]),
    ),
    tasksAtOnce: 3,
    ...rest,
  };
}

const decisionsOf = (figures: Figures, type: string) =>
  Object.fromEntries(figures.schedules.get(type) ?? new Map<ScheduleDecision, number>());

describe("a simulated schedule", () => {
  it("makes a task of each slot until the end, and says of each slot what was decided", () => {
    const figures = simulate(
      parts({ w: { schedule: { every_seconds: 3600 } } }, [], { endsAtMs: START + DAY }),
    );
    assert.deepEqual(decisionsOf(figures, "w"), { first_seen: 1, run: 24 });
    assert.deepEqual([figures.tasks, figures.completed], [24, 24]);
  });

  it("holds to the hours of its time zone, and waits for the task before", () => {
    const settings = {
      w: { schedule: { every_seconds: 1800, hours: [8, 10], time_zone: "Europe/Berlin" } },
      slow: { schedule: { every_seconds: 60 }, timeout_seconds: 600 },
    };
    const figures = simulate(parts(settings, [], { endsAtMs: START + DAY }));
    assert.deepEqual(decisionsOf(figures, "w"), { first_seen: 1, run: 4, outside_hours: 44 });
    const { run, previous_run_not_over: waited } = decisionsOf(figures, "slow");
    assert.equal((run as number) + (waited ?? 0), 24 * 60);
  });

  it("takes the topics that have arrived, a slot's worth at a time, and does not run without any", () => {
    const settings = { w: { schedule: { every_seconds: 900, source: "topics", per_slot: 4 } } };
    const topics = Array.from({ length: 10 }, () => ({ atMs: START + 10 * MINUTE, isTopic: true }));
    const direct = [{ atMs: START + 10 * MINUTE }];
    const figures = simulate(parts(settings, [...topics, ...direct], { endsAtMs: START + 2 * HOUR }));
    assert.deepEqual(decisionsOf(figures, "w"), { first_seen: 1, run: 3, nothing_to_do: 5 });
    assert.deepEqual([figures.tasks, figures.completed, figures.unfinished], [11, 11, 0]);
    const { p50, max } = figures.wait as { p50: number; max: number };
    assert.deepEqual([p50, max], [20 * MINUTE, 35 * MINUTE], "they wait since they were added");
  });
});

describe("simulated follow-ups", () => {
  it("come by the rules of the settings, and take what follows them along", () => {
    const settings = {
      w: { next: [{ workflow_type: "audit" }, { workflow_type: "mourn", on: "failed" }] },
      audit: { next: [{ workflow_type: "report", content_type: "weekly" }] },
      report: {},
      mourn: {},
    };
    const arrivals = [{}, {}, { failures: Number.POSITIVE_INFINITY }];
    const figures = simulate(parts(settings, arrivals));
    const counts = Object.fromEntries([...figures.lanes].map(([name, { tasks }]) => [name, tasks]));
    // What follows a task that never succeeds is drawn from what is known, and one of three never does.
    assert.equal(counts["w/x"], 3);
    assert.equal(counts["audit/default"], 2);
    assert.equal(counts["mourn/default"], 1);
    assert.ok((counts["report/weekly"] as number) <= 2);
    assert.equal(figures.completed + figures.deadLettered, figures.tasks);
  });

  it("turn out the same under every policy", () => {
    const workload = seededArrivals({
      ...{ seed: 3, days: 1, perDay: 300, profile: "bursty", backlog: 0, meanSeconds: 60 },
      ...{ lanes: [{ workflowType: "w", contentType: "x", share: 1 }], failureShare: 0.2, costUsd: 0.05 },
    });
    const settings = {
      w: { next: [{ workflow_type: "audit" }], schedule: { every_seconds: 3600 } },
      audit: {},
    };
    // Not the cost: a batch that is too large for its time-out costs a try more, and batches differ.
    const turnedOut = [10, 2].map((total) => {
      const policy = Policy.parse({ concurrency: { total, high_load: total } });
      const figures = simulate({ ...parts(settings, []), workload, policy });
      return [figures.tasks, figures.completed, [...figures.lanes].map(([name, { tasks }]) => [name, tasks])];
    });
    assert.deepEqual(turnedOut[0], turnedOut[1]);
  });

  it("of callbacks that ask for one another end after ten, whatever they ask", () => {
    const ask = (workflow_type: string) => [{ workflow_type }];
    const pingPong = parts({ ping: {}, pong: {} }, [{ workflowType: "ping", asks: ask("pong") }]);
    const { workload } = pingPong;
    const endless = {
      ...workload,
      consequence: (key: string, lane: { workflowType: string; contentType: string }) => ({
        key,
        nature: {
          ...{ durationMs: 1000, failures: 0, costMicros: 0 },
          asks: ask(lane.workflowType === "ping" ? "pong" : "ping"),
        },
      }),
    };
    const figures = simulate({ ...pingPong, workload: endless });
    assert.deepEqual([figures.tasks, figures.completed], [11, 11]);
  });
});

/** Topics enough for days, of which each slot takes ten: twice what the budget bears. */
function overspending(seed: number, budgetUsd: number, by: "pace" | "ceiling"): SimulationParts {
  const random = seededArrivals({
    ...{ seed, days: 3, perDay: 900, profile: "flat", backlog: 200, meanSeconds: 60 },
    ...{ lanes: [{ workflowType: "w", contentType: "x", share: 1 }], failureShare: 0.05, costUsd: 0.5 },
  });
  const settings = { w: { schedule: { every_seconds: 900, source: "topics", per_slot: 10 } } };
  return {
    ...parts(settings, []),
    workload: random,
    policy: Policy.parse({ budget: { daily_usd: budgetUsd }, adapt: { by } }),
  };
}

/** How slowness went, tick by tick, for so many days. */
function course(simulated: SimulationParts, days: number): { slowness: number[]; spent: number[] } {
  const slowness: number[] = [];
  const simulation = openSimulation({
    ...simulated,
    onTick: (world) => slowness.push(world.adaptation.slowness),
  });
  const { beginsAtMs } = simulated.workload;
  while (simulation.nowMs() < beginsAtMs + days * DAY && simulation.goOn(1));
  return { slowness, spent: [...simulation.spentMicros().values()] };
}

/** The turns of a course that go further than `least` back before the next one. */
function turns(values: readonly number[], least: number): number {
  let [direction, extreme, count] = [0, values[0] as number, 0];
  for (const value of values) {
    const away = value - extreme;
    if (direction !== 0 && Math.sign(away) === direction) extreme = value;
    else if (Math.abs(away) > least) {
      if (direction !== 0) count += 1;
      direction = Math.sign(away);
      extreme = value;
    }
  }
  return count;
}

describe("giving way", () => {
  for (const seed of [1, 2, 3, 4]) {
    it(`keeps a day that would cost twice its budget to the day's pace, without swinging (seed ${seed})`, () => {
      const budgetUsd = 225;
      const { slowness, spent } = course(overspending(seed, budgetUsd, "pace"), 3);
      for (const [i, value] of slowness.entries()) {
        assert.ok(value >= 0 && value <= 1);
        assert.ok(Math.abs(value - (slowness[i - 1] ?? 0)) <= 0.1 + 1e-9, "one step a tick at the most");
      }
      for (const micros of spent.slice(0, 3)) {
        assert.ok(micros < budgetUsd * 1e6 * 1.25, `$${micros / 1e6} of $${budgetUsd}`);
        assert.ok(micros > budgetUsd * 1e6 * 0.75, `$${micros / 1e6} of $${budgetUsd}`);
      }
      // Within a day it finds its level and stays there: no swing of a fifth of the whole range.
      for (const day of [0, 1, 2]) {
        const settled = slowness.slice(day * 288 + 72, (day + 1) * 288);
        const swings = turns(settled, 0.2);
        assert.ok(swings <= 1, `day ${day}: ${swings} swings: ${settled.map((v) => v.toFixed(2)).join(" ")}`);
      }
    });
  }

  it("waits for the ceiling where the ceiling alone counts", () => {
    const { slowness } = course(overspending(1, 225, "ceiling"), 1);
    const firstSlow = slowness.findIndex((value) => value > 0);
    assert.ok(firstSlow > 72, `it slows down at tick ${firstSlow} of 288`);
    assert.ok(Math.max(...slowness) === 1);
  });

  it("is never seen on days within the budget", () => {
    const { slowness } = course(overspending(1, 1000, "pace"), 2);
    assert.ok(slowness.length > 288);
    assert.ok(slowness.every((value) => value === 0));
  });
});
