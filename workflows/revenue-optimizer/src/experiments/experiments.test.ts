/** Experiments: assignment is stable and even, peeking is harmless, and each stop rule ends what it should. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Arm, Experiment } from "../library.ts";
import { chiSquareTail, normalReach } from "../statistics/distributions.ts";
import { sampleRatio } from "../statistics/sample-ratio.ts";
import { assign, bucketOf } from "./assign.ts";
import { decide, waitingFor } from "./decide.ts";
import { effectOf, meanOf, resultOf } from "./result.ts";

const DAY_MS = 86_400_000;

function anExperiment(over: Partial<Experiment> = {}): Experiment {
  return {
    experimentId: "5b5f9b0e-0000-7000-8000-000000000000",
    key: "offer",
    surface: "offer",
    scope: { all: true },
    variants: [
      { key: "control", weight: 1, change: {} },
      { key: "b", weight: 1, change: { offer: "b" } },
    ],
    metric: "conversion",
    goal: null,
    guardrails: [],
    minSample: 1000,
    maxDays: 30,
    alpha: 0.05,
    minEffect: 0,
    winChance: 0.95,
    maxLoss: 0.01,
    autoRollOut: false,
    salt: "s",
    startedAtMs: 0,
    ...over,
  };
}

function anArm(variant: string, units: number, converted: number, over: Partial<Arm> = {}): Arm {
  return { variant, units, converted, revenue: { sum: 0, squares: 0, cubes: 0 }, harmed: [], ...over };
}

function judged(experiment: Experiment, arms: Arm[], days = 7) {
  const result = resultOf(experiment, { arms, crossed: 0 }, days * DAY_MS);
  return { result, decision: decide(experiment, result), waiting: waitingFor(experiment, result) };
}

/** Numbers that look like chance and are the same for the same seed (mulberry32). */
function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

describe("assignment", () => {
  test("is GrowthBook's hash, version 2: the cases that their SDKs share", () => {
    const cases: [seed: string, value: string, bucket: number][] = [
      ["seed", "a", 0.0505],
      ["seed", "b", 0.2696],
      ["foo", "ab", 0.2575],
      ["foo", "def", 0.2019],
      ["89123klj", "8952klfjas09ujkasdf", 0.124],
      ["90850943850283058242805", "123", 0.7516],
      ["()**(%$##$%#$#", '___)((*":&', 0.0128],
    ];
    for (const [seed, value, bucket] of cases)
      assert.equal(bucketOf(seed, value), bucket, `${seed} ${value}`);
  });

  test("of a unit is the same each time, whatever is asked in between, and another with another salt", () => {
    const experiment = anExperiment();
    const units = Array.from({ length: 2000 }, (_, i) => `visitor-${i}`);
    const once = units.map((unit) => assign(experiment, unit).key);
    const again = units.toReversed().map((unit) => assign(experiment, unit).key);
    assert.deepEqual(again.toReversed(), once);
    const other = units.map((unit) => assign({ ...experiment, salt: "t" }, unit).key);
    const same = other.filter((key, i) => key === once[i]).length;
    // Independent of the first: in half of the cases the same, give or take four standard deviations.
    assert.ok(Math.abs(same - 1000) < 4 * Math.sqrt(2000 / 4), `${same} of 2000 the same`);
  });

  test("keeps to the weights: chi-square over 30 salts, for even and uneven ones", () => {
    for (const weights of [
      [1, 1],
      [9, 1],
      [5, 3, 2],
      [1, 0.001],
    ]) {
      const variants = weights.map((weight, i) => ({ key: `v${i}`, weight, change: {} }));
      let low = 0;
      for (let salt = 0; salt < 30; salt++) {
        const counts = variants.map(() => 0);
        for (let unit = 0; unit < 10_000; unit++) {
          const { key } = assign({ salt: `salt-${salt}`, variants }, `u${unit}`);
          counts[variants.findIndex((variant) => variant.key === key)]!++;
        }
        if (sampleRatio(counts, weights)!.p < 0.01) low++;
      }
      // Of 30 p-values below 0.01 four or more would come once in 20,000 times.
      assert.ok(low <= 3, `weights ${weights}: ${low} of 30 salts do not fit`);
    }
  });
});

