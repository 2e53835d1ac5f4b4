import assert from "node:assert/strict";
import { test } from "node:test";
import type { Insight } from "../../lib/wire.ts";
import { marksOf, outlook } from "./outlook.ts";

const day = (mean: number) => ({
  mean,
  low_80: mean - 1,
  high_80: mean + 1,
  low_95: mean - 2,
  high_95: mean + 2,
});

test("what was goes over into what is expected; a day without data is a gap", () => {
  const points = outlook({
    history: [
      { day: "2026-03-01", value: 10 },
      { day: "2026-03-02", value: null },
      { day: "2026-03-03", value: 12 },
    ],
    days: [{ day: "2026-03-04", ...day(11) }],
  });
  assert.deepEqual(points, [
    { day: "2026-03-01", known: 10 },
    { day: "2026-03-02" },
    { day: "2026-03-03", known: 12, expected: 12, band80: [12, 12], band95: [12, 12] },
    { day: "2026-03-04", expected: 11, band80: [10, 12], band95: [9, 13] },
  ]);
  assert.deepEqual(outlook({ history: [], days: [] }), []);
});

test("changes and anomalies of the metric as a whole are marked on their day", () => {
  const points = [{ day: "2026-03-01" }, { day: "2026-03-02" }];
  const of = (rest: Partial<Insight>) =>
    ({
      kind: "change",
      metric: "views",
      subject: "all",
      from: "2026-03-01",
      importance: 0.5,
      ...rest,
    }) as Insight;
  const insights = [
    of({}),
    of({ metric: "visitors" }),
    of({ kind: "trend", from: "2026-03-02" }),
    of({ subject: "channel:Email", from: "2026-03-02" }),
    of({ from: "2026-01-01" }),
    of({ kind: "anomaly", from: "2026-03-02", importance: 0.9 }),
  ];
  assert.deepEqual(marksOf("views", insights, points), [
    { day: "2026-03-02", kind: "anomaly" },
    { day: "2026-03-01", kind: "change" },
  ]);
});
