/** Owns what the columns of an analytics or shop export mean as rows to import, and which lines are none. Sends nothing. */
import { createHash } from "node:crypto";
import { fieldProblems, IMPORTS, type ImportKind } from "@master-orchestrator/contract";
import { UsageError } from "./failure.ts";

/** The titles under which a field is known, folded; the first that a file has is taken. */
type Titles = Readonly<Record<string, readonly string[]>>;

const PLACE: Titles = {
  at: ["at", "date_hour", "date", "day", "timestamp", "event_timestamp", "time", "datetime", "created_at"],
  page: [
    ...[
      "page",
      "page_path",
      "page_path_and_screen_class",
      "page_path_query_string",
      "pagepath",
      "path",
      "url",
    ],
    ...["page_location", "landing_page", "full_page_url", "page_url"],
  ],
  channel: [
    ...[
      "channel",
      "session_default_channel_group",
      "default_channel_group",
      "channel_group",
      "session_source_medium",
    ],
    ...["first_user_default_channel_group", "source_medium", "medium"],
  ],
  visitor: ["visitor", "visitor_id", "user_pseudo_id", "client_id"],
  id: ["id", "event_id", "row_id", "order_id", "transaction_id"],
};
const OFFER = ["offer", "offer_id", "product", "item_name", "item", "campaign", "advertiser"];

const TITLES: Readonly<Record<ImportKind, Titles>> = {
  events: {
    ...PLACE,
    kind: ["kind", "event_name", "event", "type"],
    events: ["events", "event_count", "views", "screenpageviews", "pageviews", "page_views", "hits"],
    visitors: ["visitors", "active_users", "total_users", "users", "unique_users"],
    engaged_seconds: ["engaged_seconds", "user_engagement_duration", "user_engagement", "engagement_seconds"],
  },
  conversions: {
    ...PLACE,
    offer: OFFER,
    kind: ["kind", "event_name", "conversion", "goal", "type"],
    conversions: ["conversions", "key_events", "count", "quantity", "event_count"],
  },
  revenue: {
    ...PLACE,
    offer: OFFER,
    amount_usd: [
      ...["amount_usd", "revenue_usd", "total_revenue", "purchase_revenue", "revenue", "amount", "earnings"],
      ...["total_ad_revenue", "ad_revenue", "value"],
    ],
    currency: ["currency", "currency_code"],
  },
};
/** What a row says in numbers; everything else tells it from other rows. */
const NUMBERS = ["events", "visitors", "engaged_seconds", "conversions", "amount_usd"];
const NEEDED: Readonly<Record<ImportKind, readonly string[]>> = {
  events: ["at", "page"],
  conversions: ["at"],
  revenue: ["at", "amount_usd"],
};

export type ImportRow = Record<string, unknown> & { id: string };
export type Reading = { row: ImportRow } | { problem: string } | { total: true };

export interface Mapping {
  kind: ImportKind;
  /** Field → column. */
  columns: ReadonlyMap<string, string>;
  /** Columns besides the known ones that tell rows apart. */
  by: readonly string[];
}

/** What a row says in numbers, to be compared with another row of the same id. */
export function numbersOf(row: ImportRow): string {
  return JSON.stringify(NUMBERS.map((field) => row[field] ?? null));
}

function folded(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "_")
    .replace(/^_+|_+$/g, "");
}

/**
 * Which column is which field: by `--map field=Column` first, then by the titles that analytics write.
 * Throws a UsageError for a field or column that is not there, and where a needed field is missing.
 */
