/** A run of the optimizer: each part once, also after a crash; what has no data is skipped by name; strategies are judged. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { playOrchestrator } from "@master-orchestrator/sdk/testing";
import type { Arm, BeforeAfter, Experiment, Library, Measure, WatchedStrategy } from "./library.ts";
import { betterOffers, contentTypes, lowConversion } from "./opportunities.ts";
import { type RevenueResult, revenueOptimizer } from "./optimizer.ts";
import { effectOfStrategy } from "./strategy-effect.ts";

const quiet = { log: () => {} };
const NOW_MS = Date.UTC(2026, 10, 25);
const DAY_MS = 86_400_000;
const NO_PAYMENTS = { sum: 0, squares: 0, largest: 0, count: 0, refunds: false };
const COUNTS = { views: 1000, engaged: 0, clicks: 0, conversions: 50, touched: 0, payments: NO_PAYMENTS };

const experiment: Experiment = {
  ...{
    experimentId: "5b5f9b0e-0000-7000-8000-000000000000",
    key: "kettle",
    surface: "offer",
    scope: { all: true },
  },
  variants: [
    { key: "control", weight: 1, change: {} },
    { key: "b", weight: 1, change: {} },
  ],
  ...{
    metric: "conversion",
    goal: null,
    guardrails: [],
    minSample: 1000,
    maxDays: 30,
    alpha: 0.05,
    minEffect: 0,
  },
  ...{ winChance: 0.95, maxLoss: 0.01, autoRollOut: true, salt: "s", startedAtMs: NOW_MS - 7 * DAY_MS },
};

const arm = (variant: string, units: number, converted: number): Arm => ({
  ...{ variant, units, converted, revenue: { sum: 0, squares: 0, cubes: 0 }, harmed: [] },
});

/** A library with one experiment that is won; it writes down what it is asked to change. */
function aLibrary(over: Partial<Library> = {}) {
  const calls: string[] = [];
  const library: Library = {
    nowMs: async () => NOW_MS,
    coverage: async () => ({ views: 1000, conversions: 50, payments: 0, seenThroughMs: NOW_MS }),
    funnel: async ({ by }) => ({ total: COUNTS, groups: [{ key: by, title: null, ...COUNTS }], more: false }),
    runningExperiments: async () => (calls.includes("decide") ? [] : [experiment]),
    arms: async () => ({ arms: [arm("control", 20_000, 1000), arm("b", 20_000, 1400)], crossed: 0 }),
    noteResult: async () => void calls.push("note"),
    decide: async (_id, _decision, _result, rollOut) => {
      calls.push("decide");
      return rollOut ? 1 : null;
    },
    watchedStrategies: async () => [],
    effectOf: async () => assert.fail("nothing is watched"),
    noteEffect: async () => void calls.push("effect"),
    rollBack: async () => null,
    articles: async () => ({
      moments: { groups: 0, events: 0, expected: 0, squares: 0 },
      ...{ conversions: 0, payments: NO_PAYMENTS, articles: [] },
    }),
    offers: async () => [],
    contentTypes: async () => [],
    saveOpportunities: async () => void calls.push("save"),
    finishRun: async () => void calls.push("finish"),
    ...over,
  };
  return { library, calls };
}

test("a slot is one run of everything: the experiment is decided and rolled out, the rest is summed up", async () => {
  await using orchestrator = await playOrchestrator();
  const { library, calls } = aLibrary();
  const workflow = revenueOptimizer({ library, sdk: quiet });
  const scheduled_for = new Date(NOW_MS).toISOString();
  const sent = await orchestrator.dispatch(workflow, { tasks: [{ payload: { scheduled_for } }] });
  const callback = await sent.callback;
  await workflow.stop();
  assert.equal(callback.status, "completed", JSON.stringify(callback));
  const result = callback.items![0]!.result_data as unknown as RevenueResult;
  const [outcome] = result.experiments!;
  assert.deepEqual([outcome!.outcome, outcome!.variant, outcome!.rolled_out_as], ["win", "b", 1]);
  assert.deepEqual(
    [result.funnel!.conversions, result.funnel!.by_offer.length, result.to],
    [50, 1, scheduled_for],
  );
  assert.equal(result.opportunities!.found, 0);
  assert.match(result.opportunities!.skipped[0]!.reason, /not enough data/);
  assert.deepEqual(calls, ["decide", "save", "finish"]);
  assert.ok(callback.metrics?.duration_ms !== undefined);
});

test("a part that fails leaves the others alone; the next attempt does that part only", async () => {
  await using orchestrator = await playOrchestrator();
  let failures = 1;
  const { library, calls } = aLibrary();
  const { funnel } = library;
  library.funnel = async (query) => {
    if (failures-- > 0) throw new Error("the database is away");
    return await funnel(query);
  };
  const workflow = revenueOptimizer({ library, sdk: quiet });
  const first = await orchestrator.dispatch(workflow, { tasks: [{ payload: {} }] });
  const failed = (await first.callback).items![0]!;
  assert.match(failed.error_data!.message!, /^funnel: the database is away$/);
  assert.notEqual(failed.error_data!.retry_recommended, false);
  const second = await orchestrator.dispatch(workflow, {
    tasks: [{ task_id: first.taskIds[0]!, payload: {} }],
    ...{ attempt: 2, executionId: first.executionId },
  });
  const result = (await second.callback).items![0]!.result_data as unknown as RevenueResult;
  await workflow.stop();
  assert.deepEqual(calls, ["decide", "save", "finish"], "nothing was done twice");
  assert.equal(result.experiments![0]!.outcome, "win", "what the first attempt decided is told");
});

