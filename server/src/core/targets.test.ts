/** Which target a run goes to: by weight, outstanding work, room and health; and why none takes it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aMemory, aRecovery, aTarget, aWorkflow, NOW, SECOND, WORKFLOW } from "#test/builders.ts";
import type { Recovery, TargetMemory, TargetView } from "./snapshot.ts";
import { choose, occupy, openPlaces, type Places, targetGate, targetSubject, whyThere } from "./targets.ts";

interface Stand extends Partial<Omit<TargetView, "name">> {
  runs?: number;
  memory?: Partial<TargetMemory>;
  breaker?: Partial<Recovery>;
}

const task = { taskId: "t", timeoutMs: 300 * SECOND };
function placesWith(stands: Record<string, Stand>, nowMs = NOW): Places {
  const named = Object.entries(stands);
  const targets = named.map(([name, { runs: _, memory: __, breaker: ___, ...over }]) =>
    aTarget({ name, ...over }),
  );
  const subject = (name: string) => targetSubject(WORKFLOW, name);
  return openPlaces(
    { nowMs, workflows: { [WORKFLOW]: aWorkflow({ targets }) } },
    {
      atTargets: Object.fromEntries(named.map(([name, { runs = 0 }]) => [subject(name), runs])),
      memories: new Map(named.map(([name, { memory }]) => [subject(name), aMemory({ name, ...memory })])),
      recoveries: named.flatMap(([name, { breaker }]) =>
        breaker
          ? [aRecovery({ procedure: "trip_target", subject: subject(name), state: "open", ...breaker })]
          : [],
      ),
    },
  );
}
const chosen = (stands: Record<string, Stand>, not: string | null = null) =>
  choose(placesWith(stands), WORKFLOW, not)?.target.name ?? null;
/** Sends so many runs; of those at work the oldest ends whenever more than `atOnce` are. */
function sendMany(places: Places, count: number, atOnce: number): Record<string, number> {
  const got: Record<string, number> = {};
  const working: ReturnType<typeof choose>[] = [];
  for (let i = 0; i < count; i++) {
    const oldest = working.length >= atOnce ? working.shift() : null;
    if (oldest) oldest.runs -= 1;
    const place = choose(places, WORKFLOW);
    assert.ok(place);
    occupy(place, task, NOW);
    working.push(place);
    got[place.target.name] = (got[place.target.name] ?? 0) + 1;
  }
  return got;
}

