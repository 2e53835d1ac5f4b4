/** Imports over HTTP: page events, conversions, revenue. Checks and records rows; analyses nothing. */
import {
  type Conversion,
  ConversionsBody,
  EventsBody,
  ImportAnswer,
  type PageEvent,
  Problem,
  type Revenue,
  RevenueBody,
} from "@master-orchestrator/contract";
import type { Database } from "#store/database.ts";
import { type Imported, importConversions, importEvents, importRevenue, rowKey } from "#store/readership.ts";
import { type Answer, defineRoute, type Route } from "../route.ts";

export function importRoutes({ db }: { db: Database }): Route[] {
  const about = {
    tag: "Readership",
    method: "POST",
    access: "worker",
    answers: { 200: ImportAnswer },
    description:
      "Idempotent: a row that comes again replaces itself. All rows of a request are taken, or none.",
  } as const;
  return [
    defineRoute({
      ...about,
      path: "/api/v1/content/events",
      summary: "Import up to 1,000 page events, single ones or counts",
      body: EventsBody,
      async handle({ body: { source, events } }) {
        const rows = keyed("events", events, ({ at, page, kind, channel, visitor, id }) =>
          rowKey(source, id === undefined ? ["event", at, page, kind, channel, visitor] : ["event id", id]),
        );
        return answered(events.length, await db.transaction((tx) => importEvents(tx, source, rows)));
      },
    }),
    defineRoute({
      ...about,
      path: "/api/v1/content/conversions",
      summary: "Import up to 1,000 conversions, single ones or counts",
      body: ConversionsBody,
      async handle({ body: { source, conversions } }) {
        const rows = keyed("conversions", conversions, ({ at, page, kind, channel, offer, visitor, id }) =>
          rowKey(
            source,
            id === undefined
              ? ["conversion", at, page, kind, channel, offer, visitor]
              : ["conversion id", id],
          ),
        );
        return answered(
          conversions.length,
          await db.transaction((tx) => importConversions(tx, source, rows)),
        );
      },
    }),
    defineRoute({
      ...about,
      path: "/api/v1/content/revenue",
      summary: "Import up to 1,000 amounts that came in, or went back",
      body: RevenueBody,
      async handle({ body: { source, revenue } }) {
        const rows = keyed("revenue", revenue, ({ at, page, channel, offer, visitor, id }) =>
          rowKey(
            source,
            id === undefined ? ["revenue", at, page, channel, offer, visitor] : ["revenue id", id],
          ),
        );
        return answered(revenue.length, await db.transaction((tx) => importRevenue(tx, source, rows)));
      },
    }),
  ];
}

function answered(sent: number, { added, replaced }: Imported): Answer {
  return { status: 200, body: { added, replaced, unchanged: sent - added - replaced } };
}

/**
 * The rows with their keys and their pages as paths. The same row twice is one; two that differ under one key are
 * refused, since one of them would be lost.
 */
function keyed<Row extends PageEvent | Conversion | Revenue>(
  plural: string,
  rows: readonly Row[],
  keyOf: (row: Row) => string,
): (Row & { key: string })[] {
  const known = new Map<string, { index: number; text: string }>();
  return rows.flatMap((given, index) => {
    const at = new Date(given.at).toISOString();
    const row = { ...given, at, ...(given.page === undefined ? {} : { page: pathOf(given.page) }) };
    const key = keyOf(row);
    const text = JSON.stringify(row);
    const same = known.get(key);
    if (same === undefined) {
      known.set(key, { index, text });
      return [{ ...row, key }];
    }
    if (same.text === text) return [];
    const message = `is the same row as /${plural}/${same.index}, with other numbers`;
    throw new Problem(
      "validation_failed",
      `/${plural}/${index} ${message}`,
      "Add them up before, or give each an id that tells them apart.",
      { errors: [{ path: `/${plural}/${index}`, message }] },
    );
  });
}

/** `https://news.example/articles/tea/?utm=x#top` is `/articles/tea`. */
function pathOf(page: string): string {
  const path = page.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "");
  const trimmed = path.replace(/\/+$/, "");
  return trimmed.startsWith("/") ? trimmed : `/${trimmed}`;
}
