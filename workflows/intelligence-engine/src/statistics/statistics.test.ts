/** The methods against published results: R's manual pages, Gilbert's tables, the Nile; and against seeded noise. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  meanAbsoluteError,
  naiveScale,
  percentageError,
  scaledError,
  symmetricPercentageError,
} from "./accuracy.ts";
import { findAnomalies } from "./anomalies.ts";
import { backtest, planFor } from "./backtest.ts";
import { findChanges } from "./changes.ts";
import { MSTL_ETS_LOG, SEASONAL_NAIVE } from "./models.ts";
import { conformalQuantile, mean, spread, twoSidedP } from "./robust.ts";
import { AIR_PASSENGERS, NILE, readers, seeded } from "./sample-series.ts";
import { decompose } from "./seasonality.ts";
import { hamedRao, mannKendall, senSlope } from "./trend.ts";

const close = (actual: number, expected: number, within: number) =>
  assert.ok(Math.abs(actual - expected) <= within, `${actual} is not ${expected} ± ${within}`);

describe("Mann–Kendall and Sen", () => {
  it("give S = 4 for 10, 15, 14, 20 (Gilbert 1987, section 16.4.1)", () => {
    assert.equal(mannKendall([10, 15, 14, 20]).s, 4);
  });

  it("give z and p of pyMannKendall's published test: S = −1959, Var S = 4889800.33", () => {
    // Its result for 63 years of monthly rainfall: z = −0.8854562842589916, p = 0.37591058740506833.
    close(twoSidedP((-1959 + 1) / Math.sqrt(4_889_800.333_333_333)), 0.375_910_587_4, 1e-6);
  });

  it("take ties out of the variance: n(n−1)(2n+5)/18 less each group's own", () => {
    // Six values, one group of three and one of two: (6·5·17 − 3·2·11 − 2·1·9) / 18.
    close(mannKendall([1, 1, 1, 2, 2, 3]).variance, (510 - 66 - 18) / 18, 1e-12);
  });

  it("find the Nile falling, and Sen's slope is the median of all pairs' slopes", () => {
    const { p, tau } = mannKendall(NILE);
    close(tau, -0.2802, 1e-4);
    assert.ok(p < 1e-4);
    const { slope, low, high } = senSlope(NILE);
    assert.equal(slope, -2.6);
    assert.ok(low < slope && slope < high && high < 0);
    assert.equal(senSlope([1, 3, 5, 7]).slope, 2);
  });

  it("corrected as Hamed and Rao do, see few trends in noise whose neighbours resemble each other", () => {
    for (const weeks of [26, 52]) {
      let [plain, corrected] = [0, 0];
      for (let seed = 1; seed <= 200; seed++) {
        const chance = seeded(seed);
        let last = 0;
        const values = Array.from({ length: weeks }, () => {
          last = 0.5 * last + chance.normal();
          return last;
        });
        if (mannKendall(values).p < 0.01) plain++;
        if (mannKendall(values, { autocorrelated: true }).p < 0.01) corrected++;
      }
      assert.ok(
        corrected <= 8 && plain >= 20,
        `${weeks} weeks: ${corrected} of 200 with the correction, ${plain} without`,
      );
    }
    assert.ok(hamedRao(NILE) > 1);
  });
});

describe("changes of level", () => {
  it("find the Nile's after 1898, where it is known to be (Cobb 1978; R's strucchange and changepoint: observation 28)", () => {
    close(mean(NILE), 919.35, 1e-9);
    const [change, ...others] = findChanges(NILE);
    assert.equal(1871 + change!.at - 1, 1898, "the last year of the old level");
    assert.deepEqual(others, []);
    close(change!.before, 1097.75, 1e-9);
    close(change!.after, 849.97, 0.01);
  });

  it("find none in noise, nor in noise whose neighbours resemble each other, but for a few", () => {
    let [white, red] = [0, 0];
    for (let seed = 1; seed <= 100; seed++) {
      const chance = seeded(seed);
      white += findChanges(Array.from({ length: 200 }, () => chance.normal())).length;
      let last = 0;
      red += findChanges(
        Array.from({ length: 200 }, () => {
          last = 0.5 * last + chance.normal();
          return last;
        }),
      ).length;
    }
    assert.ok(white <= 2, `${white} in 100 series of white noise`);
    assert.ok(red <= 20, `${red} in 100 series of autocorrelated noise`);
  });

  it("find two steps where there are two, within days", () => {
    const chance = seeded(7);
    const level = (i: number) => (i < 80 ? 10 : i < 140 ? 14 : 11);
    const at = findChanges(Array.from({ length: 200 }, (_, i) => level(i) + chance.normal())).map(
      (each) => each.at,
    );
    assert.equal(at.length, 2);
    close(at[0]!, 80, 3);
    close(at[1]!, 140, 3);
  });
});

describe("seasons", () => {
  it('give the figure that R\'s decompose(AirPassengers, "multiplicative") prints', () => {
    const printed = [
      0.9102304, 0.8836253, 1.0073663, 0.975906, 0.981378, 1.1127758, 1.2265555, 1.219911, 1.0604919,
      0.9217572, 0.8011781, 0.8988244,
    ];
    const parts = decompose(AIR_PASSENGERS, 12, "multiplicative")!;
    parts.figure.forEach((value, month) => {
      close(value, printed[month] as number, 1e-7);
    });
    assert.ok(parts.seasonalStrength > 0.9 && parts.trendStrength > 0.9);
  });

  it("are weak where there are none, and nothing is said of less than two periods", () => {
    const chance = seeded(3);
    const noise = Array.from({ length: 200 }, () => chance.normal());
    assert.ok(decompose(noise, 7)!.seasonalStrength < 0.2);
    assert.equal(decompose(noise.slice(0, 13), 7), null);
  });
});

describe("forecasts", () => {
  const [history, last] = [AIR_PASSENGERS.slice(0, -12), AIR_PASSENGERS.slice(-12)];

  it("have the seasonal naive errors that R's accuracy(snaive(…)) prints for 1960: MAE 47.83, MAPE 9.99", () => {
    const naive = SEASONAL_NAIVE.forecast(history, 12, 12);
    close(meanAbsoluteError(last, naive), 47.8333, 1e-4);
    close(percentageError(last, naive), 9.9875, 1e-4);
    close(scaledError(last, naive, history, 12)!, 47.8333 / naiveScale(history, 12), 1e-4);
  });

  it("beat it on the airline's passengers by far, with MSTL on the logarithm", () => {
    const model = MSTL_ETS_LOG.forecast(history, 12, 12);
    assert.ok(percentageError(last, model) < 5, `${percentageError(last, model)} %`);
    assert.ok(
      scaledError(last, model, history, 12)! <
        scaledError(last, SEASONAL_NAIVE.forecast(history, 12, 12), history, 12)! / 2,
    );
  });

  it("are measured as M4 has it: sMAPE of 100 against 110 is 2 · 10 / 210", () => {
    close(symmetricPercentageError([100], [110]), (200 * 10) / 210, 1e-9);
    assert.equal(symmetricPercentageError([0], [0]), 0);
    assert.equal(scaledError([1], [2], [5, 5, 5], 1), null, "what never varies scales nothing");
  });

  it("have intervals that hold about what they say, judged by origins they were not made from", () => {
    let [inside80, inside95, runs] = [0, 0, 0];
    for (let seed = 1; seed <= 12; seed++) {
      const values = readers(250, seeded(seed));
      const test = backtest(SEASONAL_NAIVE, values, planFor(values.length, 7)!);
      inside80 += test.coverage80;
      inside95 += test.coverage95;
      runs++;
    }
    close(inside80 / runs, 0.8, 0.06);
    close(inside95 / runs, 0.95, 0.04);
  });

  it("are not made where there is too little to back-test", () => {
    assert.equal(planFor(60, 7), null);
    assert.deepEqual(planFor(70, 7), { period: 7, horizon: 7, origins: 4 });
    assert.equal(planFor(400, 7)!.horizon, 28);
  });

  it("take the quantile of split conformal prediction: of 9 errors the 8th for 80 %", () => {
    assert.equal(conformalQuantile([1, 2, 3, 4, 5, 6, 7, 8, 9], 0.8), 8);
    assert.equal(conformalQuantile([1, 2], 0.95), 2, "with too few the largest");
  });
});

describe("days that stand out", () => {
  it("are under one in five hundred where nothing does, of few readers as of many", () => {
    let [alarms, days] = [0, 0];
    for (let seed = 1; seed <= 30; seed++) {
      for (const options of [{ level: 2000 }, { level: 8, noise: 0.2 }, { level: 300, noise: 0.15 }]) {
        const values = readers(300, seeded(seed), options);
        alarms += findAnomalies(values, { period: 7 }).length;
        days += 300 - 56;
      }
    }
    assert.ok(alarms / days < 1 / 500, `${alarms} false alarms in ${days} days`);
  });

  it("are found when readers triple or all but vanish, on their day, each once", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const values = readers(200, seeded(seed), {
        alter: (value, day) => (day === 150 ? 3 * value : day === 180 ? 0.1 * value : value),
      });
      const found = findAnomalies(values, { period: 7 })
        .filter(({ at }) => at >= 100)
        .map(({ at, z }) => [at, Math.sign(z)]);
      assert.deepEqual(
        found,
        [
          [150, 1],
          [180, -1],
        ],
        `seed ${seed}`,
      );
    }
  });

  it("are not the weekends, and nothing is judged without eight weeks before it", () => {
    assert.deepEqual(
      findAnomalies(readers(56, seeded(1), { alter: (value, day) => (day === 50 ? 9 * value : value) }), {
        period: 7,
      }),
      [],
    );
  });

  it("rest on the median absolute deviation, which one wild value does not move", () => {
    close(spread([1, 2, 3, 4, 5]), 1.4826, 1e-9);
    close(spread([1, 2, 3, 4, 5000]), 1.4826, 1e-9);
  });
});
