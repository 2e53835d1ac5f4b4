/** Who gets a free slot, and what is said to the rest. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  aFailedRun,
  aLane,
  aPolicy,
  aRunTask,
  aSnapshot,
  aSnoozedRun,
  aTask,
  aWorkflow,
  aWorkingRun,
  deepFrozen,
  MINUTE,
  NOW,
  TARGET,
  tasks,
  WORKFLOW,
} from "#test/builders.ts";
import type { Decision, Dispatch, Hold } from "./decision.ts";
import { plan } from "./plan.ts";
import type { Snapshot } from "./snapshot.ts";

/** What a plan without any fact decides is what admission decides. */
const admitted = (over: Partial<Snapshot>): readonly Decision[] =>
  plan(deepFrozen(aSnapshot(over))).decisions;
const dispatches = (decisions: readonly Decision[]) =>
  decisions.filter((decision): decision is Dispatch => decision.kind === "dispatch");
const holds = (decisions: readonly Decision[]) =>
  decisions.filter((decision): decision is Hold => decision.kind === "hold");
const held = (decisions: readonly Decision[]) =>
  holds(decisions).map((hold) => `${hold.workflowType}/${hold.contentType} ${hold.reason} ${hold.tasks}`);
const total = (n: number) => aPolicy({ concurrency: { total: n } });
const alone = aWorkflow({ batchMax: 1, maxConcurrent: 100 });

describe("free slots", () => {
  it("go to the highest score: an urgent lane before an older one", () => {
    const lanes = [
      aLane([aTask({ taskId: "old", priority: 20, agedFromMs: NOW - 20 * MINUTE })], { contentType: "slow" }),
      aLane([aTask({ taskId: "urgent", priority: 90 })], { contentType: "news" }),
    ];
    const decisions = admitted({ lanes, policy: total(1) });
    assert.deepEqual(
      dispatches(decisions).map((dispatch) => dispatch.taskIds),
      [["urgent"]],
    );
    assert.deepEqual(held(decisions), ["content_pipeline/slow concurrency_total 1"]);
  });

  it("go in the order of score, task by task, across lanes", () => {
    const lanes = ["x", "y"].map((contentType, lane) =>
      aLane(
        [0, 1, 2].map((i) =>
          aTask({ taskId: `${contentType}${i}`, agedFromMs: NOW - (6 - 2 * i - lane) * MINUTE }),
        ),
        { contentType },
      ),
    );
    const workflows = { [WORKFLOW]: alone };
    const started = dispatches(admitted({ lanes, workflows, policy: total(5) })).flatMap((d) => d.taskIds);
    assert.deepEqual(started, ["x0", "y0", "x1", "y1", "x2"]);
  });

  it("carry score, priority, time-out and a reason with them", () => {
    const waiting = [aTask({ priority: 70 }), aTask({ priority: 20, agedFromMs: NOW - MINUTE })];
    const [dispatch] = dispatches(admitted({ lanes: [aLane(waiting)], policy: total(1) }));
    assert.equal(dispatch!.score, 700);
    assert.equal(dispatch!.priority, 70);
    assert.equal(dispatch!.timeoutMs, 300_000);
    assert.match(dispatch!.reason, /ranks first with a score of 700\.0; 2 of 2 waiting/);
  });
});

describe("a full workflow", () => {
  const workflows = { [WORKFLOW]: aWorkflow({ maxConcurrent: 2, batchMax: 1 }) };

  it("holds its lane, and says why, with the number", () => {
    const decisions = admitted({ lanes: [aLane(tasks(4))], workflows, running: { [WORKFLOW]: 2 } });
    assert.deepEqual(dispatches(decisions), []);
    assert.deepEqual(held(decisions), ["content_pipeline/default concurrency_workflow 4"]);
    assert.match(holds(decisions)[0]!.cause, /limit of 2 at once/);
  });

  it("takes what still fits, and holds the rest", () => {
    const decisions = admitted({ lanes: [aLane(tasks(4))], workflows, running: { [WORKFLOW]: 1 } });
    assert.equal(dispatches(decisions).length, 1);
    assert.deepEqual(held(decisions), ["content_pipeline/default concurrency_workflow 3"]);
  });

  it("never keeps another workflow from starting, whatever their scores", () => {
    const decisions = admitted({
      lanes: [
        aLane([aTask({ priority: 100 })]),
        aLane([aTask({ priority: 0 })], { workflowType: "seo_monitor" }),
      ],
      workflows: { ...workflows, seo_monitor: aWorkflow({ workflowType: "seo_monitor" }) },
      running: { [WORKFLOW]: 2 },
    });
    assert.deepEqual(
      dispatches(decisions).map((dispatch) => dispatch.workflowType),
      ["seo_monitor"],
    );
  });

  it("counts runs that are snoozed: no new work is sent where one was asked to wait", () => {
    const runs = [aSnoozedRun({ dueAtMs: NOW + MINUTE })];
    const one = { [WORKFLOW]: aWorkflow({ maxConcurrent: 1 }) };
    assert.deepEqual(held(admitted({ lanes: [aLane(tasks(1))], workflows: one, runs })), [
      "content_pipeline/default concurrency_workflow 1",
    ]);
  });

  it("whose limit was lowered below what runs admits nothing, and ends nothing", () => {
    const decisions = admitted({ lanes: [aLane(tasks(1))], workflows, running: { [WORKFLOW]: 5 } });
    const kinds = decisions.map((decision) => decision.kind);
    // That the lane has begun to wait is kept; nothing else.
    assert.deepEqual(kinds, ["share", "hold"]);
  });
});

