/** Adapting: what slows work down, how far, in which steps, and what batches and intervals come to. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  aLane,
  aPermitSupply,
  aPolicy,
  aSnapshot,
  aWorkflow,
  deepFrozen,
  NOW,
  tasks,
} from "#test/builders.ts";
import { decideAdaptation, intervalFactor, type Load, largestBatch, tasksPerSlot, wanted } from "./adapt.ts";
import { NEUTRAL_HEALTH } from "./health.ts";
import { plan } from "./plan.ts";
import { decisionRecord } from "./record.ts";
import type { Snapshot } from "./snapshot.ts";
import { NO_SUPPLIES } from "./supplies.ts";

const USD = 1_000_000;
/** Half of the day is over, and half of the budget is spent. */
const aLoad = (over: Partial<Load> = {}): Load => ({
  spentTodayMicros: 250 * USD,
  budgetMicros: 500 * USD,
  dayShare: 0.5,
  errorShare: 0,
  work: null,
  nearest: null,
  ...over,
});
const slowness = (load: Partial<Load>, adapt: Record<string, unknown> = {}) =>
  Math.round(wanted(aLoad(load), aPolicy({ adapt })).slowness * 1e6) / 1e6;

const calls = (share: number): Load["nearest"] => ({
  resource: "permits",
  share,
  name: "requests a minute to gemini",
});

/** `NOW` is noon. */
function ticked(spentUsd: number, current = 0, over: Partial<Snapshot> = {}): Snapshot {
  return deepFrozen(
    aSnapshot({
      spending: { spentTodayMicros: spentUsd * USD },
      adaptation: { slowness: current, reason: "before", sinceMs: current === 0 ? null : NOW - 1 },
      ...over,
    }),
  );
}

describe("what is wanted", () => {
  const cases: [what: string, load: Partial<Load>, slowness: number, adapt?: Record<string, unknown>][] = [
    ["nothing within the day's pace", {}, 0],
    ["nothing for a lead of a twentieth of the budget", { spentTodayMicros: 275 * USD }, 0],
    ["a half for a lead half way between", { spentTodayMicros: 325 * USD }, 0.5],
    ["all from a lead of a quarter on", { spentTodayMicros: 375 * USD }, 1],
    [
      "nothing for any lead where the ceiling alone counts",
      { spentTodayMicros: 390 * USD },
      0,
      { by: "ceiling" },
    ],
    ["a half half way to the ceiling", { spentTodayMicros: 425 * USD, dayShare: 0.9 }, 0.5],
    ["all at the ceiling, however late", { spentTodayMicros: 450 * USD, dayShare: 0.99 }, 1],
    ["nothing for few errors", { errorShare: 0.2 }, 0],
    ["a third for more", { errorShare: 0.3 }, 0.333333],
    ["all for very many", { errorShare: 0.9 }, 1],
    [
      "nothing for work that takes half as long again",
      { work: { latelySeconds: 30, usuallySeconds: 20 } },
      0,
    ],
    ["a half for work that takes longer", { work: { latelySeconds: 45, usuallySeconds: 20 } }, 0.5],
    ["all for work that takes three times as long", { work: { latelySeconds: 60, usuallySeconds: 20 } }, 1],
    ["nothing for quick work that is less quick", { work: { latelySeconds: 5, usuallySeconds: 0.1 } }, 0],
    ["nothing for a limit that is far away", { nearest: calls(0.8) }, 0],
    ["a half for a limit that comes near", { nearest: calls(0.9) }, 0.5],
    ["all at the limit", { nearest: calls(1) }, 1],
    ["a step where both ends are one", { spentTodayMicros: 251 * USD }, 1, { ahead_from: 0, ahead_full: 0 }],
    ["all once a budget of nothing is spent from", { budgetMicros: 0, spentTodayMicros: 1 }, 1],
    ["nothing of a budget of nothing", { budgetMicros: 0, spentTodayMicros: 0 }, 0],
  ];
  for (const [what, load, expected, adapt] of cases)
    it(what, () => assert.equal(slowness(load, adapt), expected));

  it("is said by the reason that asks for most, with its figures", () => {
    const reason = (load: Partial<Load>) => wanted(aLoad(load), aPolicy()).reason;
    const spent = { spentTodayMicros: 325 * USD };
    assert.equal(
      reason(spent),
      "spending is 15 % of the budget ahead of the day's pace: $325.00 of $500.00 spent with 50 % of the day gone",
    );
    assert.equal(reason({ ...spent, errorShare: 0.4 }), "40 % of the attempts failed lately");
    assert.equal(
      reason({ nearest: calls(0.95) }),
      "a limit comes near: of the requests a minute to gemini 95 % are used",
    );
    assert.match(
      reason({ spentTodayMicros: 470 * USD, dayShare: 0.92 }),
      /^spending nears the day's ceiling: /,
    );
  });
});

