/** Checks archived parts and puts their rows back into the database, exactly. Never changes a file. */
import { Problem } from "@master-orchestrator/contract";
import { insertRows, RowsDiffer } from "#store/archive-rows.ts";
import type { ArchivedFile } from "#store/archive-tables.ts";
import { type ArchiveRow, findArchive, keepTurn, markRestored } from "#store/archives.ts";
import { longTransaction, type Queryable } from "#store/database.ts";
import { type ArchiveContext, inTurn } from "./archive.ts";
import { type ArchivePlace, openPlace, partFolder, problemOf, readLines } from "./archive-files.ts";

/** What one statement puts back at the most. */
const BATCH_LINES = 1_000;
const BATCH_CHARACTERS = 4 * 1024 * 1024;

export interface FileVerdict {
  name: string;
  /** Null: the file is what was written. */
  problem: string | null;
}

/** Reads every file of a part and compares it with what the database knows of it. */
export async function verifyArchive(context: ArchiveContext, archiveId: string): Promise<FileVerdict[]> {
  const archive = await existing(context, archiveId);
  const place = await openPlace(context.dataDir);
  refuseElsewhere(archive, place);
  return await verdictsOn(archive, place);
}

async function existing({ db }: ArchiveContext, archiveId: string): Promise<ArchiveRow> {
  const archive = await findArchive(db, archiveId);
  if (archive) return archive;
  throw new Problem("not_found", `there is no archive ${archiveId}`, "List them with GET /api/v1/archives.");
}

function refuseElsewhere(archive: ArchiveRow, place: ArchivePlace): void {
  if (archive.place === place.name) return;
  throw new Problem(
    "unavailable",
    `the files of archive ${archive.archiveId} are not in this replica's DATA_DIR`,
    `Ask the replica whose DATA_DIR/archive/place says ${archive.place}, or copy its archive folder and that file here.`,
  );
}

async function verdictsOn(archive: ArchiveRow, place: ArchivePlace): Promise<FileVerdict[]> {
  const verdicts: FileVerdict[] = [];
  for (const file of archive.files) {
    verdicts.push({ name: file.name, problem: await problemOf(partFolder(place, archive), file) });
  }
  return verdicts;
}

/**
 * Puts all rows of a part back in one transaction, where they stay for `keepDays` days at least. A part that
 * is restored already is left as it is. Throws Problem `archive_damaged` if a file is not what was written,
 * and `conflict` if the database has such rows, or an idempotency key of theirs, by now; nothing is changed then.
 */
export async function restoreArchive(
  context: ArchiveContext,
  archiveId: string,
  keepDays: number,
): Promise<ArchiveRow> {
  // One that is not there need not wait for anybody.
  await existing(context, archiveId);
  return await inTurn(context, undefined, async ({ place, fence }) => {
    const archive = await existing(context, archiveId);
    if (archive.state === "restored") return archive;
    refuseElsewhere(archive, place);
    refuseDamaged(archive, await verdictsOn(archive, place));
    return await longTransaction(context.db, async (tx) => {
      await keepTurn(tx, fence);
      for (const file of archive.files) await restoreFile(tx, partFolder(place, archive), file);
      const restored = await markRestored(tx, archiveId, keepDays);
      if (!restored) throw new Error(`archive ${archiveId} was restored by somebody else`);
      return restored;
    }).catch((error) => {
      throw asProblem(error, archive);
    });
  });
}

function refuseDamaged(archive: ArchiveRow, verdicts: readonly FileVerdict[]): void {
  const bad = verdicts.find(({ problem }) => problem !== null);
  if (!bad) return;
  throw new Problem(
    "archive_damaged",
    `${bad.name} of archive ${archive.archiveId} (${archive.day}) ${bad.problem}`,
    "Nothing was restored. Bring DATA_DIR/archive back from a backup, then try again.",
  );
}

async function restoreFile(tx: Queryable, folder: string, file: ArchivedFile): Promise<void> {
  let hash = 0n;
  let rows = 0;
  for await (const lines of batches(readLines(folder, file.name))) {
    rows += lines.length;
    hash += await insertRows(tx, file, lines);
  }
  if (rows !== file.rows || hash !== BigInt(file.rowHash)) {
    throw new RowsDiffer(`the rows of ${file.name} would not be what they were`);
  }
}

async function* batches(lines: AsyncIterable<string>): AsyncGenerator<string[]> {
  let batch: string[] = [];
  let characters = 0;
  for await (const line of lines) {
    if (batch.length === BATCH_LINES || (batch.length > 0 && characters + line.length > BATCH_CHARACTERS)) {
      yield batch;
      batch = [];
      characters = 0;
    }
    batch.push(line);
    characters += line.length;
  }
  if (batch.length > 0) yield batch;
}

const UNIQUE_VIOLATION = "23505";

function asProblem(error: unknown, archive: ArchiveRow): unknown {
  const { code, detail } = error as { code?: string; detail?: string };
  if (code === UNIQUE_VIOLATION) {
    return new Problem(
      "conflict",
      `a row of archive ${archive.archiveId} has a key that the database has meanwhile: ${detail ?? "unknown"}`,
      "Nothing was restored. Read it with: orchestrator archive query",
    );
  }
  if (error instanceof RowsDiffer) {
    return new Problem(
      "archive_damaged",
      `archive ${archive.archiveId} does not fit this database: ${error.message}`,
      "Nothing was restored. Read it with: orchestrator archive query",
    );
  }
  return error;
}