test("without data nothing is made up: each part that is left out is named", async () => {
  await using orchestrator = await playOrchestrator();
  const coverage = async () => ({ views: 0, conversions: 0, payments: 0, seenThroughMs: null });
  const { library, calls } = aLibrary({ coverage, runningExperiments: async () => [] });
  const workflow = revenueOptimizer({ library, sdk: quiet });
  const sent = await orchestrator.dispatch(workflow, {
    tasks: [
      { payload: {} },
      { payload: { analysis: "funnel", from: "2026-12-01T00:00:00Z" } },
      { payload: { a: 1 } },
    ],
  });
  const { items } = await sent.callback;
  await workflow.stop();
  assert.deepEqual((items![0]!.result_data as unknown as RevenueResult).skipped, [
    { part: "experiments", reason: "no experiment is running" },
    { part: "funnel", reason: "no events, conversions or revenue in the window" },
    { part: "opportunities", reason: "no events, conversions or revenue in the window" },
  ]);
  assert.deepEqual(calls, ["finish"]);
  for (const item of items!.slice(1)) assert.equal(item.error_data?.retry_recommended, false);
});

describe("the effect of a strategy", describeEffect);

function describeEffect(): void {
  const measure = (views: number, conversions: number): Measure => ({
    views,
    conversions,
    payments: NO_PAYMENTS,
  });
  const conversion: Pick<WatchedStrategy, "metric"> = { metric: "conversion" };
  const effect = (of: BeforeAfter) => effectOfStrategy(conversion, of, NOW_MS);

  test("a season that lifts all articles is not taken for a strategy's merit, nor a slump for its fault", () => {
    const lifted = {
      ...{ before: measure(40_000, 2000), after: measure(40_000, 3000) },
      ...{ restBefore: measure(80_000, 4000), restAfter: measure(80_000, 6000) },
    };
    const { relative, verdict, compared_with } = effect(lifted);
    assert.deepEqual([verdict, compared_with], ["unclear", "elsewhere"]);
    assert.ok(Math.abs(relative!) < 1e-9);
    const alone = effect({ ...lifted, restBefore: measure(0, 0), restAfter: measure(0, 0) });
    assert.deepEqual([alone.verdict, alone.compared_with], ["better", "before"]);
  });

  test("half the conversions are worse, and few readers say nothing", () => {
    const rest = { restBefore: measure(80_000, 4000), restAfter: measure(80_000, 4000) };
    const worse = effect({ before: measure(20_000, 1000), after: measure(10_000, 250), ...rest });
    assert.equal(worse.verdict, "worse");
    assert.ok(worse.high! < 0 && worse.low! > -0.7);
    const few = effect({ before: measure(20_000, 1000), after: measure(400, 0), ...rest });
    assert.deepEqual([few.verdict, few.relative], ["unclear", null]);
    assert.match(few.missing!, /since it is in force/);
  });
}

test("an article is an opportunity by what its numbers bear, not by its rate alone", () => {
  const moments = { groups: 50, events: 5000, expected: 5000, squares: 500 };
  const payments = { sum: 10_000, squares: 200_000, largest: 20, count: 500, refunds: false };
  const article = (title: string, expected: number, conversions: number) => ({
    ...{ articleId: title, title, contentType: "how_to", views: 20 * expected, conversions, expected },
  });
  const { opportunities } = lowConversion(
    {
      ...{ moments, conversions: 5000, payments },
      articles: [article("many", 200, 100), article("few", 4, 2), article("fine", 100, 101)],
    },
    1,
  );
  const [many, few] = opportunities;
  assert.deepEqual([opportunities.length, many!.subject, few!.subject], [2, "many", "few"]);
  assert.ok(many!.chance > 0.999 && few!.chance < 0.95);
  // 200 expected at two dollars each; half of them lack, drawn a little towards the mean.
  assert.ok(many!.expectedUsd > 140 && many!.expectedUsd < 200, String(many!.expectedUsd));
  assert.ok(few!.expectedUsd < 4);
  assert.match(
    lowConversion({ moments, conversions: 3, payments, articles: [] }, 1).skipped[0]!.reason,
    /3 conversions/,
  );
});

test("an offer is compared within its content type, and types of article with each other", () => {
  const paid = (count: number, usd: number) => ({
    ...{ sum: count * usd, squares: count * usd * usd, largest: usd, count, refunds: false },
  });
  const offer = (contentType: string, name: string, count: number, usd: number) => ({
    ...{ contentType, offer: name, articles: 5, views: 10_000, payments: paid(count, usd) },
  });
  const { opportunities } = betterOffers(
    [offer("how_to", "kettle", 100, 20), offer("how_to", "calendar", 100, 5), offer("news", "pen", 100, 1)],
    2,
  );
  assert.equal(opportunities.length, 1);
  assert.equal(opportunities[0]!.subject, "how_to: calendar → kettle");
  assert.ok(Math.abs(opportunities[0]!.expectedUsd - 3000) < 30);
  const type = (contentType: string, meanUsd: number) => ({
    contentType,
    articles: 20,
    meanUsd,
    standardErrorUsd: 5,
  });
  const types = contentTypes([type("guide", 60), type("news", 10), type("list", 12)], 1).opportunities;
  const [guide, news] = types;
  assert.ok(guide!.chance > 0.999 && news!.chance < 0.1);
  assert.ok(guide!.expectedUsd < 10 * (60 - (60 + 10 + 12) / 3) + 1, "drawn towards the others");
  assert.match(contentTypes([type("guide", 60)], 1).skipped[0]!.reason, /fewer than two content types/);
});