describe("a limit that comes near", () => {
  const slowed = (used: number, current: number) => {
    const permits = [aPermitSupply({ used, free: 60 - used })];
    const supplies = { ...NO_SUPPLIES, permits };
    return decideAdaptation(ticked(0, current, { supplies }))?.slowness ?? current;
  };

  it("slows down by a step, and no more once it asks for about as much", () => {
    assert.equal(slowed(57, 0), 0.1);
    assert.equal(slowed(57, 0.6), 0.6);
    assert.equal(slowed(54, 0.6), 0.6, "a sample that differs a little moves nothing");
  });

  it("is forgotten when it is far away again", () => assert.equal(slowed(40, 0.6), 0.5));
});

describe("a move", () => {
  it("happens on ticks alone", () => {
    assert.equal(decideAdaptation({ ...ticked(500), spending: null }), null);
  });

  it("is one step towards what is wanted, up and down", () => {
    const moved = (spentUsd: number, current: number) =>
      decideAdaptation(ticked(spentUsd, current))?.slowness;
    assert.equal(moved(500, 0), 0.1);
    assert.equal(moved(500, 0.95), 1);
    assert.equal(moved(500, 1), undefined);
    assert.equal(moved(325, 0.45), 0.5);
    assert.equal(moved(325, 0.49), undefined);
    assert.equal(moved(0, 1), 0.9);
    assert.equal(moved(0, 0.005), 0);
    assert.equal(moved(0, 0), undefined);
  });

  it("takes errors into account, once enough attempts have ended to speak of them", () => {
    const failing = (ended: number) => {
      const outcomes = { w: { ended, failedEndpoint: 0, failedTask: ended / 2, failuresInRow: 1 } };
      return decideAdaptation({ ...ticked(0), health: { ...NEUTRAL_HEALTH, outcomes } });
    };
    assert.match(failing(30)?.reason ?? "", /50 % of the attempts/);
    assert.equal(failing(28), null);
  });

  it("is a decision of the plan, on record, and counts at once", () => {
    const lanes = [aLane(tasks(30), { depth: 5000 })];
    const { decisions } = plan(ticked(500, 0.9, { lanes }));
    const [record] = decisions.filter(({ kind }) => kind === "adapt").map(decisionRecord);
    assert.deepEqual([record?.kind, record?.from, record?.to], ["adapt", 0.9, 1]);
    assert.match(String(record?.reason), /\$500.00 of \$500.00 spent/);
    const dispatches = decisions.filter((decision) => decision.kind === "dispatch");
    assert.ok(dispatches.length > 0);
    for (const { taskIds, reason } of dispatches) {
      assert.ok(taskIds.length <= 3, `${taskIds.length} tasks`);
      assert.match(reason, /; at most 3, since spending/);
    }
  });
});

describe("what gives way", () => {
  const bounds = aPolicy().adapt;
  it("is nothing while nothing slows it down", () => {
    const workflow = aWorkflow();
    assert.equal(largestBatch(workflow, 0, bounds), 10);
    assert.equal(intervalFactor(0, bounds), 1);
    assert.equal(tasksPerSlot({ perSlot: 7 }, 0, bounds), 7);
  });

  it("never goes beyond its bounds, whatever they are", () => {
    for (const smallest_batch of [0, 0.25, 1]) {
      for (const longest_interval of [1, 4, 100]) {
        const { adapt } = aPolicy({ adapt: { smallest_batch, longest_interval } });
        let [batch, slot, factor] = [10, 10, 1];
        for (let at = 0; at <= 1; at += 0.01) {
          const now = [
            largestBatch(aWorkflow({ batchMin: 2 }), at, adapt),
            tasksPerSlot({ perSlot: 10 }, at, adapt),
            intervalFactor(at, adapt),
          ] as const;
          assert.ok(now[0] <= batch && now[0] >= 2, "batches shrink, to the least that is planned for");
          assert.ok(now[1] <= slot && now[1] >= 1, "a slot has a task");
          assert.ok(now[2] >= factor && now[2] <= longest_interval, "intervals stretch, to the longest");
          [batch, slot, factor] = now;
        }
      }
    }
  });
});
