/** Recoveries of the house as a whole: overdue runs, missed ticks, what was set aside, and taking on less. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  aCallback,
  aFailedRun,
  aLane,
  aPolicy,
  aRecovery,
  aSnapshot,
  aSnoozedRun,
  aWorkflow,
  aWorkingRun,
  closeRecovery,
  MINUTE,
  NOW,
  SECOND,
  tasks,
} from "#test/builders.ts";
import { type Chance, forSeeds } from "#test/chance.ts";
import { aWorld, isLive, type World } from "#test/world.ts";
import type { Decision, RecoveryStep } from "./decision.ts";
import { type Health, NEUTRAL_HEALTH } from "./health.ts";
import { plan } from "./plan.ts";
import { ORCHESTRATOR } from "./recovery-steps.ts";
import type { Recovery, Snapshot, WorkflowView } from "./snapshot.ts";

const of = <K extends Decision["kind"]>(decisions: readonly Decision[], kind: K) =>
  decisions.filter((d): d is Extract<Decision, { kind: K }> => d.kind === kind);
const decided = (over: Partial<Snapshot>) => plan(aSnapshot(over)).decisions;
const stepsOf = (over: Partial<Snapshot>) => of(decided(over), "recovery");
const shown = ({ step, recovery }: RecoveryStep) => `${recovery.procedure} ${step}`;
const steps = (over: Partial<Snapshot>) => stepsOf(over).map(shown);
const own = (procedure: Recovery["procedure"], over: Partial<Recovery> = {}) =>
  aRecovery({ procedure, subject: ORCHESTRATOR, ...over });

describe("overdue runs", () => {
  it("are a recovery, with how many and how late, while the ordinary rules rescue them", () => {
    const runs = [
      aWorkingRun({ dueAtMs: NOW - 90 * SECOND, attempt: { deadlineAtMs: NOW - 90 * SECOND } }),
      aWorkingRun({ dueAtMs: NOW - 30 * SECOND, attempt: { deadlineAtMs: NOW - 30 * SECOND } }),
      aWorkingRun({ dueAtMs: NOW - 29 * SECOND, attempt: { deadlineAtMs: NOW - 29 * SECOND } }),
    ];
    const decisions = decided({ runs });
    const [step] = of(decisions, "recovery");
    assert.equal(shown(step!), "rescue_expired_attempts opened");
    assert.match(step!.recovery.cause, /2 runs are overdue, by up to 90 s/);
    assert.deepEqual(step!.recovery.numbers, { overdue_runs: 2, late_seconds: 90 });
    assert.equal(of(decisions, "advance").length, 3, "all three have timed out");
  });

  it("are none that wait for a slot: between attempts, or snoozed", () => {
    const late = { dueAtMs: NOW - MINUTE };
    assert.deepEqual(steps({ runs: [aFailedRun(late), aSnoozedRun(late)], paused: true }), []);
  });

  it("end the recovery when there are none any more", () => {
    assert.deepEqual(steps({ recoveries: [own("rescue_expired_attempts")] }), [
      "rescue_expired_attempts closed",
    ]);
    const runs = [aWorkingRun({ dueAtMs: NOW - MINUTE })];
    assert.deepEqual(steps({ recoveries: [own("rescue_expired_attempts")], runs }), []);
  });
});

describe("missed ticks", () => {
  const missed = (missedTicks: number): Partial<Snapshot> => ({ health: { ...NEUTRAL_HEALTH, missedTicks } });

  it("are on record, and over with the next cycle", () => {
    const [step] = stepsOf(missed(3));
    assert.deepEqual([shown(step!), step!.recovery.numbers], ["make_up_ticks opened", { missed_ticks: 3 }]);
    assert.deepEqual(steps({ recoveries: [own("make_up_ticks")] }), ["make_up_ticks closed"]);
  });

  it("again before that are the same recovery's", () => {
    const [step] = stepsOf({ ...missed(2), recoveries: [own("make_up_ticks")] });
    assert.deepEqual([shown(step!), step!.recovery.numbers], ["make_up_ticks changed", { missed_ticks: 2 }]);
  });
});

it("what was set aside is no trouble any more once a cycle has succeeded", () => {
  const aside = own("set_aside", { subject: "fact 12" });
  const [step] = stepsOf({ recoveries: [aside] });
  assert.deepEqual([shown(step!), step!.recovery.subject], ["set_aside closed", "fact 12"]);
});

describe("a recovery that a person closes", () => {
  it("is closed in that person's name; a closed or unknown one changes nothing", () => {
    const recoveries = [own("reduce", { recoveryId: "r1" })];
    const health = failing(40, 30);
    const facts = [closeRecovery("r1", "ada"), closeRecovery("r1", "bob"), closeRecovery("unknown")];
    const [step, ...more] = stepsOf({ recoveries, facts, health });
    assert.deepEqual(
      [shown(step!), step!.actor, step!.reason],
      ["reduce closed", "ada", "closed by request"],
    );
    assert.deepEqual(more, []);
  });
});

/** Attempts of two workflows, so that neither has enough for its own breaker. */
function failing(ended: number, failed: number): Health {
  const half = { ended: ended / 2, failedEndpoint: 0, failedTask: failed / 2, failuresInRow: 0 };
  return { ...NEUTRAL_HEALTH, outcomes: { a: half, b: half } };
}