/** Runs A/A experiments with a look after every hundred units, and counts how many ever call a difference. */
function everCalled(
  seed: number,
  runs: number,
  draw: (random: () => number) => number,
  metric: Experiment["metric"],
) {
  const random = chance(seed);
  const tuned = anExperiment({ metric });
  const z = normalReach(0.95);
  let sequential = 0;
  let fixed = 0;
  for (let run = 0; run < runs; run++) {
    const arms = [0, 1].map(() => ({ units: 0, converted: 0, revenue: { sum: 0, squares: 0, cubes: 0 } }));
    let [calledSequential, calledFixed] = [false, false];
    for (let look = 0; look < 100; look++) {
      for (const arm of arms) {
        for (let unit = 0; unit < 100; unit++) {
          const value = draw(random);
          arm.units++;
          if (value > 0) arm.converted++;
          arm.revenue.sum += value;
          arm.revenue.squares += value * value;
        }
      }
      if (arms[0]!.units < tuned.minSample) continue;
      const [control, own] = arms.map((arm) => meanOf(metric, arm)) as [
        ReturnType<typeof meanOf>,
        ReturnType<typeof meanOf>,
      ];
      const effect = effectOf(tuned, control, own)!;
      calledSequential ||= effect.low > 0 || effect.high < 0;
      const error = Math.sqrt(control.variance / control.units + own.variance / own.units);
      calledFixed ||= Math.abs(own.mean - control.mean) > z * error;
    }
    if (calledSequential) sequential++;
    if (calledFixed) fixed++;
  }
  return { sequential: sequential / runs, fixed: fixed / runs };
}

describe("a look after every hundred units, of variants that do not differ", () => {
  test("calls a difference in at most 5 % of experiments; an interval for one look would in far more", () => {
    const seed = 20_261_125;
    const { sequential, fixed } = everCalled(seed, 400, (random) => (random() < 0.05 ? 1 : 0), "conversion");
    assert.ok(sequential <= 0.05, `seed ${seed}: ${sequential}`);
    assert.ok(fixed > 0.15, `seed ${seed}: the comparison would notice nothing (${fixed})`);
  });

  test("so with revenue that most units do not bring", () => {
    const seed = 4711;
    const draw = (random: () => number) => (random() < 0.1 ? -20 * Math.log(1 - random()) : 0);
    const { sequential } = everCalled(seed, 300, draw, "revenue_per_unit");
    assert.ok(sequential <= 0.05, `seed ${seed}: ${sequential}`);
  });
});

