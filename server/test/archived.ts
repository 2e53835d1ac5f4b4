/** Owns what tests of the archive share: a store with some days of history, and the proof that no row was lost or doubled. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Problem } from "@master-orchestrator/contract";
import { DAY_MS } from "#core/utc-day.ts";
import { openPlace, partFolder, readLines } from "#engine/archive-files.ts";
import { ARCHIVED_TABLES } from "#store/archive-tables.ts";
import { listArchives } from "#store/archives.ts";
import { saveCheckpoint } from "#store/checkpoints.ts";
import { insertCycle, takeTick } from "#store/cycles.ts";
import type { Database } from "#store/database.ts";
import { recordCallback, recordClaim, recordTaskRequest } from "#store/facts.ts";
import { checkInvariants } from "#store/invariants.ts";
import { setPaused } from "#store/orchestrator.ts";
import { openStore, type StoreOptions, type TestStore } from "./stored.ts";

export interface PastStore extends TestStore {
  dataDir: string;
  /** Of the first day: completed; a dead letter; cancelled while it waited; failed, and completed a day later. */
  completed: string;
  dead: string;
  cancelled: string;
  retried: string;
  /** Dispatched on the second day, and still at work. */
  live: string;
}

export const FIRST_DAY = "2026-01-05";
export const SECOND_DAY = "2026-01-06";

/** A store in which two days of work lie 31 and 30 days back: both are old enough, the second just so. */
export async function openPastStore(t: TestContext, options: StoreOptions = {}): Promise<PastStore> {
  const policy = { retry: { max_attempts: 1, dead_letter_after: 2, base_seconds: 60, jitter: 0 } };
  const store = await openStore(t, { policy, ...options });
  const dataDir = await mkdtemp(join(tmpdir(), "orchestrator-archive-"));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  const completed = await run(store, { idempotency_key: "topic-1" }, "completed");
  const dead = await run(store, { payload: { n: 2 ** 53 - 1, odd: "a\u2028b\u0007ü" } }, "failed");
  const retried = await run(store, { content_type: "news" }, "failed");
  const [cancelled] = (await store.enqueue({})) as [string];
  await recordTaskRequest(store.db, "cancel_task", [cancelled], { actor: "ada" });
  await store.cycle();
  await record(store);
  await store.db.transaction((tx) => setPaused(tx, true, "ada"));
  await store.db.transaction((tx) => setPaused(tx, false, "ada"));
  // The dead letter dies on the first day, the other one completes on the second.
  await store.pass(120_000);
  await store.cycle();
  await store.cycle();
  await callBack(store, dead, "failed");
  await store.pass(DAY_MS);
  await callBack(store, retried, "completed");
  await record(store);
  const live = (await store.dispatched()).taskId;
  // A live run has to be looked at once more before too long; here nobody does.
  await store.pass(31 * DAY_MS);
  return Object.assign(store, { dataDir, completed, dead, cancelled, retried, live });
}

async function run(store: TestStore, task: object, status: "completed" | "failed"): Promise<string> {
  const { taskId, executionId } = await store.dispatched(task);
  await recordClaim(store.db, executionId, 1, "n8n run 1");
  await saveCheckpoint(store.db, { executionId, attempt: 1, taskId, key: "draft", value: { text: "…" } });
  await callBack(store, taskId, status);
  return taskId;
}

async function callBack(store: TestStore, taskId: string, status: "completed" | "failed"): Promise<void> {
  const { execution_id: executionId } = await store.task(taskId);
  const error = status === "failed" ? { error_data: { message: "no quota", stack_trace: "at y" } } : {};
  await recordCallback(store.db, executionId, { attempt: 1, status, ...error });
  await store.cycle();
}

/** A tick with its record, as the loop would leave it. */
async function record(store: TestStore): Promise<void> {
  const { cycleId } = await store.cycle("tick");
  const replicaId = "replica";
  await takeTick(store.db, { boundaryMs: store.nowMs, ranAtMs: store.nowMs + 1, cycleId, replicaId });
  await insertCycle(store.db, {
    ...{ cycleId, trigger: "tick", boundaryMs: store.nowMs, driftMs: 1.5, startedAtMs: store.nowMs },
    ...{
      durationMs: 0.1,
      policyVersion: 1,
      dispatched: 0,
      held: 0,
      snapshot: {},
      decisions: [],
      reasons: [],
    },
    replicaId,
  });
}

/** Every row of the history by its table, wherever it lies: in the database, or in a file that counts. Sorted. */
export async function wholeHistory(db: Database, dataDir: string): Promise<Record<string, string[]>> {
  const rows: Record<string, string[]> = await historyInDatabase(db);
  const place = await openPlace(dataDir);
  for (const archive of await listArchives(db, { state: "archived", limit: 500 })) {
    for (const { name } of archive.files) {
      const table = ARCHIVED_TABLES.find((one) => one.name === name)!.table;
      for await (const line of readLines(partFolder(place, archive), name)) rows[table]!.push(line);
    }
  }
  for (const list of Object.values(rows)) list.sort();
  return rows;
}

export async function historyInDatabase(db: Database): Promise<Record<string, string[]>> {
  const rows: Record<string, string[]> = {};
  for (const table of new Set(ARCHIVED_TABLES.map((one) => one.table))) {
    const found = await db.transaction(async (tx) => {
      await tx.query("set local timezone = 'UTC'");
      return await tx.query(`select to_jsonb(t)::text as line from ${table} t`);
    });
    rows[table] = found.rows.map((row) => row.line as string).sort();
  }
  return rows;
}

/** How many rows of each table there are in the database, tables without any left out. */
export async function counts(db: Database): Promise<Record<string, number>> {
  const rows = await historyInDatabase(db);
  return Object.fromEntries(
    Object.entries(rows).flatMap(([table, { length }]) => (length ? [[table, length]] : [])),
  );
}

/** Fails with the table's name where rows differ, instead of printing all of them. */
export function assertSame(actual: Record<string, string[]>, expected: Record<string, string[]>): void {
  for (const [table, rows] of Object.entries(expected)) {
    assert.deepEqual(actual[table], rows, `the rows of ${table}`);
  }
}

export const lawful = async (store: PastStore) =>
  assert.deepEqual(
    (await checkInvariants(store.db)).filter(({ rows }) => rows.length > 0),
    [],
  );

export const exists = async (store: PastStore, taskId: string) =>
  (await store.db.query("select from tasks where task_id = $1", [taskId])).rowCount === 1;

/** Folders of parts, finished or not. */
export const folders = async (store: PastStore) => {
  const root = join(store.dataDir, "archive");
  const names = await readdir(root, { recursive: true });
  return names.filter((name) => /^\d{4}-\d\d-\d\d\/[^/]+$/.test(name)).sort();
};

export const problem = (code: string, words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Problem, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, words);
  return true;
};
