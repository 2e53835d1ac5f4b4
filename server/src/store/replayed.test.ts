/** A row that its events do not lead to is found, and every invariant stands in the document. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { MINUTE } from "#test/builders.ts";
import { openStore } from "#test/stored.ts";
import { recordCallback, recordTaskRequest } from "./facts.ts";
import { INVARIANTS } from "./invariants.ts";
import { executionsUnlikeTheirEvents, tasksUnlikeTheirEvents } from "./replayed.ts";

describe("replaying the events", () => {
  it("gives the row of what was retried, prioritised, dead and sent back", async (t) => {
    const store = await openStore(t, {
      policy: { retry: { max_attempts: 2, dead_letter_after: 3, jitter: 0 } },
    });
    const { taskId } = await store.dispatched();
    for (let failures = 1; failures <= 3; failures++) {
      const { execution_id: executionId } = await store.task(taskId);
      const attempt = (await store.execution(executionId)).attempts;
      await recordCallback(store.db, executionId, { attempt, status: "failed" });
      await store.cycle();
      await store.pass(20 * MINUTE);
      await store.cycle();
      await store.cycle();
    }
    assert.equal((await store.task(taskId)).status, "dead_lettered");
    await recordTaskRequest(store.db, "redrive", [taskId], { actor: "ada" });
    await recordTaskRequest(store.db, "set_priority", await store.enqueue({}), { actor: "ada", priority: 9 });
    await store.cycle();
    assert.deepEqual(await tasksUnlikeTheirEvents(store.db, 20), []);
    assert.deepEqual(await executionsUnlikeTheirEvents(store.db, 20), []);
  });

  it("finds the rows that they do not lead to, and says in what", async (t) => {
    const store = await openStore(t, { lawless: true });
    const { taskId, executionId } = await store.dispatched();
    await store.db.query("update tasks set failures = 3, status = 'queued' where task_id = $1", [taskId]);
    await store.db.query("delete from transitions where entity_id = $1 and from_state = 'IDLE'", [
      executionId,
    ]);
    assert.deepEqual(await tasksUnlikeTheirEvents(store.db, 20), [
      { task_id: taskId, status: { row: "queued", events: "running" }, failures: { row: 3, events: 0 } },
    ]);
    const [execution] = await executionsUnlikeTheirEvents(store.db, 20);
    assert.equal(execution!.execution_id, executionId);
    assert.deepEqual(execution!.attempts, { row: 1, events: 0 });
  });

  it("goes through more rows than one batch has", async (t) => {
    const store = await openStore(t, { lawless: true });
    await store.enqueue(...Array.from({ length: 2_100 }, () => ({})));
    assert.deepEqual(await tasksUnlikeTheirEvents(store.db, 20), []);
    await store.db.query(
      "update tasks set failures = 1 where task_id = (select task_id from tasks order by task_id desc limit 1)",
    );
    assert.equal((await tasksUnlikeTheirEvents(store.db, 20)).length, 1);
  });
});

it("docs/invariants.md says what is checked, in the same order", async () => {
  const text = await readFile(new URL("../../../docs/invariants.md", import.meta.url), "utf8");
  const listed = [...text.matchAll(/^(\d+)\. (.+)\.$/gm)].map(([, number, sentence]) => ({
    number: Number(number),
    sentence,
  }));
  assert.deepEqual(
    listed,
    INVARIANTS.map(({ number, sentence }) => ({ number, sentence })),
  );
});
