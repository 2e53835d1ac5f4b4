/** When and in which order history moves into files: copy, make durable, read back, then delete. Knows no SQL. */
import { Problem } from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import { archivedBeforeMs, DAY_MS, dayStartMs } from "#core/utc-day.ts";
import { keepLedgerSums } from "#store/archive-ledger.ts";
import { type Due, nextDueDay, nextMembers } from "#store/archive-members.ts";
import { columnsOf, deleteRows, exportRows } from "#store/archive-rows.ts";
import {
  ARCHIVED_TABLES,
  type ArchivedFile,
  type ArchivedTable,
  type Members,
} from "#store/archive-tables.ts";
import {
  type ArchiveRow,
  beginArchive,
  completeArchive,
  endTurn,
  forgetArchive,
  keepTurn,
  keptDays,
  releaseDay,
  supersededArchives,
  takeTurn,
  unfinishedArchives,
} from "#store/archives.ts";
import { type Database, longTransaction } from "#store/database.ts";
import { databaseNowMs } from "#store/orchestrator.ts";
import { dropEmptyPartitions, isBusy } from "#store/partitions.ts";
import { currentPolicy } from "#store/policies.ts";
import {
  type ArchivePlace,
  beginPart,
  finishPart,
  openPlace,
  partFolder,
  problemOf,
  removePart,
  writeLines,
} from "./archive-files.ts";

/** Moments between which a process may die; a test lets it. */
export type Step =
  | "turn"
  | "announced"
  | "batch"
  | "file"
  | "files"
  | "named"
  | "verified"
  | "deleted"
  | "committed";

export interface ArchiveContext {
  db: Database;
  dataDir: string;
  /** Called after each step; may stop everything by throwing. */
  onStep?: ((step: Step) => void | Promise<void>) | undefined;
}

export interface ArchiveRequest {
  /** This day alone, even if it is kept because it was restored. */
  day?: string | undefined;
  /** No further part is begun after this time of real time. */
  withinMs?: number | undefined;
  /** Ends after the batch that is being written. */
  signal?: AbortSignal | undefined;
}

export interface ArchiveOutcome {
  archives: ArchiveRow[];
  /** False where the time was not enough. */
  done: boolean;
}

/** While it lasts nobody else archives or restores. */
export interface Turn {
  context: ArchiveContext;
  place: ArchivePlace;
  fence: number;
  step(step: Step): Promise<void>;
}

/**
 * Archives every day that is old enough, part by part; each is in files that were read back before its rows
 * are deleted, in the transaction that records it. Whatever is broken off is begun anew by the next one.
 * Throws Problem `conflict` while another replica archives, and `validation_failed` for a day that is too young.
 */
export async function archiveDue(
  context: ArchiveContext,
  request: ArchiveRequest = {},
): Promise<ArchiveOutcome> {
  const due = await dueNow(context.db, request.day);
  return await inTurn(context, request.signal, async (turn) => {
    const outcome = await archiveDays(turn, due, request);
    if (outcome.done) await removeSuperseded(turn);
    await dropEmptyPartitions(context.db, due.beforeMs).catch((error) => {
      // The next run does it.
      if (!isBusy(error)) throw error;
    });
    return outcome;
  });
}

/** Runs `work` while nobody else archives or restores. Throws Problem `conflict` where somebody does. */
export async function inTurn<T>(
  context: ArchiveContext,
  signal: AbortSignal | undefined,
  work: (turn: Turn) => Promise<T>,
): Promise<T> {
  const place = await openPlace(context.dataDir);
  const fence = await takeTurn(context.db);
  if (fence === null) {
    throw new Problem("conflict", "the archive is being worked on", "Try again when that is done.");
  }
  const step = async (step: Step) => {
    signal?.throwIfAborted();
    await context.onStep?.(step);
  };
  const turn: Turn = { context, place, fence, step };
  try {
    await turn.step("turn");
    await clearUnfinished(turn);
    return await work(turn);
  } finally {
    // Where even this fails, the turn ends by itself.
    await endTurn(context.db, fence).catch(() => {});
  }
}

async function dueNow(db: Database, day: string | undefined): Promise<Due> {
  const nowMs = await databaseNowMs(db);
  const policy = (await currentPolicy(db))?.policy;
  const afterDays = policy?.retention.archive_after_days ?? 30;
  const beforeMs = archivedBeforeMs(nowMs, afterDays);
  const deadBeforeMs = Math.min(
    beforeMs,
    archivedBeforeMs(nowMs, policy?.retention.dead_letters_after_days ?? 365),
  );
  if (day === undefined) return { beforeMs, deadBeforeMs, except: await keptDays(db) };
  if (dayStartMs(day) >= beforeMs) {
    const message = `${day} is younger than ${afterDays} days`;
    throw new Problem(
      "validation_failed",
      `/day: ${message}`,
      "Choose an older day, or lower retention.archive_after_days in the policy.",
      { errors: [{ path: "/day", message }] },
    );
  }
  await releaseDay(db, day);
  return { beforeMs, deadBeforeMs, except: [] };
}

