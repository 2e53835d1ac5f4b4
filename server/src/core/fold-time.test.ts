/** What the passing of time alone does to a run: redelivery, time-out, silence, the end of patience. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  aFailedRun,
  aHeartbeat,
  aPolicy,
  aRun,
  aRunTask,
  aSnoozedRun,
  aWorkflow,
  aWorkingRun,
  deepFrozen,
  MINUTE,
  NOW,
  SECOND,
  WORKFLOW,
} from "#test/builders.ts";
import type { Advance } from "./decision.ts";
import { fold, resume } from "./fold.ts";
import { DELIVERY_LOST_AFTER_MS, type FoldContext } from "./folding.ts";
import type { Run } from "./snapshot.ts";

const RETRY = { ...aPolicy().retry, jitter: 0 };
const CONTEXT: FoldContext = {
  nowMs: NOW,
  listeningSinceMs: NOW - 3_600 * SECOND,
  retry: RETRY,
  workflows: { [WORKFLOW]: aWorkflow() },
};

function passed(run: Run, context: Partial<FoldContext> = {}): Advance {
  const { advance } = fold(deepFrozen(run), [], { ...CONTEXT, ...context });
  assert.ok(advance, "something changes");
  return advance;
}
const unchanged = (run: Run, context: Partial<FoldContext> = {}) =>
  assert.equal(fold(deepFrozen(run), [], { ...CONTEXT, ...context }).advance, null);

describe("a run whose time has not come", () => {
  it("is left alone", () => {
    for (const run of [aRun(), aWorkingRun(), aSnoozedRun({ dueAtMs: NOW + 1 }), aFailedRun()])
      unchanged(run);
  });
});

describe("a delivery without any recorded outcome", () => {
  it("is lost with its deliverer after 15 s, and is posted again at once", () => {
    assert.equal(DELIVERY_LOST_AFTER_MS, 15 * SECOND);
    const advance = passed(aRun({ dueAtMs: NOW }));
    assert.equal(advance.deliver, true);
    assert.equal(advance.attempt.deliveries, 2);
    assert.equal(advance.attempt.number, 1);
    assert.equal(advance.dueAtMs, NOW + 15 * SECOND);
    assert.deepEqual([advance.steps, advance.tasks, advance.attempt.ended], [[], [], false]);
  });

  it("is never awaited beyond the attempt's deadline", () => {
    const advance = passed(aRun({ dueAtMs: NOW, attempt: { deadlineAtMs: NOW + 4 * SECOND } }));
    assert.equal(advance.dueAtMs, NOW + 4 * SECOND);
  });
});

describe("a redelivery whose moment has come", () => {
  it("is posted: the same attempt, one delivery more", () => {
    const advance = passed(aRun({ dueAtMs: NOW, attempt: { deliveries: 4, deliverAtMs: NOW } }));
    assert.deepEqual(
      [advance.deliver, advance.attempt.deliveries, advance.attempt.deliverAtMs],
      [true, 5, null],
    );
  });
});

describe("an attempt without any sign of life until its deadline", () => {
  it("is undelivered: failed, counted, to be tried again", () => {
    const run = aRun({ dueAtMs: NOW, attempt: { deliveries: 12, deadlineAtMs: NOW } });
    const advance = passed(run);
    assert.equal(advance.attempt.state, "undelivered");
    assert.match(advance.attempt.failure!.message, /no sign of life within 300 s and 12 deliveries/);
    assert.deepEqual(
      advance.steps.map((step) => step.to),
      ["ERROR_RECOVERY"],
    );
    assert.equal(advance.tasks[0]!.failures, 1);
    assert.equal(advance.deliver, false);
    assert.equal(advance.dueAtMs, NOW + MINUTE);
  });
});

describe("an accepted attempt without a callback until its deadline", () => {
  it("is timed out, and its tasks wait for the next attempt", () => {
    const run = aWorkingRun({ dueAtMs: NOW, attempt: { deadlineAtMs: NOW } });
    const advance = passed(run);
    assert.equal(advance.attempt.state, "timed_out");
    assert.match(advance.attempt.failure!.message, /no callback within 300 s/);
    assert.equal(advance.tasks[0]!.to, "retrying");
    assert.equal(advance.tasks[0]!.dueAtMs, NOW + MINUTE);
    assert.equal(advance.tasks[0]!.leaves, undefined);
  });

  it("waits longer after each attempt", () => {
    const due = (number: number) =>
      passed(aWorkingRun({ dueAtMs: NOW, attempt: { number, deadlineAtMs: NOW } })).dueAtMs! - NOW;
    assert.deepEqual([due(1), due(2)], [MINUTE, 2 * MINUTE]);
  });

  it("and without an attempt left ends the run: its tasks go back, each alone from now on", () => {
    const run = aWorkingRun({
      dueAtMs: NOW,
      tasks: [aRunTask({ failures: 2 }), aRunTask({ failures: 3 })],
      attempt: { number: 3, deadlineAtMs: NOW },
    });
    const advance = passed(run);
    assert.deepEqual(
      advance.steps.map((step) => step.to),
      ["FAILED"],
    );
    assert.equal(advance.end?.failure?.code, "timed_out");
    assert.equal(advance.dueAtMs, null);
    assert.deepEqual(
      advance.tasks.map((task) => [task.to, task.failures, task.leaves, task.runsAlone, task.dueAtMs! - NOW]),
      [
        ["retrying", 3, true, true, 4 * MINUTE],
        ["retrying", 4, true, true, 8 * MINUTE],
      ],
    );
  });
});

describe("a run that promised a heartbeat", () => {
  const promised = { lastHeartbeatAtMs: NOW - 20 * SECOND, silentAtMs: NOW };

  it("and sent none is lost, long before its deadline", () => {
    const advance = passed(aWorkingRun({ dueAtMs: NOW, attempt: promised }));
    assert.equal(advance.attempt.state, "lost");
    assert.match(advance.attempt.failure!.message, /fell silent/);
    assert.equal(advance.tasks[0]!.failures, 1);
  });

  it("is not lost while nobody was here to hear it: it gets its promise's time again", () => {
    const advance = passed(aWorkingRun({ dueAtMs: NOW, attempt: promised }), {
      listeningSinceMs: NOW - 5 * SECOND,
    });
    assert.equal(advance.attempt.state, "accepted");
    assert.equal(advance.dueAtMs, NOW + 15 * SECOND);
  });

  it("is lost when it stays silent for that time as well", () => {
    const run = aWorkingRun({ dueAtMs: NOW, attempt: promised });
    assert.equal(passed(run, { listeningSinceMs: NOW - 20 * SECOND }).attempt.state, "lost");
  });

  it("and kept it at the last moment lives: the fact counts before the clock", () => {
    const run = aWorkingRun({ dueAtMs: NOW, attempt: promised });
    const { advance } = fold(run, [aHeartbeat(run, { nextWithinMs: 20 * SECOND })], CONTEXT);
    assert.equal(advance?.attempt.state, "accepted");
    assert.equal(advance?.dueAtMs, NOW + 20 * SECOND);
  });

  it("is timed out at its deadline, promise or not", () => {
    const run = aWorkingRun({ dueAtMs: NOW, attempt: { ...promised, deadlineAtMs: NOW } });
    assert.equal(passed(run).attempt.state, "timed_out");
  });
});

describe("a snoozed run", () => {
  it("whose moment has come asks for a slot, and is not posted before it has one", () =>
    unchanged(aSnoozedRun()));

  it("is not measured by the attempt's deadline: its clock has not begun", () => {
    unchanged(aSnoozedRun({ attempt: { deadlineAtMs: NOW - MINUTE } }));
  });

  it("is given up when it was busy for as long as the policy's limit", () => {
    const retry = { ...RETRY, snooze_limit_seconds: 60 };
    const since = (ms: number) => aSnoozedRun({ attempt: { snoozedSinceMs: NOW - ms } });
    unchanged(since(59 * SECOND), { retry });
    const advance = passed(since(60 * SECOND), { retry });
    assert.equal(advance.attempt.state, "undelivered");
    assert.match(advance.attempt.failure!.message, /busy for 60 s/);
    assert.equal(advance.tasks[0]!.to, "retrying");
  });

  it("that resumes is posted again: same attempt, one delivery more, a new clock", () => {
    const run = aSnoozedRun({ attempt: { deliveries: 2, deadlineAtMs: NOW - MINUTE } });
    const advance = resume(deepFrozen(run), CONTEXT);
    assert.equal(advance.deliver, true);
    assert.equal(advance.attempt.state, "sent");
    assert.equal(advance.attempt.number, 1);
    assert.equal(advance.attempt.deliveries, 3);
    assert.equal(advance.attempt.deadlineAtMs, NOW + 300 * SECOND);
    assert.equal(advance.attempt.snoozedSinceMs, run.attempt.snoozedSinceMs);
    assert.equal(advance.dueAtMs, NOW + 15 * SECOND);
  });
});
