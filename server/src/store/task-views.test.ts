/** Tasks as people see them: their rank, their lists, their errors, and what held their lane. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { fingerprintOf } from "#core/fingerprint.ts";
import { byRank, score } from "#core/rank.ts";
import { aPolicy, MINUTE, NOW, SECOND, WORKFLOW } from "#test/builders.ts";
import { chance } from "#test/chance.ts";
import { openStore, type TestStore } from "#test/stored.ts";
import { deadLetterIds } from "./dead-letters.ts";
import { recordCallback } from "./facts.ts";
import type { Position } from "./listing.ts";
import { setPaused } from "./orchestrator.ts";
import { laneHoldsAt, listTasks, rankOf, type TaskSummaryRow, taskById, tasksByIds } from "./task-views.ts";

const all = async (store: TestStore): Promise<TaskSummaryRow[]> => await listTasks(store.db, { limit: 500 });

describe("the rank of a task", () => {
  /** Many with the same score on different levels: priority 50 now is priority 49 of ten minutes ago. */
  async function lane(store: TestStore, seed: number): Promise<TaskSummaryRow[]> {
    const random = chance(seed);
    const ids = await store.enqueue(
      ...Array.from({ length: 120 }, () => ({ priority: 47 + random.int(0, 5) })),
    );
    const aged = ids.map(
      () => NOW - random.oneOf([0, 0, 1, 59_999, MINUTE, 10 * MINUTE, 20 * MINUTE, 33 * MINUTE]),
    );
    await store.db.query(
      `update tasks t set aged_from = to_timestamp(a.ms / 1000.0)
         from unnest($1::uuid[], $2::float8[]) as a (task_id, ms) where t.task_id = a.task_id`,
      [ids, aged],
    );
    await store.enqueue({ content_type: "other", priority: 100 });
    await store.enqueue({ priority: 100, not_before: new Date(NOW + MINUTE).toISOString() });
    return (await all(store)).filter((task) => task.contentType === "default" && task.status === "queued");
  }

  for (const [name, ageing] of [
    ["the usual ageing", {}],
    ["no boost", { boost_per_minute: 0 }],
    ["a boost from the start", { boost_after_minutes: 0, boost_per_minute: 0.3 }],
  ] as const) {
    it(`is its place when every task of the lane is put in order: ${name}`, async (t) => {
      const store = await openStore(t);
      const waiting = await lane(store, 11);
      const policy = aPolicy({ ageing }).ageing;
      const expected = byRank(waiting, NOW, policy).map((task) => task.taskId);
      for (const task of waiting) {
        const { rank, score: own } = await rankOf(store.db, task, NOW, policy);
        assert.equal(rank, expected.indexOf(task.taskId) + 1, JSON.stringify(task));
        assert.equal(own, score(task, NOW, policy));
      }
    });
  }
});

describe("a list of tasks", () => {
  it("is newest first, page by page, each task once", async (t) => {
    const store = await openStore(t);
    const ids = await store.enqueue(...Array.from({ length: 7 }, () => ({})));
    const seen: string[] = [];
    for (let before: Position | undefined; ; ) {
      const page = await listTasks(store.db, { limit: 3, ...(before ? { before } : {}) });
      seen.push(...page.map((task) => task.taskId));
      if (page.length < 3) break;
      before = page.at(-1)!.position;
    }
    assert.deepEqual(seen, ids.toReversed());
  });

  it("is narrowed by status, workflow, content type and time", async (t) => {
    const store = await openStore(t, { workflows: { [WORKFLOW]: {}, other: {} } });
    const [first] = await store.enqueue({ content_type: "news" });
    await store.pass(MINUTE);
    const [second] = await store.enqueue({ workflow_type: "other" });
    const ids = async (filter: object) =>
      (await listTasks(store.db, { limit: 10, ...filter })).map((task) => task.taskId);
    const at = new Date(NOW + MINUTE).toISOString();
    assert.deepEqual(await ids({ status: "queued" }), [second, first]);
    assert.deepEqual(await ids({ status: "running" }), []);
    assert.deepEqual(await ids({ workflowType: "other" }), [second]);
    assert.deepEqual(await ids({ contentType: "news" }), [first]);
    assert.deepEqual(await ids({ from: at }), [second]);
    assert.deepEqual(await ids({ to: at }), [first], "the end does not belong to it");
  });
});

