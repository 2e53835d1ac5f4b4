/**
 * Demand beyond what providers allow and beyond what a day may cost: no limit is passed, what is allowed is used, nobody
 * is starved, and nothing oscillates.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Policy, WorkflowSettings } from "@master-orchestrator/contract";
import { type Chance, chance } from "./chance.ts";
import { openSimulation, type SimulationParts } from "./simulate.ts";
import { type Arrival, workflowOf, workloadOf } from "./workload.ts";
import type { World } from "./world.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const START = Date.UTC(2026, 0, 5);
const WINDOW = 63 * SECOND;

const SEEDS = process.env.SEED ? [Number(process.env.SEED)] : [1, 2, 3];

function forSeeds(check: (random: Chance, seed: number) => void): void {
  for (const seed of SEEDS) {
    try {
      check(chance(seed, 77), seed);
    } catch (error) {
      const why = error instanceof Error ? error.message : error;
      throw new Error(`again with SEED=${seed}: ${why}`, { cause: error });
    }
  }
}

interface Kind {
  workflowType: string;
  count: number;
  calls: number;
  seconds: number;
  costUsd?: number;
  everyMs?: number;
}

/** Tasks of some kinds, each calling gemini so often, a quarter more or less. */
function work(kinds: readonly Kind[], random: Chance): Arrival[] {
  return kinds.flatMap((kind) =>
    Array.from({ length: kind.count }, (_, i) => ({
      atMs: START + i * (kind.everyMs ?? 0),
      workflowType: kind.workflowType,
      contentType: "x",
      priority: 50,
      durationMs: Math.round(kind.seconds * SECOND * (0.75 + random.fraction() / 2)),
      failures: 0,
      costMicros: Math.round((kind.costUsd ?? 0) * 1e6 * (0.75 + random.fraction() / 2)),
      calls: { provider: "gemini", count: kind.calls },
    })),
  );
}

interface Watched {
  grants: number[];
  /** How far work gave way, at each heartbeat. */
  slowness: number[];
  spent: ReadonlyMap<number, number>;
  refused: number;
  startedBy(workflowType: string): number[];
}

/** Runs it for `forMs`, and keeps every grant of gemini. */
function watch(parts: SimulationParts, forMs: number): Watched {
  const slowness: number[] = [];
  let world: World | undefined;
  const simulation = openSimulation({
    ...parts,
    onTick: (seen) => void slowness.push(seen.adaptation.slowness),
    onWorld: (opened) => {
      world = opened;
    },
  });
  const seen = world as unknown as World;
  const grants: number[] = [];
  while (simulation.nowMs() < START + forMs && simulation.goOn(1)) {
    // What is granted is the last of the list, for as long as it counts.
    const counted = seen.supplying.grants.get("gemini:requests_per_minute") ?? [];
    grants.push(
      ...counted
        .slice(counted.findLastIndex((atMs) => atMs < seen.nowMs) + 1)
        .slice(fresh(grants, seen.nowMs)),
    );
  }
  return {
    grants,
    slowness,
    spent: simulation.spentMicros(),
    refused: seen.supplying.refused,
    startedBy: (workflowType) =>
      [...seen.runs.values()].filter((run) => run.workflowType === workflowType).map((run) => run.taskCount),
  };
}

/** How many of this moment's grants are known already. */
function fresh(grants: readonly number[], nowMs: number): number {
  return grants.length - (grants.findLastIndex((atMs) => atMs < nowMs) + 1);
}

function mostInAnyWindow(grants: readonly number[], windowMs: number): number {
  let from = 0;
  let most = 0;
  grants.forEach((atMs, i) => {
    while ((grants[from] as number) <= atMs - windowMs) from += 1;
    most = Math.max(most, i - from + 1);
  });
  return most;
}

/** Of the permits that there were between two moments, those that were used. */
function usedShare(grants: readonly number[], limit: number, fromMs: number, toMs: number): number {
  const used = grants.filter((atMs) => atMs >= START + fromMs && atMs < START + toMs).length;
  return used / ((limit * (toMs - fromMs)) / WINDOW);
}

function turns(values: readonly number[]): number {
  const moves = values.slice(1).map((value, i) => Math.sign(value - (values[i] as number)));
  const moved = moves.filter((move) => move !== 0);
  return moved.slice(1).filter((move, i) => move !== moved[i]).length;
}

