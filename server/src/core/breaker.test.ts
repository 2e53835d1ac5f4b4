/** The circuit breaker of a workflow: when it trips, whom it lets through, how it closes, and when it becomes a pause. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  aCallback,
  aDelivery,
  aFailedRun,
  aLane,
  aPolicy,
  aRecovery,
  aRunTask,
  aSnapshot,
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
import { NEUTRAL_HEALTH, type Outcomes } from "./health.ts";
import { plan } from "./plan.ts";
import type { Snapshot } from "./snapshot.ts";

const of = <K extends Decision["kind"]>(decisions: readonly Decision[], kind: K) =>
  decisions.filter((d): d is Extract<Decision, { kind: K }> => d.kind === kind);
const decided = (over: Partial<Snapshot>) => plan(aSnapshot(over)).decisions;
const healthWith = (outcomes: Partial<Outcomes>) => ({
  ...NEUTRAL_HEALTH,
  outcomes: { [WORKFLOW]: { ended: 0, failedEndpoint: 0, failedTask: 0, failuresInRow: 0, ...outcomes } },
});
const shown = ({ step, recovery }: RecoveryStep) =>
  `${recovery.procedure} ${step}${step === "closed" ? "" : ` ${recovery.state}`}`;
const steps = (over: Partial<Snapshot>) => of(decided(over), "recovery").map(shown);
const paused = (pausedBy: string | null) => ({
  [WORKFLOW]: aWorkflow({ paused: pausedBy !== null, pausedBy }),
});
const refusedRun = (over = {}) => {
  const run = aWorkingRun({ status: "DISPATCHING", attempt: { state: "sent" }, ...over });
  return { runs: [run], facts: [aDelivery(run, "refused")] };
};

describe("a closed breaker", () => {
  const cases: [outcomes: Partial<Outcomes>, trips: boolean, why: string][] = [
    [{ ended: 20, failedEndpoint: 16 }, true, "at the share and the number of the policy"],
    [{ ended: 20, failedTask: 10, failedEndpoint: 6 }, true, "whoever reported the failures"],
    [{ ended: 20, failedEndpoint: 15 }, false, "not below the share"],
    [{ ended: 19, failedEndpoint: 19 }, false, "not on fewer attempts, though all of them failed"],
    [{ ended: 0, failuresInRow: 50 }, false, "not on what failed before the window"],
    [{ ended: 1000, failedTask: 799 }, false, "not below the share of many"],
  ];
  for (const [outcomes, trips, why] of cases) {
    it(`${trips ? "trips" : "stays closed"}: ${why}`, () => {
      // One workflow that fails is not the house's trouble: that is another rule's.
      const policy = aPolicy({ recovery: { reduce: { min_attempts: 10_000 } } });
      assert.deepEqual(
        steps({ health: healthWith(outcomes), policy }),
        trips ? ["trip_breaker opened open"] : [],
      );
    });
  }

  it("trips in the very plan in which the attempt ends that makes it too many", () => {
    const health = healthWith({ ended: 19, failedEndpoint: 19, failuresInRow: 19 });
    const lanes = [aLane(tasks(3))];
    const decisions = decided({ ...refusedRun(), health, lanes });
    const [step] = of(decisions, "recovery");
    assert.equal(shown(step!), "trip_breaker opened open");
    assert.match(
      step!.reason,
      /20 of the last 20 attempts of content_pipeline failed within 5 min: 20 at its endpoint/,
    );
    assert.equal(step!.recovery.nextAtMs, NOW + 15 * SECOND);
    assert.deepEqual(step!.recovery.numbers, {
      ended: 20,
      failed_endpoint: 20,
      failed_task: 0,
      failures_in_row: 20,
    });
    assert.equal(of(decisions, "dispatch").length, 0, "and nothing more is sent there");
    const [hold] = of(decisions, "hold");
    assert.deepEqual([hold!.reason, hold!.tasks, hold!.expectedAtMs], ["circuit_open", 3, NOW + 15 * SECOND]);
    assert.match(hold!.cause, new RegExp(`one run probes at ${new Date(NOW + 15 * SECOND).toISOString()}`));
  });

  it("counts no attempt that was cancelled, and a partial success as a success", () => {
    const health = healthWith({ ended: 19, failedTask: 19, failuresInRow: 19 });
    const run = aWorkingRun();
    assert.deepEqual(steps({ runs: [run], facts: [cancelExecution(run)], health }), []);
    const two = aWorkingRun({ tasks: [aRunTask({ taskId: "a" }), aRunTask({ taskId: "b" })] });
    const items = [{ task_id: "a", status: "completed" as const }];
    const counted = of(
      decided({ runs: [two], facts: [aCallback(two, { status: "partial", items })], health }),
      "count_outcomes",
    );
    assert.deepEqual(counted, [
      {
        kind: "count_outcomes",
        workflowType: WORKFLOW,
        ended: 1,
        failedEndpoint: 0,
        failedTask: 0,
        failuresInRow: 0,
      },
    ]);
  });

  it("never counts an attempt twice: a result that comes after the time-out adds nothing", () => {
    const run = aFailedRun({ dueAtMs: NOW + MINUTE });
    assert.deepEqual(
      of(decided({ runs: [run], facts: [aCallback(run, { status: "failed" })] }), "count_outcomes"),
      [],
    );
  });

  it("lets a poison task fail five times undisturbed", () => {
    assert.deepEqual(steps({ health: healthWith({ ended: 5, failedTask: 5, failuresInRow: 5 }) }), []);
  });
});

describe("an open breaker", () => {
  const open = aRecovery({ nextAtMs: NOW + SECOND });

  it("holds new work and next attempts alike, and other workflows not at all", () => {
    const workflows = { [WORKFLOW]: aWorkflow(), other: aWorkflow({ workflowType: "other" }) };
    const lanes = [aLane(tasks(1)), aLane(tasks(1), { workflowType: "other" })];
    const decisions = decided({ recoveries: [open], workflows, lanes, runs: [aFailedRun()] });
    assert.deepEqual(
      of(decisions, "dispatch").map((one) => one.workflowType),
      ["other"],
    );
    assert.equal(of(decisions, "retry").length, 0);
    assert.deepEqual([...new Set(of(decisions, "hold").map((one) => one.reason))], ["circuit_open"]);
    assert.deepEqual(of(decisions, "recovery"), [], "and its recovery goes on");
  });

  it("lets one run through when its wait is over, of one task alone", () => {
    const lanes = [aLane(tasks(8)), aLane(tasks(8), { contentType: "news" })];
    const recoveries = [aRecovery({ nextAtMs: NOW })];
    const decisions = decided({ recoveries, lanes, runs: [aFailedRun(), aFailedRun()] });
    const started = [...of(decisions, "dispatch"), ...of(decisions, "retry")];
    assert.equal(started.length, 1);
    assert.equal(started[0]!.taskIds.length, 1);
    const probing = of(decisions, "recovery").at(-1)!.recovery;
    assert.deepEqual([probing.state, probing.probe], ["half_open", started[0]!.taskIds[0]]);
    assert.equal(probing.nextAtMs, NOW + 660 * SECOND, "twice its time-out, and a minute");
    assert.ok(of(decisions, "hold").every((hold) => hold.reason === "circuit_open"));
  });
});

describe("a half-open breaker", () => {
  const probed = aWorkingRun({ tasks: [aRunTask({ taskId: "probe" })] });
  const half = (over = {}) =>
    aRecovery({ state: "half_open", probe: "probe", nextAtMs: NOW + MINUTE, reopened: 1, ...over });

  it("holds everything while its probe is under way, with no time that nobody knows", () => {
    const decisions = decided({ recoveries: [half()], lanes: [aLane(tasks(2))] });
    const [hold] = of(decisions, "hold");
    assert.deepEqual([hold!.reason, hold!.expectedAtMs], ["circuit_open", undefined]);
    assert.match(hold!.cause, /one probing run decides/);
  });

  it("closes when the probe succeeds, and sends again in the same plan", () => {
    const facts = [aCallback(probed, { status: "completed" })];
    const decisions = decided({ recoveries: [half()], runs: [probed], facts, lanes: [aLane(tasks(20))] });
    assert.deepEqual(of(decisions, "recovery").map(shown), ["trip_breaker closed"]);
    assert.equal(of(decisions, "dispatch").length, 3);
  });

  it("opens again when the probe fails, and waits twice as long each time, up to the bound", () => {
    const facts = [aCallback(probed, { status: "failed", error_data: { message: "still broken" } })];
    const waits = [0, 1, 2, 3, 4].map((reopened) => {
      const [step] = of(decided({ recoveries: [half({ reopened })], runs: [probed], facts }), "recovery");
      assert.deepEqual([shown(step!), step!.recovery.probe], ["trip_breaker changed open", null]);
      assert.match(step!.reason, /still broken/);
      return (step!.recovery.nextAtMs! - NOW) / SECOND;
    });
    assert.deepEqual(waits, [30, 60, 120, 240, 300]);
  });

  it("is not moved by runs that began before: neither closed nor opened", () => {
    const old = aWorkingRun();
    for (const status of ["completed", "failed"] as const) {
      assert.deepEqual(steps({ recoveries: [half()], runs: [old], facts: [aCallback(old, { status })] }), []);
    }
  });

  it("opens again when its probe is not over in time", () => {
    assert.deepEqual(steps({ recoveries: [half({ nextAtMs: NOW })] }), ["trip_breaker changed open"]);
  });

  it("lets another run probe when the first was cancelled", () => {
    const decisions = decided({
      ...{ recoveries: [half()], runs: [probed], facts: [cancelExecution(probed)], lanes: [aLane(tasks(2))] },
    });
    assert.equal(of(decisions, "dispatch").length, 1);
    const last = of(decisions, "recovery").at(-1)!.recovery;
    assert.deepEqual([last.state, last.probe], ["half_open", of(decisions, "dispatch")[0]!.taskIds[0]]);
  });

  it("closes after a window in which there was nothing to probe with", () => {
    assert.deepEqual(steps({ recoveries: [half({ probe: null, nextAtMs: NOW + 1 })] }), []);
    assert.deepEqual(steps({ recoveries: [half({ probe: null, nextAtMs: NOW })] }), ["trip_breaker closed"]);
  });

  it("closed by a person is closed, and what failed before is not held against it in that plan", () => {
    const recoveries = [half({ recoveryId: "r1" })];
    const health = healthWith({ ended: 30, failedTask: 30 });
    const [step, ...more] = of(
      decided({ recoveries, facts: [closeRecovery("r1", "ada")], health }),
      "recovery",
    );
    assert.deepEqual([shown(step!), step!.actor, more.length], ["trip_breaker closed", "ada", 0]);
  });
});

describe("a breaker that opens again and again", () => {
  const probed = aWorkingRun({ tasks: [aRunTask({ taskId: "probe" })] });
  const facts = [aCallback(probed, { status: "failed" })];
  const sixth = aRecovery({ state: "half_open", probe: "probe", nextAtMs: NOW + MINUTE, reopened: 5 });

  it("becomes a pause at the sixth time in a row, with the way out in its words", () => {
    const decisions = decided({ recoveries: [sixth], runs: [probed], facts, lanes: [aLane(tasks(2))] });
    assert.deepEqual(of(decisions, "recovery").map(shown), ["trip_breaker closed", "pause opened active"]);
    const [change] = of(decisions, "switch_workflow");
    assert.deepEqual([change!.workflowType, change!.paused], [WORKFLOW, true]);
    assert.match(change!.reason, /POST \/api\/v1\/workflows\/content_pipeline\/resume/);
    const [hold] = of(decisions, "hold");
    assert.deepEqual([hold!.reason, hold!.expectedAtMs], ["workflow_paused", NOW + 1800 * SECOND]);
  });

  it("as often as the policy says", () => {
    const policy = aPolicy({ recovery: { breaker: { pause_after: 7 } } });
    assert.deepEqual(steps({ recoveries: [sixth], runs: [probed], facts, policy }), [
      "trip_breaker changed open",
    ]);
  });

  it("leaves a workflow that a person has paused meanwhile to that person", () => {
    const workflows = paused("ada");
    const decisions = decided({ recoveries: [sixth], runs: [probed], facts, workflows });
    assert.deepEqual(of(decisions, "recovery").map(shown), ["trip_breaker changed open"]);
    assert.deepEqual(of(decisions, "switch_workflow"), []);
  });
});

describe("a pause of the orchestrator's own", () => {
  const pause = (over = {}) =>
    aRecovery({ procedure: "pause", recoveryId: "p1", nextAtMs: NOW + MINUTE, ...over });

  it("goes on until its time", () => {
    assert.deepEqual(steps({ recoveries: [pause()], workflows: paused("orchestrator") }), []);
  });

  it("ends with one probing run; if that fails too, it is paused again at once", () => {
    const over = { recoveries: [pause({ nextAtMs: NOW })], workflows: paused("orchestrator") };
    const decisions = decided({ ...over, lanes: [aLane(tasks(9))] });
    assert.deepEqual(of(decisions, "recovery").map(shown), [
      "pause closed",
      "trip_breaker opened half_open",
      "trip_breaker changed half_open",
    ]);
    assert.deepEqual(
      of(decisions, "switch_workflow").map((one) => one.paused),
      [false],
    );
    assert.equal(of(decisions, "dispatch").length, 1);
    const probing = of(decisions, "recovery").at(-1)!.recovery;
    const run = aWorkingRun({ tasks: [aRunTask({ taskId: probing.probe! })] });
    const again = steps({
      recoveries: [probing],
      runs: [run],
      facts: [aCallback(run, { status: "failed" })],
    });
    assert.deepEqual(again, ["trip_breaker closed", "pause opened active"]);
  });

  it("is over when a person resumes the workflow, and nothing is switched", () => {
    const decisions = decided({ recoveries: [pause()], workflows: paused(null), lanes: [aLane(tasks(30))] });
    assert.deepEqual(of(decisions, "recovery").map(shown), ["pause closed"]);
    assert.deepEqual(of(decisions, "switch_workflow"), []);
    assert.equal(of(decisions, "dispatch").length, 3, "all of its slots are used again");
  });

  it("is a person's when a person says so: never lifted by the machine", () => {
    const decisions = decided({ recoveries: [pause({ nextAtMs: NOW })], workflows: paused("ada") });
    assert.deepEqual(of(decisions, "recovery").map(shown), ["pause closed"]);
    assert.match(of(decisions, "recovery")[0]!.reason, /ada has paused it: that stays/);
    assert.deepEqual(of(decisions, "switch_workflow"), []);
  });

  it("closed by a person resumes the workflow, in that plan", () => {
    const over = { recoveries: [pause()], workflows: paused("orchestrator"), lanes: [aLane(tasks(30))] };
    const decisions = decided({ ...over, facts: [closeRecovery("p1", "ada")] });
    assert.deepEqual(
      of(decisions, "switch_workflow").map((one) => one.paused),
      [false],
    );
    assert.equal(of(decisions, "dispatch").length, 3);
  });
});
