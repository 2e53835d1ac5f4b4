/** The rows that say which parts of the history lie in files, and who may archive now. Knows no file. */
import type { Archive } from "@master-orchestrator/contract";
import type { ArchivedFile } from "./archive-tables.ts";
import type { Queryable, Row } from "./database.ts";

/** An archiver that was not heard of for this long has lost its turn. */
export const LEASE_MS = 120_000;

/** Takes the turn, for `LEASE_MS`; null while somebody else has it. */
export async function takeTurn(db: Queryable): Promise<number | null> {
  const { rows } = await db.query(
    `update archiver set fence = fence + 1, lease_until = orchestrator_now() + $1 * interval '1 millisecond'
      where lease_until is null or lease_until < orchestrator_now() returning fence`,
    [LEASE_MS],
  );
  return rows[0]?.fence ?? null;
}

/** Thrown where somebody else has taken over meanwhile: nothing is changed then. */
export class TurnLost extends Error {
  override readonly name = "TurnLost";
}

/** Goes on; within a transaction nobody else can take the turn before it ends. Throws `TurnLost`. */
export async function keepTurn(db: Queryable, fence: number): Promise<void> {
  const { rowCount } = await db.query(
    `update archiver set lease_until = orchestrator_now() + $2 * interval '1 millisecond' where fence = $1`,
    [fence, LEASE_MS],
  );
  if (rowCount !== 1) throw new TurnLost("another archiver has taken over");
}

/** Lets the next one begin at once. */
export async function endTurn(db: Queryable, fence: number): Promise<void> {
  await db.query("update archiver set lease_until = null where fence = $1", [fence]);
}

export interface ArchiveRow {
  archiveId: string;
  day: string;
  state: "writing" | Archive["state"];
  place: string;
  files: ArchivedFile[];
  rows: number;
  bytes: number;
  archivedAtMs: number | null;
  restoredAtMs: number | null;
  keepUntilMs: number | null;
}

const COLUMNS = `archive_id, to_char(day, 'YYYY-MM-DD') as day, state, place, files, row_count, bytes,
  archived_at, restored_at, keep_until`;

function archiveOf(row: Row): ArchiveRow {
  return {
    archiveId: row.archive_id,
    day: row.day,
    state: row.state,
    place: row.place,
    files: row.files,
    rows: row.row_count,
    bytes: row.bytes,
    archivedAtMs: row.archived_at,
    restoredAtMs: row.restored_at,
    keepUntilMs: row.keep_until,
  };
}

/** Says that files of this part are about to be written: whoever finds the row later knows whose leavings they are. */
export async function beginArchive(
  db: Queryable,
  archive: Pick<ArchiveRow, "archiveId" | "day" | "place">,
): Promise<void> {
  await db.query("insert into archives (archive_id, day, state, place) values ($1, $2, 'writing', $3)", [
    archive.archiveId,
    archive.day,
    archive.place,
  ]);
}

/** The part is there: its files hold these rows. */
export async function completeArchive(
  tx: Queryable,
  archiveId: string,
  files: readonly ArchivedFile[],
): Promise<ArchiveRow> {
  const sum = (of: (file: ArchivedFile) => number) => files.reduce((total, file) => total + of(file), 0);
  const { rows } = await tx.query(
    `update archives set state = 'archived', files = $2, row_count = $3, bytes = $4, archived_at = orchestrator_now()
      where archive_id = $1 and state = 'writing' returning ${COLUMNS}`,
    [archiveId, JSON.stringify(files), sum((file) => file.rows), sum((file) => file.bytes)],
  );
  if (!rows[0]) throw new TurnLost(`the archive ${archiveId} is not being written any more`);
  return archiveOf(rows[0]);
}

/** Parts at this place that were begun and never completed. */
export async function unfinishedArchives(db: Queryable, place: string): Promise<ArchiveRow[]> {
  const { rows } = await db.query(
    `select ${COLUMNS} from archives where state = 'writing' and place = $1 order by archive_id limit 1000`,
    [place],
  );
  return rows.map(archiveOf);
}

/** Forgets a part whose rows are in the database. False for one whose files are the only ones that have them. */
export async function forgetArchive(db: Queryable, archiveId: string): Promise<boolean> {
  const { rowCount } = await db.query(
    "delete from archives where archive_id = $1 and state in ('writing', 'restored')",
    [archiveId],
  );
  return rowCount === 1;
}

/** The rows are back: they stay at least until `keepUntil`. */
export async function markRestored(
  tx: Queryable,
  archiveId: string,
  keepDays: number,
): Promise<ArchiveRow | null> {
  const { rows } = await tx.query(
    `update archives set state = 'restored', restored_at = orchestrator_now(),
            keep_until = orchestrator_now() + $2 * interval '24 hours'
      where archive_id = $1 and state = 'archived' returning ${COLUMNS}`,
    [archiveId, keepDays],
  );
  return rows[0] ? archiveOf(rows[0]) : null;
}

/** Days that are not to be archived now: some part of theirs was restored and is kept. */
export async function keptDays(db: Queryable): Promise<string[]> {
  const { rows } = await db.query(
    `select distinct to_char(day, 'YYYY-MM-DD') as day from archives
      where state = 'restored' and keep_until > orchestrator_now()`,
  );
  return rows.map((row) => row.day);
}

/** Lets what was restored of a day be archived again. */
export async function releaseDay(db: Queryable, day: string): Promise<void> {
  await db.query(
    "update archives set keep_until = orchestrator_now() where day = $1 and state = 'restored'",
    [day],
  );
}

/** Parts whose rows were restored and are no longer kept: they are in the database, or have been archived anew. */
export async function supersededArchives(db: Queryable, place: string): Promise<ArchiveRow[]> {
  const { rows } = await db.query(
    `select ${COLUMNS} from archives where place = $1 and state = 'restored'
        and keep_until <= orchestrator_now() order by archive_id limit 10000`,
    [place],
  );
  return rows.map(archiveOf);
}

export async function findArchive(db: Queryable, archiveId: string): Promise<ArchiveRow | null> {
  const { rows } = await db.query(
    `select ${COLUMNS} from archives where archive_id = $1 and state <> 'writing'`,
    [archiveId],
  );
  return rows[0] ? archiveOf(rows[0]) : null;
}

export interface ArchiveFilter {
  fromDay?: string | undefined;
  toDay?: string | undefined;
  state?: Archive["state"];
  /** The last one of the page before. */
  before?: { day: string; archiveId: string } | undefined;
  limit: number;
}

/** The latest day first; `toDay` is included. */
export async function listArchives(db: Queryable, filter: ArchiveFilter): Promise<ArchiveRow[]> {
  const { rows } = await db.query(
    `select ${COLUMNS} from archives
      where state <> 'writing' and ($1::date is null or day >= $1) and ($2::date is null or day <= $2)
        and ($3::text is null or state = $3) and ($4::date is null or (day, archive_id) < ($4, $5::uuid))
      order by archives.day desc, archive_id desc limit $6`,
    [
      filter.fromDay ?? null,
      filter.toDay ?? null,
      filter.state ?? null,
      filter.before?.day ?? null,
      filter.before?.archiveId ?? null,
      filter.limit,
    ],
  );
  return rows.map(archiveOf);
}
