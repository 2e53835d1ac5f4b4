/** What a plan decides is what stands in the rows: state, transitions, errors, attempts, messages. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Callback } from "@master-orchestrator/contract";
import { MINUTE, NOW, SECOND, WORKFLOW } from "#test/builders.ts";
import { openStore, type TestStore } from "#test/stored.ts";
import { wantedDeliveries } from "./deliveries.ts";
import {
  recordCallback,
  recordCancelExecution,
  recordClaim,
  recordDeliveries,
  recordTaskRequest,
} from "./facts.ts";
import { transitionsOf } from "./transitions.ts";

const report = (store: TestStore, executionId: string, callback: Callback) =>
  recordCallback(store.db, executionId, callback);
const delivered = (
  store: TestStore,
  executionId: string,
  outcome: "snoozed" | "unknown" | "refused" | "accepted",
) =>
  recordDeliveries(store.db, [
    { executionId, attempt: 1, delivery: 1, outcome, retryAfterMs: null, message: "HTTP" },
  ]);

describe("a dispatch", () => {
  it("opens an execution under its cycle, with its attempt, its tasks and one message", async (t) => {
    const store = await openStore(t, {
      workflows: { [WORKFLOW]: { timeout_seconds: 120, max_concurrent: 1 } },
    });
    const taskIds = await store.enqueue(
      { priority: 80, payload: { n: 1 } },
      { priority: 40, payload: { n: 2 } },
    );
    const { messages, cycleId } = await store.cycle();
    assert.equal(messages.length, 1);
    const [{ executionId, attempt, delivery }] = messages as [(typeof messages)[number]];
    assert.deepEqual([attempt, delivery], [1, 1]);
    const execution = await store.execution(executionId);
    assert.deepEqual(
      [
        execution.parent_execution_id,
        execution.status,
        execution.priority,
        execution.attempts,
        execution.task_count,
      ],
      [cycleId, "DISPATCHING", 80, 1, 2],
    );
    assert.equal(execution.due_at, NOW + 15 * SECOND);
    assert.equal(execution.context.cycle_id, cycleId);
    const row = await store.attempt(executionId);
    assert.deepEqual([row.state, row.deliveries, row.task_ids], ["sent", 1, taskIds]);
    assert.deepEqual(
      [row.dispatched_at, row.deadline_at, row.timeout_ms],
      [NOW, NOW + 120 * SECOND, 120_000],
    );
    for (const taskId of taskIds) {
      const task = await store.task(taskId);
      assert.deepEqual([task.status, task.execution_id, task.started_at], ["running", executionId, NOW]);
      assert.deepEqual(await store.steps(taskId), [" → queued", "queued → running"]);
    }
    assert.deepEqual(await store.steps(executionId), [" → IDLE", "IDLE → DISPATCHING"]);
    assert.deepEqual(await store.steps(cycleId), [
      " → IDLE",
      "IDLE → ANALYZING",
      "ANALYZING → DISPATCHING",
      "DISPATCHING → MONITORING",
    ]);
    const [wanted] = await wantedDeliveries(store.db, messages);
    assert.deepEqual(
      wanted!.tasks.map((task) => task.payload),
      [{ n: 1 }, { n: 2 }],
    );
    assert.equal(wanted!.webhookId, row.webhook_id);
  });

  it("by a tick that starts nothing is a cycle that completed; by a wake-up it is none", async (t) => {
    const store = await openStore(t);
    const tick = await store.cycle("tick");
    assert.deepEqual(await store.steps(tick.cycleId), [
      " → IDLE",
      "IDLE → ANALYZING",
      "ANALYZING → COMPLETED",
    ]);
    assert.equal((await store.execution(tick.cycleId)).completed_at, NOW);
    const wake = await store.cycle("wake");
    assert.deepEqual(await store.steps(wake.cycleId), []);
  });
});

describe("a completed callback", () => {
  it("writes results, ends the execution, counts its cost, and ends its cycle", async (t) => {
    const store = await openStore(t, { workflows: { [WORKFLOW]: { max_concurrent: 1 } } });
    const [a, b] = (await store.enqueue({}, {})) as [string, string];
    const { cycleId } = await store.cycle();
    const executionId = (await store.task(a)).execution_id;
    await store.pass(41 * SECOND);
    const items = [a, b].map((task_id, n) => ({ task_id, status: "completed" as const, result_data: { n } }));
    const metrics = { cost_usd: 0.11, duration_ms: 41_000 };
    await report(store, executionId, {
      attempt: 1,
      status: "completed",
      items,
      result_data: ["all"],
      metrics,
    });
    const { cycleId: folding } = await store.cycle();
    const execution = await store.execution(executionId);
    assert.deepEqual(
      [execution.status, execution.cost_micros, execution.completed_at, execution.due_at, execution.result],
      ["COMPLETED", 110_000, NOW + 41 * SECOND, null, ["all"]],
    );
    for (const [n, taskId] of [a, b].entries()) {
      const task = await store.task(taskId);
      assert.deepEqual([task.status, task.result, task.execution_id], ["completed", { n }, null]);
      assert.equal(task.completed_at, NOW + 41 * SECOND);
    }
    const attempt = await store.attempt(executionId);
    assert.deepEqual(
      [attempt.state, attempt.ended_at, attempt.metrics],
      ["completed", NOW + 41 * SECOND, metrics],
    );
    const last = (await transitionsOf(store.db, executionId)).at(-1)!;
    assert.deepEqual([last.to, last.cycleId, last.metadata], ["COMPLETED", folding, { attempt: 1 }]);
    const parent = await store.execution(cycleId);
    assert.deepEqual([parent.status, parent.result], ["COMPLETED", { completed: 1 }]);
  });

  it("keeps any JSON as a result: false, 0, an empty text, and null as nothing", async (t) => {
    const store = await openStore(t);
    for (const [given, kept] of [
      [false, false],
      [0, 0],
      ["", ""],
      [null, null],
      [[], []],
    ] as const) {
      const { executionId, taskId } = await store.dispatched();
      await report(store, executionId, { attempt: 1, status: "completed", result_data: given as never });
      await store.cycle();
      assert.deepEqual((await store.task(taskId)).result, kept);
    }
  });
});

describe("a failed attempt", () => {
  it("writes its error to attempt, execution and tasks, and what was done about it", async (t) => {
    const store = await openStore(t);
    const { executionId, taskId } = await store.dispatched();
    const error_data = { message: "no quota", stack_trace: "at x" };
    await report(store, executionId, {
      attempt: 1,
      status: "failed",
      error_data,
      metrics: { cost_usd: 0.5 },
    });
    const { cycleId } = await store.cycle();
    const execution = await store.execution(executionId);
    assert.deepEqual([execution.status, execution.cost_micros], ["ERROR_RECOVERY", 500_000]);
    assert.equal(execution.due_at, NOW + MINUTE);
    assert.deepEqual(
      [execution.error.code, execution.error.message, execution.error.stack_trace],
      ["failed", "no quota", "at x"],
    );
    assert.equal(execution.error.system_state.policy_version, 1);
    assert.deepEqual(execution.recovery_actions, [
      {
        at: new Date(NOW).toISOString(),
        cycle_id: cycleId,
        attempt: 1,
        action: "retry_later",
        reason: "attempt 1 failed: no quota",
      },
    ]);
    const task = await store.task(taskId);
    assert.deepEqual(
      [task.status, task.failures, task.execution_id, task.runs_alone],
      ["retrying", 1, executionId, false],
    );
    const { rows } = await store.db.query(
      "select task_id, execution_id, attempt, code, message, stack_trace, at from task_errors",
    );
    assert.deepEqual(rows, [
      {
        task_id: taskId,
        execution_id: executionId,
        attempt: 1,
        code: "failed",
        message: "no quota",
        stack_trace: "at x",
        at: NOW,
      },
    ]);
  });

  it("is followed by the next one when its wait is over: the same execution, a new message", async (t) => {
    const store = await openStore(t);
    const { executionId, taskId } = await store.dispatched();
    await report(store, executionId, { attempt: 1, status: "failed" });
    await store.cycle();
    await store.pass(MINUTE);
    const { messages } = await store.cycle();
    assert.deepEqual(messages, [{ executionId, attempt: 2, delivery: 1 }]);
    assert.deepEqual(await store.steps(executionId), [
      " → IDLE",
      "IDLE → DISPATCHING",
      "DISPATCHING → ERROR_RECOVERY",
      "ERROR_RECOVERY → DISPATCHING",
    ]);
    assert.deepEqual((await store.steps(taskId)).slice(-2), ["running → retrying", "retrying → running"]);
    assert.equal((await store.task(taskId)).started_at, NOW, "its first start");
    const [first, second] = [await store.attempt(executionId, 1), await store.attempt(executionId, 2)];
    assert.notEqual(first.webhook_id, second.webhook_id);
    assert.equal((await store.execution(executionId)).attempts, 2);
  });

  it("without one left gives its tasks back, alone, and the execution has failed", async (t) => {
    const store = await openStore(t, { policy: { retry: { max_attempts: 1, jitter: 0 } } });
    const { executionId, taskId } = await store.dispatched();
    await report(store, executionId, { attempt: 1, status: "failed" });
    await store.cycle();
    assert.equal((await store.execution(executionId)).status, "FAILED");
    const task = await store.task(taskId);
    assert.deepEqual(
      [task.status, task.execution_id, task.runs_alone, task.due_at, task.aged_from],
      ["retrying", null, true, NOW + MINUTE, NOW],
    );
    await store.pass(MINUTE);
    await store.cycle();
    assert.equal((await store.task(taskId)).status, "queued");
  });

  it("and a cancellation in the same cycle leave the last word in the row, and every step in the log", async (t) => {
    const store = await openStore(t);
    const { executionId, taskId } = await store.dispatched();
    await report(store, executionId, { attempt: 1, status: "failed" });
    await recordCancelExecution(store.db, executionId, "ada");
    await store.cycle();
    const task = await store.task(taskId);
    assert.deepEqual(
      [task.status, task.failures, task.execution_id, task.completed_at],
      ["cancelled", 1, null, NOW],
    );
    assert.deepEqual((await store.steps(taskId)).slice(-2), ["running → retrying", "retrying → cancelled"]);
    assert.equal((await transitionsOf(store.db, taskId)).at(-1)!.actor, "ada");
  });
});

describe("signs of life and their absence", () => {
  it("a claim is written to the attempt, and moves the deadline", async (t) => {
    const store = await openStore(t);
    const { executionId } = await store.dispatched();
    await store.pass(7 * SECOND);
    await recordClaim(store.db, executionId, 1, "n8n");
    await store.cycle();
    const attempt = await store.attempt(executionId);
    assert.deepEqual(
      [attempt.state, attempt.accepted_at, attempt.deadline_at],
      ["accepted", NOW + 7 * SECOND, NOW + 307 * SECOND],
    );
    assert.equal((await store.execution(executionId)).due_at, NOW + 307 * SECOND);
  });

  it("an unknown delivery is repeated with the same attempt and message id, and only the newest is wanted", async (t) => {
    const store = await openStore(t);
    const { executionId } = await store.dispatched();
    const { webhook_id } = await store.attempt(executionId);
    await delivered(store, executionId, "unknown");
    await store.cycle();
    await store.pass(SECOND);
    const { messages } = await store.cycle();
    assert.deepEqual(messages, [{ executionId, attempt: 1, delivery: 2 }]);
    const attempt = await store.attempt(executionId);
    assert.deepEqual([attempt.deliveries, attempt.webhook_id], [2, webhook_id]);
    const stale = { executionId, attempt: 1, delivery: 1 };
    assert.deepEqual(
      (await wantedDeliveries(store.db, [stale, ...messages])).map((one) => one.delivery),
      [2],
    );
  });

  it("a snoozed attempt keeps its number and starts its clock anew", async (t) => {
    const store = await openStore(t);
    const { executionId, taskId } = await store.dispatched();
    await delivered(store, executionId, "snoozed");
    await store.cycle();
    assert.deepEqual(
      (await wantedDeliveries(store.db, [{ executionId, attempt: 1, delivery: 1 }])).length,
      0,
    );
    const snoozed = await store.attempt(executionId);
    assert.deepEqual(
      [snoozed.state, snoozed.snoozed_since, snoozed.deliver_at],
      ["snoozed", NOW, NOW + 5 * SECOND],
    );
    await store.pass(5 * SECOND);
    const { messages } = await store.cycle();
    assert.deepEqual(messages, [{ executionId, attempt: 1, delivery: 2 }]);
    assert.deepEqual((await store.attempt(executionId)).deadline_at, NOW + 305 * SECOND);
    assert.deepEqual(
      [(await store.task(taskId)).status, (await store.task(taskId)).failures],
      ["running", 0],
    );
  });
});

describe("what was asked of a task", () => {
  it("is cancelled, redriven, given another priority: row and log", async (t) => {
    const store = await openStore(t, { policy: { retry: { dead_letter_after: 1, jitter: 0 } } });
    const { executionId, taskId } = await store.dispatched();
    await report(store, executionId, { attempt: 1, status: "failed" });
    await store.cycle();
    const dead = await store.task(taskId);
    assert.deepEqual([dead.status, dead.failures, dead.completed_at], ["dead_lettered", 1, NOW]);
    await store.pass(MINUTE);
    await recordTaskRequest(store.db, "redrive", [taskId], { actor: "ada" });
    await recordTaskRequest(store.db, "set_priority", [taskId], { actor: "bob", priority: 99 });
    await store.cycle();
    const back = await store.task(taskId);
    assert.deepEqual(
      [back.status, back.failures, back.completed_at, back.runs_alone, back.due_at, back.priority],
      ["queued", 0, null, true, NOW + MINUTE, 99],
    );
    await recordTaskRequest(store.db, "cancel_task", [taskId], { actor: "cy" });
    await store.cycle();
    assert.equal((await store.task(taskId)).status, "cancelled");
    const log = (await transitionsOf(store.db, taskId)).slice(-3).map((one) => [one.from, one.to, one.actor]);
    assert.deepEqual(log, [
      ["dead_lettered", "queued", "ada"],
      [null, "priority 99", "bob"],
      ["queued", "cancelled", "cy"],
    ]);
  });
});

describe("a plan that no longer fits the rows", () => {
  it("stops the cycle, and nothing of it is written", async (t) => {
    const store = await openStore(t, { lawless: true });
    const { executionId, taskId } = await store.dispatched();
    await report(store, executionId, { attempt: 1, status: "completed" });
    await store.db.query("update tasks set status = 'retrying', execution_id = null where task_id = $1", [
      taskId,
    ]);
    await store.enqueue({});
    await store.db.query(
      "create function sabotage() returns trigger language plpgsql as $$ begin return null; end $$;" +
        "create trigger sabotage before update on tasks for each row execute function sabotage()",
    );
    await assert.rejects(() => store.cycle(), /the plan (starts|changes) 1 tasks, the database 0/);
    assert.equal((await store.execution(executionId)).status, "DISPATCHING");
    assert.equal((await store.db.query("select from facts")).rowCount, 1);
  });
});
