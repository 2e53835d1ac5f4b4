/** Pages of lists: a cursor is the last id of the page before, opaque to the caller. */
import { Problem } from "@master-orchestrator/contract";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The id that a cursor stands for. Throws `validation_failed` for one that this list never gave. */
export function readCursor(list: string, cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const [name, id] = Buffer.from(cursor, "base64url").toString("utf8").split(":");
  if (name === list && id !== undefined && UUID.test(id)) return id;
  throw new Problem(
    "validation_failed",
    "query/cursor: this list never gave this cursor",
    "Use next_cursor of the page before, as it is; leave it out for the first page.",
    { errors: [{ path: "query/cursor", message: "this list never gave this cursor" }] },
  );
}

/** The cursor of the next page: null if `rows` did not fill this one. */
export function nextCursor<T>(list: string, rows: readonly T[], limit: number, idOf: (row: T) => string) {
  const last = rows.at(-1);
  return last && rows.length === limit ? Buffer.from(`${list}:${idOf(last)}`).toString("base64url") : null;
}
