/** How a batch is worked off: a few tasks at a time, and in time for the callback. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Work, workOff } from "./sub-workflow.ts";

const task = (taskId: string, durationMs: number, over: Partial<Work> = {}): Work => ({
  ...{ taskId, durationMs, fails: false, costMicros: 10_000 },
  ...over,
});
const failed = (worked: ReturnType<typeof workOff>) =>
  (worked.callback.items ?? []).filter((item) => item.status === "failed").map((item) => item.task_id);

describe("a simulated sub-workflow", () => {
  it("gives each worker the next task as soon as it is free", () => {
    const batch = [task("a", 5_000), task("b", 1_000), task("c", 2_000), task("d", 3_000)];
    assert.equal(workOff(batch, 60_000, 1).durationMs, 11_000);
    assert.equal(workOff(batch, 60_000, 2).durationMs, 6_000);
    assert.equal(workOff(batch, 60_000, 9).durationMs, 5_000);
  });

  it("reports each task, and what the batch cost", () => {
    const worked = workOff([task("a", 1_000), task("b", 1_000, { fails: true })], 60_000, 2);
    assert.deepEqual([worked.callback.status, failed(worked)], ["partial", ["b"]]);
    assert.deepEqual([worked.callback.metrics, worked.tried], [{ cost_usd: 0.02 }, ["a", "b"]]);
    assert.equal(workOff([task("a", 1_000, { fails: true })], 60_000, 2).callback.status, "failed");
  });

  it("reports before its time-out what is not finished; what was not begun costs nothing", () => {
    const worked = workOff([task("a", 40_000), task("b", 40_000), task("c", 40_000)], 60_000, 1);
    assert.deepEqual([worked.durationMs, failed(worked)], [58_000, ["b", "c"]]);
    assert.deepEqual([worked.tried, worked.callback.metrics], [["a", "b"], { cost_usd: 0.02 }]);
  });
});
