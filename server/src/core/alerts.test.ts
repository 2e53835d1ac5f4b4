/** Rules are judged by figures alone; what is missing neither fires nor resolves; states follow from rows and findings. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AlertRule, AlertsPolicy } from "@master-orchestrator/contract";
import { baselineOf, deviationsFrom, median } from "./alerts-baseline.ts";
import { type Counts, type Facts, needsOf } from "./alerts-facts.ts";
import { judgeRules } from "./alerts-judge.ts";
import { MOST_OPEN, type OpenAlert, stepAlerts } from "./alerts-states.ts";

const NOW = Date.UTC(2026, 11, 1, 12, 0, 0);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const counts = (over: Partial<Counts> = {}): Counts => ({
  ...{
    workflowType: "writer",
    completed: 0,
    deadLettered: 0,
    attemptsEnded: 0,
    attemptsFailed: 0,
    costMicros: 0,
  },
  ...{ waitBuckets: [], workBuckets: [], totalBuckets: [] },
  ...over,
});

const facts = (over: Partial<Facts> = {}): Facts => ({
  ...{
    nowMs: NOW,
    paused: false,
    states: {},
    countedUntilMs: NOW - MINUTE,
    windows: new Map(),
    ticks: new Map(),
  },
  ...{ hours: [], workflows: ["writer"], waitingSeconds: new Map() },
  ...over,
});

const rule = (written: Parameters<typeof AlertRule.parse>[0]) => AlertRule.parse(written);
const judged = (written: object, seen: Partial<Facts>) => judgeRules({ r: rule(written) }, facts(seen))[0]!;
const first = (written: object, seen: Partial<Facts>) => judged(written, seen).findings[0];

/** 16 counts between the bounds of latencies: so many in one of them. */
const bucket = (at: number, n: number) => Array.from({ length: 16 }, (_, i) => (i === at ? n : 0));

