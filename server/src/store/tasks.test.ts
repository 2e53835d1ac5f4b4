/** Enqueuing: all or nothing, once per idempotency key, in order, however many. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type NewTask, Problem } from "@master-orchestrator/contract";
import { MINUTE, NOW, WORKFLOW } from "#test/builders.ts";
import { aNewTask, openStore } from "#test/stored.ts";
import { enqueue, enqueueEach } from "./tasks.ts";

const keyed = (key: string, over: Partial<NewTask> = {}) => aNewTask({ idempotency_key: key, ...over });
const withCode = (code: string, path: string) => (error: unknown) => {
  assert.ok(error instanceof Problem);
  assert.equal(error.code, code);
  assert.equal((error.details.errors as { path: string }[])[0]?.path, path);
  return true;
};

describe("a task that is enqueued", () => {
  it("waits from now on, and bears what it was given", async (t) => {
    const { db, task, steps } = await openStore(t);
    const payload = { topic: "ü 😀", depth: [1, { a: null }] };
    const given = aNewTask({ content_type: "how_to", priority: 80, payload, idempotency_key: "k" });
    const [enqueued] = await enqueue(db, [given], "ada");
    assert.deepEqual([enqueued!.status, enqueued!.duplicate], ["queued", false]);
    const row = await task(enqueued!.taskId);
    assert.deepEqual(
      [row.workflow_type, row.content_type, row.priority, row.status, row.idempotency_key, row.created_by],
      [WORKFLOW, "how_to", 80, "queued", "k", "ada"],
    );
    assert.deepEqual(row.payload, payload);
    assert.deepEqual([row.created_at, row.due_at, row.aged_from, row.failures], [NOW, NOW, NOW, 0]);
    assert.deepEqual(await steps(enqueued!.taskId), [" → queued"]);
  });

  it("for later is scheduled, and ages from then on", async (t) => {
    const { db, task } = await openStore(t);
    const at = new Date(NOW + MINUTE).toISOString();
    const [later] = await enqueue(db, [aNewTask({ not_before: at })], "ada");
    assert.equal(later!.status, "scheduled");
    const row = await task(later!.taskId);
    assert.deepEqual([row.due_at, row.aged_from], [NOW + MINUTE, NOW + MINUTE]);
  });

  it("for a moment that has passed is queued, and is no older for it", async (t) => {
    const { db, task } = await openStore(t);
    const [past] = await enqueue(db, [aNewTask({ not_before: "2001-01-01T00:00:00+02:00" })], "ada");
    assert.equal(past!.status, "queued");
    assert.equal((await task(past!.taskId)).aged_from, NOW);
  });
});

describe("the same idempotency key", () => {
  it("with the same body is the same task, whatever the order of its names", async (t) => {
    const { db } = await openStore(t);
    const [first] = await enqueue(db, [keyed("k", { payload: { a: 1, b: { c: 2, d: 3 } } })], "ada");
    const [again] = await enqueue(db, [keyed("k", { payload: { b: { d: 3, c: 2 }, a: 1 } })], "bob");
    assert.deepEqual(again, { taskId: first!.taskId, status: "queued", duplicate: true });
  });

  it("tells how its task stands now", async (t) => {
    const { db, cycle } = await openStore(t);
    await enqueue(db, [keyed("k")], "ada");
    await cycle();
    assert.equal((await enqueue(db, [keyed("k")], "ada"))[0]!.status, "running");
  });

  it("with another body is a conflict, and nothing of the request is enqueued", async (t) => {
    const { db } = await openStore(t);
    await enqueue(db, [keyed("k")], "ada");
    for (const other of [{ priority: 51 }, { payload: { a: 1 } }, { content_type: "x" }]) {
      const request = [keyed("new"), keyed("k", other)];
      await assert.rejects(
        () => enqueue(db, request, "ada"),
        withCode("idempotency_conflict", "/tasks/1/idempotency_key"),
      );
    }
    assert.equal((await db.query("select from tasks")).rowCount, 1);
    assert.equal((await db.query("select from transitions")).rowCount, 1);
  });

  it("twice in one request is one task; with two bodies a conflict", async (t) => {
    const { db } = await openStore(t);
    const [a, b, c] = await enqueue(db, [keyed("k"), aNewTask(), keyed("k")], "ada");
    assert.deepEqual([a!.duplicate, b!.duplicate, c!.duplicate], [false, false, true]);
    assert.equal(c!.taskId, a!.taskId);
    const twoBodies = [keyed("l"), keyed("l", { priority: 1 })];
    await assert.rejects(
      () => enqueue(db, twoBodies, "ada"),
      withCode("idempotency_conflict", "/tasks/1/idempotency_key"),
    );
    assert.equal((await db.query("select from tasks")).rowCount, 2);
  });

  it("from four connections at once is one task, and each is told which", async (t) => {
    const { db } = await openStore(t);
    const requests = Array.from({ length: 12 }, (_, i) => [keyed("same"), keyed(`own-${i}`)]);
    const answers = await Promise.all(requests.map((request) => enqueue(db, request, "ada")));
    assert.equal(new Set(answers.map((answer) => answer[0]!.taskId)).size, 1);
    assert.equal(answers.filter((answer) => !answer[0]!.duplicate).length, 1);
    assert.equal((await db.query("select from tasks")).rowCount, 13);
  });

  it("from many callers in one write is judged for each by itself", async (t) => {
    const { db } = await openStore(t);
    const actor = "ada";
    const tasks = [
      keyed("a"),
      keyed("a"),
      keyed("a", { priority: 1 }),
      aNewTask({ workflow_type: "nobody" }),
      keyed("b"),
    ];
    const outcomes = await enqueueEach(
      db,
      tasks.map((task) => ({ task, actor })),
    );
    const told = outcomes.map((one) =>
      one.kind === "enqueued" ? `${one.kind} ${one.enqueued.duplicate}` : one.kind,
    );
    assert.deepEqual(told, [
      "enqueued false",
      "enqueued true",
      "conflict",
      "unknown_workflow",
      "enqueued false",
    ]);
  });
});

describe("a workflow that nobody registered", () => {
  it("is refused with what was probably meant, and nothing of the request is enqueued", async (t) => {
    const { db } = await openStore(t);
    const request = [aNewTask(), aNewTask({ workflow_type: "content_pipline" })];
    await assert.rejects(
      () => enqueue(db, request, "ada"),
      (error) => {
        withCode("unknown_workflow", "/tasks/1/workflow_type")(error);
        assert.match((error as Problem).message, /did you mean "content_pipeline"/);
        return true;
      },
    );
    assert.equal((await db.query("select from tasks")).rowCount, 0);
  });
});

describe("many tasks", () => {
  it("10,000 in one request are there, in their order, each with its first transition", async (t) => {
    const { db } = await openStore(t);
    const given = Array.from({ length: 10_000 }, (_, i) => keyed(`k${i}`, { payload: { i } }));
    const enqueued = await enqueue(db, given, "ada");
    const { rows } = await db.query("select task_id, payload from tasks order by aged_from, task_id");
    assert.deepEqual(
      rows.map((row) => row.task_id),
      enqueued.map((task) => task.taskId),
      "first come, first in the queue",
    );
    assert.ok(rows.every((row, i) => row.payload.i === i));
    assert.equal((await db.query("select from transitions where to_state = 'queued'")).rowCount, 10_000);
    const again = await enqueue(db, given, "ada");
    assert.ok(again.every((task, i) => task.duplicate && task.taskId === enqueued[i]!.taskId));
  });
});
