/** What follows a task that has ended: by which rule, with what, how often, and where a chain is cut. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Callback } from "@master-orchestrator/contract";
import {
  aCallback,
  aDelivery,
  aPolicy,
  aRunTask,
  aSnapshot,
  aWorkflow,
  aWorkingRun,
  cancelExecution,
  deepFrozen,
  WORKFLOW,
} from "#test/builders.ts";
import type { Decision } from "./decision.ts";
import { MAX_CHAIN_DEPTH } from "./next.ts";
import { plan } from "./plan.ts";
import { decisionRecord } from "./record.ts";
import type { Fact, NextRule, Run, RunTask } from "./snapshot.ts";

const of = <K extends Decision["kind"]>(decisions: readonly Decision[], kind: K) =>
  decisions.filter((decision): decision is Extract<Decision, { kind: K }> => decision.kind === kind);

interface Case {
  rules?: NextRule[];
  tasks?: RunTask[];
  report: (run: Run) => Fact;
  policy?: Record<string, unknown>;
}

function decided({ rules = [], tasks = [aRunTask({ taskId: "t" })], report, policy = {} }: Case) {
  const run = aWorkingRun({ executionId: "run", contentType: "news", tasks });
  const workflows = {
    [WORKFLOW]: aWorkflow({ next: rules }),
    seo_monitor: aWorkflow({ workflowType: "seo_monitor" }),
    mourner: aWorkflow({ workflowType: "mourner", paused: true }),
  };
  const snapshot = aSnapshot({ runs: [run], facts: [report(run)], workflows, policy: aPolicy(policy) });
  const { decisions } = plan(deepFrozen(snapshot));
  return { enqueued: of(decisions, "enqueue"), skipped: of(decisions, "skip_next"), decisions };
}

const audit: NextRule = { workflow_type: "seo_monitor", on: "completed" };
const mourn: NextRule = { workflow_type: "mourner", on: "failed", content_type: "dead" };
const always: NextRule = { workflow_type: "seo_monitor", on: "always", content_type: "any" };
const all = [audit, mourn, always];
const callback = (body: Partial<Callback> & Pick<Callback, "status">) => (run: Run) => aCallback(run, body);
const completed = callback({ status: "completed", result_data: { slug: "tea" } });
const final = callback({ status: "failed", error_data: { message: "no", retry_recommended: false } });

describe("rules of the settings", () => {
  const cases: [what: string, report: Case["report"], keys: string[], policy?: Record<string, unknown>][] = [
    ["a completed task", completed, ["next:t:seo_monitor:1", "next:t:seo_monitor:3"]],
    ["a dead letter by advice", final, ["next:t:mourner:2", "next:t:seo_monitor:3"]],
    [
      "a dead letter by count",
      callback({ status: "failed" }),
      ["next:t:mourner:2", "next:t:seo_monitor:3"],
      { retry: { dead_letter_after: 1 } },
    ],
    ["a failed attempt, which is no end", callback({ status: "failed" }), []],
    ["a refused delivery, which is no end", (run) => aDelivery(run, "refused"), []],
    [
      "the last attempt, after which the task goes back to the queue",
      callback({ status: "failed" }),
      [],
      { retry: { max_attempts: 1 } },
    ],
    ["a cancelled run", (run) => cancelExecution(run), []],
  ];
  for (const [what, report, keys, policy = {}] of cases) {
    it(`after ${what}: ${keys.length} follow-ups`, () => {
      const { enqueued, skipped } = decided({ rules: all, report, policy });
      assert.deepEqual(
        enqueued.map((one) => one.idempotencyKey),
        keys,
      );
      assert.deepEqual(skipped, []);
    });
  }

  it("make a task with its source and its result, of its parent's priority", () => {
    const tasks = [aRunTask({ taskId: "t", priority: 80, chainDepth: 2 })];
    const { enqueued } = decided({ rules: [audit], tasks, report: completed });
    assert.deepEqual(enqueued, [
      {
        kind: "enqueue",
        workflowType: "seo_monitor",
        contentType: "default",
        priority: 80,
        payload: {
          source: { task_id: "t", workflow_type: WORKFLOW, content_type: "news", execution_id: "run" },
          result_data: { slug: "tea" },
        },
        idempotencyKey: "next:t:seo_monitor:1",
        parentTaskId: "t",
        chainDepth: 3,
        createdBy: "next",
        reason: `enqueued by task t: a rule of ${WORKFLOW} says on completed`,
      },
    ]);
  });

  it("tell a dead letter's follow-up the error instead of a result", () => {
    const [one] = decided({ rules: [mourn], report: final }).enqueued;
    assert.equal(one!.contentType, "dead");
    assert.deepEqual(one!.payload.error, { code: "failed", message: "no", stack_trace: null });
    assert.equal("result_data" in one!.payload, false);
  });

  it("hold for each task of a run by itself", () => {
    const tasks = ["a", "b", "c"].map((taskId) => aRunTask({ taskId }));
    const items = [
      { task_id: "a", status: "completed" as const, result_data: 1 },
      { task_id: "b", status: "failed" as const, error_data: { retry_recommended: false } },
      { task_id: "c", status: "failed" as const },
    ];
    const { enqueued } = decided({
      rules: [audit, mourn],
      tasks,
      report: callback({ status: "partial", items }),
    });
    assert.deepEqual(
      enqueued.map((one) => [one.idempotencyKey, one.parentTaskId]),
      [
        ["next:a:seo_monitor:1", "a"],
        ["next:b:mourner:2", "b"],
      ],
    );
  });

  it("are skipped when their workflow is not there any more", () => {
    const { enqueued, skipped } = decided({
      rules: [{ ...audit, workflow_type: "gone" }],
      report: completed,
    });
    assert.deepEqual(enqueued, []);
    assert.match(skipped[0]!.reason, /^gone does not follow task t: no workflow is registered by that name$/);
  });
});

describe("what a callback asks for", () => {
  const asked = (body: Partial<Callback> & Pick<Callback, "status">, tasks?: RunTask[]) =>
    decided({ report: callback(body), ...(tasks ? { tasks } : {}) });

  it("has its own payload, priority and content type; what is left out is as by a rule", () => {
    const next = [
      { workflow_type: "seo_monitor", content_type: "deep", priority: 3, payload: { url: "/tea" } },
      { workflow_type: "seo_monitor" },
    ];
    const { enqueued } = asked({ status: "completed", result_data: 7, next });
    const [own, plain] = enqueued;
    assert.deepEqual([own!.contentType, own!.priority, own!.payload], ["deep", 3, { url: "/tea" }]);
    assert.deepEqual([plain!.contentType, plain!.priority, plain!.payload.result_data], ["default", 50, 7]);
    assert.deepEqual(
      enqueued.map((one) => one.idempotencyKey),
      ["next:t:seo_monitor:21", "next:t:seo_monitor:22"],
    );
  });

  it("follows its own item; what the callback asks as a whole follows the first completed task, once", () => {
    const tasks = ["a", "b", "c"].map((taskId) => aRunTask({ taskId }));
    const next = [{ workflow_type: "seo_monitor" }];
    const items = [
      { task_id: "a", status: "failed" as const, next },
      { task_id: "b", status: "completed" as const },
      { task_id: "c", status: "completed" as const, next },
    ];
    const { enqueued } = asked({ status: "partial", items, next }, tasks);
    assert.deepEqual(
      enqueued.map((one) => one.idempotencyKey),
      ["next:b:seo_monitor:21", "next:c:seo_monitor:21"],
    );
  });

  it("is nothing when it completes nothing", () => {
    const { enqueued, skipped } = asked({ status: "failed", next: [{ workflow_type: "seo_monitor" }] });
    assert.deepEqual([enqueued, skipped], [[], []]);
  });

  it("is taken but for an unknown workflow, which is recorded with what may have been meant", () => {
    const next = [{ workflow_type: "seo_monitr" }, { workflow_type: "seo_monitor" }];
    const { enqueued, skipped, decisions } = asked({ status: "completed", next });
    assert.equal(enqueued.length, 1);
    assert.match(skipped[0]!.reason, /no workflow is registered by that name; did you mean "seo_monitor"\?/);
    assert.equal(of(decisions, "advance")[0]!.tasks[0]!.to, "completed");
  });
});

describe("a chain", () => {
  const cases: [depth: number, enqueued: number][] = [
    [0, 1],
    [MAX_CHAIN_DEPTH - 1, 1],
    [MAX_CHAIN_DEPTH, 0],
    [MAX_CHAIN_DEPTH + 5, 0],
  ];
  for (const [chainDepth, count] of cases) {
    it(`of ${chainDepth} follow-ups gets ${count} more`, () => {
      const tasks = [aRunTask({ taskId: "t", chainDepth })];
      const { enqueued, skipped } = decided({ rules: [audit], tasks, report: completed });
      assert.deepEqual([enqueued.length, skipped.length], [count, 1 - count]);
      for (const one of enqueued) assert.equal(one.chainDepth, chainDepth + 1);
      for (const one of skipped) assert.match(one.reason, /the chain has 10 follow-ups, no more/);
    });
  }
});

describe("the record of a follow-up", () => {
  it("names parent and key and no payload; of a skipped one the reason", () => {
    const next = [{ workflow_type: "seo_monitor", payload: { secret: 1 } }, { workflow_type: "nobody" }];
    const { decisions } = decided({ report: callback({ status: "completed", next }) });
    const records = decisions
      .map(decisionRecord)
      .filter((record) => /enqueue|skip/.test(String(record?.kind)));
    assert.deepEqual(records, [
      {
        kind: "enqueue",
        lane: "seo_monitor/default",
        idempotency_key: "next:t:seo_monitor:21",
        parent_task_id: "t",
        reason: "enqueued by task t: its callback asks",
      },
      {
        kind: "skip_next",
        execution_id: "run",
        task_id: "t",
        workflow_type: "nobody",
        reason: "nobody does not follow task t: no workflow is registered by that name",
      },
    ]);
  });
});
