/** The archived history over HTTP: list, run, verify, restore, and rows out of the files. Decides nothing. */
import {
  Archive,
  ArchiveList,
  ArchiveListQuery,
  ArchiveRestore,
  ArchiveRowList,
  ArchiveRowQuery,
  ArchiveRun,
  ArchiveRunAnswer,
  ArchiveVerification,
  Uuid,
} from "@master-orchestrator/contract";
import { z } from "zod";
import { type ArchiveContext, archiveDue } from "#engine/archive.ts";
import { openPlace } from "#engine/archive-files.ts";
import { queryArchives, type RowPosition } from "#engine/archive-query.ts";
import { restoreArchive, verifyArchive } from "#engine/archive-restore.ts";
import { type ArchiveRow, listArchives } from "#store/archives.ts";
import { pagesOf } from "../cursor.ts";
import { time } from "../present.ts";
import { defineRoute, type Route } from "../route.ts";

/** A request is answered in time: what is left is the next one's. */
const RUN_WITHIN_MS = 10_000;

/** Places in the two lists. */
const PART = /^\d{4}-\d\d-\d\d:[0-9a-f-]{36}$/;
const LINE = /^\d{4}-\d\d-\d\d:[0-9a-f-]{36}:[a-z_]{1,40}:\d{1,15}$/;

const ArchivePath = z.strictObject({ archive_id: Uuid });

export function archiveRoutes(context: ArchiveContext): Route[] {
  return [...readRoutes(context), ...changeRoutes(context)];
}

function readRoutes(context: ArchiveContext): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/archives",
      summary: "List archived days: counts, hashes, bytes; the latest day first",
      tag: "Archives",
      access: "viewer",
      query: ArchiveListQuery,
      answers: { 200: ArchiveList },
      async handle({ query }) {
        const pages = pagesOf("archives", query, PART);
        const [day, archiveId] = pages.after()?.split(":") ?? [];
        const before = day !== undefined && archiveId !== undefined ? { day, archiveId } : undefined;
        const rows = await listArchives(context.db, { ...daysOf(query), before, limit: query.limit });
        const next_cursor = pages.next(rows, (row) => `${row.day}:${row.archiveId}`);
        return { status: 200, body: { archives: await presentAll(context, rows), next_cursor } };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/archives/rows",
      summary: "Rows out of archived files, without restoring them",
      description: "`day`, `from_day` and `to_day` name days of the archive: those on which the work ended.",
      tag: "Archives",
      access: "viewer",
      query: ArchiveRowQuery,
      answers: { 200: ArchiveRowList },
      async handle({ query }) {
        const { type, id, status, from, to, limit } = query;
        const fromMs = from === undefined ? undefined : Date.parse(from);
        const toMs = to === undefined ? undefined : Date.parse(to);
        const pages = pagesOf("archive_rows", query, LINE);
        const filter = { type, id, status, fromMs, toMs, ...daysOf(query) };
        const { rows, next } = await queryArchives(context, filter, { limit, after: lineOf(pages.after()) });
        const next_cursor =
          next && pages.next([next], (at) => `${at.day}:${at.archiveId}:${at.file}:${at.line}`, true);
        const found = rows.map(({ day, archiveId, type: of, row }) => ({
          day,
          archive_id: archiveId,
          type: of,
          row,
        }));
        return { status: 200, body: { rows: found, next_cursor } };
      },
    }),
  ];
}

function lineOf(place: string | undefined): RowPosition | null {
  if (place === undefined) return null;
  const [day, archiveId, file, line] = place.split(":") as [string, string, string, string];
  return { day, archiveId, file, line: Number(line) };
}

function daysOf(query: {
  day?: string | undefined;
  from_day?: string | undefined;
  to_day?: string | undefined;
}) {
  return { fromDay: query.day ?? query.from_day, toDay: query.day ?? query.to_day };
}

function changeRoutes(context: ArchiveContext): Route[] {
  return [
    defineRoute({
      method: "POST",
      path: "/api/v1/archives/run",
      summary: "Archive what is old enough now, for some seconds",
      tag: "Archives",
      access: "admin",
      body: ArchiveRun,
      answers: { 200: ArchiveRunAnswer },
      async handle({ body, signal }) {
        const { archives, done } = await archiveDue(context, {
          day: body.day,
          withinMs: RUN_WITHIN_MS,
          signal,
        });
        return { status: 200, body: { archives: await presentAll(context, archives), done } };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/api/v1/archives/:archive_id/verify",
      summary: "Read an archive's files and compare them with what was written",
      tag: "Archives",
      access: "operator",
      params: ArchivePath,
      answers: { 200: ArchiveVerification },
      async handle({ params }) {
        const verdicts = await verifyArchive(context, params.archive_id);
        const files = verdicts.map(({ name, problem }) => ({ name, ok: problem === null, problem }));
        const ok = files.every((file) => file.ok);
        return { status: 200, body: { archive_id: params.archive_id, ok, files } };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/api/v1/archives/:archive_id/restore",
      summary: "Put an archive's rows back into the database, exactly as they were",
      tag: "Archives",
      access: "admin",
      params: ArchivePath,
      body: ArchiveRestore,
      answers: { 200: Archive },
      async handle({ params, body }) {
        const restored = await restoreArchive(context, params.archive_id, body.keep_days);
        const [archive] = await presentAll(context, [restored]);
        return { status: 200, body: archive };
      },
    }),
  ];
}

async function presentAll({ dataDir }: ArchiveContext, rows: readonly ArchiveRow[]) {
  const place = await openPlace(dataDir);
  return rows.map((row) => ({
    archive_id: row.archiveId,
    day: row.day,
    state: row.state,
    available: row.place === place.name,
    rows: row.rows,
    bytes: row.bytes,
    files: row.files.map(({ name, type, rows, bytes, sha256 }) => ({ name, type, rows, bytes, sha256 })),
    archived_at: time(row.archivedAtMs as number),
    restored_at: row.restoredAtMs === null ? null : time(row.restoredAtMs),
    keep_until: row.keepUntilMs === null ? null : time(row.keepUntilMs),
  }));
}