describe("a rule", () => {
  const window = (of: Partial<Counts>) => new Map([[15, [counts(of)]]]);
  const failing = { kind: "threshold", metric: "failed_attempts_share", at_least: 0.1, least_events: 20 };
  const p95 = { kind: "threshold", metric: "end_to_end_p95_seconds", at_least: 120, least_events: 10 };
  const table: [
    what: string,
    rule: object,
    seen: Partial<Facts>,
    state: string | undefined,
    words?: RegExp,
  ][] = [
    [
      "at its threshold holds",
      { kind: "threshold", metric: "queue_depth", at_least: 500 },
      { states: { queue_depth: [{ labels: {}, value: 500 }] } },
      "holds",
      /^500 tasks wait \(500 and above\)$/,
    ],
    [
      "is said of one as of one",
      { kind: "threshold", metric: "dead_letters", at_least: 1 },
      { states: { dead_letters: [{ labels: {}, value: 1 }] } },
      "holds",
      /^1 dead letter waits for a person \(1 and above\)$/,
    ],
    [
      "below it does not",
      { kind: "threshold", metric: "queue_depth", at_least: 500 },
      { states: { queue_depth: [{ labels: {}, value: 499 }] } },
      "clear",
    ],
    [
      "of a figure that was not read knows nothing",
      { kind: "threshold", metric: "queue_depth", at_least: 1 },
      {},
      undefined,
    ],
    [
      "of many failures holds",
      failing,
      { windows: window({ attemptsEnded: 20, attemptsFailed: 2 }) },
      "holds",
      /^10 % of/,
    ],
    [
      "of too few events knows nothing",
      failing,
      { windows: window({ attemptsEnded: 19, attemptsFailed: 19 }) },
      "unknown",
    ],
    [
      "knows nothing while counting stands still",
      failing,
      { windows: window({ attemptsEnded: 90, attemptsFailed: 90 }), countedUntilMs: NOW - 6 * MINUTE },
      undefined,
    ],
    [
      "of latency reads the slowest 5 %",
      p95,
      { windows: window({ completed: 10, totalBuckets: bucket(10, 10) }) },
      "holds",
      /5 min from first due/,
    ],
    [
      "of latency is calm when they are quick",
      p95,
      { windows: window({ completed: 10, totalBuckets: bucket(8, 10) }) },
      "clear",
    ],
    [
      "of ticks counts those that are missing",
      { kind: "threshold", metric: "ticks_missed", at_least: 1, over_minutes: 15 },
      { ticks: new Map([[15, { expected: 3, ran: 2 }]]) },
      "holds",
      /^1 of the heartbeat's ticks/,
    ],
    [
      "of uptime needs enough ticks",
      { kind: "threshold", metric: "uptime_share", at_most: 0.99, over_minutes: 60, least_events: 10 },
      { ticks: new Map([[60, { expected: 9, ran: 1 }]]) },
      "unknown",
    ],
    [
      "of a rate counts nothing as nothing",
      { kind: "rate", counter: "completed", at_most: 0.5 },
      { windows: new Map([[15, []]]) },
      "holds",
      /^0 tasks completed a minute/,
    ],
    [
      "of absence holds when something has waited as long",
      { kind: "absence", counter: "completed", within_minutes: 60 },
      { windows: new Map([[60, []]]), waitingSeconds: new Map([["writer", 3600]]) },
      "holds",
      /^no tasks completed within 60 min, while tasks wait$/,
    ],
    [
      "of absence does not when it has just come",
      { kind: "absence", counter: "completed", within_minutes: 60 },
      { windows: new Map([[60, []]]), waitingSeconds: new Map([["writer", 3599]]) },
      "clear",
    ],
    [
      "of absence holds when counting itself is absent",
      { kind: "absence", counter: "completed", within_minutes: 60, while_waiting: false },
      { windows: new Map([[60, [counts({ completed: 9 })]]]), countedUntilMs: NOW - HOUR },
      "holds",
    ],
  ];
  for (const [what, written, seen, state, words] of table) {
    it(what, () => {
      const finding = first(written, seen);
      assert.equal(finding?.state, state);
      if (words) assert.match(finding!.words, words);
    });
  }

  it("says what has to be read for it, and may ask for one workflow alone", () => {
    const rules = Object.values(AlertsPolicy.parse({}).rules);
    const needs = needsOf(rules);
    assert.deepEqual(
      [...needs.windows].toSorted((a, b) => a - b),
      [5, 15, 30, 60, 360, 4320],
    );
    assert.deepEqual([needs.ticks.length, needs.weeks], [3, 8]);
    const seen = facts({
      workflows: ["a", "b"],
      windows: new Map([[15, [counts({ workflowType: "a", completed: 30 })]]]),
    });
    const of = {
      kind: "rate",
      counter: "completed",
      at_least: 1,
      by: "workflow_type",
      where: { workflow_type: "a" },
    };
    assert.deepEqual(
      judgeRules({ r: rule(of) }, seen)[0]!.findings.map(({ labels, value }) => [
        labels.workflow_type,
        value,
      ]),
      [["a", 2]],
    );
  });
});

describe("a burn rate", () => {
  const burning = rule({
    ...{ kind: "burn_rate", objective: "success", target: 0.9, least_events: 20 },
    windows: [{ long_minutes: 60, short_minutes: 5, factor: 5 }],
  });
  const of = (long: [number, number], short: [number, number]) => {
    const pair = (n: [number, number]) => [counts({ completed: n[0], deadLettered: n[1] })];
    return judgeRules(
      { r: burning },
      facts({
        windows: new Map([
          [60, pair(long)],
          [5, pair(short)],
        ]),
      }),
    )[0]!.findings[0]!;
  };
  it("fires when the long and the short window burn", () => {
    const finding = of([50, 50], [1, 9]);
    assert.deepEqual([finding.state, Number(finding.value!.toFixed(6))], ["holds", 5]);
    assert.match(
      finding.words,
      /"90 % of the tasks complete" burns 5 times as fast as it may over 60 min, 9 times over 5 min/,
    );
  });
  it("is over when the short one no longer does", () => assert.equal(of([50, 50], [10, 0]).state, "clear"));
  it("does not fire on a short burst alone", () => assert.equal(of([99, 1], [0, 10]).state, "clear"));
  it("knows nothing of few events, or of a short window without any", () => {
    assert.equal(of([0, 19], [0, 19]).state, "unknown");
    assert.equal(of([0, 50], [0, 0]).state, "unknown");
  });
});

