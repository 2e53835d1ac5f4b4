/** Builds the statement of a list that shows the newest first, at the cost of a page whatever the table holds. Runs nothing. */

/** Where a page begins: behind this row. */
export interface Position {
  /** When the row came to be, in microseconds since the epoch, as exact as the database has it. */
  createdMicros: number;
  id: string;
}

export interface Listing {
  table: string;
  /** The column that names a row; together with `created_at` it gives the order. */
  id: string;
  /** What is selected, as the statement has it. */
  columns: string;
  /** Every status that a row may have. */
  statuses: readonly string[];
  /** The columns behind `status` in the index that serves the list, in its order; before `created_at` and the id. */
  lane: readonly string[];
}

export interface ListFilter {
  status?: string | undefined;
  /** Values of the lane's columns. */
  lane?: Readonly<Record<string, string | undefined>>;
  from?: string | undefined;
  to?: string | undefined;
  before?: Position | undefined;
  limit: number;
}

/** The column that gives a row's `Position`. */
export const CREATED_MICROS = "(extract(epoch from created_at) * 1000000)::bigint as created_micros";

/**
 * With a filter by status or lane the rows lie in few ranges of one index, one for each status and lane: each gives its
 * newest, and the newest of those are the page. The lanes there are are found by a loose index scan.
 */
export function newestFirst(listing: Listing, filter: ListFilter): { text: string; values: unknown[] } {
  const values: unknown[] = [];
  const put = (value: unknown) => `$${values.push(value)}`;
  const { table, id, columns, lane } = listing;
  const limit = put(filter.limit);
  const bounds = boundsOf(listing, filter, put);
  const order = `order by created_at desc, ${id} desc limit ${limit}`;
  const given = lane.filter((column) => filter.lane?.[column] !== undefined);
  if (filter.status === undefined && given.length === 0) {
    return { text: `select ${columns} from ${table} where ${bounds} ${order}`, values };
  }
  const statuses = put(filter.status === undefined ? listing.statuses : [filter.status]);
  const same = lane.map((column) => `${table}.${column} = lane.${column}`).join(" and ");
  const text = `select ${columns} from (
      select page.created_at as at, page.${id} from unnest(${statuses}::text[]) wanted (status)
       cross join lateral (${lanes(listing, filter, put)}) lane
       cross join lateral (select created_at, ${id} from ${table}
                            where ${table}.status = wanted.status and ${same} and ${bounds} ${order}) page
       order by at desc, ${id} desc limit ${limit}) newest
    join ${table} using (${id}) order by created_at desc, ${id} desc`;
  return { text, values };
}

type Put = (value: unknown) => string;

function boundsOf({ id }: Listing, { from, to, before }: ListFilter, put: Put): string {
  const bounds = ["true"];
  if (from !== undefined) bounds.push(`created_at >= ${put(from)}::timestamptz`);
  if (to !== undefined) bounds.push(`created_at < ${put(to)}::timestamptz`);
  if (before) {
    const at = `timestamptz 'epoch' + ${put(before.createdMicros)}::bigint * interval '1 microsecond'`;
    bounds.push(`(created_at, ${id}) < (${at}, ${put(before.id)}::uuid)`);
  }
  return bounds.join(" and ");
}

/** The lanes of one status: those that were asked for, or one step of the index to each that there is. */
function lanes({ table, lane }: Listing, { lane: asked = {} }: ListFilter, put: Put): string {
  const given = new Map(
    lane.flatMap((column) => (asked[column] === undefined ? [] : [[column, put(asked[column])]])),
  );
  if (given.size === lane.length) {
    return `select ${lane.map((column) => `${given.get(column)}::text as ${column}`).join(", ")}`;
  }
  // Only what stands at the front of the index narrows the steps; the rest is sorted out afterwards.
  const front = lane.slice(
    0,
    lane.findIndex((column) => !given.has(column)),
  );
  const free = lane.slice(front.length);
  const within = ["t.status = wanted.status", ...front.map((column) => `t.${column} = ${given.get(column)}`)];
  const rest = [...given].filter(([column]) => !front.includes(column as string));
  const list = (prefix: string, columns = free) => columns.map((column) => `${prefix}.${column}`).join(", ");
  const step = (more: string[]) =>
    `select ${list("t", [...lane])} from ${table} t where ${[...within, ...more].join(" and ")}
      order by ${list("t")} limit 1`;
  return `with recursive lane as (
      (${step([])})
      union all
      select next.* from lane cross join lateral (${step([`(${list("t")}) > (${list("lane")})`])}) next)
    select * from lane where ${["true", ...rest.map(([column, value]) => `${column} = ${value}`)].join(" and ")}`;
}
