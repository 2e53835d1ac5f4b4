/** Work from a seed: as much as was asked for, by its profile, and the same every time. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PROFILES, type SeededArrivals, seededArrivals } from "./arrivals.ts";
import { lanesOf } from "./workload.ts";

const DAY = 86_400_000;
const asked: SeededArrivals = {
  ...{ seed: 7, days: 28, perDay: 500, profile: "flat", backlog: 0 },
  ...{ meanSeconds: 60, failureShare: 0.1, costUsd: 0.05 },
  lanes: [
    { workflowType: "w", contentType: "a", share: 3 },
    { workflowType: "w", contentType: "b", share: 1 },
  ],
};

describe("arrivals from a seed", () => {
  for (const profile of PROFILES) {
    it(`are as many as asked for, in order and in time (${profile})`, () => {
      const { arrivals, beginsAtMs } = seededArrivals({ ...asked, profile, backlog: 20 });
      assert.equal(arrivals.length, 28 * 500 + 20);
      assert.ok(arrivals.slice(0, 20).every(({ atMs }) => atMs === beginsAtMs));
      assert.ok(arrivals.every(({ atMs }, i) => i === 0 || atMs >= (arrivals[i - 1]?.atMs as number)));
      assert.ok((arrivals.at(-1)?.atMs as number) < beginsAtMs + 28 * DAY);
      const [a, b] = [...lanesOf({ arrivals }).values()] as [number, number];
      assert.ok(Math.abs(a / b - 3) < 0.2, `${a} and ${b}`);
    });
  }

  it("last as long, and fail as often, as was asked for on average", () => {
    const { arrivals } = seededArrivals(asked);
    const mean = (of: (arrival: (typeof arrivals)[number]) => number) =>
      arrivals.reduce((sum, arrival) => sum + of(arrival), 0) / arrivals.length;
    assert.ok(Math.abs(mean(({ durationMs }) => durationMs) - 60_000) < 1_500);
    assert.ok(Math.abs(mean(({ failures }) => failures) - 1 / 9) < 0.01);
  });

  it("come at the office's hours, or in bursts", () => {
    const hours = seededArrivals({ ...asked, profile: "office" }).arrivals.map(({ atMs }) => new Date(atMs));
    const atWork = hours.filter(
      (at) => at.getUTCHours() >= 9 && at.getUTCHours() < 17 && at.getUTCDay() % 6 > 0,
    );
    assert.ok(atWork.length / hours.length > 0.8, `${atWork.length} of ${hours.length}`);
    const moments = new Set(seededArrivals({ ...asked, profile: "bursty" }).arrivals.map(({ atMs }) => atMs));
    assert.ok(moments.size < 1000, `${moments.size} moments`);
  });

  it("keep their durations and failures when the lanes' shares or the profile change", () => {
    const natures = (over: Partial<SeededArrivals>) =>
      seededArrivals({ ...asked, ...over }).arrivals.map(({ durationMs, failures, priority }) => [
        durationMs,
        failures,
        priority,
      ]);
    assert.deepEqual(natures({ profile: "bursty" }), natures({}));
    assert.deepEqual(natures({ lanes: [{ workflowType: "w", contentType: "z", share: 1 }] }), natures({}));
    assert.notDeepEqual(natures({ seed: 8 }), natures({}));
  });

  it("may never succeed", () => {
    const { arrivals } = seededArrivals({ ...asked, days: 1, failureShare: 1 });
    assert.ok(arrivals.every(({ failures }) => failures === 100));
  });
});