describe("taking on less", () => {
  const replicas = (inUse: number) => ({
    replicas: [
      {
        replicaId: "a",
        rssMb: null,
        eventLoopDelayMs: null,
        connections: { open: inUse, inUse: inUse - 1, waiting: 0 },
      },
      { replicaId: "b", rssMb: null, eventLoopDelayMs: null, connections: { open: 1, inUse: 1, waiting: 0 } },
    ],
  });
  const begins: [over: Partial<Snapshot>, opens: boolean, why: string][] = [
    [{ health: failing(30, 16) }, true, "half of thirty attempts fail"],
    [{ health: failing(30, 14) }, false, "fewer than half fail"],
    [
      { health: failing(28, 28), policy: aPolicy({ recovery: { breaker: { min_attempts: 50 } } }) },
      false,
      "too few attempts",
    ],
    [{ health: { ...NEUTRAL_HEALTH, cycles: { count: 20, p95Ms: 2_000 } } }, true, "cycles take two seconds"],
    [{ health: { ...NEUTRAL_HEALTH, cycles: { count: 19, p95Ms: 9_000 } } }, false, "too few cycles to say"],
    [{ health: { ...NEUTRAL_HEALTH, failedCycles: 5 } }, true, "the database failed five cycles"],
    [{ health: { ...NEUTRAL_HEALTH, failedCycles: 4 } }, false, "it failed four"],
    [{ resources: replicas(16) }, true, "more connections are in use than allowed"],
    [{ resources: replicas(15) }, false, "all connections that are allowed are in use"],
    [{ health: failing(30, 30), reducedUntilMs: NOW - 4 * MINUTE }, false, "it ended within the window"],
    [{ health: failing(30, 30), reducedUntilMs: NOW - 5 * MINUTE }, true, "it ended a window ago"],
  ];
  for (const [over, opens, why] of begins) {
    it(`${opens ? "begins" : "does not begin"}: ${why}`, () => {
      assert.deepEqual(steps(over), opens ? ["reduce opened"] : []);
    });
  }

  it("counts no failures that a breaker has cut off", () => {
    const bad = { ended: 60, failedEndpoint: 60, failedTask: 0, failuresInRow: 60 };
    const health = { ...NEUTRAL_HEALTH, outcomes: { a: bad } };
    assert.deepEqual(steps({ health }), ["trip_breaker opened"]);
    const pause = aRecovery({ procedure: "pause", subject: "a", nextAtMs: NOW + MINUTE });
    const workflows = { a: aWorkflow({ workflowType: "a", paused: true, pausedBy: ORCHESTRATOR }) };
    assert.deepEqual(steps({ health, recoveries: [pause], workflows }), []);
  });

  it("holds what is above the policy's limit for high load, and says why", () => {
    const over = {
      health: failing(40, 30),
      lanes: [aLane(tasks(9))],
      workflows: { content_pipeline: aWorkflow({ maxConcurrent: 9, batchMax: 1 }) },
    };
    const decisions = decided(over);
    assert.equal(of(decisions, "dispatch").length, 3);
    const [hold] = of(decisions, "hold");
    assert.equal(hold!.reason, "recovering");
    assert.match(hold!.cause, /30 of the last 40 attempts failed within 5 min.*3 runs at once/);
  });

  it("ends when all has been below half of its threshold for the stated time, and not before", () => {
    const reduce = (nextAtMs: number | null) => [own("reduce", { nextAtMs })];
    const calm = { health: failing(40, 8) };
    const [first] = stepsOf({ ...calm, recoveries: reduce(null) });
    assert.deepEqual([shown(first!), first!.recovery.nextAtMs], ["reduce changed", NOW + 120 * SECOND]);
    assert.deepEqual(steps({ ...calm, recoveries: reduce(NOW + 1) }), []);
    assert.deepEqual(steps({ ...calm, recoveries: reduce(NOW) }), ["reduce closed"]);
    const [back] = stepsOf({ health: failing(40, 12), recoveries: reduce(NOW) });
    assert.deepEqual(
      [shown(back!), back!.recovery.nextAtMs],
      ["reduce changed", null],
      "a relapse begins anew",
    );
    assert.deepEqual(steps({ health: failing(40, 12), recoveries: reduce(null) }), []);
  });

  it("is ended by a few failures among few attempts as well: they are no trouble", () => {
    assert.deepEqual(steps({ health: failing(4, 4), recoveries: [own("reduce", { nextAtMs: NOW })] }), [
      "reduce closed",
    ]);
  });
});

