/** Checkpoints: what a finished step produced, there for whoever tries the task next. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { MINUTE, NOW, SECOND } from "#test/builders.ts";
import { openStore } from "#test/stored.ts";
import { checkpointsOf, saveCheckpoint } from "./checkpoints.ts";
import { recordCallback } from "./facts.ts";

describe("a checkpoint", () => {
  it("is kept by task and step, the last word of each, oldest first", async (t) => {
    const store = await openStore(t);
    const { executionId, taskId } = await store.dispatched();
    const save = (key: string, value: unknown) =>
      saveCheckpoint(store.db, { executionId, attempt: 1, taskId, key, value });
    assert.equal(await save("outline", { sections: 3 }), "recorded");
    await store.pass(SECOND);
    assert.equal(await save("draft", null), "recorded");
    await store.pass(SECOND);
    assert.equal(await save("outline", ["new"]), "recorded");
    assert.deepEqual(await checkpointsOf(store.db, executionId, 1, taskId), {
      verdict: "recorded",
      checkpoints: [
        { key: "draft", value: null, savedAtMs: NOW + SECOND },
        { key: "outline", value: ["new"], savedAtMs: NOW + 2 * SECOND },
      ],
    });
  });

  it("is there for the next attempt, and for another execution of the same task", async (t) => {
    const store = await openStore(t, { policy: { retry: { max_attempts: 2, jitter: 0 } } });
    const { executionId, taskId } = await store.dispatched();
    await saveCheckpoint(store.db, { executionId, attempt: 1, taskId, key: "outline", value: 1 });
    const keys = async (id: string, attempt: number) =>
      (await checkpointsOf(store.db, id, attempt, taskId)).checkpoints.map((one) => one.key);
    const fail = async (attempt: number) => {
      await recordCallback(store.db, executionId, { attempt, status: "failed" });
      await store.cycle();
      await store.pass(5 * MINUTE);
      await store.cycle();
      await store.cycle();
    };
    await fail(1);
    assert.deepEqual(await keys(executionId, 2), ["outline"]);
    await fail(2);
    const { execution_id: next } = await store.task(taskId);
    assert.notEqual(next, executionId);
    assert.deepEqual(await keys(next, 1), ["outline"]);
  });

  it("is refused to an attempt that is over, for a task it was not given, and for no execution", async (t) => {
    const store = await openStore(t);
    const [run, other] = [await store.dispatched(), await store.dispatched()];
    const checkpoint = { executionId: run.executionId, attempt: 1, taskId: run.taskId, key: "k", value: 1 };
    const save = (over: object) => saveCheckpoint(store.db, { ...checkpoint, ...over });
    assert.equal(await save({ taskId: other.taskId }), "foreign_task");
    assert.equal(await save({ executionId: randomUUID() }), "unknown_execution");
    const read = async (taskId: string) =>
      (await checkpointsOf(store.db, run.executionId, 1, taskId)).verdict;
    assert.equal(await read(other.taskId), "foreign_task");
    await recordCallback(store.db, run.executionId, { attempt: 1, status: "completed" });
    await store.cycle();
    assert.equal(await save({}), "stale");
    assert.equal(await read(run.taskId), "stale");
    assert.equal((await store.db.query("select from checkpoints")).rowCount, 0);
  });
});
