/** The statistics against published examples and against scipy 1.17.1, whose calls are quoted. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { combine } from "./combine.ts";
import { compare } from "./compare.ts";
import { beta, gamma, normal } from "./distributions.ts";
import { sumInterval, wilson } from "./interval.ts";
import { sampleRatio } from "./sample-ratio.ts";
import { alwaysValid, halfWidth, tuning } from "./sequential.ts";
import { rateOfGroup, rateOfGroups, shrinkMeans } from "./shrinkage.ts";

function near(actual: number, expected: number, tolerance: number, what = ""): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what} ${actual} is not ${expected} ± ${tolerance}`);
}

describe("Wilson's interval", () => {
  test("gives Newcombe's (1998) table I, method 3", () => {
    const table: [r: number, n: number, low: number, high: number][] = [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ];
    for (const [r, n, low, high] of table) {
      const interval = wilson(r, n);
      near(interval!.low, low, 5e-5, `${r}/${n}`);
      near(interval!.high, high, 5e-5, `${r}/${n}`);
    }
  });

  test("is none where there is no share", () => {
    for (const [r, n] of [
      [0, 0],
      [3, 2],
      [-1, 5],
    ] as const)
      assert.equal(wilson(r, n), null);
    assert.equal(wilson(7, 7)!.high, 1);
  });
});

describe("the interval of a sum of payments", () => {
  test("is Garwood's exact Poisson interval for payments of one dollar", () => {
    // scipy: chi2.ppf(.025, 20) / 2, chi2.ppf(.975, 22) / 2; 4.795 and 18.39 in every table of Poisson limits.
    const interval = sumInterval({ sum: 10, squares: 10, largest: 1, count: 10, refunds: false });
    near(interval!.low, 4.7953886961, 1e-8);
    near(interval!.high, 18.390356042, 1e-8);
  });

  test("is Fay and Feuer's for uneven ones: the upper end is far where one payment is large", () => {
    // 8 × 12.90, 3 × 49, 1 × 240. scipy: v/(2y)·chi2.ppf(.025, 2y²/v), (v+w²)/(2(y+w))·chi2.ppf(.975, 2(y+w)²/(v+w²)).
    const amounts = [...Array(8).fill(12.9), 49, 49, 49, 240];
    const sum = amounts.reduce((all, one) => all + one, 0);
    const squares = amounts.reduce((all, one) => all + one * one, 0);
    const interval = sumInterval({ sum, squares, largest: 240, count: 12, refunds: false });
    near(interval!.low, 122.58678945428478, 1e-6);
    near(interval!.high, 1563.9057392937104, 1e-5);
  });

  test("is symmetric with refunds, and none without payments", () => {
    const interval = sumInterval({ sum: 5, squares: 125, largest: 10, count: 3, refunds: true })!;
    near((interval.low + interval.high) / 2, 5, 1e-12);
    assert.ok(interval.low < 0);
    assert.equal(sumInterval({ sum: 0, squares: 0, largest: 0, count: 0, refunds: false }), null);
  });
});

describe("the comparison of variants", () => {
  test("gives the exact chance that one share is larger", () => {
    // 49 of 100 against 60 of 100. E. Miller, "Formulas for Bayesian A/B testing":
    // sum(exp(betaln(aA+i, bB+bA) - log(bB+i) - betaln(1+i, bB) - betaln(aA, bA)) for i in range(aB)), by scipy.special.
    const [control, treatment] = compare([beta(50, 52), beta(61, 41)]);
    near(treatment!.better, 0.9400286485108125, 1e-10);
    near(treatment!.best, treatment!.better, 1e-12);
    near(control!.best, 1 - treatment!.better, 1e-9);
    // scipy: quad(lambda x: t.cdf(x) * (1 - c.cdf(x)), …)
    near(treatment!.loss, 0.0017978388952562293, 1e-10);
  });

  test("says of Cookie Cats' 90,189 players what is known of them: the gate belongs at level 30", () => {
    // Retention after 1 and 7 days; published counts of the data set. scipy as above.
    const day1 = compare([beta(1 + 20_034, 1 + 44_700 - 20_034), beta(1 + 20_119, 1 + 45_489 - 20_119)]);
    near(day1[1]!.better, 0.0372060251337, 1e-9);
    near(day1[1]!.loss, 0.005954127553238597, 1e-9);
    const day7 = compare([beta(1 + 8_502, 1 + 44_700 - 8_502), beta(1 + 8_279, 1 + 45_489 - 8_279)]);
    near(day7[1]!.better, 0.0007773386645762303, 1e-9);
    near(day7[1]!.loss, 0.00820172596021096, 1e-9);
  });

  test("gives the closed forms of two normal means", () => {
    const [, treatment] = compare([normal(1, 0.1), normal(1.2, 0.15)]);
    // scipy: norm.cdf(.2/s), m·norm.cdf(m/s) + s·norm.pdf(m/s) with m = -.2, s = hypot(.1, .15)
    near(treatment!.better, 0.8663712534228061, 1e-10);
    near(treatment!.loss, 0.012142376834452656, 1e-10);
  });

  test("shares certainty among equals, and finds the best of many", () => {
    const equal = compare([beta(20, 80), beta(20, 80), beta(20, 80), beta(20, 80)]);
    for (const { best } of equal) near(best, 0.25, 1e-9);
    const many = compare([beta(10, 90), beta(200, 800), beta(2000, 9000), beta(3, 3)]);
    near(
      many.reduce((sum, { best }) => sum + best, 0),
      1,
      1e-6,
    );
  });

  test("copes with very different widths", () => {
    const [, sharp] = compare([beta(1, 1), beta(5e6, 9.5e7)]);
    near(sharp!.better, 0.05, 1e-6);
    // E[(U − 0.05)⁺] = 0.95² / 2
    near(sharp!.loss, 0.45125, 1e-5);
  });
});

describe("the sample-ratio check", () => {
  test("gives the example of Kohavi, Tang and Xu (2020), chapter 21: 821,588 and 815,482, p = 1.8e-6", () => {
    const ratio = sampleRatio([821_588, 815_482], [1, 1])!;
    near(ratio.p, 1.8217928726191858e-6, 1e-12);
    assert.equal(ratio.ok, false);
  });

  test("lets pass what chance explains, by any weights", () => {
    const even = sampleRatio([4950, 5050], [50, 50])!;
    near(even.p, 0.31731050786291115, 1e-12); // scipy: chi2.sf(1, 1)
    assert.equal(even.ok, true);
    assert.equal(sampleRatio([7010, 1990, 1000], [7, 2, 1])!.ok, true);
    assert.equal(sampleRatio([0, 0], [1, 1]), null);
  });
});

describe("the confidence sequence", () => {
  test("is GrowthBook's: their tests of SequentialTwoSidedTTest", async () => {
    const { effectOf, meanOf } = await import("../experiments/result.ts");
    const tuned = (tightestAt: number) => ({
      alpha: 0.05,
      minSample: tightestAt / 2,
      variants: [null, null] as never,
    });
    const share = (converted: number, units: number) =>
      meanOf("conversion", { units, converted, revenue: { sum: 0, squares: 0, cubes: 0 } });
    // ProportionStatistic(1396, 3000), (2422, 3461): expected .50386, ci (.40098, .60675)
    const shares = effectOf(tuned(5000), share(1396, 3000), share(2422, 3461))!;
    near(shares.relative!, 0.50386, 5e-6);
    near(shares.relative_low!, 0.40098, 1e-5);
    near(shares.relative_high!, 0.60675, 1e-5);
    // SampleMeanStatistic(1396.87, 52377.9767, 3000), (2422.7, 134698.29, 3461), N = 1000: ci (-.55844, 1.56516)
    const sample = (sum: number, squares: number, units: number) =>
      meanOf("revenue_per_unit", { units, converted: 0, revenue: { sum, squares, cubes: 0 } });
    const means = effectOf(tuned(1000), sample(1396.87, 52377.9767, 3000), sample(2422.7, 134698.29, 3461))!;
    near(means.relative!, 0.50336, 5e-6);
    near(means.relative_low!, -0.55844, 1e-5);
    near(means.relative_high!, 1.56516, 1e-5);
  });

  test("is wider than an interval for one look, narrowest about where it is tuned to, and open before the first unit", () => {
    const rho = tuning(0.05, 5000);
    const inSigmas = (units: number) => halfWidth(1, units, 0.05, rho);
    for (const units of [10, 100, 5000, 1e6]) assert.ok(inSigmas(units) > 1.96);
    assert.ok(inSigmas(5000) < inSigmas(50) && inSigmas(5000) < inSigmas(500_000));
    assert.equal(
      alwaysValid({ value: 0, standardError: 1, units: 0 }, 0.05, 100).high,
      Number.POSITIVE_INFINITY,
    );
  });
});

describe("shrinkage", () => {
  const events = [3, 8, 12, 2, 30, 9];
  const expected = [10, 9, 10, 8, 14, 13];

  test("is Marshall's estimator, as PySAL's esda.smoothing.Empirical_Bayes computes it", () => {
    const squares = events.reduce((sum, e, i) => sum + expected[i]! * (e / expected[i]! - 1) ** 2, 0);
    const prior = rateOfGroups({ groups: 6, events: 64, expected: 64, squares })!;
    near(prior.variance, 0.36605616605616603, 1e-12);
    // numpy: w = s2/(s2 + m/n); w*r + (1-w)*m
    const rates = [
      0.450196489389573, 0.9147617422950074, 1.1570867173172648, 0.44091502455398773, 1.9562617120529482,
      0.7457382749554745,
    ];
    for (const [i, rate] of rates.entries()) {
      near(rateOfGroup(prior, { events: events[i]!, expected: expected[i]! }).mean, rate, 1e-12);
    }
  });

  test("of groups that do not differ leaves next to nothing of a single group's luck", () => {
    const prior = rateOfGroups({ groups: 100, events: 1000, expected: 1000, squares: 90 })!;
    assert.equal(prior.variance, 0);
    near(rateOfGroup(prior, { events: 2, expected: 10 }).mean, 1, 0.03);
    assert.equal(rateOfGroups({ groups: 1, events: 5, expected: 5, squares: 0 }), null);
  });

  test("of means is DerSimonian and Laird's: the BCG vaccine trials (Colditz 1994; metafor's dat.bcg)", () => {
    const logRiskRatios: [mean: number, variance: number][] = [
      [-0.8893, 0.3256],
      [-1.5854, 0.1946],
      [-1.3481, 0.4154],
      [-1.4416, 0.02],
      [-0.2175, 0.0512],
      [-0.7861, 0.0069],
      [-1.6209, 0.223],
      [0.012, 0.004],
      [-0.4694, 0.0564],
      [-1.3713, 0.073],
      [-0.3394, 0.0124],
      [0.4459, 0.5325],
      [-0.0173, 0.0714],
    ];
    const { common, spread, each } = shrinkMeans(
      logRiskRatios.map(([mean, variance]) => ({ mean, standardError: Math.sqrt(variance) })),
    );
    near(common, -0.7141, 2e-4); // metafor: estimate -0.7141, tau^2 0.3088
    near(spread ** 2, 0.3088, 6e-4);
    assert.ok(each.every(({ mean }, i) => Math.abs(mean - common) < Math.abs(logRiskRatios[i]![0] - common)));
  });
});

test("a combination of uncertain numbers has the product's mean and the ends of its quantiles", () => {
  const product = combine(gamma(400, 40), normal(3, 0.1), (a, b) => a * b);
  near(product.mean, 30, 0.05);
  // sd of the product: sqrt((.5·3)² + (10·.1)²) ≈ 1.80
  near(product.low, 30 - 1.96 * 1.8, 0.25);
  near(product.high, 30 + 1.96 * 1.8, 0.25);
  assert.equal(product.positive, 1);
  near(combine(normal(0, 1), { quantile: () => 0 }, (a) => a).positive, 0.5, 1e-9);
});
