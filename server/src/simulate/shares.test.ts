/** Who is entitled to what: by weight, never more than wanted, and nothing is left lying. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Hold } from "#core/decision.ts";
import { fairShares, openShareMeter } from "./shares.ts";

describe("fair shares of a capacity", () => {
  const cases: [
    what: string,
    claims: [weight: number, demand: number][],
    capacity: number,
    shares: number[],
  ][] = [
    [
      "by weight where all want more",
      [
        [2, 100],
        [1, 100],
      ],
      30,
      [20, 10],
    ],
    [
      "what one does not need goes to the others",
      [
        [2, 5],
        [1, 100],
        [1, 100],
      ],
      35,
      [5, 15, 15],
    ],
    [
      "everything to all where there is enough",
      [
        [2, 5],
        [1, 7],
      ],
      12,
      [5, 7],
    ],
    [
      "no weight takes what nobody wants",
      [
        [0, 10],
        [1, 5],
      ],
      12,
      [7, 5],
    ],
    [
      "no weight gets nothing where others want it",
      [
        [0, 10],
        [1, 50],
      ],
      12,
      [0, 12],
    ],
    ["nothing of nothing", [[1, 0]], 0, [0]],
  ];
  for (const [what, claims, capacity, shares] of cases) {
    it(what, () => {
      const named = claims.map(([weight, demand], i) => ({ lane: String(i), weight, demand }));
      const found = fairShares(named, capacity);
      assert.deepEqual(
        named.map(({ lane }) => found.get(lane)),
        shares,
      );
    });
  }
});

describe("the meter of shares", () => {
  const hold = (contentType: string, reason: Hold["reason"]): Hold => ({
    kind: "hold",
    workflowType: "w",
    contentType,
    reason,
    cause: "",
    tasks: 1,
  });

  it("counts only lanes that waited for the same slots, in the quarter of an hour in which they did", () => {
    const meter = openShareMeter(0, ["w/a", "w/b"], (lane) => (lane === "w/a" ? 3 : 1));
    meter.demanded("w/a", 100);
    meter.demanded("w/b", 100);
    meter.given("w/a", 10);
    meter.given("w/b", 10);
    meter.held([hold("a", "concurrency_workflow"), hold("b", "concurrency_workflow")]);
    meter.moveTo(15 * 60_000, () => 50);
    // From here on only one of them waits: what it gets is no share of anything.
    meter.held([hold("a", "concurrency_workflow")]);
    meter.given("w/a", 50);
    assert.deepEqual(
      meter.total(),
      new Map([
        ["w/a", { received: 0.5, entitled: 0.75 }],
        ["w/b", { received: 0.5, entitled: 0.25 }],
      ]),
    );
  });

  it("says nothing of lanes that waited for something else", () => {
    const meter = openShareMeter(0, ["w/a", "w/b"], () => 1);
    meter.held([hold("a", "workflow_paused"), hold("b", "concurrency_total")]);
    meter.given("w/b", 10);
    assert.deepEqual(meter.total(), new Map());
  });
});
