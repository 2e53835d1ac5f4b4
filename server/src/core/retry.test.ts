/** Waiting after a failure: how long, and why the same plan always waits the same. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aPolicy } from "#test/builders.ts";
import { forSeeds } from "#test/chance.ts";
import { backoffMs, redeliveryMs } from "./retry.ts";

const RETRY = aPolicy().retry;
const PLAIN = { ...RETRY, jitter: 0 };

describe("the wait after a failure", () => {
  it("is 1, 2, 4, 8 minutes, and never more than the policy's longest", () => {
    const minutes = [1, 2, 3, 4, 5, 6, 50].map((failed) => backoffMs(failed, "run", PLAIN) / 60_000);
    assert.deepEqual(minutes, [1, 2, 4, 8, 16, 16, 16]);
  });

  it("stays the longest even where the growth has no number any more", () => {
    assert.equal(backoffMs(5_000, "run", { ...PLAIN, factor: 10 }), 960_000);
  });

  it("does not grow with a factor of 1, and may be none at all", () => {
    assert.equal(backoffMs(9, "run", { ...PLAIN, factor: 1 }), 60_000);
    assert.equal(backoffMs(3, "run", { ...PLAIN, base_seconds: 0 }), 0);
  });

  it("is spread by the policy's jitter, to both sides, and not beyond", () => {
    const waits = Array.from({ length: 2_000 }, (_, i) => backoffMs(1, `run-${i}`, RETRY) / 60_000);
    assert.ok(waits.every((minutes) => minutes >= 0.8 && minutes <= 1.2));
    assert.ok(Math.min(...waits) < 0.82 && Math.max(...waits) > 1.18, "the whole width is used");
    const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
    assert.ok(Math.abs(mean - 1) < 0.02, `evenly: ${mean}`);
  });

  it("is within its bounds for any policy and any name", () => {
    forSeeds(500, (random) => {
      const jitter = random.fraction();
      const policy = {
        ...RETRY,
        jitter,
        base_seconds: random.fraction() * 1e4,
        max_seconds: random.fraction() * 1e4,
      };
      const failed = random.int(1, 12);
      const plainMs =
        Math.min(policy.base_seconds * policy.factor ** (failed - 1), policy.max_seconds) * 1000;
      const waitMs = backoffMs(failed, `x${random.int(0, 1e9)}`, policy);
      assert.ok(Number.isInteger(waitMs));
      assert.ok(waitMs >= Math.floor(plainMs * (1 - jitter)) && waitMs <= Math.ceil(plainMs * (1 + jitter)));
    });
  });

  it("is the same for the same run and attempt, and another for another", () => {
    assert.equal(backoffMs(1, "run-a", RETRY), backoffMs(1, "run-a", RETRY));
    assert.notEqual(backoffMs(1, "run-a", RETRY), backoffMs(1, "run-b", RETRY));
    const relative = (failed: number) =>
      backoffMs(failed, "run-a", RETRY) / backoffMs(failed, "run-a", PLAIN);
    assert.notEqual(relative(1), relative(2));
  });
});

describe("the wait between deliveries of one attempt", () => {
  it("is 1, 2, 4, 8, 16, then 30 seconds for ever", () => {
    const seconds = [1, 2, 3, 4, 5, 6, 7, 100].map((deliveries) => redeliveryMs(deliveries) / 1000);
    assert.deepEqual(seconds, [1, 2, 4, 8, 16, 30, 30, 30]);
  });
});