describe("an anomaly", () => {
  const odd = { kind: "anomaly", counter: "completed", deviations: 6, least_weeks: 4 };
  const week = (completed: number) => [counts({ completed })];
  const usual = [100, 104, 96, 100, 1000].map(week);
  it("is far from the median of the same hours; one wild week does not move that", () => {
    assert.deepEqual(first(odd, { hours: [week(103), ...usual] })?.state, "clear");
    const finding = first(odd, { hours: [week(10), ...usual] })!;
    assert.equal(finding.state, "holds");
    assert.match(
      finding.words,
      /^10 tasks completed in the last full hour; usually 100 tasks completed .* \(9\.0 deviations below\)/,
    );
    assert.equal(first({ ...odd, direction: "above" }, { hours: [week(10), ...usual] })?.state, "clear");
  });
  it("is not known with too few weeks, or before counting began", () => {
    assert.equal(first(odd, { hours: [week(10), ...usual.slice(0, 3), null, null] })?.state, "unknown");
    assert.equal(first(odd, { hours: [] }), undefined);
  });
  it("rests on a median and on a deviation that is never nothing", () => {
    assert.equal(median([3, 1, 2, 10]), 2.5);
    const flat = baselineOf([0, 0, 0, 0], { least: 1, counts: true });
    assert.deepEqual([flat, deviationsFrom(flat, 4)], [{ median: 0, deviation: 1 }, 4]);
  });
});

describe("an alert", () => {
  const busy = { kind: "threshold", metric: "queue_depth", at_least: 10, for_seconds: 60, clear_seconds: 60 };
  const queue = (value: number | null) =>
    judgeRules(
      { busy: rule(busy) },
      facts({ states: value === null ? {} : { queue_depth: [{ labels: {}, value }] } }),
    );
  /** Looks at these depths, one every 30 s, and returns how it stands after each. */
  const states = (depths: (number | null)[]) => {
    let open: OpenAlert[] = [];
    return depths.map((depth, i) => {
      const changes = stepAlerts(open, queue(depth), NOW + i * 30_000);
      for (const { alert } of changes)
        open = [...open.filter((one) => one.key !== alert.key), { ...alert, alertId: "a" }];
      const [shown] = open;
      open = open.filter(({ state }) => state !== "resolved");
      return shown?.state ?? "-";
    });
  };
  const table: [what: string, depths: (number | null)[], states: string[]][] = [
    [
      "fires after its time, resolves after its time",
      [10, 10, 10, 9, 9, 9, 9],
      ["pending", "pending", "firing", "firing", "firing", "resolved", "-"],
    ],
    [
      "that does not hold long enough never fires",
      [10, 10, 9, 10],
      ["pending", "pending", "resolved", "pending"],
    ],
    ["does not fire on missing figures", [10, null, null, 10], ["pending", "pending", "pending", "firing"]],
    [
      "does not resolve on missing figures",
      [10, 10, 10, null, null, null, null],
      ["pending", "pending", "firing", "firing", "firing", "firing", "firing"],
    ],
    [
      "that flaps keeps firing",
      [10, 10, 10, 9, 10, 9, 10],
      ["pending", "pending", "firing", "firing", "firing", "firing", "firing"],
    ],
  ];
  for (const [what, depths, expected] of table) it(what, () => assert.deepEqual(states(depths), expected));

  it("ends with its rule, and a rule has a most of open ones", () => {
    const lanes = Array.from({ length: MOST_OPEN + 20 }, (_, i) => ({
      labels: { lane: String(i) },
      value: 1,
    }));
    const many = judgeRules(
      { m: rule({ kind: "threshold", metric: "lane_depth", at_least: 1 }) },
      facts({ states: { lane_depth: lanes } }),
    );
    const opened = stepAlerts([], many, NOW).map(({ alert }) => alert);
    assert.deepEqual([opened.length, opened[0]!.state], [MOST_OPEN, "firing"]);
    const ended = stepAlerts(opened, [], NOW + MINUTE);
    assert.ok(
      ended.every(({ alert, steps }) => alert.state === "resolved" && /removed/.test(steps[0]!.reason)),
    );
    assert.deepEqual(stepAlerts(opened, many, NOW + MINUTE), [], "nothing has changed");
  });
});
