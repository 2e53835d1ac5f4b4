/** Copies rows of the history out of the database, takes them away, and puts them back. Knows no file and no day. */
import { type ArchivedFile, type ArchivedTable, archivedTable, type Members } from "./archive-tables.ts";
import type { Database, Queryable } from "./database.ts";

/** What one statement carries at the most: owners, and bytes as the database stores them. */
const BATCH_OWNERS = 1_000;
const BATCH_BYTES = 4 * 1024 * 1024;

export interface RowBatch {
  /** One row each, as the JSON text that the database makes of it. */
  lines: string[];
  /** The least and the greatest id. */
  firstId: string;
  lastId: string;
  /** See `ArchivedFile.rowHash`. */
  hash: bigint;
}

/** Instants are written as text: everybody has to read and write them alike. */
const UTC = "set local timezone = 'UTC'";
/** A row's own hash; sums of them do not depend on any order. */
const HASH_SUM = "coalesce(sum(hashtextextended(line, 0)), 0)::text as hash";

/** The columns of a table now, in their order. */
export async function columnsOf(db: Queryable, table: string): Promise<string[]> {
  const { rows } = await db.query(
    `select attname as name from pg_attribute
      where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum`,
    [table],
  );
  return rows.map((row) => row.name);
}

/** The rows of one table that belong to `members`, in batches of a few megabytes (or of one owner that has more). */
export async function* exportRows(
  db: Database,
  table: ArchivedTable,
  members: Members,
): AsyncGenerator<RowBatch> {
  for (const keys of inBatches(members.keys[table.owner])) {
    for (const some of await bySize(db, table, members, keys)) {
      const batch = await readBatch(db, table, members, some);
      if (batch !== null) yield batch;
    }
  }
}

function* inBatches(keys: readonly string[]): Generator<readonly string[]> {
  for (let i = 0; i < keys.length; i += BATCH_OWNERS) yield keys.slice(i, i + BATCH_OWNERS);
}

/** The condition that selects a batch, with its values; $1 is the keys. */
function condition(
  { key, keyType, withinTime }: ArchivedTable,
  members: Pick<Members, "sinceMs" | "untilMs">,
  keys: readonly string[],
): [text: string, values: unknown[]] {
  const named = `t.${key} = any($1::${keyType}[])`;
  if (!withinTime) return [named, [keys]];
  return [
    `${named} and t.at >= $2 and t.at < $3`,
    [keys, new Date(members.sinceMs), new Date(members.untilMs)],
  ];
}

/** Cuts a batch where its rows become too large. */
async function bySize(
  db: Queryable,
  table: ArchivedTable,
  members: Members,
  keys: readonly string[],
): Promise<(readonly string[])[]> {
  const [where, values] = condition(table, members, keys);
  const { rows } = await db.query(
    `select ${table.key}::text as key, sum(pg_column_size(t))::int as bytes
       from ${table.table} t where ${where} group by ${table.key}`,
    values,
  );
  const bytesOf = new Map<string, number>(rows.map((row) => [row.key, row.bytes]));
  const cut: string[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const key of keys) {
    const own = bytesOf.get(key) ?? 0;
    if (bytes + own > BATCH_BYTES) {
      cut.push([]);
      bytes = 0;
    }
    cut.at(-1)?.push(key);
    bytes += own;
  }
  return cut;
}

async function readBatch(
  db: Database,
  table: ArchivedTable,
  members: Members,
  keys: readonly string[],
): Promise<RowBatch | null> {
  const [where, values] = condition(table, members, keys);
  const place = `$${values.length + 1}`;
  const { rows } = await db.transaction(async (tx) => {
    await tx.query(UTC);
    return await tx.query(
      `select line, id, hashtextextended(line, 0)::text as hash from (
         select to_jsonb(t)::text as line, t.${table.idColumn}::text as id,
                array_position(${place}::${table.keyType}[], t.${table.key}) as position, t.${table.orderBy} as rest
           from ${table.table} t where ${where} order by position, rest) in_order`,
      [...values, keys],
    );
  });
  const [first] = rows;
  if (!first) return null;
  const batch: RowBatch = { lines: [], firstId: first.id, lastId: first.id, hash: 0n };
  for (const { line, id, hash } of rows) {
    batch.lines.push(line);
    if (id < batch.firstId) batch.firstId = id;
    if (id > batch.lastId) batch.lastId = id;
    batch.hash += BigInt(hash);
  }
  return batch;
}

/** Thrown where rows are not what their archive holds: nothing is changed then. */
export class RowsDiffer extends Error {
  override readonly name = "RowsDiffer";
}

/**
 * Takes away the rows of `members`, which have to be exactly those of `files`: as many, with the same hashes.
 * Throws `RowsDiffer` otherwise; the caller's transaction has to be rolled back then.
 */
export async function deleteRows(
  tx: Queryable,
  members: Members,
  files: readonly ArchivedFile[],
): Promise<void> {
  await tx.query(UTC);
  for (const file of files.toReversed()) {
    const table = archivedTable(file.name);
    let rows = 0;
    let hash = 0n;
    for (const keys of inBatches(members.keys[table.owner].toReversed())) {
      const [where, values] = condition(table, members, keys);
      const gone = await tx.query(
        `with gone as (delete from ${table.table} t where ${where} returning to_jsonb(t)::text as line)
         select count(*)::int as rows, ${HASH_SUM} from gone`,
        values,
      );
      rows += gone.rows[0]?.rows;
      hash += BigInt(gone.rows[0]?.hash);
    }
    if (rows !== file.rows || hash !== BigInt(file.rowHash)) {
      throw new RowsDiffer(
        `${table.table} has ${rows} such rows where ${file.name} holds ${file.rows}, or they have changed since`,
      );
    }
  }
}

/** Puts rows back as they were; columns that came later have their defaults. Returns the sum of the rows' hashes. */
export async function insertRows(
  tx: Queryable,
  file: Pick<ArchivedFile, "name" | "columns">,
  lines: readonly string[],
): Promise<bigint> {
  const { table } = archivedTable(file.name);
  const known = await columnsOf(tx, table);
  const gone = file.columns.filter((column) => !known.includes(column));
  if (gone.length > 0) throw new RowsDiffer(`${table} has no column ${gone.join(", ")} any more`);
  const columns = file.columns.join(", ");
  const later = known.filter((column) => !file.columns.includes(column));
  await tx.query(UTC);
  const { rows } = await tx.query(
    `with back as (
       insert into ${table} as t (${columns}) overriding system value
       select ${columns} from unnest($1::text[]) line
        cross join lateral jsonb_populate_record(null::${table}, line::jsonb)
       returning (to_jsonb(t) - $2::text[])::text as line)
     select ${HASH_SUM} from back`,
    [lines, later],
  );
  return BigInt(rows[0]?.hash);
}
