/** Latencies as counts: they add up, and percentiles lie where the values were. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addCounts, LATENCY_BOUNDS, percentile } from "./latency.ts";

const LENGTH = LATENCY_BOUNDS.length + 1;
const countsOf = (seconds: readonly number[]) =>
  Array.from(
    { length: LENGTH },
    (_, i) =>
      seconds.filter(
        (s) => s >= (LATENCY_BOUNDS[i - 1] ?? 0) && s < (LATENCY_BOUNDS[i] ?? Number.POSITIVE_INFINITY),
      ).length,
  );

describe("percentiles of counts", () => {
  it("lie within the bounds between which the value lies", () => {
    const seconds = Array.from({ length: 1000 }, (_, i) => (i + 0.5) / 10);
    for (const q of [0.01, 0.1, 0.5, 0.9, 0.95, 0.99]) {
      const truth = q * 100;
      const upper = LATENCY_BOUNDS.find((bound) => bound >= truth) as number;
      const lower = LATENCY_BOUNDS.findLast((bound) => bound < truth) as number;
      const told = percentile(countsOf(seconds), q) as number;
      assert.ok(told >= lower && told <= upper, `p${q * 100}: ${told} for ${truth}`);
    }
  });

  it("are null without values, and the last bound above it", () => {
    assert.equal(percentile([], 0.5), null);
    assert.equal(percentile(countsOf([]), 0.5), null);
    assert.equal(percentile(countsOf([1e6]), 0.5), LATENCY_BOUNDS.at(-1));
  });

  it("of a sum are those of all values together", () => {
    const [a, b] = [
      [0.2, 0.3, 40],
      [0.2, 700],
    ] as const;
    const sum = addCounts(countsOf(a), countsOf(b));
    assert.deepEqual(sum, countsOf([...a, ...b]));
    assert.equal(sum.length, LENGTH);
    assert.deepEqual(addCounts([], []), Array(LENGTH).fill(0));
  });
});
