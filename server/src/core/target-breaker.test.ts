/** What happens at a target, in plans: rows of failures, its room, and its circuit breaker. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  aCallback,
  aDelivery,
  aLane,
  aMemory,
  aPolicy,
  aRecovery,
  aRun,
  aRunTask,
  aSnapshot,
  aTarget,
  aWorkflow,
  aWorkingRun,
  cancelExecution,
  closeRecovery,
  MINUTE,
  NOW,
  SECOND,
  tasks,
  WORKFLOW,
} from "#test/builders.ts";
import type { Decision, RecoveryStep } from "./decision.ts";
import { plan } from "./plan.ts";
import type { Fact, Recovery, Run, Snapshot, TargetMemory } from "./snapshot.ts";

const two = { [WORKFLOW]: aWorkflow({ targets: [aTarget({ name: "a" }), aTarget({ name: "b" })] }) };
const of = <K extends Decision["kind"]>(decisions: readonly Decision[], kind: K) =>
  decisions.filter((d): d is Extract<Decision, { kind: K }> => d.kind === kind);
const decided = (over: Partial<Snapshot>) => plan(aSnapshot({ workflows: two, ...over })).decisions;
const memoryOf = (decisions: readonly Decision[], name = "a") =>
  of(decisions, "remember_target").find(({ memory }) => memory.name === name)?.memory;
const inRow = (memory: TargetMemory | undefined) => [memory?.unansweredInRow, memory?.failedInRow];
const breaker = (over: Partial<Recovery> = {}) =>
  aRecovery({ procedure: "trip_target", subject: `${WORKFLOW}/a`, state: "open", ...over });
const shown = ({ step, recovery }: RecoveryStep) =>
  `${recovery.procedure} ${recovery.subject.split("/")[1]} ${step === "closed" ? "closed" : recovery.state}`;
const steps = (over: Partial<Snapshot>) => of(decided(over), "recovery").map(shown);
const sentTo = (decisions: readonly Decision[]) => of(decisions, "dispatch").map(({ target }) => target);
const at = (target: string, run: (over: { attempt: { target: string } }) => Run = aRun) =>
  run({ attempt: { target } });
const overdue = (run: Run) => ({ ...run, dueAtMs: NOW, attempt: { ...run.attempt, deadlineAtMs: NOW } });

describe("a row of failures at a target", () => {
  const before = aMemory({
    name: "a",
    unansweredInRow: 2,
    failedInRow: 1,
    lastFailure: "x",
    lastFailureAtMs: NOW,
  });
  const cases: [what: string, run: Run, fact: ((run: Run) => Fact) | null, expected: [number, number]][] = [
    ["grows by a posting without an answer", at("a"), (run) => aDelivery(run, "unknown"), [3, 1]],
    ["grows by a posting that was refused", at("a"), (run) => aDelivery(run, "refused"), [3, 1]],
    ["grows by an attempt that could not be delivered", overdue(at("a")), null, [3, 1]],
    ["grows by an attempt that timed out", overdue(at("a", aWorkingRun)), null, [2, 2]],
    ["does not grow by an answer that asks to wait", at("a"), (run) => aDelivery(run, "snoozed"), [2, 1]],
    ["loses its postings by one that is answered", at("a"), (run) => aDelivery(run, "accepted"), [0, 1]],
    ["ends with a callback", at("a", aWorkingRun), (run) => aCallback(run, { status: "completed" }), [0, 0]],
    [
      "ends with a callback that reports failure: the target works",
      at("a", aWorkingRun),
      (run) => aCallback(run, { status: "failed" }),
      [0, 0],
    ],
  ];
  for (const [what, run, fact, expected] of cases) {
    it(what, () => {
      const decisions = decided({ runs: [run], facts: fact ? [fact(run)] : [], targets: [before] });
      assert.deepEqual(inRow(memoryOf(decisions)), expected);
    });
  }

  it("counts nothing at a target that its workflow no longer has", () => {
    const run = at("gone", aWorkingRun);
    assert.deepEqual(
      of(decided({ runs: [run], facts: [aCallback(run, { status: "completed" })] }), "remember_target"),
      [],
    );
  });

  it("counts a posting that the run's claim had overtaken as nothing", () => {
    const run = at("a", aWorkingRun);
    assert.deepEqual(of(decided({ runs: [run], facts: [aDelivery(run, "unknown")] }), "remember_target"), []);
  });
});

describe("the room of a target", () => {
  const room = (outcome: "accepted" | "snoozed" | "unknown", over: object, before = 0.5) => {
    const run = at("a");
    const facts = [aDelivery(run, outcome, over)];
    return memoryOf(decided({ runs: [run], facts, targets: [aMemory({ name: "a", room: before })] }))?.room;
  };
  const cases: [string, number | undefined, number][] = [
    ["halves with 429 or 503", room("snoozed", {}), 0.25],
    ["halves without an answer", room("unknown", {}), 0.25],
    ["halves with an answer that was slow", room("accepted", { tookMs: 3_001 }), 0.25],
    ["grows by an eighth with one that was not", room("accepted", { tookMs: 3_000 }), 0.625],
    ["never grows above 1", room("accepted", { tookMs: 5 }, 0.95), 1],
    ["never falls below an eighth", room("snoozed", {}, 0.2), 0.125],
  ];
  for (const [what, actual, expected] of cases) it(what, () => assert.equal(actual, expected));

  it("leaves it alone for as long as it has asked", () => {
    const run = at("a");
    const lanes = [aLane(tasks(2))];
    const decisions = decided({
      runs: [run],
      facts: [aDelivery(run, "snoozed", { retryAfterMs: 60_000 })],
      lanes,
    });
    assert.equal(memoryOf(decisions)?.restsUntilMs, NOW + 60_000);
    assert.deepEqual(new Set(sentTo(decisions)), new Set(["b"]));
  });
});

describe("the breaker of a target", () => {
  const failing = (count: number) =>
    aMemory({ name: "a", unansweredInRow: count, lastFailure: "HTTP 502", lastFailureAtMs: NOW });

  it("opens with the fifth failure in a row, and what comes goes elsewhere in the same plan", () => {
    const run = at("a");
    const over = {
      runs: [run],
      facts: [aDelivery(run, "unknown")],
      lanes: [aLane(tasks(4))],
      targets: [failing(4)],
    };
    const decisions = decided(over);
    const [step] = of(decisions, "recovery");
    assert.equal(shown(step!), "trip_target a open");
    assert.equal(step!.recovery.nextAtMs, NOW + 15 * SECOND);
    assert.match(step!.reason, /5 failures in a row at a, the last: HTTP says unknown/);
    assert.deepEqual(new Set(sentTo(decisions)), new Set(["b"]));
    assert.deepEqual(steps({ ...over, targets: [failing(3)] }), []);
  });

  it("opens by the figure of the policy", () => {
    const policy = aPolicy({ recovery: { target: { failures_in_row: 2 } } });
    assert.deepEqual(steps({ targets: [failing(2)], policy }), ["trip_target a open"]);
  });

  it("does not open while the workflow's own breaker is open, nor count what failed before that closed", () => {
    const workflowBreaker = aRecovery({ nextAtMs: NOW + MINUTE });
    assert.deepEqual(steps({ targets: [failing(9)], recoveries: [workflowBreaker] }), []);
    const closed = decided({
      targets: [failing(9)],
      recoveries: [workflowBreaker],
      facts: [closeRecovery(workflowBreaker.recoveryId!)],
    });
    assert.deepEqual(
      of(closed, "recovery").map(({ step, recovery }) => `${recovery.procedure} ${step}`),
      ["trip_breaker closed"],
    );
    assert.deepEqual(inRow(memoryOf(closed)), [0, 0]);
  });

  it("is half-open when its wait is over, and lets one task through first", () => {
    const decisions = decided({
      targets: [failing(5)],
      recoveries: [breaker({ nextAtMs: NOW })],
      lanes: [aLane(tasks(9, { taskId: "t" }))],
    });
    assert.deepEqual(of(decisions, "recovery").map(shown), [
      "trip_target a half_open",
      "trip_target a half_open",
    ]);
    assert.equal(of(decisions, "recovery").at(-1)!.recovery.probe, "t");
    assert.deepEqual(of(decisions, "dispatch").map(({ target, taskIds }) => [target, taskIds.length])[0], [
      "a",
      1,
    ]);
    assert.ok(
      sentTo(decisions)
        .slice(1)
        .every((target) => target === "b"),
    );
  });

  it("lets nobody else through while it is probed", () => {
    const half = breaker({ state: "half_open", probe: "p", nextAtMs: NOW + MINUTE });
    const decisions = decided({ targets: [failing(5)], recoveries: [half], lanes: [aLane(tasks(3))] });
    assert.deepEqual(new Set(sentTo(decisions)), new Set(["b"]));
  });

  const probe = (over: object = {}) =>
    aRun({ tasks: [aRunTask({ taskId: "p" })], attempt: { target: "a" }, ...over });
  const half = breaker({ state: "half_open", probe: "p", nextAtMs: NOW + MINUTE, reopened: 1 });
  const ended: [what: string, run: Run, facts: (run: Run) => Fact[], expected: string[]][] = [
    [
      "closes when its probe is accepted",
      probe(),
      (run) => [aDelivery(run, "accepted")],
      ["trip_target a closed"],
    ],
    [
      "opens again when its probe has no answer",
      probe(),
      (run) => [aDelivery(run, "unknown")],
      ["trip_target a open"],
    ],
    [
      "opens again when its probe is refused",
      probe(),
      (run) => [aDelivery(run, "refused")],
      ["trip_target a open"],
    ],
    [
      "takes another probe when this one is cancelled",
      probe(),
      (run) => [cancelExecution(run)],
      ["trip_target a half_open"],
    ],
    [
      "takes another probe when this one is asked to wait",
      probe(),
      (run) => [aDelivery(run, "snoozed")],
      ["trip_target a half_open"],
    ],
    [
      "closes when a run that was there before is accepted",
      at("a"),
      (run) => [aDelivery(run, "accepted")],
      ["trip_target a closed"],
    ],
    [
      "stays as it is when a run that was there before fails again",
      at("a"),
      (run) => [aDelivery(run, "unknown")],
      [],
    ],
  ];
  for (const [what, run, facts, expected] of ended) {
    it(what, () =>
      assert.deepEqual(
        steps({ runs: [run], facts: facts(run), targets: [failing(5)], recoveries: [half] }),
        expected,
      ),
    );
  }

  it("waits twice as long after each probe that fails, up to the policy's most", () => {
    const waits = [0, 1, 2, 3, 4, 5, 9].map((reopened) => {
      const run = probe();
      const facts = [aDelivery(run, "unknown")];
      const [step] = of(
        decided({ runs: [run], facts, targets: [failing(5)], recoveries: [{ ...half, reopened }] }),
        "recovery",
      );
      return (step!.recovery.nextAtMs! - NOW) / 1000;
    });
    assert.deepEqual(waits, [30, 60, 120, 240, 300, 300, 300]);
  });

  it("closes only with a callback when attempts that were accepted had timed out", () => {
    const targets = [aMemory({ name: "a", failedInRow: 5, lastFailure: "x", lastFailureAtMs: NOW })];
    const posted = probe();
    assert.deepEqual(
      steps({ runs: [posted], facts: [aDelivery(posted, "accepted")], targets, recoveries: [half] }),
      [],
    );
    const working = aWorkingRun({ tasks: [aRunTask({ taskId: "p" })], attempt: { target: "a" } });
    const facts = [aCallback(working, { status: "completed" })];
    assert.deepEqual(steps({ runs: [working], facts, targets, recoveries: [half] }), [
      "trip_target a closed",
    ]);
  });

  it("closes when there was nothing to probe with, or by hand, and what failed before counts no more", () => {
    const idle = decided({ targets: [failing(5)], recoveries: [{ ...half, probe: null, nextAtMs: NOW }] });
    const byHand = decided({
      targets: [failing(5)],
      recoveries: [half],
      facts: [closeRecovery(half.recoveryId!)],
    });
    for (const decisions of [idle, byHand]) {
      assert.deepEqual(of(decisions, "recovery").map(shown), ["trip_target a closed"]);
      assert.deepEqual(inRow(memoryOf(decisions)), [0, 0]);
    }
  });

  it("closes when its target is removed", () => {
    const workflows = { [WORKFLOW]: aWorkflow({ targets: [aTarget({ name: "b" })] }) };
    assert.deepEqual(
      steps({ workflows, targets: [failing(5)], recoveries: [breaker({ nextAtMs: NOW + MINUTE })] }),
      ["trip_target a closed"],
    );
  });

  it("of all targets open: the lane is held, with each of them and the next probe", () => {
    const recoveries = ["a", "b"].map((name, i) =>
      breaker({ subject: `${WORKFLOW}/${name}`, cause: `${name} is down`, nextAtMs: NOW + (9 - i) * SECOND }),
    );
    const targets = ["a", "b"].map((name) =>
      aMemory({ name, unansweredInRow: 5, lastFailure: "x", lastFailureAtMs: NOW }),
    );
    const [hold] = of(decided({ targets, recoveries, lanes: [aLane(tasks(3))] }), "hold");
    assert.deepEqual([hold!.reason, hold!.tasks, hold!.expectedAtMs], ["circuit_open", 3, NOW + 8 * SECOND]);
    assert.match(hold!.cause, /a \(a is down.*b \(b is down/);
  });
});
