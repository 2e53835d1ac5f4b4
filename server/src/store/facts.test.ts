/** What outsiders report: recorded once, answered for what it is, and never a change by itself. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import type { Callback } from "@master-orchestrator/contract";
import { MINUTE, NOW, SECOND } from "#test/builders.ts";
import { openStore, type TestStore } from "#test/stored.ts";
import {
  recordCallback,
  recordCallbacks,
  recordCancelExecution,
  recordClaim,
  recordDeliveries,
  recordHeartbeat,
  recordTaskRequest,
} from "./facts.ts";

const completed: Callback = { attempt: 1, status: "completed", result_data: { words: 3 } };
const facts = async ({ db }: TestStore) =>
  (await db.query("select kind, execution_id, attempt, task_id, data from facts order by fact_id")).rows;

/** A run whose first attempt failed and whose second was dispatched. */
async function onSecondAttempt(store: TestStore) {
  const run = await store.dispatched();
  await recordCallback(store.db, run.executionId, { attempt: 1, status: "failed" });
  await store.cycle();
  await store.pass(MINUTE);
  await store.cycle();
  assert.equal((await store.execution(run.executionId)).attempts, 2);
  return run;
}

describe("a callback", () => {
  it("is taken once, as a fact; nothing else changes before a cycle folds it in", async (t) => {
    const store = await openStore(t);
    const { executionId, taskId } = await store.dispatched();
    assert.deepEqual(await recordCallback(store.db, executionId, completed), { verdict: "taken" });
    assert.deepEqual(await facts(store), [
      {
        kind: "callback",
        execution_id: executionId,
        attempt: 1,
        task_id: null,
        data: { callback: completed },
      },
    ]);
    assert.equal((await store.execution(executionId)).status, "DISPATCHING");
    assert.equal((await store.task(taskId)).status, "running");
    await store.cycle();
    assert.equal((await store.execution(executionId)).status, "COMPLETED");
    assert.deepEqual(await facts(store), []);
  });

  it("again is a duplicate, now and after its execution has ended, whatever the order of its names", async (t) => {
    const store = await openStore(t);
    const { executionId } = await store.dispatched();
    await recordCallback(store.db, executionId, completed);
    const same = {
      result_data: { words: 3 },
      status: "completed",
      attempt: 1,
      execution_id: executionId,
    } as const;
    assert.deepEqual(await recordCallback(store.db, executionId, same), { verdict: "duplicate" });
    await store.cycle();
    assert.deepEqual(await recordCallback(store.db, executionId, completed), { verdict: "duplicate" });
    assert.equal((await facts(store)).length, 0);
  });

  it("with another body after the first is stale", async (t) => {
    const store = await openStore(t);
    const { executionId } = await store.dispatched();
    await recordCallback(store.db, executionId, completed);
    const other = { ...completed, result_data: { words: 4 } };
    assert.deepEqual(await recordCallback(store.db, executionId, other), { verdict: "stale" });
    assert.equal((await facts(store)).length, 1);
  });

  it("of an attempt that was replaced is stale; of one that has not begun is ahead", async (t) => {
    const store = await openStore(t);
    const { executionId } = await onSecondAttempt(store);
    assert.deepEqual(await recordCallback(store.db, executionId, completed), { verdict: "stale" });
    const third = { ...completed, attempt: 3 };
    assert.deepEqual(await recordCallback(store.db, executionId, third), { verdict: "ahead", attempt: 2 });
    assert.deepEqual(await recordCallback(store.db, executionId, { ...completed, attempt: 2 }), {
      verdict: "taken",
    });
  });

  it("after the time-out but before the next attempt is taken", async (t) => {
    const store = await openStore(t);
    const { executionId, taskId } = await store.dispatched();
    await recordClaim(store.db, executionId, 1, "n8n");
    await store.cycle();
    await store.pass(300 * SECOND);
    await store.cycle();
    assert.equal((await store.execution(executionId)).status, "ERROR_RECOVERY");
    assert.deepEqual(await recordCallback(store.db, executionId, completed), { verdict: "taken" });
    await store.cycle();
    assert.equal((await store.execution(executionId)).status, "COMPLETED");
    assert.deepEqual((await store.task(taskId)).result, { words: 3 });
  });

  it("of an execution that was cancelled is stale, of one that never was is unknown", async (t) => {
    const store = await openStore(t);
    const { executionId } = await store.dispatched();
    await recordCancelExecution(store.db, executionId, "ada");
    await store.cycle();
    assert.deepEqual(await recordCallback(store.db, executionId, completed), { verdict: "stale" });
    assert.deepEqual(await recordCallback(store.db, randomUUID(), completed), {
      verdict: "unknown_execution",
    });
  });

  it("that names tasks which its attempt does not carry is refused by name, and may be corrected", async (t) => {
    const store = await openStore(t);
    const { executionId, taskId } = await store.dispatched();
    const stranger = randomUUID();
    const items = [taskId, stranger].map((task_id) => ({ task_id, status: "completed" as const }));
    const callback = { ...completed, items };
    assert.deepEqual(await recordCallback(store.db, executionId, callback), {
      verdict: "foreign_tasks",
      taskIds: [stranger],
    });
    assert.equal((await facts(store)).length, 0);
    const corrected = { ...completed, items: items.slice(0, 1) };
    assert.deepEqual(await recordCallback(store.db, executionId, corrected), { verdict: "taken" });
  });

  it("among many in one write is judged by itself", async (t) => {
    const store = await openStore(t);
    const [one, two] = [await store.dispatched(), await store.dispatched()];
    await recordCallback(store.db, two.executionId, completed);
    const ids = [one.executionId, two.executionId, randomUUID()];
    const verdicts = await recordCallbacks(
      store.db,
      ids.map((executionId) => ({ executionId, callback: completed })),
    );
    assert.deepEqual(
      verdicts.map((one) => one.verdict),
      ["taken", "duplicate", "unknown_execution"],
    );
  });
});

