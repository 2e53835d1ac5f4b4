/** Tasks that the orchestrator enqueues itself: once per key, with their parent, and a note of what was left out. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Callback } from "@master-orchestrator/contract";
import { WORKFLOW } from "#test/builders.ts";
import { openStore, type TestStore, untilBlocked } from "#test/stored.ts";
import { recordCallback } from "./facts.ts";
import { taskById } from "./task-views.ts";
import { lockNextRules } from "./workflows.ts";

const SEO = "seo_monitor";
const RULES = { [WORKFLOW]: { next: [{ workflow_type: SEO, on: "completed" as const }] }, [SEO]: {} };

async function complete(store: TestStore, executionId: string, over: Partial<Callback> = {}): Promise<void> {
  await recordCallback(store.db, executionId, { attempt: 1, status: "completed", ...over });
  await store.cycle();
}

describe("a follow-up", () => {
  it("stands in the row with its parent, its depth and its first transition", async (t) => {
    const store = await openStore(t, { workflows: RULES });
    const { taskId, executionId } = await store.dispatched({ priority: 80, content_type: "news" });
    await store.db.query("update tasks set chain_depth = 4 where task_id = $1", [taskId]);
    await complete(store, executionId, { result_data: [1] });
    const followUp = (await taskById(store.db, taskId))!.followUps[0]!;
    const row = await store.task(followUp);
    assert.deepEqual(
      [row.parent_task_id, row.chain_depth, row.workflow_type, row.priority, row.created_by, row.status],
      [taskId, 5, SEO, 80, "next", "queued"],
    );
    assert.deepEqual([row.created_at, row.due_at, row.aged_from], [store.nowMs, store.nowMs, store.nowMs]);
    assert.deepEqual(await store.steps(followUp), [" → queued"]);
    assert.equal((await taskById(store.db, followUp))!.parentTaskId, taskId);
    await store.cycle();
    assert.equal((await store.task(followUp)).status, "running");
  });

  it("is a duplicate at the door too; and whose key is taken is not enqueued, while the cycle goes on", async (t) => {
    const store = await openStore(t, { workflows: RULES });
    const first = await store.dispatched();
    await complete(store, first.executionId, { result_data: 1 });
    const [followUp] = (await taskById(store.db, first.taskId))!.followUps as [string];
    const { payload, idempotency_key } = await store.task(followUp);
    assert.deepEqual(await store.enqueue({ workflow_type: SEO, payload, idempotency_key }), [followUp]);

    const second = await store.dispatched();
    await store.enqueue({ workflow_type: SEO, idempotency_key: `next:${second.taskId}:${SEO}:1` });
    await complete(store, second.executionId);
    assert.equal((await store.task(second.taskId)).status, "completed");
    assert.deepEqual((await taskById(store.db, second.taskId))!.followUps, []);
  });

  it("that is left out is noted with the execution, each in its place", async (t) => {
    const store = await openStore(t, { workflows: RULES });
    const { taskId, executionId } = await store.dispatched();
    await complete(store, executionId, { next: [{ workflow_type: "one" }, { workflow_type: "two" }] });
    const { recovery_actions: actions } = await store.execution(executionId);
    assert.deepEqual(
      actions.map((one: Record<string, string>) => [one.action, one.task_id, one.workflow_type]),
      [
        ["next_skipped", taskId, "one"],
        ["next_skipped", taskId, "two"],
      ],
    );
  });
});

describe("next rules", () => {
  it("are locked together, so that two changes cannot close a circle between them", async (t) => {
    const store = await openStore(t, { workflows: RULES });
    let second: Promise<unknown> | undefined;
    await store.db.transaction(async (tx) => {
      assert.deepEqual(await lockNextRules(tx), { [WORKFLOW]: [SEO], [SEO]: [] });
      second = store.db.transaction(lockNextRules);
      await untilBlocked(store.db);
      await tx.query("update workflows set settings = settings - 'next'");
    });
    assert.deepEqual(await second, { [WORKFLOW]: [], [SEO]: [] });
  });
});
