/** The runway: rises with what was settled, ends at now with what is held, and goes on to the forecast. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runway } from "./runway.ts";

test("each hour shows what was settled before it; now, what the ledger says; the end, the forecast", () => {
  const points = runway({
    ...{ day: "2026-12-01", settledUsd: 3.5, heldUsd: 0.5, forecastUsd: 30 },
    nowMs: Date.parse("2026-12-01T02:30:00Z"),
    costs: [
      { at: "2026-12-01T00:00:00Z", costUsd: 1 },
      { at: "2026-12-01T01:00:00Z", costUsd: 2 },
    ],
  });
  assert.deepEqual(points, [
    { at: "00:00", settled: 0 },
    { at: "01:00", settled: 1 },
    { at: "02:00", settled: 3 },
    { at: "02:30", settled: 3.5, held: 4, forecast: 4 },
    { at: "24:00", forecast: 30 },
  ]);
});

test("what late calls add to another day never lifts a point above the ledger's own sum", () => {
  const points = runway({
    ...{
      day: "2026-12-01",
      settledUsd: 1,
      heldUsd: 0,
      forecastUsd: 0,
      nowMs: Date.parse("2026-12-01T01:00:00Z"),
    },
    costs: [{ at: "2026-12-01T00:00:00Z", costUsd: 5 }],
  });
  assert.deepEqual(points.at(-1), { at: "24:00", forecast: 1 });
  assert.ok(points.every(({ settled = 0 }) => settled <= 1));
});
