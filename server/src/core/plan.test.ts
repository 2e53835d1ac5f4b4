/** The whole plan: what facts, time and free slots come to together, in one decision. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  aCallback,
  aDelivery,
  aFailedRun,
  aLane,
  aNamedTask,
  aPolicy,
  aRun,
  aRunTask,
  aSnapshot,
  aSnoozedRun,
  aTask,
  aWorkflow,
  aWorkingRun,
  cancelExecution,
  cancelTask,
  deepFrozen,
  MINUTE,
  NOW,
  redrive,
  SECOND,
  setPriority,
  TARGET,
  tasks,
  WORKFLOW,
} from "#test/builders.ts";
import type { Decision, TaskChange } from "./decision.ts";
import { plan } from "./plan.ts";
import type { Snapshot } from "./snapshot.ts";

const decided = (over: Partial<Snapshot>) => plan(deepFrozen(aSnapshot(over))).decisions;
const kinds = (decisions: readonly Decision[]) => decisions.map((decision) => decision.kind);
const of = <K extends Decision["kind"]>(decisions: readonly Decision[], kind: K) =>
  decisions.filter((decision): decision is Extract<Decision, { kind: K }> => decision.kind === kind);
const changes = (decisions: readonly Decision[]): TaskChange[] =>
  of(decisions, "change_task").map((decision) => decision.change);
const oneSlot = { [WORKFLOW]: aWorkflow({ maxConcurrent: 1 }) };

describe("nothing to do", () => {
  it("is nothing decided", () => assert.deepEqual(decided({}), []));
});

describe("a slot that is freed by a fact", () => {
  const cases: [name: string, fact: (run: ReturnType<typeof aWorkingRun>) => Snapshot["facts"][number]][] = [
    ["a callback", (run) => aCallback(run, { status: "completed" })],
    ["a failed callback", (run) => aCallback(run, { status: "failed" })],
    ["a refusal", (run) => aDelivery(run, "refused")],
    ["a cancellation", (run) => cancelExecution(run)],
  ];
  for (const [name, fact] of cases) {
    it(`is used in the same plan: ${name}`, () => {
      const run = aWorkingRun();
      const waiting = aLane([aTask({ taskId: "next" })]);
      const decisions = decided({ runs: [run], facts: [fact(run)], lanes: [waiting], workflows: oneSlot });
      assert.deepEqual(
        of(decisions, "dispatch").map((dispatch) => dispatch.taskIds),
        [["next"]],
      );
    });
  }

  it("is used in the same plan: a time-out", () => {
    const run = aWorkingRun({ dueAtMs: NOW, attempt: { deadlineAtMs: NOW } });
    assert.equal(
      of(decided({ runs: [run], lanes: [aLane(tasks(1))], workflows: oneSlot }), "dispatch").length,
      1,
    );
  });

  it("is not freed by a snooze: no new work goes where one was asked to wait; but all gain one slot", () => {
    const run = aRun();
    const facts = [aDelivery(run, "snoozed", { retryAfterMs: 60 * SECOND })];
    const other = aLane(tasks(1), { workflowType: "seo_monitor" });
    const workflows = { ...oneSlot, seo_monitor: aWorkflow({ workflowType: "seo_monitor" }) };
    const policy = aPolicy({ concurrency: { total: 1 } });
    const decisions = decided({ runs: [run], facts, lanes: [aLane(tasks(1)), other], workflows, policy });
    assert.deepEqual(
      of(decisions, "dispatch").map((dispatch) => dispatch.workflowType),
      ["seo_monitor"],
    );
    assert.deepEqual(
      of(decisions, "hold").map((hold) => hold.reason),
      ["concurrency_workflow"],
    );
  });
});

describe("a run that fails with no wait before its retry", () => {
  it("starts its next attempt in the same plan, over what is not done", () => {
    const policy = aPolicy({ retry: { base_seconds: 0 } });
    const run = aWorkingRun({ tasks: [aRunTask({ taskId: "a" }), aRunTask({ taskId: "b" })] });
    const items = [{ task_id: "a", status: "completed" as const }];
    const facts = [aCallback(run, { status: "partial", items })];
    const decisions = decided({ runs: [run], facts, policy });
    assert.deepEqual(kinds(decisions), ["advance", "retry", "count_outcomes", "remember_target"]);
    assert.deepEqual(of(decisions, "retry")[0]!.taskIds, ["b"]);
  });
});

describe("a snoozed run whose time has come", () => {
  it("is one decision: it is posted again", () => {
    const decisions = decided({ runs: [aSnoozedRun()] });
    assert.deepEqual(kinds(decisions), ["advance"]);
    assert.equal(of(decisions, "advance")[0]!.deliver, true);
    assert.equal(of(decisions, "advance")[0]!.attempt.target, TARGET);
  });

  it("is one decision even if something happened to it in this very cycle", () => {
    const run = aSnoozedRun({ tasks: [aRunTask({ taskId: "a" }), aRunTask({ taskId: "b" })] });
    const facts = [cancelTask("a")];
    const namedTasks = [aNamedTask({ taskId: "a", status: "running", executionId: run.executionId })];
    const advances = of(decided({ runs: [run], facts, namedTasks }), "advance");
    assert.equal(advances.length, 1);
    assert.equal(advances[0]!.deliver, true);
    assert.equal(advances[0]!.attempt.state, "sent");
    assert.deepEqual(
      advances[0]!.tasks.map((task) => task.taskId),
      ["a"],
    );
  });

  it("that has just been cancelled is not posted", () => {
    const run = aSnoozedRun();
    const advances = of(decided({ runs: [run], facts: [cancelExecution(run)] }), "advance");
    assert.deepEqual(
      advances.map((advance) => [advance.deliver, advance.attempt.state]),
      [[false, "cancelled"]],
    );
  });
});

describe("a waiting task that is cancelled", () => {
  for (const status of ["queued", "scheduled", "retrying"] as const) {
    it(`is cancelled in the name of who asked: ${status}`, () => {
      const decisions = decided({
        facts: [cancelTask("t", "ada")],
        namedTasks: [aNamedTask({ taskId: "t", status })],
      });
      const reason = "cancelled by request";
      assert.deepEqual(changes(decisions), [
        { taskId: "t", from: status, to: "cancelled", reason, actor: "ada", leaves: true },
      ]);
    });
  }

  it("is not dispatched by the same plan; the next one is", () => {
    const lane = aLane([aTask({ taskId: "t", priority: 90 }), aTask({ taskId: "next", priority: 10 })]);
    const policy = aPolicy({ concurrency: { total: 1 } });
    const decisions = decided({
      lanes: [lane],
      facts: [cancelTask("t")],
      namedTasks: [aNamedTask({ taskId: "t" })],
      policy,
    });
    assert.deepEqual(
      of(decisions, "dispatch").map((dispatch) => dispatch.taskIds),
      [["next"]],
    );
    assert.deepEqual(of(decisions, "hold"), [], "and counts as waiting no more");
  });

  it("twice, or at the moment it becomes due, changes once", () => {
    const decisions = decided({
      facts: [cancelTask("t"), cancelTask("t")],
      namedTasks: [aNamedTask({ taskId: "t", status: "scheduled" })],
      dueTasks: [{ taskId: "t", status: "scheduled" }],
    });
    assert.deepEqual(
      changes(decisions).map((change) => change.to),
      ["cancelled"],
    );
  });

  it("after it has ended, or when nobody knows it, changes nothing", () => {
    for (const status of ["completed", "dead_lettered", "cancelled"] as const) {
      assert.deepEqual(
        decided({ facts: [cancelTask("t")], namedTasks: [aNamedTask({ taskId: "t", status })] }),
        [],
      );
    }
    assert.deepEqual(decided({ facts: [cancelTask("nobody")] }), []);
  });
});

describe("a running task that is cancelled", () => {
  it("is taken out of its run, and nothing else is decided about it", () => {
    const run = aWorkingRun({ tasks: [aRunTask({ taskId: "a" }), aRunTask({ taskId: "b" })] });
    const namedTasks = [aNamedTask({ taskId: "a", status: "running", executionId: run.executionId })];
    const decisions = decided({ runs: [run], facts: [cancelTask("a")], namedTasks });
    assert.deepEqual(kinds(decisions), ["advance"]);
    assert.deepEqual(of(decisions, "advance")[0]!.tasks.length, 1);
  });
});

describe("a dead letter that is sent back", () => {
  it("joins the queue again, alone, its failures counted from zero", () => {
    const namedTasks = [aNamedTask({ taskId: "t", status: "dead_lettered", failures: 5 })];
    const [change] = changes(decided({ facts: [redrive("t", "ada")], namedTasks }));
    assert.deepEqual(
      [change!.from, change!.to, change!.failures, change!.runsAlone, change!.dueAtMs, change!.actor],
      ["dead_lettered", "queued", 0, true, NOW, "ada"],
    );
  });

  it("twice is sent back once; what is no dead letter is not sent back", () => {
    const namedTasks = [aNamedTask({ taskId: "t", status: "dead_lettered" })];
    assert.equal(changes(decided({ facts: [redrive("t"), redrive("t")], namedTasks })).length, 1);
    for (const status of ["queued", "running", "completed", "cancelled"] as const) {
      assert.deepEqual(
        decided({ facts: [redrive("t")], namedTasks: [aNamedTask({ taskId: "t", status })] }),
        [],
      );
    }
  });
});

describe("requests of one cycle about one task", () => {
  it("are carried out in their order: sent back, then cancelled", () => {
    const namedTasks = [aNamedTask({ taskId: "t", status: "dead_lettered" })];
    const facts = [redrive("t"), cancelTask("t")];
    assert.deepEqual(
      changes(decided({ facts, namedTasks })).map((change) => [change.from, change.to]),
      [
        ["dead_lettered", "queued"],
        ["queued", "cancelled"],
      ],
    );
  });

  it("come to nothing where the one before has left no ground: cancelled, then sent back", () => {
    const facts = [cancelTask("t"), redrive("t")];
    const decisions = decided({ facts, namedTasks: [aNamedTask({ taskId: "t" })] });
    assert.deepEqual(
      changes(decisions).map((change) => change.to),
      ["cancelled"],
    );
  });
});

describe("a new priority", () => {
  it("counts in the very plan that sets it", () => {
    const lane = aLane([aTask({ taskId: "first", priority: 60 }), aTask({ taskId: "raised", priority: 50 })]);
    const decisions = decided({
      lanes: [lane],
      facts: [setPriority("raised", 100)],
      namedTasks: [aNamedTask({ taskId: "raised" })],
      workflows: { [WORKFLOW]: aWorkflow({ maxConcurrent: 1, batchMax: 1 }) },
    });
    const [dispatch] = of(decisions, "dispatch");
    assert.deepEqual([dispatch!.taskIds, dispatch!.priority], [["raised"], 100]);
  });

  it("is set, in the order in which it was asked for", () => {
    const facts = [setPriority("t", 90, "ada"), setPriority("t", 10, "bob")];
    assert.deepEqual(decided({ facts, namedTasks: [aNamedTask({ taskId: "t" })] }), [
      { kind: "set_priority", taskId: "t", priority: 90, actor: "ada" },
      { kind: "set_priority", taskId: "t", priority: 10, actor: "bob" },
    ]);
  });

  it("of a task that is not there changes nothing", () => {
    assert.deepEqual(decided({ facts: [setPriority("nobody", 1)] }), []);
  });
});

describe("a task whose time has come", () => {
  it("joins the queue, and says why", () => {
    const dueTasks = [
      { taskId: "s", status: "scheduled" as const },
      { taskId: "r", status: "retrying" as const },
    ];
    assert.deepEqual(
      changes(decided({ dueTasks })).map((change) => [change.taskId, change.from, change.to, change.reason]),
      [
        ["s", "scheduled", "queued", "its time has come"],
        ["r", "retrying", "queued", "its wait after a failure is over"],
      ],
    );
  });
});

describe("a cycle's own execution", () => {
  const ends = (run: ReturnType<typeof aRun>) => [aCallback(run, { status: "completed" })];
  const finished = (over: Partial<Snapshot>) =>
    of(decided(over), "finish_cycle").map((decision) => decision.executionId);

  it("ends with the last of its children", () => {
    const run = aWorkingRun({ parentId: "cycle-9" });
    assert.deepEqual(finished({ runs: [run], facts: ends(run) }), ["cycle-9"]);
  });

  it("ends when several end together", () => {
    const runs = [aWorkingRun(), aWorkingRun(), aWorkingRun({ parentId: "cycle-2" })];
    assert.deepEqual(finished({ runs, facts: runs.flatMap(ends) }), ["cycle-1", "cycle-2"]);
  });

  it("does not end while another child lives, seen by this cycle or not", () => {
    const [run, other] = [aWorkingRun(), aWorkingRun()];
    assert.deepEqual(finished({ runs: [run, other], facts: ends(run) }), []);
    assert.deepEqual(finished({ runs: [run], facts: ends(run), liveChildren: { "cycle-1": 2 } }), []);
  });

  it("does not end while a child waits for its next attempt", () => {
    const run = aWorkingRun();
    assert.deepEqual(finished({ runs: [run], facts: [aCallback(run, { status: "failed" })] }), []);
  });

  it("does not end without a reason, and a run without a parent ends none", () => {
    assert.deepEqual(finished({ liveChildren: { "cycle-1": 0 } }), []);
    const run = aWorkingRun({ parentId: null });
    assert.deepEqual(finished({ runs: [run], facts: ends(run) }), []);
  });
});

describe("facts that nobody is there for", () => {
  it("are passed over: the run has ended, or was never known", () => {
    const gone = aWorkingRun();
    assert.deepEqual(
      decided({ facts: [aCallback(gone, { status: "completed" }), cancelExecution(gone)] }),
      [],
    );
  });
});

describe("a plan", () => {
  const busy = (): Snapshot => {
    const runs = [aWorkingRun(), aRun({ dueAtMs: NOW }), aFailedRun(), aSnoozedRun(), aRun()];
    return aSnapshot({
      runs,
      facts: [
        aCallback(runs[0]!, { status: "failed", metrics: { cost_usd: 1 } }),
        aDelivery(runs[4]!, "unknown"),
        cancelTask("c"),
        redrive("d"),
        setPriority("c", 1),
      ],
      namedTasks: [aNamedTask({ taskId: "c" }), aNamedTask({ taskId: "d", status: "dead_lettered" })],
      dueTasks: [{ taskId: "e", status: "scheduled" }],
      lanes: [aLane(tasks(12, { agedFromMs: NOW - MINUTE })), aLane(tasks(30), { contentType: "news" })],
      workflows: { [WORKFLOW]: aWorkflow({ maxConcurrent: 6 }) },
    });
  };

  it("is the same for the same snapshot, to the last word", () => {
    const snapshot = busy();
    assert.deepEqual(plan(structuredClone(snapshot)), plan(snapshot));
    assert.ok(plan(snapshot).decisions.length > 8);
  });

  it("changes nothing in its snapshot, not even inside", () => {
    const snapshot = deepFrozen(busy());
    const before = structuredClone(snapshot);
    plan(snapshot);
    assert.deepEqual(snapshot, before);
  });

  it("stops the cycle instead of asking for a change of state that is not legal", () => {
    const dueTasks = [{ taskId: "t", status: "completed" as const }];
    assert.throws(() => plan(aSnapshot({ dueTasks })), /illegal task step completed → queued/);
  });
});
