/** Figures that can be worked out by hand. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Policy, WorkflowSettings } from "@master-orchestrator/contract";
import { simulate } from "./simulate.ts";
import { type Arrival, workflowOf, workloadOf } from "./workload.ts";

const START = Date.UTC(2026, 0, 5);
const SECOND = 1_000;

function figuresOf(arrivals: Partial<Arrival>[], policy: Record<string, unknown> = {}) {
  const lane = { workflowType: "w", contentType: "x", priority: 50 };
  const plain = { atMs: START, ...lane, durationMs: 10 * SECOND, failures: 0, costMicros: 20_000 };
  return simulate({
    workload: workloadOf(arrivals.map((over) => ({ ...plain, ...over }))),
    policy: Policy.parse({ retry: { jitter: 0 }, ...policy }),
    workflows: { w: workflowOf("w", WorkflowSettings.parse({ max_concurrent: 1 })) },
    tasksAtOnce: 1,
  });
}

describe("the figures of a simulation", () => {
  it("tell of 25 tasks in three batches, one after the other", () => {
    const figures = figuresOf(Array.from({ length: 25 }, () => ({})));
    // 10, 10 and 5 tasks of 10 s; each message is answered after 0.1 s.
    const [second, third, end] = [100_100, 200_200, 250_300];
    assert.deepEqual([figures.runs, figures.completed, figures.spanMs], [3, 25, end]);
    assert.deepEqual(figures.wait, { p50: second, p95: third, max: third });
    assert.deepEqual(figures.result, { p50: third, p95: end, max: end });
    assert.deepEqual(figures.holds, new Map([["concurrency_workflow", 15 * second + 5 * (third - second)]]));
    assert.deepEqual(figures.slots, { limit: 10, mean: 1, peak: 1 });
    assert.deepEqual(figures.slotsByWorkflow.get("w"), { limit: 1, mean: 1, peak: 1 });
    assert.equal(figures.costMicros, 500_000);
    assert.equal(figures.lanes.get("w/x")?.share, null);
  });

  it("tell of a task that fails twice: three tries, and the waits between them", () => {
    const figures = figuresOf([{ failures: 2 }], { retry: { jitter: 0, base_seconds: 60, factor: 2 } });
    assert.deepEqual([figures.runs, figures.completed, figures.costMicros], [1, 1, 60_000]);
    assert.deepEqual(figures.holds, new Map([["backoff", 180 * SECOND]]));
    assert.deepEqual([figures.wait?.max, figures.result?.max], [0, 180 * SECOND + 3 * 10_100]);
  });

  it("tell of one that never succeeds: as many tries as the policy grants, and a dead letter", () => {
    const retry = { jitter: 0, max_attempts: 2, dead_letter_after: 3, base_seconds: 0 };
    const figures = figuresOf([{ failures: Number.POSITIVE_INFINITY }], { retry });
    assert.deepEqual([figures.deadLettered, figures.costMicros, figures.result], [1, 60_000, null]);
  });

  it("tell of one that takes longer than its time-out: it is tried in vain", () => {
    const figures = figuresOf([{ durationMs: 299 * SECOND }], { retry: { dead_letter_after: 1 } });
    assert.deepEqual([figures.deadLettered, figures.spanMs], [1, 298_100]);
  });
});