describe("stop rules", () => {
  test("nothing is decided on few units, and what is missing is said", () => {
    const few = judged(anExperiment(), [anArm("control", 300, 10), anArm("b", 310, 40)]);
    assert.equal(few.decision, null);
    assert.match(few.waiting, /not enough data: 300 units of 1000/);
    const rare = judged(anExperiment(), [anArm("control", 5000, 3), anArm("b", 5000, 30)]);
    assert.match(rare.waiting, /3 of 5000 units converted/);
    const none = judged(anExperiment(), []);
    assert.equal(none.decision, null);
    assert.equal(none.result.sample_ratio, null);
    assert.equal(none.result.variants[1]!.chance_better, null);
  });

  test("a clear winner wins, with interval, chance and loss in the reason", () => {
    const { decision, result } = judged(anExperiment(), [
      anArm("control", 20_000, 1000),
      anArm("b", 20_050, 1300),
    ]);
    assert.deepEqual([decision?.outcome, decision?.variant], ["win", "b"]);
    assert.match(decision!.reason, /valid at every look.*chance to win over 99\.9 %, expected loss/);
    assert.ok(result.variants[1]!.chance_best! > 0.999);
    assert.ok(result.variants[1]!.expected_loss! < 1e-6);
  });

  test("what is significant at one look only does not win", () => {
    // z = 2.2: an interval for one look excludes nothing.
    const { decision, result, waiting } = judged(anExperiment(), [
      anArm("control", 10_000, 500),
      anArm("b", 10_000, 570),
    ]);
    assert.ok(result.variants[1]!.chance_better! > 0.98);
    assert.equal(decision, null);
    assert.match(waiting, /not clear yet/);
  });

  test("a clear loser loses, and the control stays", () => {
    const { decision } = judged(anExperiment(), [anArm("control", 20_000, 1300), anArm("b", 20_050, 1000)]);
    assert.deepEqual([decision?.outcome, decision?.variant], ["lose", "control"]);
  });

  test("one that cannot be worth having any more is futile", () => {
    const arms = [anArm("control", 200_000, 20_000), anArm("b", 200_000, 20_010)];
    assert.equal(judged(anExperiment(), arms).decision, null);
    const { decision } = judged(anExperiment({ minEffect: 0.1 }), arms);
    assert.equal(decision?.outcome, "futile");
    assert.match(decision!.reason, /10 % were worth having/);
  });

  test("harm to a guardrail ends it long before the sample is full", () => {
    const guardrails = [{ goal: "unsubscribe", harm: "more" as const }];
    const arms = [anArm("control", 600, 30, { harmed: [3] }), anArm("b", 590, 60, { harmed: [70] })];
    const { decision } = judged(anExperiment({ guardrails }), arms);
    assert.equal(decision?.outcome, "harm");
    assert.match(decision!.reason, /unsubscribe/);
    const three = anExperiment({
      guardrails,
      variants: ["control", "b", "c"].map((key) => ({ key, weight: 1, change: {} })),
    });
    const one = judged(three, [...arms, anArm("c", 605, 30, { harmed: [3] })]).decision;
    assert.deepEqual([one?.outcome, one?.variant], ["harm", "control"], "one harmful variant ends it");
    const fewer = [{ goal: "unsubscribe", harm: "fewer" as const }];
    assert.equal(judged(anExperiment({ guardrails: fewer }), arms).decision, null);
  });

  test("a sample-ratio mismatch forbids every conclusion, and makes it invalid in the end", () => {
    const arms = [anArm("control", 20_000, 1000), anArm("b", 18_000, 1300)];
    const early = judged(anExperiment(), arms);
    assert.equal(early.result.sample_ratio!.ok, false);
    assert.equal(early.decision, null);
    assert.match(early.waiting, /sample-ratio mismatch/);
    assert.equal(judged(anExperiment(), arms, 30).decision?.outcome, "invalid");
  });

  test("it ends at its longest duration, and says why nothing was decided", () => {
    const { decision } = judged(anExperiment(), [anArm("control", 500, 25), anArm("b", 500, 27)], 30);
    assert.equal(decision?.outcome, "max_duration");
    assert.match(
      decision!.reason,
      /30 days are over without a decision: b: not enough data: 500 units of 1000/,
    );
  });

  test("of three variants the best one wins, though both are better than the control", () => {
    const variants = ["control", "b", "c"].map((key) => ({ key, weight: 1, change: {} }));
    const arms = [anArm("control", 30_000, 1500), anArm("b", 30_000, 1900), anArm("c", 30_000, 2300)];
    assert.deepEqual(judged(anExperiment({ variants }), arms).decision?.variant, "c");
  });

  test("revenue that is too uneven for its number of units decides nothing", () => {
    const whales = (variant: string, payers: number) =>
      anArm(variant, 2000, payers, {
        revenue: { sum: payers * 5 + 900, squares: payers * 25 + 900 ** 2, cubes: payers * 125 + 900 ** 3 },
      });
    const { decision, waiting } = judged(anExperiment({ metric: "revenue_per_unit" }), [
      whales("control", 60),
      whales("b", 400),
    ]);
    assert.equal(decision, null);
    assert.match(waiting, /revenue is so uneven \(skewness \d+\.\d\) that \d+ units are needed/);
    const even = (variant: string, payers: number) =>
      anArm(variant, 20_000, payers, {
        revenue: { sum: payers * 5, squares: payers * 25, cubes: payers * 125 },
      });
    const won = judged(anExperiment({ metric: "revenue_per_unit" }), [
      even("control", 4000),
      even("b", 5000),
    ]);
    assert.deepEqual([won.decision?.outcome, won.decision?.variant], ["win", "b"]);
  });

  test("the mismatch check finds one unit in twenty that goes missing", () => {
    const random = chance(99);
    let found = 0;
    for (let run = 0; run < 100; run++) {
      const counts = [0, 0];
      for (let unit = 0; unit < 40_000; unit++) {
        const arm = random() < 0.5 ? 0 : 1;
        if (arm === 1 && random() < 0.05) continue;
        counts[arm]!++;
      }
      if (!sampleRatio(counts, [1, 1])!.ok) found++;
    }
    assert.ok(found >= 90, `seed 99: ${found} of 100`);
    assert.ok(chiSquareTail(0, 1) === 1);
  });
});
