/** Owns the locks of workflows that run on their own clock, and the line before each. The database's clock alone counts. */
import { v4 as uuidv4 } from "uuid";
import type { Queryable, Row } from "./database.ts";

export interface LeaseRow {
  fence: number;
  leaseId: string;
  expiresAtMs: number;
}

export interface LockRow {
  name: string;
  held: boolean;
  holder: string | null;
  fence: number;
  acquiredAtMs: number;
  expiresAtMs: number;
  waiting: number;
  grants: number;
  refusals: number;
  expirations: number;
}

/** Who asks: `ticket` is the place in the line, null for one who does not stand in it. */
export interface LockAsk {
  name: string;
  holder: string;
  ttlMs: number;
  ticket: number | null;
}

/**
 * Takes the lock if it is free and nobody else's turn; null otherwise. The row's lock makes one of two the first. The
 * time is taken anew where a row is updated, that is after the wait for it.
 */
export async function takeLock(db: Queryable, ask: LockAsk): Promise<LeaseRow | null> {
  const leaseId = uuidv4();
  const { rows } = await db.query(
    `with taken as (
       insert into locks as l (name, fence, lease_id, holder, ttl_ms, acquired_at, expires_at)
       select $1::text, nextval('lock_fences'), $2::uuid, $3::text, $4::float8, moment.now,
              moment.now + $4::float8 * interval '1 millisecond'
         from (select orchestrator_now() as now) moment
        where not exists (select from lock_waiters w where w.name = $1 and w.looks_again_before > moment.now
                             and ($5::bigint is null or w.ticket < $5))
       on conflict (name) do update set fence = nextval('lock_fences'), lease_id = $2, holder = $3, ttl_ms = $4::float8,
          acquired_at = orchestrator_now(), expires_at = orchestrator_now() + $4::float8 * interval '1 millisecond',
          released_at = null, grants = l.grants + 1, expirations = l.expirations + (l.lease_id is not null)::int
        where l.lease_id is null or l.expires_at <= orchestrator_now()
       returning fence, expires_at),
     left_line as (delete from lock_waiters where ticket = $5 and exists (select from taken))
     select fence, expires_at from taken`,
    [ask.name, leaseId, ask.holder, ask.ttlMs, ask.ticket],
  );
  const row = rows[0];
  return row ? { fence: row.fence, leaseId, expiresAtMs: row.expires_at } : null;
}

/** Who holds it at this moment, or nobody; `nowMs` is the database's. */
export async function lockState(
  db: Queryable,
  name: string,
): Promise<{ holder: string | null; expiresAtMs: number | null; nowMs: number }> {
  const { rows } = await db.query(
    `select moment.now, l.holder, l.expires_at from (select orchestrator_now() as now) moment
       left join locks l on l.name = $1 and l.lease_id is not null and l.expires_at > moment.now`,
    [name],
  );
  return { holder: rows[0]?.holder, expiresAtMs: rows[0]?.expires_at, nowMs: rows[0]?.now };
}

export async function countRefusal(db: Queryable, name: string): Promise<void> {
  await db.query("update locks set refusals = refusals + 1 where name = $1", [name]);
}

/** Stands in the line for a lock, and returns the place. Who does not look again in time has lost it. */
export async function joinLine(db: Queryable, ask: LockAsk, lookAgainWithinMs: number): Promise<number> {
  const { rows } = await db.query(
    `with gone as (delete from lock_waiters where looks_again_before < orchestrator_now() - interval '1 hour')
     insert into lock_waiters (name, holder, looks_again_before)
     values ($1, $2, orchestrator_now() + $3::float8 * interval '1 millisecond') returning ticket`,
    [ask.name, ask.holder, lookAgainWithinMs],
  );
  return rows[0]?.ticket;
}

export async function keepPlace(db: Queryable, ticket: number, lookAgainWithinMs: number): Promise<void> {
  await db.query(
    `update lock_waiters set looks_again_before = orchestrator_now() + $2::float8 * interval '1 millisecond'
      where ticket = $1`,
    [ticket, lookAgainWithinMs],
  );
}

export async function leaveLockLine(db: Queryable, ticket: number): Promise<void> {
  await db.query("delete from lock_waiters where ticket = $1", [ticket]);
}

/** The lease with a later end; null if it is not held any more. */
export async function renewLease(
  db: Queryable,
  lease: { name: string; leaseId: string; ttlMs: number | null },
): Promise<LeaseRow | null> {
  const { rows } = await db.query(
    `update locks set ttl_ms = coalesce($3::bigint, ttl_ms),
            expires_at = orchestrator_now() + coalesce($3::bigint, ttl_ms) * interval '1 millisecond'
      where name = $1 and lease_id = $2 and expires_at > orchestrator_now()
      returning fence, expires_at`,
    [lease.name, lease.leaseId, lease.ttlMs],
  );
  const row = rows[0];
  return row ? { fence: row.fence, leaseId: lease.leaseId, expiresAtMs: row.expires_at } : null;
}

/** False if it is not held any more. */
export async function releaseLease(db: Queryable, name: string, leaseId: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `update locks set lease_id = null, holder = null, released_at = orchestrator_now()
      where name = $1 and lease_id = $2 and expires_at > orchestrator_now()`,
    [name, leaseId],
  );
  return rowCount === 1;
}

/** Takes a lock from whoever holds it; the holder that was, or null if nobody held it. */
export async function breakLock(db: Queryable, name: string): Promise<string | null> {
  const { rows } = await db.query(
    `with held as (select name, holder from locks where name = $1 and lease_id is not null
                      and expires_at > orchestrator_now() for update)
     update locks l set lease_id = null, holder = null, released_at = orchestrator_now()
       from held where l.name = held.name returning held.holder`,
    [name],
  );
  return rows[0]?.holder ?? null;
}

const VIEW = `select l.name, l.lease_id is not null and l.expires_at > moment.now as held, l.holder, l.fence,
    l.acquired_at, l.expires_at, l.grants, l.refusals, l.expirations,
    (select count(*) from lock_waiters w where w.name = l.name and w.looks_again_before > moment.now)::int as waiting
  from locks l cross join (select orchestrator_now() as now) moment`;

export async function lockByName(db: Queryable, name: string): Promise<LockRow | null> {
  const { rows } = await db.query(`${VIEW} where l.name = $1`, [name]);
  return rows[0] ? lockOf(rows[0]) : null;
}

/** By name, those after `after`. */
export async function listLocks(
  db: Queryable,
  query: { held: boolean | null; after: string | undefined; limit: number },
): Promise<LockRow[]> {
  const { rows } = await db.query(
    `${VIEW} where ($1::text is null or l.name > $1)
        and ($2::boolean is null or (l.lease_id is not null and l.expires_at > moment.now) = $2)
      order by l.name limit $3`,
    [query.after ?? null, query.held, query.limit],
  );
  return rows.map(lockOf);
}

function lockOf(row: Row): LockRow {
  return {
    name: row.name,
    held: row.held,
    holder: row.holder,
    fence: row.fence,
    acquiredAtMs: row.acquired_at,
    expiresAtMs: row.expires_at,
    waiting: row.waiting,
    grants: row.grants,
    refusals: row.refusals,
    expirations: row.expirations,
  };
}
