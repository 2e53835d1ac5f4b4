/** Archiving loses no row and doubles none, whatever happens in between. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { DAY_MS } from "#core/utc-day.ts";
import { listArchives } from "#store/archives.ts";
import { openDatabase } from "#store/database.ts";
import { ensurePartitions } from "#store/partitions.ts";
import {
  assertSame,
  counts,
  exists,
  FIRST_DAY,
  folders,
  historyInDatabase,
  lawful,
  openPastStore,
  problem,
  SECOND_DAY,
  wholeHistory,
} from "#test/archived.ts";
import { archiveDue, type Step } from "./archive.ts";

const VICTIM = new URL("../../test/archive-victim.ts", import.meta.url).pathname;
const STEPS: Step[] = [
  "turn",
  "announced",
  "batch",
  "file",
  "files",
  "named",
  "verified",
  "deleted",
  "committed",
];

describe("archiving", () => {
  it("moves what is over for 30 days into a file per table and day, and leaves what is not", async (t) => {
    const store = await openPastStore(t);
    const before = await historyInDatabase(store.db);
    const { archives, done } = await archiveDue(store);
    assert.equal(done, true);
    assert.deepEqual(
      archives.map(({ day, state }) => [day, state]),
      [
        [FIRST_DAY, "archived"],
        [SECOND_DAY, "archived"],
      ],
    );
    assertSame(await wholeHistory(store.db, store.dataDir), before);
    const stays = await Promise.all(
      [store.completed, store.cancelled, store.retried, store.dead, store.live].map((id) =>
        exists(store, id),
      ),
    );
    assert.deepEqual(stays, [false, false, false, true, true], "a dead letter stays, and what runs");
    await lawful(store);
    assert.deepEqual(await store.steps(store.completed), []);
    assert.equal((await store.steps(store.dead)).at(-1), "running → dead_lettered");
    assert.deepEqual((await archiveDue(store)).archives, [], "there is nothing more to do");
  });

  it("writes gzip that every tool reads, and a manifest with counts and hashes", async (t) => {
    const store = await openPastStore(t);
    const [archive] = (await archiveDue(store)).archives;
    const folder = join(store.dataDir, "archive", FIRST_DAY, archive!.archiveId);
    const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8"));
    assert.deepEqual(manifest.files, archive!.files);
    const tasks = archive!.files.find(({ name }) => name === "tasks")!;
    const bytes = await readFile(join(folder, "tasks.jsonl.gz"));
    assert.deepEqual([tasks.rows, tasks.bytes], [2, bytes.length]);
    const rows = gunzipSync(bytes)
      .toString()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(rows.map((row) => row.status).sort(), ["cancelled", "completed"]);
    assert.equal(
      archive!.rows,
      archive!.files.reduce((sum, file) => sum + file.rows, 0),
    );
  });

  it("takes a dead letter once it was left alone for as long as the policy says", async (t) => {
    const store = await openPastStore(t);
    const before = await historyInDatabase(store.db);
    await store.pass(400 * DAY_MS);
    await archiveDue(store);
    assert.equal(await exists(store, store.dead), false);
    assertSame(await wholeHistory(store.db, store.dataDir), before);
    assert.equal(await exists(store, store.live), true);
    await lawful(store);
  });

  it("drops the partitions that it has emptied", async (t) => {
    const store = await openPastStore(t);
    const day = (ms: number) => new Date(ms).toISOString().slice(0, 10).replaceAll("-", "");
    await ensurePartitions(store.db, Date.parse(FIRST_DAY));
    await ensurePartitions(store.db, store.nowMs);
    const names = async () =>
      (
        await store.db.query(
          "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'transitions'::regclass",
        )
      ).rows
        .map((row) => row.name as string)
        .sort();
    assert.ok((await names()).includes("transitions_p20260105"));
    await store.pass(2 * DAY_MS);
    await archiveDue(store);
    const left = await names();
    assert.ok(!left.includes("transitions_p20260107"), "it was empty");
    assert.ok(left.includes("transitions_p20260105"), "the dead letter's are there");
    assert.ok(left.includes(`transitions_p${day(store.nowMs - 2 * DAY_MS)}`), "today's is there");
  });

  it("refuses a day that is too young, and archives one by its name", async (t) => {
    const store = await openPastStore(t);
    await assert.rejects(
      archiveDue(store, { day: "2026-02-01" }),
      problem("validation_failed", /younger than 30 days/),
    );
    const { archives } = await archiveDue(store, { day: SECOND_DAY });
    assert.deepEqual(
      archives.map(({ day }) => day),
      [SECOND_DAY],
    );
  });

  it("of thousands of trees goes in several parts, and stops in time", async (t) => {
    const store = await openPastStore(t, { lawless: true });
    await store.db.query(
      `insert into workflow_orchestration (execution_id, workflow_type, status, priority, created_at, completed_at)
       select gen_random_uuid(), 'master_orchestrator', 'COMPLETED', 0, $1, $1 from generate_series(1, 4500)`,
      [new Date("2026-01-05T01:00:00Z")],
    );
    const before = await historyInDatabase(store.db);
    const first = await archiveDue(store, { withinMs: 0 });
    assert.deepEqual([first.archives.length, first.done], [0, false]);
    const { archives } = await archiveDue(store);
    assert.deepEqual(
      archives.map(({ day }) => day),
      [FIRST_DAY, FIRST_DAY, FIRST_DAY, SECOND_DAY],
    );
    assertSame(await wholeHistory(store.db, store.dataDir), before);
  });
});

describe("archiving that is broken off", () => {
  for (const step of STEPS) {
    it(`by kill -9 at "${step}" loses no row and doubles none, and the next run completes it`, async (t) => {
      const store = await openPastStore(t);
      const before = await historyInDatabase(store.db);
      const victim = spawn(process.execPath, [VICTIM, store.url, store.dataDir, step], { stdio: "inherit" });
      const [code, signal] = await once(victim, "exit");
      assert.deepEqual([code, signal], [null, "SIGKILL"]);
      assertSame(await wholeHistory(store.db, store.dataDir), before);
      await assert.rejects(
        archiveDue(store),
        problem("conflict", /being worked on/),
        "until its turn is over",
      );
      await store.pass(3 * 60_000);
      await archiveDue(store);
      assertSame(await wholeHistory(store.db, store.dataDir), before);
      assert.equal(await exists(store, store.completed), false);
      const known = (await listArchives(store.db, { limit: 10 })).map((one) => `${one.day}/${one.archiveId}`);
      assert.deepEqual(await folders(store), known.sort(), "nothing is left behind");
      await lawful(store);
    });
  }

  it("by a long sleep deletes nothing on waking up: somebody else has taken over", async (t) => {
    const store = await openPastStore(t);
    const before = await historyInDatabase(store.db);
    const { promise: awake, resolve: wakeUp } = Promise.withResolvers<void>();
    const { promise: asleep, resolve: fallAsleep } = Promise.withResolvers<void>();
    const other = openDatabase({ url: store.url, maxConnections: 2, onError: () => {} });
    const sleeper = archiveDue({
      db: other,
      dataDir: store.dataDir,
      async onStep(step) {
        if (step !== "verified") return;
        fallAsleep();
        await awake;
      },
    });
    await asleep;
    await store.pass(3 * 60_000);
    await archiveDue(store);
    wakeUp();
    await assert.rejects(sleeper, /taken over/);
    await other.close();
    assertSame(await wholeHistory(store.db, store.dataDir), before);
  });

  it("by a full disk deletes nothing, says so, and clears away what it wrote", async (t) => {
    const store = await openPastStore(t);
    const before = await counts(store.db);
    const onStep = (step: Step) => {
      if (step === "file") throw Object.assign(new Error("write failed"), { code: "ENOSPC" });
    };
    await assert.rejects(
      archiveDue({ ...store, onStep }),
      problem("unavailable", /the disk is full \(ENOSPC\)/),
    );
    assert.deepEqual(await counts(store.db), before);
    assert.deepEqual(await folders(store), []);
    assert.equal((await archiveDue(store)).archives.length, 2);
  });

  it("by a row that changes meanwhile deletes nothing", async (t) => {
    const store = await openPastStore(t);
    let meddled = false;
    const onStep = async (step: Step) => {
      if (step === "verified" && !meddled) {
        meddled = true;
        await store.db.query("update tasks set priority = 51 where task_id = $1", [store.completed]);
      }
    };
    await assert.rejects(archiveDue({ ...store, onStep }), /have changed since/);
    const now = await historyInDatabase(store.db);
    await archiveDue({ ...store, onStep });
    assertSame(await wholeHistory(store.db, store.dataDir), now);
  });

  it("by a file that the disk has spoilt deletes nothing", async (t) => {
    const store = await openPastStore(t);
    const onStep = async (step: Step) => {
      if (step !== "named") return;
      const [folder] = await folders(store);
      await appendFile(join(store.dataDir, "archive", folder!, "tasks.jsonl.gz"), "x");
    };
    await assert.rejects(
      archiveDue({ ...store, onStep }),
      problem("archive_damaged", /tasks of 2026-01-05 has \d+ bytes/),
    );
    assert.equal(await exists(store, store.completed), true);
  });

  it("leaves folders alone that the database does not know: they may be all that is left", async (t) => {
    const store = await openPastStore(t);
    const foreign = join(store.dataDir, "archive", FIRST_DAY, "from-a-backup");
    await mkdir(foreign, { recursive: true });
    await archiveDue(store);
    assert.ok((await folders(store)).includes(`${FIRST_DAY}/from-a-backup`));
  });
});
