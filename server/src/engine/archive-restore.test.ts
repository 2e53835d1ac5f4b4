/** Restoring brings back exactly what was, and the files can be looked into without it. */
import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { DAY_MS } from "#core/utc-day.ts";
import { enqueue } from "#store/tasks.ts";
import {
  assertSame,
  counts,
  exists,
  FIRST_DAY,
  folders,
  historyInDatabase,
  lawful,
  openPastStore,
  type PastStore,
  problem,
  SECOND_DAY,
  wholeHistory,
} from "#test/archived.ts";
import { aNewTask } from "#test/stored.ts";
import { archiveDue } from "./archive.ts";
import { queryArchives } from "./archive-query.ts";
import { restoreArchive, verifyArchive } from "./archive-restore.ts";

describe("restoring", () => {
  it("puts every row back exactly, once", async (t) => {
    const store = await openPastStore(t);
    const before = await historyInDatabase(store.db);
    const { archives } = await archiveDue(store);
    for (const { archiveId } of archives) {
      assert.deepEqual(
        await verifyArchive(store, archiveId),
        (await verifyArchive(store, archiveId)).map((one) => ({ ...one, problem: null })),
      );
      assert.equal((await restoreArchive(store, archiveId, 7)).state, "restored");
      assert.equal(
        (await restoreArchive(store, archiveId, 7)).state,
        "restored",
        "the second time nothing happens",
      );
    }
    assertSame(await historyInDatabase(store.db), before);
    await lawful(store);
  });

  it("one day alone leaves the database lawful, with links to what is still archived", async (t) => {
    const store = await openPastStore(t);
    const before = await historyInDatabase(store.db);
    const [first] = (await archiveDue(store)).archives;
    await restoreArchive(store, first!.archiveId, 7);
    assert.equal(await exists(store, store.completed), true);
    assert.equal(await exists(store, store.retried), false, "it went with the second day");
    assertSame(await wholeHistory(store.db, store.dataDir), before);
  });

  it("keeps the rows for the time that was asked for, then archives them anew", async (t) => {
    const store = await openPastStore(t);
    const before = await historyInDatabase(store.db);
    const [first] = (await archiveDue(store)).archives;
    await restoreArchive(store, first!.archiveId, 7);
    assert.deepEqual((await archiveDue(store)).archives, []);
    await store.pass(8 * DAY_MS);
    const [again] = (await archiveDue(store)).archives;
    assert.equal(again!.day, FIRST_DAY);
    assertSame(await wholeHistory(store.db, store.dataDir), before);
    assert.ok(!(await folders(store)).includes(`${FIRST_DAY}/${first!.archiveId}`), "the old files are gone");
  });

  it("lets a restored day be archived before its time, by its name", async (t) => {
    const store = await openPastStore(t);
    const [first] = (await archiveDue(store)).archives;
    await restoreArchive(store, first!.archiveId, 365);
    const { archives } = await archiveDue(store, { day: FIRST_DAY });
    assert.deepEqual(
      archives.map(({ day }) => day),
      [FIRST_DAY],
    );
    assert.equal(await exists(store, store.completed), false);
  });

  it("refuses files that are not what was written, and changes nothing", async (t) => {
    const store = await openPastStore(t);
    const [first, second] = (await archiveDue(store)).archives;
    const before = await counts(store.db);
    const file = (archive: typeof first) =>
      join(store.dataDir, "archive", archive!.day, archive!.archiveId, "attempts.jsonl.gz");
    const bytes = await readFile(file(first));
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(file(first), bytes);
    await rm(file(second));
    const damaged = problem("archive_damaged", /attempts of archive/);
    await assert.rejects(restoreArchive(store, first!.archiveId, 7), damaged);
    await assert.rejects(restoreArchive(store, second!.archiveId, 7), damaged);
    const verdicts = await verifyArchive(store, second!.archiveId);
    assert.deepEqual(
      verdicts.filter((verdict) => verdict.problem !== null),
      [{ name: "attempts", problem: "is not there" }],
    );
    assert.deepEqual(await counts(store.db), before);
  });

  it("is refused where a new task has the idempotency key by now", async (t) => {
    const store = await openPastStore(t);
    const [first] = (await archiveDue(store)).archives;
    const [task] = await enqueue(store.db, [aNewTask({ idempotency_key: "topic-1" })], "ada");
    assert.equal(task!.duplicate, false, "an archived key is free again");
    await assert.rejects(restoreArchive(store, first!.archiveId, 7), problem("conflict", /topic-1/));
    assert.equal(await exists(store, store.completed), false);
  });

  it("of a data directory that this replica does not have says where the files are", async (t) => {
    const store = await openPastStore(t);
    const [first] = (await archiveDue(store)).archives;
    const elsewhere = { db: store.db, dataDir: join(store.dataDir, "elsewhere") };
    await assert.rejects(
      verifyArchive(elsewhere, first!.archiveId),
      problem("unavailable", /not in this replica's DATA_DIR/),
    );
    await assert.rejects(
      restoreArchive(elsewhere, first!.archiveId, 7),
      problem("unavailable", /not in this replica's/),
    );
  });
});

describe("looking into the archive", () => {
  const find = async (store: PastStore, filter: object, page = {}) =>
    await queryArchives(store, { type: "tasks", ...filter }, { limit: 100, after: null, ...page });

  it("finds rows by type, id, status, day and time", async (t) => {
    const store = await openPastStore(t);
    await archiveDue(store);
    const ids = async (filter: object) =>
      (await find(store, filter)).rows.map(({ row }) => row.task_id ?? row.entity_id);
    assert.deepEqual((await ids({})).sort(), [store.completed, store.cancelled, store.retried].sort());
    assert.deepEqual(await ids({ status: "cancelled" }), [store.cancelled]);
    assert.deepEqual(await ids({ id: store.retried }), [store.retried]);
    assert.deepEqual(await ids({ fromDay: SECOND_DAY }), [store.retried]);
    assert.deepEqual(await ids({ toMs: Date.parse(FIRST_DAY) }), []);
    assert.deepEqual(await ids({ type: "transitions", id: store.completed, status: "running" }), [
      store.completed,
    ]);
    const ofHouse = { type: "transitions", id: "orchestrator" };
    assert.equal((await find(store, { ...ofHouse, status: "paused" })).rows.length, 1);
    assert.equal((await find(store, { type: "errors" })).rows.length, 1);
  });

  it("goes on page by page where the last one ended, also when a page ran out of time", async (t) => {
    const store = await openPastStore(t);
    await archiveDue(store);
    const all = (await find(store, { type: "transitions" })).rows;
    const seen: unknown[] = [];
    for (let after = null as Awaited<ReturnType<typeof find>>["next"]; ; ) {
      const page = await find(store, { type: "transitions" }, { limit: 3, after });
      seen.push(...page.rows);
      if (page.next === null) break;
      after = page.next;
    }
    assert.deepEqual(seen, all);
    assert.ok(all.length > 10);
  });

  it("leaves out what was restored: those rows are in the database", async (t) => {
    const store = await openPastStore(t);
    const [first] = (await archiveDue(store)).archives;
    await restoreArchive(store, first!.archiveId, 7);
    assert.deepEqual(
      (await find(store, {})).rows.map(({ row }) => row.task_id),
      [store.retried],
    );
  });
});
