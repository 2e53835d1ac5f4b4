/** What the outcome of a delivery, a claim and a heartbeat do to a run. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  aCallback,
  aClaim,
  aDelivery,
  aFailedRun,
  aHeartbeat,
  aPolicy,
  aRun,
  aRunTask,
  aSnoozedRun,
  aWorkflow,
  aWorkingRun,
  deepFrozen,
  NOW,
  SECOND,
  WORKFLOW,
} from "#test/builders.ts";
import type { Advance } from "./decision.ts";
import { fold, SNOOZE_MAX_MS, SNOOZE_MIN_MS } from "./fold.ts";
import type { FoldContext } from "./folding.ts";
import type { Fact, Run } from "./snapshot.ts";

const RETRY = { ...aPolicy().retry, jitter: 0 };
const CONTEXT: FoldContext = {
  nowMs: NOW,
  listeningSinceMs: NOW - 3_600 * SECOND,
  retry: RETRY,
  workflows: { [WORKFLOW]: aWorkflow() },
};

function folded(run: Run, facts: Fact[], context: Partial<FoldContext> = {}): { advance: Advance; run: Run } {
  const { advance, run: after } = fold(deepFrozen(run), deepFrozen(facts), { ...CONTEXT, ...context });
  assert.ok(advance, "something changes");
  return { advance, run: after };
}
const unchanged = (run: Run, facts: Fact[], context: Partial<FoldContext> = {}) =>
  assert.deepEqual(fold(deepFrozen(run), facts, { ...CONTEXT, ...context }), { advance: null, run });
const steps = (advance: Advance) => advance.steps.map((step) => `${step.from} → ${step.to}`);

describe("an accepted delivery", () => {
  it("moves the run to MONITORING and starts the attempt's clock", () => {
    const run = aRun({ attempt: { timeoutMs: 300 * SECOND } });
    const { advance } = folded(run, [aDelivery(run, "accepted", { atMs: NOW - SECOND })]);
    assert.deepEqual(steps(advance), ["DISPATCHING → MONITORING"]);
    assert.match(advance.steps[0]!.reason, /accepted the webhook/);
    assert.equal(advance.attempt.state, "accepted");
    assert.equal(advance.attempt.acceptedAtMs, NOW - SECOND);
    assert.equal(advance.attempt.deadlineAtMs, NOW + 299 * SECOND);
    assert.equal(advance.dueAtMs, NOW + 299 * SECOND);
    assert.equal(advance.attempt.ended, false);
    assert.deepEqual(advance.tasks, []);
  });

  it("of an earlier posting counts as well: the run lives", () => {
    const run = aRun({ attempt: { deliveries: 3 } });
    assert.equal(
      folded(run, [aDelivery(run, "accepted", { delivery: 1 })]).advance.attempt.state,
      "accepted",
    );
  });

  it("ends a redelivery that was planned", () => {
    const run = aRun({ attempt: { deliverAtMs: NOW + 2 * SECOND } });
    assert.equal(folded(run, [aDelivery(run, "accepted")]).advance.attempt.deliverAtMs, null);
  });

  it("wakes a snoozed run: the sub-workflow had taken it after all", () => {
    const run = aSnoozedRun({ dueAtMs: NOW + SECOND });
    const { advance } = folded(run, [aDelivery(run, "accepted", { delivery: 1 })]);
    assert.equal(advance.attempt.state, "accepted");
    assert.equal(advance.attempt.snoozedSinceMs, null);
  });

  it("changes nothing for a run that is known to live", () => {
    const run = aWorkingRun();
    unchanged(run, [aDelivery(run, "accepted"), aClaim(run)]);
  });
});

describe("a refused delivery", () => {
  it("fails the attempt, which counts, and plans the next", () => {
    const run = aRun({ tasks: [aRunTask(), aRunTask({ failures: 1 })] });
    const { advance, run: after } = folded(run, [aDelivery(run, "refused", { message: "HTTP 400: no" })]);
    assert.deepEqual(steps(advance), ["DISPATCHING → ERROR_RECOVERY"]);
    assert.equal(advance.attempt.state, "refused");
    assert.equal(advance.attempt.ended, true);
    assert.deepEqual(advance.attempt.failure, { code: "refused", message: "HTTP 400: no", stackTrace: null });
    assert.deepEqual(
      advance.tasks.map((task) => [task.from, task.to, task.failures, task.leaves, task.failure?.code]),
      [
        ["running", "retrying", 1, undefined, "refused"],
        ["running", "retrying", 2, undefined, "refused"],
      ],
    );
    assert.equal(advance.dueAtMs, NOW + 60 * SECOND);
    assert.equal(advance.recoveryAction?.action, "retry_later");
    assert.equal(after.tasks.length, 2);
  });
});

describe("a snoozed delivery", () => {
  it("waits as long as the sub-workflow asks, and costs no attempt", () => {
    const run = aRun();
    const { advance } = folded(run, [aDelivery(run, "snoozed", { retryAfterMs: 40 * SECOND })]);
    assert.equal(advance.attempt.state, "snoozed");
    assert.equal(advance.attempt.number, 1);
    assert.equal(advance.attempt.deliverAtMs, NOW + 40 * SECOND);
    assert.equal(advance.dueAtMs, NOW + 40 * SECOND);
    assert.deepEqual([advance.steps, advance.tasks], [[], []]);
    assert.equal(advance.deliver, false);
  });

  it("waits five seconds where nothing is asked for, or what the policy says", () => {
    const run = aRun();
    assert.equal(folded(run, [aDelivery(run, "snoozed")]).advance.dueAtMs, NOW + 5 * SECOND);
    const retry = { ...RETRY, snooze_seconds: 1.5 };
    assert.equal(folded(run, [aDelivery(run, "snoozed")], { retry }).advance.dueAtMs, NOW + 1_500);
  });

  it("waits an hour at most, whatever is asked for", () => {
    const run = aRun();
    const { advance } = folded(run, [aDelivery(run, "snoozed", { retryAfterMs: 7 * 86_400 * SECOND })]);
    assert.equal(advance.dueAtMs, NOW + SNOOZE_MAX_MS);
    assert.equal(SNOOZE_MAX_MS, 3_600 * SECOND);
  });

  it("waits a second at least: `Retry-After: 0` makes no storm of deliveries", () => {
    const run = aRun();
    const { advance } = folded(run, [aDelivery(run, "snoozed", { retryAfterMs: 0 })]);
    assert.equal(advance.dueAtMs, NOW + SNOOZE_MIN_MS);
    assert.equal(SNOOZE_MIN_MS, SECOND);
  });

  it("again keeps the moment of the first, from which the limit counts", () => {
    const run = aRun({ attempt: { deliveries: 4, snoozedSinceMs: NOW - 90 * SECOND } });
    assert.equal(folded(run, [aDelivery(run, "snoozed")]).advance.attempt.snoozedSinceMs, NOW - 90 * SECOND);
  });

  it("says nothing about a run that has shown life meanwhile", () => {
    const run = aWorkingRun();
    unchanged(run, [aDelivery(run, "snoozed")]);
  });
});

describe("an unknown delivery", () => {
  const waits: [deliveries: number, seconds: number][] = [
    [1, 1],
    [2, 2],
    [3, 4],
    [4, 8],
    [5, 16],
    [6, 30],
    [9, 30],
  ];
  for (const [deliveries, seconds] of waits) {
    it(`number ${deliveries} is repeated after ${seconds} s, the same attempt`, () => {
      const run = aRun({ attempt: { deliveries } });
      const { advance } = folded(run, [aDelivery(run, "unknown", { message: "HTTP 502" })]);
      assert.equal(advance.dueAtMs, NOW + seconds * SECOND);
      assert.equal(advance.attempt.state, "sent");
      assert.equal(advance.attempt.number, 1);
      assert.equal(advance.attempt.message, "HTTP 502");
      assert.deepEqual([advance.steps, advance.tasks, advance.deliver], [[], [], false]);
    });
  }

  it("is not repeated after the attempt's deadline: that is looked at first", () => {
    const run = aRun({ attempt: { deliveries: 9, deadlineAtMs: NOW + 10 * SECOND } });
    assert.equal(folded(run, [aDelivery(run, "unknown")]).advance.dueAtMs, NOW + 10 * SECOND);
  });

  it("that is not the newest says nothing: the newest is still on its way", () => {
    const run = aRun({ attempt: { deliveries: 2 } });
    unchanged(run, [aDelivery(run, "unknown", { delivery: 1 })]);
  });

  it("says nothing about a run that has shown life: it is not delivered again", () => {
    const run = aWorkingRun();
    unchanged(run, [aDelivery(run, "unknown")]);
  });
});

describe("a claim", () => {
  it("is a sign of life: MONITORING, from the moment of the claim", () => {
    const run = aRun();
    const { advance } = folded(run, [aClaim(run, { atMs: NOW - 2 * SECOND })]);
    assert.deepEqual(steps(advance), ["DISPATCHING → MONITORING"]);
    assert.match(advance.steps[0]!.reason, /claimed/);
    assert.equal(advance.attempt.acceptedAtMs, NOW - 2 * SECOND);
  });

  it("before the outcome of its delivery makes that outcome meaningless", () => {
    const run = aRun();
    const { advance } = folded(run, [aClaim(run), aDelivery(run, "unknown"), aDelivery(run, "snoozed")]);
    assert.equal(advance.attempt.state, "accepted");
    assert.equal(advance.steps.length, 1);
  });
});

describe("a heartbeat", () => {
  it("shows progress, and is a sign of life", () => {
    const run = aRun();
    const { advance } = folded(run, [aHeartbeat(run, { progress: 0.4, message: "writing" })]);
    assert.deepEqual(steps(advance), ["DISPATCHING → MONITORING"]);
    const { progress, message, lastHeartbeatAtMs, silentAtMs } = advance.attempt;
    assert.deepEqual([progress, message, lastHeartbeatAtMs, silentAtMs], [0.4, "writing", NOW, null]);
  });

  it("without progress keeps what was known", () => {
    const run = aWorkingRun({ attempt: { progress: 0.7, message: "writing" } });
    const { progress, message } = folded(run, [aHeartbeat(run)]).advance.attempt;
    assert.deepEqual([progress, message], [0.7, "writing"]);
  });

  it("does not move the attempt's deadline", () => {
    const run = aWorkingRun();
    const { advance } = folded(run, [aHeartbeat(run, { progress: 0.5 })]);
    assert.equal(advance.attempt.deadlineAtMs, run.attempt.deadlineAtMs);
    assert.equal(advance.dueAtMs, run.attempt.deadlineAtMs);
  });

  it("with a promise asks for a look when the promise is broken", () => {
    const run = aWorkingRun();
    const { advance } = folded(run, [aHeartbeat(run, { nextWithinMs: 20 * SECOND })]);
    assert.equal(advance.attempt.silentAtMs, NOW + 20 * SECOND);
    assert.equal(advance.dueAtMs, NOW + 20 * SECOND);
  });

  it("renews an earlier promise, whether or not it makes one itself", () => {
    const promised = { lastHeartbeatAtMs: NOW - 15 * SECOND, silentAtMs: NOW + 5 * SECOND };
    const run = aWorkingRun({ attempt: promised });
    assert.equal(folded(run, [aHeartbeat(run)]).advance.attempt.silentAtMs, NOW + 20 * SECOND);
    const longer = folded(run, [aHeartbeat(run, { nextWithinMs: 60 * SECOND })]);
    assert.equal(longer.advance.attempt.silentAtMs, NOW + 60 * SECOND);
  });
});

describe("a fact about another attempt, or an attempt that is over", () => {
  const kinds: [name: string, fact: (run: Run) => Fact][] = [
    ["accepted", (run) => aDelivery(run, "accepted")],
    ["refused", (run) => aDelivery(run, "refused")],
    ["snoozed", (run) => aDelivery(run, "snoozed")],
    ["unknown", (run) => aDelivery(run, "unknown")],
    ["claim", (run) => aClaim(run)],
    ["heartbeat", (run) => aHeartbeat(run, { progress: 1 })],
  ];
  for (const [name, fact] of kinds) {
    it(`changes nothing: ${name}`, () => {
      const second = aRun({ attempt: { number: 2 } });
      unchanged(second, [{ ...fact(second), attempt: 1 } as Fact]);
      const failed = aFailedRun({ dueAtMs: NOW + 60 * SECOND });
      unchanged(failed, [fact(failed)]);
    });
  }

  it("changes nothing: a callback of an earlier attempt", () => {
    const run = aRun({ attempt: { number: 2 } });
    unchanged(run, [aCallback(run, { status: "completed", attempt: 1 })]);
  });
});
