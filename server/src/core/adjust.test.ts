/** Owns the proof of what is told of costs: dearer beyond chance, helped, did nothing, hurt; and that fields go back alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AdjustPolicy, defaultPolicy } from "@master-orchestrator/contract";
import { chance } from "#test/chance.ts";
import { efficiencyOf, hasBecomeDearer, judgeAdjustment, type LaneHour } from "./adjust.ts";
import { candidatesFor, type LaneEvidence } from "./adjust-candidates.ts";
import { movedFields, withFields } from "./adjust-change.ts";

const rules = AdjustPolicy.parse({});
/** Hours of so many tasks, each task at these millionths of a dollar in turn. */
const hours = (costs: readonly number[], tasks = 10, deadLettered = 0): LaneHour[] =>
  costs.map((cost, i) => ({ atMs: i, completed: tasks, deadLettered, costMicros: cost * tasks }));
const of = (costs: readonly number[], tasks?: number, dead?: number) =>
  efficiencyOf(hours(costs, tasks, dead));
const CHEAP = of([10_000, 11_000, 9_000, 10_000]);
const DEAR = of([15_000, 16_000, 14_000, 15_000]);

test("the cost of a task and its error are those of a ratio of sums", () => {
  assert.deepEqual([CHEAP.completed, CHEAP.cost_usd, CHEAP.cost_per_task_usd], [40, 0.4, 0.01]);
  // Residuals 0, 10,000, -10,000, 0: sqrt(4/3 · 2e8) / 40 millionths.
  assert.ok(Math.abs((CHEAP.standard_error_usd as number) - Math.sqrt((4 / 3) * 2e8) / 40 / 1e6) < 1e-12);
  assert.equal(of([10_000, 12_000]).standard_error_usd, null, "two hours say nothing of how much they vary");
  assert.equal(efficiencyOf([]).cost_per_task_usd, null);
});

test("dearer is what is so by the share and beyond chance, over enough tasks", () => {
  assert.match(hasBecomeDearer(CHEAP, DEAR, rules) as string, /^50 % dearer than before: \$0\.0150 a task/);
  assert.equal(hasBecomeDearer(CHEAP, of([10_500, 11_500, 9_500, 10_500]), rules), null, "5 % are no matter");
  assert.equal(
    hasBecomeDearer(CHEAP, of([2_000, 40_000, 1_000, 17_000]), rules),
    null,
    "it varies that much",
  );
  assert.equal(hasBecomeDearer(CHEAP, of([15_000, 15_000, 15_000], 9), rules), null, "27 tasks are too few");
});

test("a hurt is told at once when certain, a help only at the end, and what proves nothing did nothing", () => {
  const judge = (before: typeof CHEAP, after: typeof CHEAP, gone: number) =>
    judgeAdjustment(before, after, gone, rules).verdict;
  assert.equal(judge(CHEAP, DEAR, 4), "hurt");
  assert.equal(judge(DEAR, CHEAP, 4), null, "measured for 24 hours");
  assert.equal(judge(DEAR, CHEAP, 24), "helped");
  assert.equal(
    judge(CHEAP, of([9_900, 10_900, 8_900, 9_900]), 24),
    "did_nothing",
    "1 % is not what was promised",
  );
  assert.equal(judge(CHEAP, of([9_000, 8_000], 5), 24), null, "10 tasks are too few");
  assert.equal(judge(CHEAP, of([9_000, 8_000], 5), 96), "did_nothing");
  assert.equal(
    judge(DEAR, of([10_000, 11_000, 9_000, 10_000], 10, 5), 4),
    "hurt",
    "cheaper, but a third is lost",
  );
  assert.equal(judge(CHEAP, of([10_000, 11_000, 9_000, 10_000]), 24), "did_nothing");
});

const evidence: LaneEvidence = {
  ...{ workflowType: "writer", contentType: "news", batchMin: 1, batchMax: 10 },
  ...{ costMicros: 1_000_000, completed: 100 },
  models: [
    {
      ...{ provider: "openai", model: "big", calls: 10 },
      ...{ inputTokens: 1000, cachedInputTokens: 0, outputTokens: 100, costMicros: 900_000 },
    },
  ],
  sizes: [
    { tasks: 1, runs: 20, meanMicros: 12_000, varianceMicros: 1_000_000 },
    { tasks: 5, runs: 20, meanMicros: 8_000, varianceMicros: 1_000_000 },
  ],
  hours: [],
};

