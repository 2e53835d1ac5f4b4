/** Finds rows in archived files without restoring them: reads as a stream, keeps one page. Changes nothing. */
import type { ArchiveType } from "@master-orchestrator/contract";
import { type ArchivedFile, type ArchivedTable, archivedTable } from "#store/archive-tables.ts";
import { type ArchiveRow, listArchives } from "#store/archives.ts";
import type { ArchiveContext } from "./archive.ts";
import { type ArchivePlace, openPlace, partFolder, readLines } from "./archive-files.ts";

/** A page that takes longer is cut: its cursor leads on. */
const PAGE_WITHIN_MS = 5_000;
const ARCHIVES_AT_ONCE = 100;
/** Lines between two looks at the time. */
const LOOK_EVERY = 1_000;

export interface RowFilter {
  type: ArchiveType;
  fromDay?: string | undefined;
  toDay?: string | undefined;
  id?: string | undefined;
  status?: string | undefined;
  fromMs?: number | undefined;
  toMs?: number | undefined;
}

/** Where a page ended: behind a line of a file. */
export interface RowPosition {
  day: string;
  archiveId: string;
  file: string;
  line: number;
}

export interface FoundRow {
  day: string;
  archiveId: string;
  type: ArchiveType;
  row: Record<string, unknown>;
}

export interface RowPage {
  rows: FoundRow[];
  /** Null: there is nothing more. */
  next: RowPosition | null;
}

/** The latest day first, in the order of its files; restored parts are left out: their rows are in the database. */
export async function queryArchives(
  context: ArchiveContext,
  filter: RowFilter,
  page: { limit: number; after: RowPosition | null; withinMs?: number },
): Promise<RowPage> {
  const place = await openPlace(context.dataDir);
  const stopAt = performance.now() + (page.withinMs ?? PAGE_WITHIN_MS);
  const rows: FoundRow[] = [];
  for await (const { archive, file, behind } of filesOf(context, place, filter, page.after)) {
    let line = 0;
    for await (const text of readLines(partFolder(place, archive), file.name)) {
      line += 1;
      if (line <= behind) continue;
      const row = matching(text, archivedTable(file.name), filter);
      if (row) rows.push({ day: archive.day, archiveId: archive.archiveId, type: file.type, row });
      const full = rows.length === page.limit;
      const late = line % LOOK_EVERY === 0 && performance.now() > stopAt;
      if (full || late) {
        return { rows, next: { day: archive.day, archiveId: archive.archiveId, file: file.name, line } };
      }
    }
  }
  return { rows, next: null };
}

interface FileToRead {
  archive: ArchiveRow;
  file: ArchivedFile;
  /** Lines that earlier pages have seen. */
  behind: number;
}

async function* filesOf(
  { db }: ArchiveContext,
  place: ArchivePlace,
  filter: RowFilter,
  after: RowPosition | null,
): AsyncGenerator<FileToRead> {
  const { fromDay, toDay } = filter;
  // The part in which the last page ended comes first again.
  const started = after && (await startedPart(db, after));
  let before = after ? { day: after.day, archiveId: after.archiveId } : undefined;
  if (started && after && started.place === place.name) {
    const index = started.files.findIndex(({ name }) => name === after.file);
    for (const [i, file] of started.files.entries()) {
      if (i >= index && mayHold(file, filter)) {
        yield { archive: started, file, behind: i === index ? after.line : 0 };
      }
    }
  }
  for (;;) {
    const archives = await listArchives(db, {
      fromDay,
      toDay,
      state: "archived",
      before,
      limit: ARCHIVES_AT_ONCE,
    });
    for (const archive of archives) {
      if (archive.place !== place.name) continue;
      for (const file of archive.files) if (mayHold(file, filter)) yield { archive, file, behind: 0 };
    }
    const last = archives.at(-1);
    if (!last || archives.length < ARCHIVES_AT_ONCE) return;
    before = last;
  }
}

async function startedPart(db: ArchiveContext["db"], after: RowPosition): Promise<ArchiveRow | null> {
  const { day, archiveId } = after;
  const sameDay = await listArchives(db, { fromDay: day, toDay: day, state: "archived", limit: 10_000 });
  return sameDay.find((archive) => archive.archiveId === archiveId) ?? null;
}

/** Ids begin with their time, so that most files cannot hold a given one. */
function mayHold(file: ArchivedFile, { type, id }: RowFilter): boolean {
  if (file.type !== type || file.rows === 0) return false;
  if (id === undefined || file.firstId === null || file.lastId === null) return true;
  return id >= file.firstId && id <= file.lastId;
}

function matching(text: string, table: ArchivedTable, filter: RowFilter): Record<string, unknown> | null {
  // Most lines do not even hold the id: they need not be parsed.
  if (filter.id !== undefined && !text.includes(filter.id)) return null;
  const row = JSON.parse(text) as Record<string, unknown>;
  const { idColumn, statusColumn, timeColumn } = table;
  if (filter.id !== undefined && row[idColumn] !== filter.id) return null;
  if (filter.status !== undefined && (statusColumn === null || row[statusColumn] !== filter.status))
    return null;
  if (filter.fromMs === undefined && filter.toMs === undefined) return row;
  const atMs = Date.parse(String(row[timeColumn]));
  const { fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY } = filter;
  return atMs >= fromMs && atMs < toMs ? row : null;
}