describe("a full house", () => {
  it("holds every lane, and says why, with the number", () => {
    const decisions = admitted({
      lanes: [aLane(tasks(2)), aLane(tasks(3), { contentType: "news" })],
      policy: total(4),
      running: { [WORKFLOW]: 1, other: 3 },
    });
    assert.deepEqual(held(decisions).sort(), [
      "content_pipeline/default concurrency_total 2",
      "content_pipeline/news concurrency_total 3",
    ]);
    assert.match(holds(decisions)[0]!.cause, /^4 runs at once/);
  });

  it("does not count runs that are snoozed", () => {
    const runs = [aSnoozedRun({ dueAtMs: NOW + MINUTE })];
    assert.equal(dispatches(admitted({ lanes: [aLane(tasks(1))], policy: total(1), runs })).length, 1);
  });

  it("of no slot at all admits nothing", () => {
    assert.deepEqual(held(admitted({ lanes: [aLane(tasks(1))], policy: total(0) })), [
      "content_pipeline/default concurrency_total 1",
    ]);
  });

  it("of more slots than work starts everything and holds nothing", () => {
    const decisions = admitted({
      lanes: [aLane(tasks(3))],
      workflows: { [WORKFLOW]: alone },
      policy: total(50),
    });
    assert.deepEqual([dispatches(decisions).length, holds(decisions).length], [3, 0]);
  });
});

