/** What is kept of a cycle: figures and decisions in the wire's words, nothing of what passed through. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  aCallback,
  aClaim,
  aDelivery,
  aHeartbeat,
  aLane,
  aNamedTask,
  aPolicy,
  aRecovery,
  aRun,
  aRunTask,
  aSnapshot,
  aSnoozedRun,
  aTask,
  aWorkingRun,
  cancelTask,
  NOW,
  setPriority,
  tasks,
} from "#test/builders.ts";
import { canonicalJson } from "./canonical.ts";
import { plan } from "./plan.ts";
import { decisionRecord, holdsByLane, snapshotRecord } from "./record.ts";
import type { Snapshot } from "./snapshot.ts";

const recorded = (over: Partial<Snapshot>) =>
  plan(aSnapshot(over))
    .decisions.map(decisionRecord)
    .filter((record) => record !== null);

describe("the record of a snapshot", () => {
  it("has the figures that decisions were made from", () => {
    const run = aWorkingRun();
    const lanes = [aLane(tasks(2), { depth: 7 }), aLane(tasks(1), { contentType: "news" })];
    const dueTasks = [{ taskId: "d", status: "scheduled" as const }];
    const snapshot = aSnapshot({ runs: [run], facts: [aClaim(run)], lanes, dueTasks, policyVersion: 4 });
    assert.deepEqual(snapshotRecord(snapshot), {
      at: new Date(NOW).toISOString(),
      paused: false,
      policy_version: 4,
      slowness: 0,
      running: { content_pipeline: 1 },
      running_at_targets: { "content_pipeline/main": 1 },
      targets_failing: {},
      waiting: { "content_pipeline/default": 7, "content_pipeline/news": 1 },
      priorities: { "content_pipeline/default": 50, "content_pipeline/news": 50 },
      health: {
        window_minutes: 5,
        attempts: {},
        overdue_runs: 0,
        missed_ticks: 0,
        cycles: 0,
        cycle_p95_ms: 0,
        failed_cycles: 0,
      },
      resources: {
        replicas: 0,
        connections: { open: 0, in_use: 0, waiting: 0, limit: 15 },
        rss_mb: null,
        rss_limit_mb: 1536,
        memory_pressed: false,
        event_loop_delay_ms: null,
      },
      supplies: { permits: [], paused: [], money: [], critical_only_at: 0.9, runs_at_work: 0 },
      recoveries: [],
      runs_looked_at: 1,
      facts: 1,
      due_tasks: 1,
    });
  });
});

describe("the system's state", () => {
  it("has what lately failed, what the replicas use, and what is being done about trouble", () => {
    const outcomes = { ended: 9, failedEndpoint: 2, failedTask: 1, failuresInRow: 3 };
    const connections = (inUse: number) => ({ open: 4, inUse, waiting: 1 });
    const recorded = snapshotRecord(
      aSnapshot({
        health: {
          outcomes: { w: outcomes },
          missedTicks: 2,
          cycles: { count: 30, p95Ms: 12.4 },
          failedCycles: 1,
          uptimeAlert: null,
          work: null,
        },
        resources: {
          replicas: [
            { replicaId: "a", rssMb: 90, eventLoopDelayMs: 21.5, connections: connections(2) },
            { replicaId: "b", rssMb: 120, eventLoopDelayMs: null, connections: connections(3) },
            { replicaId: "c", rssMb: null, eventLoopDelayMs: null, connections: null },
          ],
        },
        recoveries: [aRecovery({ subject: "w", cause: "so" })],
      }),
    );
    assert.deepEqual(recorded.health, {
      window_minutes: 5,
      attempts: { w: { ended: 9, failed_endpoint: 2, failed_task: 1, failures_in_row: 3 } },
      overdue_runs: 0,
      missed_ticks: 2,
      cycles: 30,
      cycle_p95_ms: 12,
      failed_cycles: 1,
    });
    assert.deepEqual(recorded.resources, {
      replicas: 3,
      connections: { open: 8, in_use: 5, waiting: 2, limit: 15 },
      rss_mb: 120,
      rss_limit_mb: 1536,
      memory_pressed: false,
      event_loop_delay_ms: 21.5,
    });
    assert.deepEqual(recorded.recoveries, [
      { procedure: "trip_breaker", subject: "w", state: "open", cause: "so" },
    ]);
  });
});

describe("the record of a decision", () => {
  it("of a run names its steps and what became of its tasks, without their results", () => {
    const run = aWorkingRun({ executionId: "run", tasks: [aRunTask({ taskId: "a" })] });
    const facts = [aCallback(run, { status: "completed", result_data: { secret: "result" } })];
    const [record] = recorded({ runs: [run], facts, liveChildren: {} });
    assert.deepEqual(record, {
      kind: "advance",
      execution_id: "run",
      attempt: 1,
      attempt_state: "completed",
      steps: [{ from: "MONITORING", to: "COMPLETED", reason: "every task has its result" }],
      tasks: [{ task_id: "a", from: "running", to: "completed", reason: "its result arrived" }],
      delivers_again: false,
    });
    assert.doesNotMatch(JSON.stringify(record), /secret/);
  });

  it("of a mere heartbeat, or of a wait between deliveries, is none", () => {
    const [working, sent] = [aWorkingRun(), aRun()];
    const facts = [aHeartbeat(working, { progress: 0.3 }), aDelivery(sent, "unknown")];
    assert.deepEqual(recorded({ runs: [working, sent], facts }), []);
  });

  it("of a delivery that is repeated says so", () => {
    const [record] = recorded({ runs: [aSnoozedRun()] });
    assert.equal(record!.delivers_again, true);
  });

  it("of a dispatch names the lane, the tasks, the score and the reason", () => {
    const [record] = recorded({ lanes: [aLane([aTask({ taskId: "t", agedFromMs: NOW - 10 })])] });
    assert.deepEqual(record, {
      kind: "dispatch",
      lane: "content_pipeline/default",
      task_ids: ["t"],
      score: 500,
      target: "main",
      reason: "content_pipeline/default ranks first with a score of 500.0; 1 of 1 waiting",
    });
  });

  it("of what was asked of tasks names task and change", () => {
    const facts = [setPriority("t", 3), cancelTask("t")];
    assert.deepEqual(recorded({ facts, namedTasks: [aNamedTask({ taskId: "t" })] }), [
      { kind: "set_priority", task_id: "t", priority: 3 },
      { kind: "change_task", task_id: "t", from: "queued", to: "cancelled", reason: "cancelled by request" },
    ]);
  });

  it("of a hold is none: holds are kept by lane", () => {
    assert.deepEqual(recorded({ lanes: [aLane(tasks(2))], paused: true }), []);
  });

  it("is JSON for every kind of decision", () => {
    const run = aWorkingRun();
    const all = recorded({
      runs: [run, aSnoozedRun()],
      facts: [aCallback(run, { status: "completed" }), cancelTask("t")],
      namedTasks: [aNamedTask({ taskId: "t" })],
      lanes: [aLane(tasks(2))],
      liveChildren: { "cycle-1": 1 },
    });
    assert.deepEqual(
      all.map((record) => record.kind),
      ["advance", "advance", "change_task", "dispatch", "dispatch", "finish_cycle"],
    );
    assert.deepEqual(JSON.parse(JSON.stringify(all)), all);
  });
});

describe("holds by lane", () => {
  it("are one for each lane: the reason of its best candidate, the tasks of all", () => {
    const retry = aRunTask({ status: "retrying", priority: 100 });
    const runs = [
      aRun({ status: "ERROR_RECOVERY", dueAtMs: NOW, tasks: [retry], attempt: { state: "failed" } }),
    ];
    const policy = aPolicy({ concurrency: { total: 0 } });
    const { decisions } = plan(
      aSnapshot({ runs, lanes: [aLane(tasks(4)), aLane(tasks(1), { contentType: "x" })], policy }),
    );
    assert.deepEqual(
      holdsByLane(decisions).map((hold) => [hold.contentType, hold.reason, hold.tasks]),
      [
        ["default", "concurrency_total", 5],
        ["x", "concurrency_total", 1],
      ],
    );
  });
});

describe("canonical JSON", () => {
  it("is one text for one value, whatever the order of its names", () => {
    const a = { b: [1, { d: null, c: "x" }], a: 1.5 };
    const b = { a: 1.5, b: [1, { c: "x", d: null }] };
    assert.equal(canonicalJson(a), canonicalJson(b));
    assert.equal(canonicalJson(a), '{"a":1.5,"b":[1,{"c":"x","d":null}]}');
  });

  it("keeps the order of arrays, and tells values from texts, null from nothing", () => {
    assert.notEqual(canonicalJson([1, 2]), canonicalJson([2, 1]));
    assert.notEqual(canonicalJson({ a: 1 }), canonicalJson({ a: "1" }));
    assert.notEqual(canonicalJson({ a: null }), canonicalJson({}));
    assert.equal(canonicalJson({ a: undefined }), canonicalJson({}));
  });

  it("is JSON that means the same", () => {
    const value = { "ü\n": ["\u2028", true, {}, [], -0.1e-9], z: { "": null } };
    assert.deepEqual(JSON.parse(canonicalJson(value)), value);
  });
});