test("candidates are derived from what calls and runs have cost, and only what saves enough", () => {
  const market = {
    policy: defaultPolicy(),
    known: [
      { provider: "openai", model: "small" },
      { provider: "gemini", model: "free" },
    ],
    costAt: (_use: unknown, _provider: string, model: string) => (model === "small" ? 300_000 : 0),
  };
  const [model, batch] = candidatesFor(evidence, market, rules);
  assert.deepEqual(model?.fields, [
    { path: ["lanes", "writer/news", "models", "big"], before: null, after: { to: "small" } },
  ]);
  assert.deepEqual(model?.costs.proposed, { lane: "writer/news", by: "factor", factor: 0.4 });
  assert.deepEqual(batch?.fields, [{ path: ["lanes", "writer/news", "batch_min"], before: null, after: 5 }]);
  assert.match(batch?.why as string, /8 % off the mean/);
  const unpriced = { ...market, costAt: () => null };
  const noisy = evidence.sizes.map((size) => ({ ...size, varianceMicros: 1e10 }));
  assert.deepEqual(candidatesFor({ ...evidence, sizes: noisy }, unpriced, rules), []);
});

/** Five days of 24 hours, each with ten tasks at what `cost` says of its hour and day. */
const days = (cost: (hour: number, day: number) => number): LaneHour[] =>
  Array.from({ length: 120 }, (_, i) => {
    const costMicros = 10 * cost(i % 24, Math.floor(i / 24));
    return { atMs: i * 3_600_000, completed: 10, deadLettered: 0, costMicros };
  });

test("hours are derived where tasks cost less day after day, the longest that save about as much", () => {
  const market = { policy: defaultPolicy(), known: [], costAt: () => null };
  const found = (of: LaneHour[]) =>
    candidatesFor({ ...evidence, sizes: [], hours: of }, market, rules).find(({ kind }) => kind === "hours");
  const atNight = (hour: number) => hour >= 22 || hour < 6;
  const night = found(days((hour) => (atNight(hour) ? 10_000 : 30_000)));
  assert.deepEqual(night?.fields, [
    { path: ["lanes", "writer/news", "hours"], before: null, after: [22, 6] },
  ]);
  assert.deepEqual(night?.costs.proposed, {
    ...{ lane: "writer/news", by: "hours", hours: [22, 6] },
    ...{ inside: 10_000, outside: 30_000 },
  });
  assert.match(
    night?.why ?? "",
    /^a task costs \$0\.0100 from 22 to 6 o'clock UTC, and \$0\.0300 at other hours, less on 5 of 5 days: 57 %/,
  );
  const bound = withFields(market.policy, night?.fields ?? [], "after");
  const evening = { ...evidence, sizes: [], hours: days((hour) => (atNight(hour) ? 10_000 : 30_000)) };
  assert.deepEqual(
    candidatesFor(evening, { ...market, policy: bound }, rules),
    [],
    "they are its hours already",
  );
  const once = days((hour, day) => (day === 0 && atNight(hour) ? 1 : 20_000));
  assert.equal(found(once), undefined, "one cheap night is no habit");
  assert.equal(found(days(() => 20_000)), undefined);
  for (const seed of [1, 2, 3, 4, 5]) {
    const random = chance(seed);
    assert.equal(found(days(() => random.int(5_000, 35_000))), undefined, `noise, seed ${seed}`);
  }
});

test("fields go back alone, and one that somebody has changed since is noticed", () => {
  const fields = [{ path: ["lanes", "writer/news", "models", "big"], before: null, after: { to: "small" } }];
  const first = defaultPolicy();
  const changed = withFields(first, fields, "after");
  assert.deepEqual(changed.lanes["writer/news"], { weight: 1, models: { big: { to: "small" } } });
  assert.deepEqual(movedFields(changed, fields, "after"), []);
  const back = withFields({ ...changed, concurrency: { total: 7, high_load: 2 } }, fields, "before");
  assert.deepEqual([back.lanes["writer/news"], back.concurrency.total], [{ weight: 1 }, 7]);
  const other = withFields(changed, [{ ...fields[0]!, after: { to: "other" } }], "after");
  assert.deepEqual(movedFields(other, fields, "after"), ["lanes.writer/news.models.big"]);
});