describe("a run goes to", () => {
  const open = { breaker: { state: "open", nextAtMs: NOW + SECOND } } as const;
  const halfOpen = { breaker: { state: "half_open" } } as const;
  const probing = { breaker: { state: "half_open", probe: "another" } } as const;
  const resting = { memory: { restsUntilMs: NOW + 1 } };
  const cases: [why: string, stands: Record<string, Stand>, expected: string | null, not?: string][] = [
    ["the only target", { a: {} }, "a"],
    ["the one with less outstanding", { a: { runs: 2 }, b: { runs: 1 } }, "b"],
    [
      "the one with less outstanding, though it has received more",
      { a: { runs: 2 }, b: { runs: 1, memory: { receivedLately: 99, latelyAtMs: NOW } } },
      "b",
    ],
    ["the one that is below its part by weight", { a: { runs: 2, weight: 3 }, b: { runs: 1 } }, "a"],
    [
      "never more than its part of what is outstanding, rounded up",
      { a: { runs: 3, weight: 3 }, b: {} },
      "b",
    ],
    [
      "the one that has lately received less for its weight, of two that are idle",
      {
        a: { memory: { receivedLately: 4, latelyAtMs: NOW } },
        b: { memory: { receivedLately: 3, latelyAtMs: NOW } },
      },
      "b",
    ],
    ["the first one, of two alike", { a: {}, b: {} }, "a"],
    [
      "none that is draining, by weight or by word",
      { a: { weight: 0, draining: true }, b: { draining: true }, c: { runs: 9 } },
      "c",
    ],
    ["none whose own slots are taken", { a: { maxConcurrent: 2, runs: 2 }, b: { runs: 9 } }, "b"],
    ["none whose breaker is open", { a: open, b: { runs: 9 } }, "b"],
    [
      "a half-open one first, whatever is still outstanding there",
      { a: { runs: 9, ...halfOpen }, b: {} },
      "a",
    ],
    ["none that is being probed already", { a: probing, b: { runs: 9 } }, "b"],
    ["one that has not asked to be left alone", { a: resting, b: { runs: 9 } }, "b"],
    ["one that has, if all have", { a: resting, b: { runs: 1, ...resting } }, "a"],
    [
      "one with more room, of two with the same weight",
      { a: { runs: 1, memory: { room: 0.125 } }, b: { runs: 1 } },
      "b",
    ],
    ["another than the one that has just failed", { a: {}, b: { runs: 5 } }, "b", "a"],
    ["the one that has just failed, if there is no other", { a: {}, b: open }, "a", "a"],
    ["nowhere if all are open", { a: open, b: open }, null],
    ["nowhere if one is open and one being probed", { a: open, b: probing }, null],
    [
      "nowhere if one is draining and one is full",
      { a: { draining: true }, b: { maxConcurrent: 1, runs: 1 } },
      null,
    ],
  ];
  for (const [why, stands, expected, not] of cases) {
    it(why, () => assert.equal(chosen(stands, not ?? null), expected));
  }

  it("targets in the proportion of their weights, however few are at work at once", () => {
    for (const atOnce of [1, 2, 3, 7, 20]) {
      const got = sendMany(placesWith({ a: { weight: 3 }, b: { weight: 1 } }), 400, atOnce);
      assert.ok(Math.abs(got.a! - 300) <= 4, `${atOnce} at once: ${JSON.stringify(got)}`);
    }
  });

  it("a target that is new only up to its part, though it has received nothing yet", () => {
    const places = placesWith({
      old: { runs: 3, memory: { receivedLately: 500, latelyAtMs: NOW } },
      fresh: {},
    });
    const names = Array.from({ length: 5 }, () => {
      const place = choose(places, WORKFLOW)!;
      occupy(place, task, NOW);
      return place.target.name;
    });
    assert.deepEqual(names, ["fresh", "fresh", "fresh", "fresh", "old"]);
  });

  it("a half-open target once: its first run is the probe", () => {
    const places = placesWith({ a: halfOpen, b: {} });
    const first = choose(places, WORKFLOW)!;
    assert.match(whyThere(places, first), /to a, to probe whether it works again/);
    occupy(first, task, NOW);
    assert.deepEqual(first.probe, task);
    assert.equal(choose(places, WORKFLOW)?.target.name, "b");
  });

  it("a target by what it received lately: after ten minutes each run counts by half", () => {
    const had = (receivedLately: number, ago: number) => ({
      memory: { receivedLately, latelyAtMs: NOW - ago * SECOND },
    });
    assert.equal(chosen({ a: had(4, 1200), b: had(3, 0) }), "a");
    assert.equal(chosen({ a: had(16, 1200), b: had(3, 0) }), "b");
  });
});

describe("where no target takes a run, the hold", () => {
  const iso = (ms: number) => new Date(ms).toISOString();
  const gate = (stands: Record<string, Stand>) => targetGate(placesWith(stands), WORKFLOW);

  it("is none if one does", () => assert.equal(gate({ a: { draining: true }, b: {} }), null));

  it("names every open target, and the first probe", () => {
    const open = (cause: string, at: number) => ({
      breaker: { cause, state: "open" as const, nextAtMs: NOW + at },
    });
    const held = gate({
      a: open("5 failures in a row at a", 9_000),
      b: open("6 failures in a row at b", 4_000),
    });
    assert.deepEqual([held?.reason, held?.expectedAtMs], ["circuit_open", NOW + 4_000]);
    assert.match(
      held!.cause,
      new RegExp(`a \\(5 failures in a row at a; one run probes at ${iso(NOW + 9_000)}`),
    );
    assert.match(
      held!.cause,
      new RegExp(`b \\(6 failures in a row at b; one run probes at ${iso(NOW + 4_000)}`),
    );
  });

  it("says which target is full, and which is cut off", () => {
    const held = gate({
      a: { maxConcurrent: 2, runs: 2 },
      b: { breaker: { cause: "it fails", nextAtMs: NOW } },
    });
    assert.equal(held?.reason, "concurrency_workflow");
    assert.match(held!.cause, /a runs 2 of 2 \(its max_concurrent\); b \(it fails/);
  });

  it("says that all are draining", () => {
    const held = gate({ a: { draining: true }, b: { weight: 0, draining: true } });
    assert.equal(held?.reason, "workflow_without_target");
    assert.match(held!.cause, /every target of content_pipeline is draining: a, b/);
  });
});
