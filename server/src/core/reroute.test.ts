/** What is sent elsewhere as the same attempt, what stays at its target, and where a next attempt goes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  aCallback,
  aDelivery,
  aFailedRun,
  aLane,
  aMemory,
  aPolicy,
  aRecovery,
  aRun,
  aSnapshot,
  aSnoozedRun,
  aTarget,
  aWorkflow,
  aWorkingRun,
  MINUTE,
  NOW,
  SECOND,
  tasks,
  WORKFLOW,
} from "#test/builders.ts";
import type { Decision } from "./decision.ts";
import { plan } from "./plan.ts";
import type { Recovery, Run, Snapshot } from "./snapshot.ts";

const two = { [WORKFLOW]: aWorkflow({ targets: [aTarget({ name: "a" }), aTarget({ name: "b" })] }) };
const of = <K extends Decision["kind"]>(decisions: readonly Decision[], kind: K) =>
  decisions.filter((d): d is Extract<Decision, { kind: K }> => d.kind === kind);
const decided = (over: Partial<Snapshot>) => plan(aSnapshot({ workflows: two, ...over })).decisions;
const memoryOf = (decisions: readonly Decision[], name = "a") =>
  of(decisions, "remember_target").find(({ memory }) => memory.name === name)?.memory;
const breaker = (over: Partial<Recovery> = {}) =>
  aRecovery({ procedure: "trip_target", subject: `${WORKFLOW}/a`, state: "open", ...over });
const at = (target: string, run: (over: { attempt: { target: string } }) => Run = aRun) =>
  run({ attempt: { target } });

describe("an attempt", () => {
  const redelivered = (over: object) =>
    aRun({ dueAtMs: NOW, attempt: { target: "a", deliverAtMs: NOW, deliveries: 2, ...over } });
  const advanced = (over: Partial<Snapshot>) => of(decided(over), "advance")[0]!;

  it("is posted again where it may be, whatever stands there", () => {
    const recoveries = [breaker({ nextAtMs: NOW + MINUTE })];
    const { attempt, deliver } = advanced({ runs: [redelivered({ mayBeThere: true })], recoveries });
    assert.deepEqual([attempt.target, attempt.deliveries, deliver], ["a", 3, true]);
  });

  it("is posted elsewhere, as the same attempt, when it certainly was not received", () => {
    const decisions = decided({ runs: [redelivered({})] });
    const { attempt, deliver } = of(decisions, "advance")[0]!;
    assert.deepEqual([attempt.target, attempt.number, attempt.deliveries, deliver], ["b", 1, 3, true]);
    assert.equal(memoryOf(decisions, "b")?.received, 1);
  });

  it("is posted to its own target again when there is no other", () => {
    const workflows = { [WORKFLOW]: aWorkflow({ targets: [aTarget({ name: "a" })] }) };
    assert.equal(advanced({ runs: [redelivered({})], workflows }).attempt.target, "a");
  });

  it("may be there once a posting had no answer, or its deliverer is lost", () => {
    const run = at("a");
    assert.equal(advanced({ runs: [run], facts: [aDelivery(run, "unknown")] }).attempt.mayBeThere, true);
    const unsent = aDelivery(run, "unknown", { maybeReceived: false });
    assert.equal(advanced({ runs: [run], facts: [unsent] }).attempt.mayBeThere, false);
    const { attempt } = advanced({ runs: [redelivered({ deliverAtMs: null })] });
    assert.deepEqual([attempt.mayBeThere, attempt.target], [true, "a"]);
  });

  it("that was asked to wait is posted at once to a target that has room, without spending an attempt or a slot", () => {
    const run = at("a");
    const policy = aPolicy({ concurrency: { total: 1 } });
    const decisions = decided({
      runs: [run],
      facts: [aDelivery(run, "snoozed")],
      policy,
      lanes: [aLane(tasks(1))],
    });
    const { attempt, deliver, dueAtMs } = of(decisions, "advance")[0]!;
    assert.deepEqual([attempt.state, attempt.target, attempt.number, deliver], ["sent", "b", 1, true]);
    assert.equal(dueAtMs, NOW + 15 * SECOND);
    assert.equal(of(decisions, "hold")[0]?.reason, "concurrency_total", "its slot is still its own");
  });

  it("that was asked to wait waits where it may be, where all others rest, and while nothing may start", () => {
    const resting = [aMemory({ name: "b", restsUntilMs: NOW + MINUTE })];
    const doubtful = aRun({ attempt: { target: "a", mayBeThere: true } });
    const sure = at("a");
    for (const over of [
      { runs: [doubtful] },
      { runs: [sure], targets: resting },
      { runs: [sure], paused: true },
    ]) {
      const facts = [aDelivery(over.runs[0]!, "snoozed")];
      assert.deepEqual(
        [advanced({ ...over, facts }).attempt.state, advanced({ ...over, facts }).attempt.target],
        ["snoozed", "a"],
      );
    }
  });

  it("that waited is posted where there is room then", () => {
    const run = aSnoozedRun({ attempt: { target: "a" } });
    const elsewhere = [aWorkingRun({ attempt: { target: "a" } }), run];
    assert.equal(
      of(decided({ runs: elsewhere }), "advance").find(({ executionId }) => executionId === run.executionId)
        ?.attempt.target,
      "b",
    );
  });

  it("that waited where it may be is posted there again, and is no probe of an open breaker", () => {
    const run = aSnoozedRun({ attempt: { target: "a", mayBeThere: true } });
    const targets = [aMemory({ name: "a", unansweredInRow: 5, lastFailure: "x", lastFailureAtMs: NOW })];
    const decisions = decided({ runs: [run], targets, recoveries: [breaker({ nextAtMs: NOW + MINUTE })] });
    const { attempt, deliver } = of(decisions, "advance")[0]!;
    assert.deepEqual([attempt.state, attempt.target, deliver], ["sent", "a", true]);
    assert.deepEqual(of(decisions, "recovery"), []);
  });

  it("that follows a failed one goes to another target", () => {
    const [retry] = of(decided({ runs: [aFailedRun({ attempt: { target: "a" } })] }), "retry");
    assert.equal(retry!.target, "b");
    assert.match(retry!.reason, /attempt 2 of 3; to b, which has 0 of 0 outstanding/);
  });

  const without = { [WORKFLOW]: aWorkflow({ targets: [aTarget({ name: "b" })] }) };
  it("whose target was removed goes elsewhere if nobody can have it, ends if somebody may, and finishes if it was accepted", () => {
    assert.equal(advanced({ runs: [redelivered({})], workflows: without }).attempt.target, "b");
    const ended = advanced({ runs: [redelivered({ mayBeThere: true })], workflows: without });
    assert.deepEqual([ended.attempt.state, ended.deliver], ["undelivered", false]);
    assert.match(ended.attempt.failure!.message, /its target a was removed before it gave a sign of life/);
    const run = at("a", aWorkingRun);
    const done = advanced({
      runs: [run],
      facts: [aCallback(run, { status: "completed" })],
      workflows: without,
    });
    assert.equal(done.attempt.state, "completed");
  });
});
