/** Pages of lists: a cursor is where the page before ended, opaque to the caller and good for that one list alone. */
import { createHash } from "node:crypto";
import { Problem } from "@master-orchestrator/contract";
import { canonicalJson } from "#core/canonical.ts";
import type { Position } from "#store/listing.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** A place in a list that is in the order of time: microseconds and the id. */
export const TIMED = /^\d{1,16}:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export interface Pages {
  /** The position that a cursor stands for. Throws `validation_failed` for one that this list never gave. */
  after(): string | undefined;
  /** The cursor of the next page; null without `more`: unless told, there may be more if `rows` fill this one. */
  next<T>(rows: readonly T[], positionOf: (row: T) => string, more?: boolean): string | null;
}

/**
 * The pages of a list under one filter: `query` as the caller gave it. A cursor of another list or of
 * another filter is refused, since its place means nothing here. `position` is what a place looks like.
 */
export function pagesOf(
  list: string,
  query: { limit: number; cursor?: string | undefined },
  position = UUID,
): Pages {
  const { limit, cursor, ...filter } = query;
  const scope = createHash("sha256")
    .update(`${list} ${canonicalJson(filter)}`)
    .digest("base64url")
    .slice(0, 8);
  const write = (place: string, of = scope) => Buffer.from(`${list}:${of}:${place}`).toString("base64url");
  return {
    after() {
      if (cursor === undefined) return undefined;
      const [name, given, ...rest] = Buffer.from(cursor, "base64url").toString("utf8").split(":");
      const place = rest.join(":");
      const own = name === list && given !== undefined && position.test(place);
      if (!own || write(place, given) !== cursor) throw refused("this list never gave this cursor");
      if (given !== scope) throw refused("belongs to this list with another filter");
      return place;
    },
    next(rows, positionOf, more = rows.length === limit) {
      const last = rows.at(-1);
      return last !== undefined && more ? write(positionOf(last)) : null;
    },
  };
}

/** Where a page of a list in the order of time begins; its pages are made with `TIMED`. */
export function positionAfter(pages: Pages): Position | undefined {
  const [createdMicros, id] = pages.after()?.split(":") ?? [];
  return id === undefined ? undefined : { createdMicros: Number(createdMicros), id };
}

/** The place of a row in such a list. */
export function positionOf({ position }: { position: Position }): string {
  return `${position.createdMicros}:${position.id}`;
}

function refused(message: string): Problem {
  return new Problem(
    "validation_failed",
    `query/cursor: ${message}`,
    "Use next_cursor of the page before, as it is and with the same filters; leave it out for the first page.",
    { errors: [{ path: "query/cursor", message }] },
  );
}