describe("a claim", () => {
  it("is the first one's; the same claimant may say so again, any other is told who has it", async (t) => {
    const store = await openStore(t);
    const { executionId } = await store.dispatched();
    const claim = (claimant: string) => recordClaim(store.db, executionId, 1, claimant);
    for (const claimant of ["n8n run 1", "n8n run 1", "n8n run 2"]) {
      assert.deepEqual(await claim(claimant), { verdict: "recorded", claimant: "n8n run 1" });
    }
    assert.equal((await facts(store)).length, 1, "one fact, however often");
  });

  it("of each attempt is a new one", async (t) => {
    const store = await openStore(t);
    const { executionId } = await onSecondAttempt(store);
    assert.deepEqual((await recordClaim(store.db, executionId, 1, "old")).verdict, "stale");
    assert.deepEqual(await recordClaim(store.db, executionId, 2, "new"), {
      verdict: "recorded",
      claimant: "new",
    });
    assert.equal((await recordClaim(store.db, randomUUID(), 1, "x")).verdict, "unknown_execution");
  });
});

describe("a heartbeat", () => {
  const beat = { progress: 0.4, message: "writing", nextWithinMs: 20_000 };

  it("is a fact, and is told the deadline", async (t) => {
    const store = await openStore(t);
    const { executionId } = await store.dispatched();
    assert.deepEqual(await recordHeartbeat(store.db, executionId, 1, beat), {
      verdict: "recorded",
      deadlineAtMs: NOW + 300 * SECOND,
    });
    assert.deepEqual((await facts(store))[0]!.data, beat);
    await store.cycle();
    const row = await store.attempt(executionId);
    assert.deepEqual([row.state, row.progress, row.message], ["accepted", 0.4, "writing"]);
    assert.deepEqual([row.last_heartbeat_at, row.silent_at], [NOW, NOW + 20_000]);
  });

  it("of an attempt that is over is stale, of no execution unknown", async (t) => {
    const store = await openStore(t);
    const { executionId } = await onSecondAttempt(store);
    const stale = { verdict: "stale", deadlineAtMs: null };
    assert.deepEqual(await recordHeartbeat(store.db, executionId, 1, beat), stale);
    assert.deepEqual(await recordHeartbeat(store.db, executionId, 3, beat), stale);
    await recordCancelExecution(store.db, executionId, "ada");
    await store.cycle();
    assert.deepEqual(await recordHeartbeat(store.db, executionId, 2, beat), stale);
    assert.equal((await recordHeartbeat(store.db, randomUUID(), 1, beat)).verdict, "unknown_execution");
  });
});

describe("requests", () => {
  it("to cancel an execution are recorded for one that exists", async (t) => {
    const store = await openStore(t);
    const { executionId } = await store.dispatched();
    assert.equal(await recordCancelExecution(store.db, executionId, "ada"), true);
    assert.equal(await recordCancelExecution(store.db, randomUUID(), "ada"), false);
    assert.deepEqual(
      (await facts(store)).map((fact) => [fact.kind, fact.data]),
      [["cancel_execution", { actor: "ada" }]],
    );
  });

  it("about tasks are recorded for those that exist, and counted", async (t) => {
    const store = await openStore(t);
    const ids = await store.enqueue({}, {});
    const count = await recordTaskRequest(store.db, "set_priority", [...ids, randomUUID()], {
      actor: "ada",
      priority: 7,
    });
    assert.equal(count, 2);
    assert.deepEqual(
      (await facts(store)).map((fact) => [fact.kind, fact.data]),
      [
        ["set_priority", { actor: "ada", priority: 7 }],
        ["set_priority", { actor: "ada", priority: 7 }],
      ],
    );
  });
});

describe("what is recorded", () => {
  it("reaches the snapshot as the fact that it was, in its order", async (t) => {
    const store = await openStore(t, { lawless: true });
    const { executionId, taskId } = await store.dispatched();
    const delivery = { outcome: "unknown" as const, delivery: 1, retryAfterMs: null, message: "HTTP 502" };
    await recordDeliveries(store.db, [{ executionId, attempt: 1, ...delivery }]);
    await recordDeliveries(store.db, []);
    await recordClaim(store.db, executionId, 1, "n8n");
    await recordHeartbeat(store.db, executionId, 1, { progress: null, message: null, nextWithinMs: null });
    await recordCallback(store.db, executionId, completed);
    await recordCancelExecution(store.db, executionId, "ada");
    await recordTaskRequest(store.db, "redrive", [taskId], { actor: "bob" });
    const { snapshot } = await store.cycle();
    const at = { atMs: NOW };
    const about = { ...at, executionId, attempt: 1 };
    assert.equal(snapshot.facts.length, 6);
    assert.partialDeepStrictEqual(
      snapshot.facts.map(({ factId: _, ...fact }) => fact),
      [
        { kind: "delivery", ...about, ...delivery },
        { kind: "claim", ...about },
        { kind: "heartbeat", ...about, progress: null, message: null, nextWithinMs: null },
        { kind: "callback", ...about, callback: completed },
        { kind: "cancel_execution", ...at, executionId, actor: "ada" },
        { kind: "redrive", ...at, taskId, actor: "bob" },
      ],
    );
  });
});
