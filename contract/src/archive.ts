/** The archived history on the wire: which days lie in files, their counts and hashes, and rows out of them. */
import { z } from "zod";
import { JsonObject, NextCursor, PageQuery, Timestamp, Uuid } from "./primitives.ts";

/** What an archive holds, by the words of the API. */
export const ARCHIVE_TYPES = [
  "executions",
  "attempts",
  "claims",
  "callbacks",
  "execution_tasks",
  "tasks",
  "errors",
  "checkpoints",
  "transitions",
  "cycles",
  "ticks",
  "holds",
  "ledger",
] as const;
export const ArchiveType = z.enum(ARCHIVE_TYPES);
export type ArchiveType = z.infer<typeof ArchiveType>;

export const Day = z.iso.date().meta({ example: "2026-03-02", description: "A day in UTC" });

export const ArchiveFile = z
  .object({
    name: z.string(),
    type: ArchiveType,
    rows: z.int(),
    bytes: z.int(),
    sha256: z.string().meta({ description: "Of the file as it lies on the disk" }),
  })
  .meta({ id: "ArchiveFile" });

export const Archive = z
  .object({
    archive_id: Uuid,
    day: Day,
    state: z.enum(["archived", "restored"]).meta({
      description: "`restored`: its rows are back in the database, until they are archived again",
    }),
    available: z.boolean().meta({ description: "Whether the replica that answers has the files" }),
    rows: z.int(),
    bytes: z.int(),
    files: z.array(ArchiveFile),
    archived_at: Timestamp,
    restored_at: Timestamp.nullable(),
    keep_until: Timestamp.nullable(),
  })
  .meta({ id: "Archive" });
export type Archive = z.infer<typeof Archive>;

const days = { day: Day.optional(), from_day: Day.optional(), to_day: Day.optional() };

export const ArchiveListQuery = PageQuery.extend(days);
export const ArchiveList = z
  .object({ archives: z.array(Archive), next_cursor: NextCursor })
  .meta({ id: "ArchiveList" });

export const ArchiveRun = z
  .strictObject({
    day: Day.optional().meta({
      description: "This day alone, and even if it is kept because it was restored",
    }),
  })
  .meta({ id: "ArchiveRun" });
export const ArchiveRunAnswer = z
  .object({
    archives: z.array(Archive),
    done: z.boolean().meta({ description: "False: there is more to do; ask again" }),
  })
  .meta({ id: "ArchiveRunAnswer" });

export const ArchiveRestore = z
  .strictObject({ keep_days: z.number().min(0).max(3650).default(7) })
  .meta({ id: "ArchiveRestore" });

export const ArchiveVerification = z
  .object({
    archive_id: Uuid,
    ok: z.boolean(),
    files: z.array(z.object({ name: z.string(), ok: z.boolean(), problem: z.string().nullable() })),
  })
  .meta({ id: "ArchiveVerification" });

export const ArchiveRowQuery = PageQuery.extend({
  ...days,
  type: ArchiveType.default("tasks"),
  id: z.string().min(1).max(100).optional().meta({
    description: "Of the task, execution or ledger entry that the row is, or belongs to",
  }),
  status: z.string().min(1).max(50).optional(),
  from: Timestamp.optional(),
  to: Timestamp.optional(),
});
export const ArchiveRowList = z
  .object({
    rows: z.array(z.object({ day: Day, archive_id: Uuid, type: ArchiveType, row: JsonObject })),
    next_cursor: NextCursor.meta({
      description:
        "Not null: there may be more; a page that took long may have fewer rows than the limit, or none",
    }),
  })
  .meta({ id: "ArchiveRowList" });
