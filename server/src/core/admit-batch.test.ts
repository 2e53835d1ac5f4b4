/** How many tasks share a run, and which. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  aLane,
  aPolicy,
  aSnapshot,
  aTask,
  aWorkflow,
  deepFrozen,
  MINUTE,
  NOW,
  tasks,
  WORKFLOW,
} from "#test/builders.ts";
import { forSeeds } from "#test/chance.ts";
import { batchSize } from "./admit.ts";
import type { Dispatch, Hold } from "./decision.ts";
import { plan } from "./plan.ts";
import type { LaneView, Snapshot, WorkflowView } from "./snapshot.ts";

function admitted(lanes: LaneView[], workflow: Partial<WorkflowView>, over: Partial<Snapshot> = {}) {
  const workflows = { [WORKFLOW]: aWorkflow(workflow) };
  const { decisions } = plan(deepFrozen(aSnapshot({ lanes, workflows, ...over })));
  return {
    batches: decisions.filter((d): d is Dispatch => d.kind === "dispatch").map((d) => d.taskIds),
    reasons: decisions.filter((d): d is Dispatch => d.kind === "dispatch").map((d) => d.reason),
    holds: decisions.filter((d): d is Hold => d.kind === "hold").map((d) => [d.reason, d.tasks]),
  };
}
const sizes = (batches: readonly (readonly string[])[]) => batches.map((batch) => batch.length);

describe("the size of a batch", () => {
  const workflow = { batchMin: 1, batchMax: 10 };
  const batching = { full_batches_above_depth: 1000 };
  const table: [depth: number, freeSlots: number, min: number, max: number, size: number][] = [
    [1, 3, 1, 10, 1],
    [3, 3, 1, 10, 1],
    [4, 3, 1, 10, 2],
    [12, 3, 1, 10, 4],
    [30, 3, 1, 10, 10],
    [300, 3, 1, 10, 10],
    [1, 3, 4, 10, 4],
    [12, 3, 1, 2, 2],
    [1000, 1000, 1, 10, 1],
    [1001, 1000, 1, 10, 10],
    [1001, 1000, 1, 3, 3],
  ];
  for (const [depth, freeSlots, batchMin, batchMax, size] of table) {
    it(`is ${size} for ${depth} waiting and ${freeSlots} free slots, from ${batchMin} to ${batchMax}`, () => {
      assert.equal(batchSize(depth, freeSlots, { batchMin, batchMax }, batching), size);
    });
  }

  it("is a full batch at any depth above a threshold of 0", () => {
    assert.equal(batchSize(1, 9, workflow, { full_batches_above_depth: 0 }), 10);
  });
});

describe("a short queue", () => {
  it("is spread over the free slots", () => {
    assert.deepEqual(sizes(admitted([aLane(tasks(7))], { maxConcurrent: 3 }).batches), [3, 2, 2]);
    assert.deepEqual(sizes(admitted([aLane(tasks(2))], { maxConcurrent: 3 }).batches), [1, 1]);
  });

  it("is spread over the slots in all where those are fewer", () => {
    const policy = aPolicy({ concurrency: { total: 2 } });
    assert.deepEqual(sizes(admitted([aLane(tasks(7))], { maxConcurrent: 5 }, { policy }).batches), [4, 3]);
  });

  it("smaller than the smallest batch is not held back", () => {
    const { batches, holds } = admitted([aLane(tasks(2))], { batchMin: 5 });
    assert.deepEqual([sizes(batches), holds], [[2], []]);
  });
});

describe("a long queue", () => {
  it("is worked off in full batches, in parallel up to the limit, and the rest is counted", () => {
    const lane = aLane(tasks(101), { depth: 1001 });
    const { batches, holds } = admitted([lane], { maxConcurrent: 3 });
    assert.deepEqual(sizes(batches), [10, 10, 10]);
    assert.deepEqual(holds, [["concurrency_workflow", 971]]);
  });

  it("of which a cycle saw only the first says that the next cycle follows", () => {
    const lane = aLane(tasks(4), { depth: 60 });
    const { batches, holds } = admitted([lane], { maxConcurrent: 3, batchMax: 2 });
    assert.deepEqual([sizes(batches), holds], [[2, 2], [["decision_limit", 56]]]);
  });

  it("that was seen to its end holds nothing when all of it starts", () => {
    const lane = aLane(tasks(20), { depth: 20 });
    assert.deepEqual(admitted([lane], { maxConcurrent: 9, batchMax: 10 }).holds, []);
  });
});

describe("a batch", () => {
  it("takes the best of its lane, in the order of their scores", () => {
    const waiting = [
      aTask({ taskId: "c", priority: 10 }),
      aTask({ taskId: "a", priority: 90 }),
      aTask({ taskId: "b", priority: 50 }),
      aTask({ taskId: "b-older", priority: 50, agedFromMs: NOW - MINUTE }),
    ];
    const policy = aPolicy({ concurrency: { total: 1 } });
    const { batches } = admitted([aLane(waiting)], { batchMax: 3 }, { policy });
    assert.deepEqual(batches, [["a", "b-older", "b"]]);
  });

  it("never mixes lanes", () => {
    const lanes = ["x", "y"].map((contentType) =>
      aLane([aTask({ taskId: `${contentType}0` }), aTask({ taskId: `${contentType}1` })], { contentType }),
    );
    const { batches } = admitted(lanes, { batchMin: 10, maxConcurrent: 9 });
    assert.deepEqual(batches.toSorted(), [
      ["x0", "x1"],
      ["y0", "y1"],
    ]);
  });
});

describe("a task that failed before", () => {
  const poison = (taskId: string, priority = 90) => aTask({ taskId, priority, runsAlone: true });

  it("runs alone, however many wait with it", () => {
    const { batches, reasons } = admitted([aLane([poison("p"), ...tasks(5)])], {
      maxConcurrent: 1,
      batchMin: 10,
    });
    assert.deepEqual(batches, [["p"]]);
    assert.match(reasons[0]!, /alone, since it failed before/);
  });

  it("is not mixed in where it stands in the middle: the healthy go together, it goes by itself", () => {
    const [a, b] = [aTask({ taskId: "a", priority: 80 }), aTask({ taskId: "b", priority: 20 })];
    const { batches } = admitted([aLane([a, poison("p", 50), b])], { maxConcurrent: 3, batchMin: 10 });
    assert.deepEqual(batches, [["a", "b"], ["p"]]);
  });

  it("never shares a run with another of its kind", () => {
    const { batches } = admitted([aLane([poison("p"), poison("q"), poison("r")])], {
      maxConcurrent: 9,
      batchMin: 10,
    });
    assert.deepEqual(batches, [["p"], ["q"], ["r"]]);
  });

  it("is not held back by a smallest batch", () => {
    assert.deepEqual(admitted([aLane([poison("p")])], { batchMin: 10 }).batches, [["p"]]);
  });
});

describe("whatever waits and whatever is free", () => {
  it("no task is started twice, no limit is exceeded, and every task is started or counted as held", () => {
    forSeeds(300, (random) => {
      const laneCount = random.int(1, 5);
      const lanes = Array.from({ length: laneCount }, (_, i) =>
        aLane(
          Array.from({ length: random.int(1, 30) }, () =>
            aTask({
              priority: random.int(0, 100),
              agedFromMs: NOW - random.int(0, 100) * MINUTE,
              runsAlone: random.maybe(0.2),
            }),
          ),
          { contentType: `lane${i}`, workflowType: random.oneOf(["w1", "w2"]) },
        ),
      );
      const limits = { w1: random.int(0, 6), w2: random.int(0, 6) };
      const total = random.int(0, 10);
      const running = { w1: random.int(0, 3), w2: random.int(0, 3) };
      const workflows = Object.fromEntries(
        (["w1", "w2"] as const).map((workflowType) => {
          const batchMin = random.int(1, 10);
          const batchMax = random.int(batchMin, 10);
          const view = aWorkflow({ workflowType, maxConcurrent: limits[workflowType], batchMin, batchMax });
          return [workflowType, view];
        }),
      );
      const policy = aPolicy({
        concurrency: { total },
        batching: { full_batches_above_depth: random.oneOf([0, 10, 1000]) },
      });
      const { decisions } = plan(deepFrozen(aSnapshot({ lanes, workflows, policy, running })));
      const started = decisions.filter((d): d is Dispatch => d.kind === "dispatch");
      const ids = started.flatMap((dispatch) => dispatch.taskIds);
      assert.equal(new Set(ids).size, ids.length, "twice");
      const count = (type: string) => started.filter((dispatch) => dispatch.workflowType === type).length;
      for (const type of ["w1", "w2"] as const) {
        assert.ok(count(type) <= Math.max(0, limits[type] - running[type]), `${type} over its limit`);
      }
      assert.ok(started.length <= Math.max(0, total - running.w1 - running.w2), "over the total");
      const waiting = lanes.reduce((sum, lane) => sum + lane.depth, 0);
      const held = decisions.reduce((sum, d) => sum + (d.kind === "hold" ? d.tasks : 0), 0);
      assert.equal(ids.length + held, waiting, "unaccounted for");
      const alone = new Set(
        lanes.flatMap((lane) => lane.heads.filter((t) => t.runsAlone).map((t) => t.taskId)),
      );
      for (const { taskIds } of started) {
        assert.ok(taskIds.length === 1 || !taskIds.some((id) => alone.has(id)), "mixed");
      }
    });
  });
});