const TYPES = ["w1", "w2"];

/** Any trouble, in any state of being dealt with. */
function anyTrouble(random: Chance): { recoveries: Recovery[]; health: Health } {
  const soon = () => NOW + random.int(-600, 600) * SECOND;
  const recoveries = TYPES.flatMap((subject) => {
    const common = { subject, reopened: random.int(0, 9), nextAtMs: soon() };
    return random.oneOf<Recovery[]>([
      [],
      [aRecovery({ ...common, state: "open" })],
      [aRecovery({ ...common, state: "half_open" })],
      [aRecovery({ ...common, state: "half_open", probe: "a task that is gone" })],
      [aRecovery({ ...common, procedure: "pause" })],
    ]);
  });
  for (const procedure of ["reduce", "make_up_ticks", "rescue_expired_attempts", "set_aside"] as const) {
    const nextAtMs = procedure === "reduce" && random.maybe(0.5) ? soon() : null;
    if (random.maybe(0.5)) recoveries.push(own(procedure, { nextAtMs }));
  }
  const ended = random.int(0, 90);
  const failedEndpoint = random.int(0, ended);
  const outcomes = { w1: { ended, failedEndpoint, failedTask: 0, failuresInRow: failedEndpoint } };
  return { recoveries, health: { ...NEUTRAL_HEALTH, outcomes } };
}

function anyWorkflows(random: Chance): Record<string, WorkflowView> {
  return Object.fromEntries(
    TYPES.map((workflowType) => {
      const pausedBy = random.oneOf([null, null, ORCHESTRATOR, "ada"]);
      return [workflowType, aWorkflow({ workflowType, paused: pausedBy !== null, pausedBy })];
    }),
  );
}

/** From now on every sub-workflow answers at once and well. Returns how long recoveries were open. */
function untilRecovered(world: World): number {
  for (;;) {
    world.cycle();
    const answered = [...world.runs.values()].filter((run) => isLive(run) && run.attempt.state === "sent");
    for (const run of answered) world.report(aCallback(run, { status: "completed" }));
    if (world.recoveries().length === 0) return world.nowMs - NOW;
    if (answered.length === 0) world.nowMs = world.nextDueMs() as number;
    assert.ok(world.nowMs - NOW < 60 * MINUTE, JSON.stringify(world.recoveries()));
  }
}

describe("with healthy endpoints", () => {
  it("every recovery ends within a bounded time, from whatever state: by rule, not by hope", () => {
    let longestMs = 0;
    forSeeds(150, (random) => {
      const { recoveries, health } = anyTrouble(random);
      let cycles = 0;
      const see = (snapshot: Snapshot) => (cycles++ === 0 ? { ...snapshot, health } : snapshot);
      const world = aWorld(aPolicy(), anyWorkflows(random), (snapshot) => plan(see(snapshot)), recoveries);
      for (let i = random.int(0, 30); i > 0; i--) world.enqueue({ workflowType: random.oneOf(TYPES) });
      longestMs = Math.max(longestMs, untilRecovered(world));
    });
    // The longest way: a wait of ten minutes at the beginning, a pause, a window without anything to probe with.
    assert.ok(longestMs <= 46 * MINUTE, `${longestMs / MINUTE} min`);
    assert.ok(longestMs > 35 * MINUTE, "the seeds meet the long ways too");
  });
});
