/** The partitions of the append-only logs: made for the days ahead, dropped once they are empty. Moves no history out. */
import { DAY_MS, dayOf, dayStartMs } from "#core/utc-day.ts";
import type { Database, Queryable } from "./database.ts";
import { underSchemaLock } from "./migrate.ts";

/** Whoever looks after the partitions may be away for as long without any row falling into the default one. */
const DAYS_AHEAD = 3;

/** Everybody who writes history would queue up behind a lock that is waited for. */
const PATIENCE = "set local lock_timeout = '300ms'";

interface PartitionedLog {
  table: string;
  /** The column that the days are ranges of. */
  key: string;
  /** A moment as a value of that column. */
  bound(atMs: number): string;
}

const LOGS: readonly PartitionedLog[] = [
  { table: "transitions", key: "at", bound: (atMs) => new Date(atMs).toISOString() },
  { table: "cycles", key: "cycle_id", bound: firstId },
];

/** The smallest id that is made (UUIDv7) at a moment. */
export function firstId(atMs: number): string {
  const hex = atMs.toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

interface Partition {
  table: string;
  name: string;
  /** The first moment behind it. */
  endMs: number;
}

/** Partitions but the default ones; what was there before the first of them bears `until` in its name. */
async function partitions(db: Queryable): Promise<Partition[]> {
  const { rows } = await db.query(
    `select inhparent::regclass::text as table, inhrelid::regclass::text as name
       from pg_inherits where inhparent = any($1::regclass[]) order by 1, 2`,
    [LOGS.map(({ table }) => table)],
  );
  return rows.flatMap(({ table, name }) => {
    const [, kind, year, month, day] = /_(p|until)(\d{4,})(\d\d)(\d\d)$/.exec(name) ?? [];
    if (kind === undefined) return [];
    const startMs = dayStartMs(`${year}-${month}-${day}`);
    return [{ table, name, endMs: kind === "p" ? startMs + DAY_MS : startMs }];
  });
}

/** Makes the partitions of today and of the days ahead that are missing; returns their names. May throw what `isBusy`. */
export async function ensurePartitions(db: Database, nowMs: number): Promise<string[]> {
  if (missing(await partitions(db), nowMs).length === 0) return [];
  return await underSchemaLock(db, async (tx) => {
    await tx.query(PATIENCE);
    const wanted = missing(await partitions(tx), nowMs);
    for (const { log, startMs } of wanted) await makePartition(tx, log, startMs);
    return wanted.map(({ log, startMs }) => nameOf(log, startMs));
  });
}

function missing(known: readonly Partition[], nowMs: number): { log: PartitionedLog; startMs: number }[] {
  const today = dayStartMs(dayOf(nowMs));
  const days = Array.from({ length: DAYS_AHEAD + 1 }, (_, i) => today + i * DAY_MS);
  return LOGS.flatMap((log) => {
    const own = known.filter(({ table }) => table === log.table);
    const names = new Set(own.map(({ name }) => name));
    const before = Math.max(
      ...own.filter(({ name }) => name.includes("_until")).map(({ endMs }) => endMs),
      0,
    );
    return days
      .filter((startMs) => startMs >= before && !names.has(nameOf(log, startMs)))
      .map((startMs) => ({ log, startMs }));
  });
}

function nameOf({ table }: PartitionedLog, startMs: number): string {
  return `${table}_p${dayOf(startMs).replaceAll("-", "")}`;
}

/**
 * Rows of that day that the default partition has taken meanwhile move along. Writers are shut out by the table
 * itself: one that had been sent to the default partition and waited there would be refused by it afterwards.
 */
async function makePartition(tx: Queryable, log: PartitionedLog, startMs: number): Promise<void> {
  const { table, key } = log;
  const name = nameOf(log, startMs);
  const [from, to] = [`'${log.bound(startMs)}'`, `'${log.bound(startMs + DAY_MS)}'`];
  await tx.query(`lock table only ${table} in share row exclusive mode`);
  await tx.query(`lock table ${table}_default in access exclusive mode`);
  await tx.query(
    `create table ${name} (like ${table} including defaults including constraints including indexes)`,
  );
  await tx.query(
    `with moved as (delete from ${table}_default where ${key} >= ${from} and ${key} < ${to} returning *)
     insert into ${name} select * from moved`,
  );
  await tx.query(`alter table ${table} attach partition ${name} for values from (${from}) to (${to})`);
}

/** Whether a statement has given up because somebody uses the table: it is tried again later. */
export function isBusy(error: unknown): boolean {
  return (error as { code?: string }).code === "55P03";
}

/** Drops the partitions that end before `beforeMs` and hold no row; returns their names. May throw what `isBusy`. */
export async function dropEmptyPartitions(db: Database, beforeMs: number): Promise<string[]> {
  const dropped: string[] = [];
  for (const { table, name, endMs } of await partitions(db)) {
    if (endMs > beforeMs || !(await isEmpty(db, name))) continue;
    await db.transaction(async (tx) => {
      await tx.query(PATIENCE);
      // Nobody restores a row into it between the second look and its end.
      await tx.query(`lock table only ${table}, only ${name} in access exclusive mode`);
      if (!(await isEmpty(tx, name))) return;
      await tx.query(`drop table ${name}`);
      dropped.push(name);
    });
  }
  return dropped;
}

async function isEmpty(db: Queryable, table: string): Promise<boolean> {
  const { rows } = await db.query(`select not exists (select from ${table}) as empty`);
  return rows[0]?.empty;
}