export function mapColumns(
  kind: ImportKind,
  columns: readonly string[],
  given: { map: readonly string[]; by: readonly string[] },
): Mapping {
  const titles = TITLES[kind];
  const found = new Map<string, string>();
  const there = (title: string): string => {
    const column =
      columns.find((one) => one === title) ?? columns.find((one) => folded(one) === folded(title));
    if (column !== undefined) return column;
    throw new UsageError(`there is no column "${title}"`, `the file has: ${columns.join(", ")}`);
  };
  for (const pair of given.map) {
    const [field, title] = pair.split(/=(.*)/s) as [string, string | undefined];
    if (!(field in titles) || title === undefined) {
      const hint = `write field=Column; fields of ${kind}: ${Object.keys(titles).join(", ")}`;
      throw new UsageError(`--map ${pair} names no field of ${kind}`, hint);
    }
    found.set(field, there(title));
  }
  for (const [field, known] of Object.entries(titles)) {
    if (found.has(field)) continue;
    const column = known.flatMap((title) => columns.filter((one) => folded(one) === title))[0];
    if (column !== undefined && ![...found.values()].includes(column)) found.set(field, column);
  }
  const missing = NEEDED[kind].filter((field) => !found.has(field));
  if (missing.length > 0) {
    throw new UsageError(
      `no column is known as ${missing.join(" and none as ")}`,
      `say which: --map ${missing[0]}="…"; the file has: ${columns.join(", ")}`,
    );
  }
  return { kind, columns: found, by: given.by.map(there) };
}

/** One row of a table, or why it is none; `total`: a line that adds the others up. */
export function readRow(given: Record<string, string>, mapping: Mapping): Reading {
  const row: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [field, column] of mapping.columns) {
    const text = (given[column] ?? "").trim();
    if (text === "") continue;
    const value = NUMBERS.includes(field) ? numberOf(text) : field === "at" ? momentOf(text) : text;
    if (value === null)
      problems.push(`${column}: "${text.slice(0, 40)}" is no ${field === "at" ? "date" : "number"}`);
    else row[field] = value;
  }
  if (row.at === undefined && row.page === undefined && problems.length === 0) return { total: true };
  if (row.currency !== undefined && String(row.currency).toUpperCase() !== "USD") {
    problems.push(`${row.currency}: amounts have to be US dollars; convert them before`);
  }
  delete row.currency;
  row.id ??= idOf(row, mapping, given);
  if (problems.length === 0) problems.push(...problemsOf(mapping.kind, row));
  return problems.length > 0 ? { problem: problems.join("; ") } : { row: row as ImportRow };
}

/** A value of a JSON file as a row; its members have the names of the API. */
export function readValue(value: unknown, kind: ImportKind): Reading {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { problem: "is no object" };
  const row: Record<string, unknown> = { ...value };
  const problems = problemsOf(kind, row);
  if (problems.length > 0) return { problem: problems.join("; ") };
  row.id ??= idOf(row, { kind, columns: new Map(), by: [] }, {});
  return { row: row as ImportRow };
}

function problemsOf(kind: ImportKind, row: Record<string, unknown>): string[] {
  return fieldProblems(IMPORTS[kind], row).map(
    ({ path, message }) => `${path.slice(1) || "row"}: ${message}`,
  );
}

/** Of all that a row says but for its numbers, which a later export may correct. */
function idOf(row: Record<string, unknown>, { by }: Mapping, given: Record<string, string>): string {
  const words = Object.entries(row).filter(([field]) => !NUMBERS.includes(field));
  const told = [
    ...words.sort(([a], [b]) => (a < b ? -1 : 1)),
    ...by.map((column) => [column, given[column] ?? ""]),
  ];
  return `row-${createHash("sha256").update(JSON.stringify(told)).digest("base64url").slice(0, 32)}`;
}

/** `1,234.5`, `$12`, `(3.20)`; null for what is no number. A comma may only part thousands. */
function numberOf(text: string): number | null {
  const bare = text.replace(/^\((.*)\)$/, "-$1").replace(/[$\s]|USD/g, "");
  if (!/^-?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?$/.test(bare)) return null;
  return Number(bare.replaceAll(",", ""));
}

/** `20261124`, `2026112413` (with its hour), `2026-11-24`, or a time as the API takes it; null for anything else. */
function momentOf(text: string): string | null {
  const compact = /^(\d{4})(\d\d)(\d\d)(\d\d)?$/.exec(text);
  if (!compact) return /^\d{4}-\d\d-\d\d/.test(text) ? text : null;
  const [, year, month, day, hour] = compact;
  return hour === undefined ? `${year}-${month}-${day}` : `${year}-${month}-${day}T${hour}:00:00Z`;
}