describe("one task", () => {
  it("shows every error and attempt of every execution that carried it", async (t) => {
    const store = await openStore(t, { policy: { retry: { max_attempts: 1, jitter: 0 } } });
    const { taskId, executionId } = await store.dispatched({ payload: { topic: "x" } });
    const error_data = { message: "no quota", stack_trace: "at y" };
    await recordCallback(store.db, executionId, { attempt: 1, status: "failed", error_data });
    await store.cycle();
    await store.pass(2 * MINUTE);
    await store.cycle();
    await store.cycle();
    const task = (await taskById(store.db, taskId))!;
    assert.deepEqual([task.status, task.failures, task.payload], ["running", 1, { topic: "x" }]);
    assert.equal(task.executionIds.length, 2);
    assert.deepEqual(
      task.attempts.map((attempt) => [attempt.executionId, attempt.attempt, attempt.state]),
      [
        [executionId, 1, "failed"],
        [task.executionId, 1, "sent"],
      ],
    );
    const { atMs, ...error } = task.errors[0]!;
    assert.deepEqual(error, {
      taskId,
      executionId,
      attempt: 1,
      code: "failed",
      message: "no quota",
      stackTrace: "at y",
      fingerprint: fingerprintOf({ code: "failed", message: "no quota", stackTrace: "at y" }),
    });
    assert.equal(atMs, NOW);
    assert.equal(await taskById(store.db, randomUUID()), null);
    assert.deepEqual(
      (await tasksByIds(store.db, [taskId])).map((one) => one.payload),
      [{ topic: "x" }],
    );
  });
});

describe("dead letters", () => {
  it("are named by id, by lane and by the time of their death", async (t) => {
    const store = await openStore(t, { policy: { retry: { dead_letter_after: 1, jitter: 0 } } });
    const dead: string[] = [];
    for (const content_type of ["a", "b"]) {
      const run = await store.dispatched({ content_type });
      await recordCallback(store.db, run.executionId, { attempt: 1, status: "failed" });
      await store.cycle();
      await store.pass(MINUTE);
      dead.push(run.taskId);
    }
    await store.enqueue({});
    const ids = async (filter: object, limit = 10) => (await deadLetterIds(store.db, filter, limit)).ids;
    assert.deepEqual(await ids({}), dead);
    assert.deepEqual(await deadLetterIds(store.db, {}, 1), { ids: dead.slice(0, 1), left: 1 });
    assert.deepEqual(await ids({ taskIds: [dead[1]!, randomUUID()] }), [dead[1]]);
    assert.deepEqual(await ids({ contentType: "a" }), [dead[0]]);
    assert.deepEqual(await ids({ workflowType: "nobody" }), []);
    assert.deepEqual(await ids({ from: new Date(NOW + SECOND).toISOString() }), [dead[1]]);
    assert.deepEqual(await ids({ to: new Date(NOW + SECOND).toISOString() }), [dead[0]]);
  });
});

describe("what held a lane", () => {
  it("is known for every moment, from when to when", async (t) => {
    const store = await openStore(t);
    const lanes = ["default", "other"].map((contentType) => ({ workflowType: WORKFLOW, contentType }));
    const heldAt = async (ms: number) => await laneHoldsAt(store.db, lanes, NOW + ms);
    const hold = async (ms: number) => (await heldAt(ms))[0]?.reason ?? null;
    await store.db.transaction((tx) => setPaused(tx, true, "ada"));
    await store.enqueue({});
    const { cycleId } = await store.cycle();
    await store.pass(MINUTE);
    await store.cycle();
    await store.pass(MINUTE);
    await store.db.transaction((tx) => setPaused(tx, false, "ada"));
    await store.cycle();
    assert.deepEqual(
      [await hold(-1), await hold(0), await hold(90_000), await hold(120_000)],
      [null, "orchestrator_paused", "orchestrator_paused", null],
    );
    const [held, other] = await heldAt(MINUTE);
    assert.deepEqual(
      [held?.cycleId, held?.fromMs],
      [cycleId, NOW],
      "one hold, since the first cycle that said so",
    );
    assert.equal(other, null);
  });
});
