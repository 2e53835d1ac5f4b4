/** Timers count the time that passes, whatever happens to the wall's clock. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wallClock } from "./clock.ts";

const HOUR_MS = 3_600_000;

for (const [what, stepMs] of [
  ["set back", -HOUR_MS],
  ["set forward", HOUR_MS],
] as const) {
  test(`a timer that was set before the wall's clock was ${what} an hour comes when its time has passed`, async (t) => {
    const real = Date.now;
    let steppedMs = 0;
    t.mock.method(Date, "now", () => real.call(Date) + steppedMs);
    const order: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = wallClock.at(wallClock.nowMs() + 60, () => {
      order.push("the later one");
      resolve();
    });
    wallClock.at(wallClock.nowMs() + 20, () => order.push("the earlier one"));
    t.after(cancel);
    steppedMs = stepMs;
    await promise;
    assert.deepEqual(order, ["the earlier one", "the later one"]);
  });
}

test("a moment that has passed comes at once, and one that was taken back never", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let taken = false;
  wallClock.at(wallClock.nowMs() + 1, () => {
    taken = true;
  })();
  wallClock.at(wallClock.nowMs() - HOUR_MS, () => wallClock.at(wallClock.nowMs() + 5, resolve));
  await promise;
  assert.equal(taken, false);
});