describe("a closed gate", () => {
  const lanes = [aLane(tasks(2))];
  const workflow = (over: Parameters<typeof aWorkflow>[0]) => ({
    workflows: { [WORKFLOW]: aWorkflow(over) },
  });
  const cases: [name: string, over: Partial<Snapshot>, reason: string, cause: RegExp][] = [
    ["the orchestrator is paused", { paused: true }, "orchestrator_paused", /resume it/],
    ["the workflow is paused", workflow({ paused: true }), "workflow_paused", /content_pipeline is paused/],
    ["it has no webhook", workflow({ hasTarget: false }), "workflow_without_target", /no webhook/],
    ["nobody registered it", { workflows: {} }, "workflow_without_target", /no webhook/],
  ];
  for (const [name, over, reason, cause] of cases) {
    it(`holds the whole lane: ${name}`, () => {
      const decisions = admitted({ lanes, ...over });
      assert.deepEqual(held(decisions), [`content_pipeline/default ${reason} 2`]);
      assert.match(holds(decisions)[0]!.cause, cause);
    });
  }

  it("is named in the order in which a task meets them: the first closed one", () => {
    const everything = { lanes, policy: total(0), paused: true };
    const reasons = [
      { ...everything, ...workflow({ paused: true, hasTarget: false, maxConcurrent: 0 }) },
      { ...everything, paused: false, ...workflow({ paused: true, hasTarget: false, maxConcurrent: 0 }) },
      { ...everything, paused: false, ...workflow({ paused: true, maxConcurrent: 0 }) },
      { ...everything, paused: false, ...workflow({ maxConcurrent: 0 }) },
      { ...everything, paused: false },
    ].map((over) => holds(admitted(over))[0]!.reason);
    assert.deepEqual(reasons, [
      "orchestrator_paused",
      "workflow_without_target",
      "workflow_paused",
      "concurrency_workflow",
      "concurrency_total",
    ]);
  });

  it("of a lane outside of its hours opens when they begin; what has begun goes on", () => {
    const at = (hours: [number, number]) => ({
      policy: aPolicy({ lanes: { [`${WORKFLOW}/default`]: { hours } } }),
      runs: [aFailedRun({ contentType: "default" })],
    });
    const decisions = admitted({ lanes, ...at([22, 6]) });
    assert.deepEqual(held(decisions), ["content_pipeline/default outside_hours 2"]);
    const [hold] = holds(decisions);
    assert.match(hold!.cause, /start from 22 to 6 o'clock UTC/);
    assert.equal(hold!.expectedAtMs, NOW + 10 * 60 * MINUTE);
    assert.equal(decisions.filter(({ kind }) => kind === "retry").length, 1);
    for (const [hours, starts] of [
      [[12, 13], true],
      [[11, 12], false],
      [[0, 24], true],
      [[13, 12], false],
    ] as const) {
      const [first] = dispatches(admitted({ lanes, ...at([...hours]), runs: [] }));
      assert.equal(first !== undefined, starts, String(hours));
    }
  });

  it("keeps retries and snoozed runs waiting as well, and starts them later", () => {
    const runs = [aFailedRun({ contentType: "news" }), aSnoozedRun({ contentType: "tips" })];
    const decisions = admitted({ runs, paused: true });
    assert.deepEqual(held(decisions).sort(), [
      "content_pipeline/news orchestrator_paused 1",
      "content_pipeline/tips orchestrator_paused 1",
    ]);
    assert.equal(decisions.length, 2);
  });
});

describe("runs that start again", () => {
  const carried = (priority: number, minutes: number) => [
    aRunTask({ status: "retrying", priority, agedFromMs: NOW - minutes * MINUTE, failures: 1 }),
  ];

  it("compete by the best score of their tasks: an older retry goes before fresh work", () => {
    const run = aFailedRun({ tasks: carried(50, 10) });
    const decisions = admitted({ runs: [run], lanes: [aLane([aTask({ priority: 50 })])], policy: total(1) });
    const [retry] = decisions;
    assert.equal(retry!.kind, "retry");
    assert.deepEqual(retry, {
      kind: "retry",
      executionId: run.executionId,
      workflowType: WORKFLOW,
      attempt: 2,
      taskIds: run.tasks.map((task) => task.taskId),
      timeoutMs: 300_000,
      target: TARGET,
      expects: null,
      reason: "attempt 2 of 3",
    });
    assert.deepEqual(held(decisions), ["content_pipeline/default concurrency_total 1"]);
  });

  it("wait behind work that ranks higher", () => {
    const runs = [aFailedRun({ tasks: carried(10, 1), contentType: "news" })];
    const decisions = admitted({ runs, lanes: [aLane([aTask({ priority: 90 })])], policy: total(1) });
    assert.equal(dispatches(decisions).length, 1);
    assert.deepEqual(held(decisions), ["content_pipeline/news concurrency_total 1"]);
  });

  it("take a slot of their workflow, but for a snoozed one, which kept it", () => {
    const one = { [WORKFLOW]: aWorkflow({ maxConcurrent: 1 }) };
    const lanes = [aLane([aTask({ priority: 0 })])];
    const retried = admitted({ runs: [aFailedRun()], lanes, workflows: one });
    assert.equal(retried[0]!.kind, "retry");
    assert.deepEqual(held(retried), ["content_pipeline/default concurrency_workflow 1"]);
    const snoozed = admitted({ runs: [aSnoozedRun()], lanes, workflows: one });
    assert.equal(snoozed[0]!.kind, "advance");
    assert.deepEqual(held(snoozed), ["content_pipeline/default concurrency_workflow 1"]);
  });

  it("take a slot of all, snoozed or not", () => {
    for (const run of [aFailedRun(), aSnoozedRun()]) {
      const decisions = admitted({ runs: [run], lanes: [aLane([aTask({ priority: 0 })])], policy: total(1) });
      assert.deepEqual(held(decisions), ["content_pipeline/default concurrency_total 1"]);
    }
  });

  it("use the time-out that the workflow has now", () => {
    const workflows = { [WORKFLOW]: aWorkflow({ timeoutMs: 7_000 }) };
    const [retry] = admitted({ runs: [aFailedRun()], workflows });
    assert.ok(retry?.kind === "retry");
    assert.equal(retry.timeoutMs, 7_000);
  });

  it("are not started before their time, nor when they work, nor when they have ended", () => {
    const runs = [aFailedRun({ dueAtMs: NOW + 1 }), aSnoozedRun({ dueAtMs: NOW + 1 }), aWorkingRun()];
    assert.deepEqual(admitted({ runs }), []);
  });
});