function parts(
  kinds: readonly Kind[],
  random: Chance,
  {
    policy = {},
    settings = {},
  }: { policy?: Record<string, unknown>; settings?: Record<string, Record<string, unknown>> } = {},
): SimulationParts {
  const types = [...new Set(kinds.map(({ workflowType }) => workflowType))];
  return {
    workload: workloadOf(work(kinds, random), START, { endsAtMs: START }),
    policy: Policy.parse(policy),
    workflows: Object.fromEntries(
      types.map((type) => [type, workflowOf(type, WorkflowSettings.parse(settings[type] ?? {}))]),
    ),
    tasksAtOnce: 3,
  };
}

describe(`more demand than a provider allows (seeds ${SEEDS.join(", ")})`, () => {
  it("never passes the limit, uses over nine tenths of it, and gives way without swinging", () => {
    forSeeds((random) => {
      const limit = random.int(20, 120);
      const calls = random.int(2, 6);
      // Three runs at once, which is what a high load leaves, ask for half as much again as is allowed.
      const seconds = Math.max(5, Math.floor((3 * 3 * calls * 60) / (limit * 1.5)));
      const kinds = [{ workflowType: "w", count: Math.ceil((70 * limit) / calls), calls, seconds }];
      const settings = { w: { estimates: { gemini_calls_per_task: calls }, timeout_seconds: 1800 } };
      const policy = { providers: { gemini: { requests_per_minute: limit } } };
      const { grants, slowness } = watch(parts(kinds, random, { policy, settings }), HOUR);
      assert.ok(mostInAnyWindow(grants, MINUTE) <= limit);
      const used = usedShare(grants, limit, 20 * MINUTE, HOUR);
      assert.ok(used >= 0.9, `${Math.round(used * 100)} % of ${limit} used; ${calls} calls in ${seconds} s`);
      assert.ok(turns(slowness) <= 3, `${slowness.join(" ")}`);
    });
  });

  it("learns what tasks need where nobody says it", () => {
    forSeeds((random) => {
      const kinds = [{ workflowType: "w", count: 1000, calls: 4, seconds: 20 }];
      const policy = { providers: { gemini: { requests_per_minute: 60 } }, high_load: { resource_above: 1 } };
      const { grants } = watch(parts(kinds, random, { policy }), HOUR);
      assert.ok(mostInAnyWindow(grants, MINUTE) <= 60);
      const used = usedShare(grants, 60, 20 * MINUTE, HOUR);
      assert.ok(used >= 0.9, `${Math.round(used * 100)} % used`);
    });
  });

  it("starves nobody: who needs very many at once has its turn among those who need one", () => {
    forSeeds((random) => {
      const kinds = [
        { workflowType: "many", count: 40, calls: 40, seconds: 10 },
        { workflowType: "few", count: 4_000, calls: 1, seconds: 5 },
      ];
      const settings = {
        many: { estimates: { gemini_calls_per_task: 40, seconds_per_task: 10 }, batch: { min: 1, max: 1 } },
        few: { estimates: { gemini_calls_per_task: 1, seconds_per_task: 5 }, max_concurrent: 10 },
      };
      const policy = { providers: { gemini: { requests_per_minute: 60 } } };
      const seen = watch(parts(kinds, random, { policy, settings }), HOUR);
      const many = seen.startedBy("many").length;
      assert.ok(many >= 10, `${many} of those that need many have started in an hour`);
      assert.ok(seen.startedBy("few").length >= 10);
      assert.ok(mostInAnyWindow(seen.grants, MINUTE) <= 60);
    });
  });
});

describe(`more demand than a day may cost (seeds ${SEEDS.join(", ")})`, () => {
  it("never costs more than the day's budget, and no call is refused; the next day goes on", () => {
    forSeeds((random) => {
      const kinds = [{ workflowType: "w", count: 4000, calls: 2, seconds: 30, costUsd: 0.05 }];
      const policy = {
        budget: { daily_usd: 40 },
        providers: { gemini: { requests_per_minute: 600 } },
        adapt: { by: "ceiling" },
      };
      const settings = { w: { critical: random.maybe(0.5) } };
      const { spent, refused, slowness } = watch(parts(kinds, random, { policy, settings }), 60 * HOUR);
      const days = [...spent.values()];
      assert.equal(days.length, 3);
      for (const micros of days) assert.ok(micros <= 40e6, `a day cost $${micros / 1e6}`);
      const least = settings.w.critical ? 39 : 35;
      for (const micros of days.slice(0, 2))
        assert.ok(micros >= least * 1e6, `a day cost but $${micros / 1e6}`);
      assert.equal(refused, 0);
      assert.ok(turns(slowness) <= 6, `${turns(slowness)} turns`);
    });
  });
});
