/** The verdict: healthy only when every check says so, and each cause is named with its figures. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { judge, type Standing } from "./verdict.ts";

const NOW = Date.UTC(2026, 11, 1, 12, 0, 0);
const MINUTE = 60_000;

const standing = (over: Partial<Standing> = {}): Standing => ({
  nowMs: NOW,
  paused: false,
  pausedBy: null,
  running: 3,
  waiting: 41,
  lastTick: { boundaryMs: NOW - MINUTE, driftMs: 2.4 },
  nextTickMs: NOW + 4 * MINUTE,
  tickIntervalMs: 5 * MINUTE,
  recoveries: [],
  deadLetters: 0,
  setAside: 0,
  budget: { capMicros: 500e6, settledMicros: 110e6, heldMicros: 2e6, elapsed: 0.5, forecastMicros: 0 },
  providersPaused: [],
  articlesToday: 290,
  articlesLastHour: 20,
  lastHour: { completed: 20, deadLettered: 0, attemptsEnded: 20, attemptsFailed: 1 },
  highLoadAbove: 1000,
  budgetWarnsAt: 0.8,
  alerts: { unacknowledged: 0, worst: [] },
  ...over,
});

describe("the verdict", () => {
  it("says in one sentence that all is well", () => {
    const verdict = judge(standing());
    assert.equal(
      verdict.words,
      "healthy: 3 running, 41 waiting, next tick 12:04:00 UTC, $112.00 of $500.00, on pace for 530 articles today",
    );
    assert.deepEqual([verdict.level, verdict.causes], ["healthy", []]);
    assert.equal(verdict.ruledOut.length, 10);
    assert.ok(verdict.ruledOut.includes("the heartbeat is on time (2 ms late)"));
  });

  const causes: [what: string, over: Partial<Standing>, level: string, words: RegExp][] = [
    ["a pause", { paused: true, pausedBy: "Ada" }, "attention", /paused by Ada/],
    [
      "missed ticks",
      { lastTick: { boundaryMs: NOW - 20 * MINUTE, driftMs: 1 } },
      "trouble",
      /last tick was 20 min ago/,
    ],
    [
      "a recovery",
      { recoveries: [{ procedure: "trip_breaker", subject: "writer", state: "open" }] },
      "trouble",
      /trip_breaker of writer is open/,
    ],
    [
      "many failures",
      { lastHour: { completed: 16, deadLettered: 0, attemptsEnded: 20, attemptsFailed: 4 } },
      "attention",
      /20 % of the last hour's 20 attempts failed/,
    ],
    [
      "mostly failures",
      { lastHour: { completed: 4, deadLettered: 0, attemptsEnded: 20, attemptsFailed: 16 } },
      "trouble",
      /80 %/,
    ],
    [
      "little money left",
      { budget: { ...standing().budget, settledMicros: 400e6 } },
      "attention",
      /\$402\.00 of the day's/,
    ],
    [
      "no money left",
      { budget: { ...standing().budget, settledMicros: 498e6 } },
      "trouble",
      /\$500\.00 of the day's/,
    ],
    ["no budget at all", { budget: { ...standing().budget, capMicros: 0 } }, "trouble", /the day's \$0\.00/],
    [
      "a provider's pause",
      { providersPaused: [{ provider: "gemini", untilMs: NOW + 30_000 }] },
      "attention",
      /gemini .* 30 s/,
    ],
    ["high load", { waiting: 1001 }, "attention", /1001 tasks wait/],
    ["dead letters", { deadLetters: 2 }, "attention", /2 dead letters/],
    ["what is set aside", { setAside: 1 }, "trouble", /1 item is set aside: no cycle could process it/],
    [
      "alerts",
      { alerts: { unacknowledged: 2, worst: [{ severity: "warning", rule: "latency", words: "3 min" }] } },
      "attention",
      /2 alerts fire: latency \(3 min\); and 1 more/,
    ],
    [
      "a critical alert",
      {
        alerts: {
          unacknowledged: 1,
          worst: [{ severity: "critical", rule: "queue_1000", words: "1,200 wait" }],
        },
      },
      "trouble",
      /1 alert fires: queue_1000/,
    ],
  ];
  for (const [what, over, level, words] of causes) {
    it(`names ${what} as a cause`, () => {
      const verdict = judge(standing(over));
      assert.equal(verdict.level, level);
      assert.match(verdict.causes.map((cause) => cause.words).join("\n"), words);
      assert.match(verdict.words, new RegExp(`^${level} \\(1 cause\\)`));
    });
  }

  it("takes the worst cause for the level, and few attempts for no cause", () => {
    assert.equal(judge(standing({ paused: true, setAside: 1 })).level, "trouble");
    const few = { completed: 0, deadLettered: 0, attemptsEnded: 9, attemptsFailed: 9 };
    assert.equal(judge(standing({ lastHour: few })).level, "healthy");
    assert.equal(judge(standing({ lastTick: null })).level, "healthy");
  });
});