async function archiveDays(turn: Turn, due: Due, request: ArchiveRequest): Promise<ArchiveOutcome> {
  const { db } = turn.context;
  const stopAt = performance.now() + (request.withinMs ?? Number.POSITIVE_INFINITY);
  const archives: ArchiveRow[] = [];
  let fromMs = request.day === undefined ? 0 : dayStartMs(request.day);
  for (;;) {
    const day = request.day ?? (await nextDueDay(db, due, fromMs));
    if (day === null) return { archives, done: true };
    const members = await nextMembers(db, day, due);
    if (members !== null) {
      if (performance.now() > stopAt) return { archives, done: false };
      archives.push(await archivePart(turn, members));
      continue;
    }
    if (request.day !== undefined) return { archives, done: true };
    fromMs = dayStartMs(day) + DAY_MS;
  }
}

async function archivePart(turn: Turn, members: Members): Promise<ArchiveRow> {
  const { context, place, fence } = turn;
  const { db } = context;
  const part = { day: members.day, archiveId: uuidv7() };
  await beginArchive(db, { ...part, place: place.name });
  let archive: ArchiveRow;
  try {
    await turn.step("announced");
    const files = await writePart(turn, part, members);
    await verifyPart(place, part, files);
    await turn.step("verified");
    archive = await longTransaction(db, async (tx) => {
      await keepTurn(tx, fence);
      const completed = await completeArchive(tx, part.archiveId, files);
      await keepLedgerSums(tx, part.archiveId, members);
      await deleteRows(tx, members, files);
      await turn.step("deleted");
      return completed;
    });
  } catch (error) {
    await giveUp(turn, part);
    throw asProblem(error);
  }
  await turn.step("committed");
  return archive;
}

/** Nothing was deleted: what was written is of no use. A commit whose outcome is unknown leaves everything as it is. */
async function giveUp({ context, place }: Turn, part: { day: string; archiveId: string }): Promise<void> {
  // The row is asked, not the error: once it says `archived` the files are all there is.
  const forgotten = await forgetArchive(context.db, part.archiveId).catch(() => false);
  if (forgotten) await removePart(place, part).catch(() => {});
}

async function writePart(
  turn: Turn,
  part: { day: string; archiveId: string },
  members: Members,
): Promise<ArchivedFile[]> {
  const { context, place } = turn;
  const folder = await beginPart(place, part);
  const files: ArchivedFile[] = [];
  for (const table of ARCHIVED_TABLES) {
    if (members.keys[table.owner].length === 0) continue;
    files.push(await writeTable(turn, folder, table, members));
    await turn.step("file");
  }
  await turn.step("files");
  await finishPart(place, part, { format: 1, archive_id: part.archiveId, day: part.day, files });
  await keepTurn(context.db, turn.fence);
  await turn.step("named");
  return files;
}

async function writeTable(
  { context, fence, step }: Turn,
  folder: string,
  table: ArchivedTable,
  members: Members,
): Promise<ArchivedFile> {
  const { db } = context;
  let rows = 0;
  let hash = 0n;
  let firstId: string | null = null;
  let lastId: string | null = null;
  const lines = async function* () {
    for await (const batch of exportRows(db, table, members)) {
      rows += batch.lines.length;
      hash += batch.hash;
      if (firstId === null || batch.firstId < firstId) firstId = batch.firstId;
      if (lastId === null || batch.lastId > lastId) lastId = batch.lastId;
      yield batch.lines;
      await keepTurn(db, fence);
      await step("batch");
    }
  };
  const columns = await columnsOf(db, table.table);
  const written = await writeLines(folder, table.name, lines());
  const { name, type } = table;
  return { name, type, columns, rows, ...written, rowHash: String(hash), firstId, lastId };
}

async function verifyPart(
  place: ArchivePlace,
  part: { day: string; archiveId: string },
  files: readonly ArchivedFile[],
): Promise<void> {
  for (const file of files) {
    const problem = await problemOf(partFolder(place, part), file);
    if (problem === null) continue;
    throw new Problem(
      "archive_damaged",
      `${file.name} of ${part.day} ${problem}`,
      "Nothing was deleted. Check the disk of DATA_DIR; the day is archived again by the next run.",
    );
  }
}

/** Removes what a process that died has left behind, at this place. */
async function clearUnfinished({ context, place }: Turn): Promise<void> {
  for (const archive of await unfinishedArchives(context.db, place.name)) {
    await removePart(place, archive);
    await forgetArchive(context.db, archive.archiveId);
  }
}

/** Files whose rows were restored and have been archived anew since, or may stay in the database. */
async function removeSuperseded({ context, place }: Turn): Promise<void> {
  for (const archive of await supersededArchives(context.db, place.name)) {
    await removePart(place, archive);
    await forgetArchive(context.db, archive.archiveId);
  }
}

const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const UNWRITABLE = new Set(["EROFS", "EACCES", "EPERM", "ENOTDIR", "EEXIST", "EIO"]);

/** What the disk refuses is told with what to do about it. */
function asProblem(error: unknown): unknown {
  const { code = "" } = error as NodeJS.ErrnoException;
  const full = FULL.has(code);
  if (!full && !UNWRITABLE.has(code)) return error;
  return new Problem(
    "unavailable",
    `the archive was not written: ${full ? "the disk is full" : "the folder cannot be written"} (${code})`,
    `Nothing was deleted. ${full ? "Make room in" : "Look at"} DATA_DIR/archive, then run: orchestrator archive run`,
    { cause: error },
  );
}
