/** Owns when a host of other people's may be asked next, for all replicas. Asks nobody, waits for nothing. */
import type { Queryable } from "./database.ts";

export type Turn = { taken: true; until: string } | { taken: false; waitMs: number };

/** Takes the turn at a host for `leaseMs`, or says how long it is somebody else's. */
export async function takeTurn(db: Queryable, host: string, leaseMs: number): Promise<Turn> {
  const { rows } = await db.query(
    `with taken as (
       insert into content.host_turns as h (host, free_at)
       values ($1, orchestrator_now() + $2::float8 * interval '1 millisecond')
       on conflict (host) do update set free_at = excluded.free_at where h.free_at <= orchestrator_now()
       returning free_at)
     select (select free_at::text from taken) as until,
            (select greatest(0, extract(epoch from free_at - orchestrator_now()) * 1000)::float8
               from content.host_turns where host = $1) as wait_ms`,
    [host, leaseMs],
  );
  const { until, wait_ms } = rows[0]!;
  return until === null ? { taken: false, waitMs: wait_ms ?? 0 } : { taken: true, until };
}

const FORGET_AT_ONCE = 100;

/** Ends a turn: the host is free after a pause. One that ran out, and is another's by now, ends nothing. Forgets idle hosts. */
export async function endTurn(db: Queryable, host: string, until: string, pauseMs: number): Promise<void> {
  await db.query(
    `update content.host_turns set free_at = orchestrator_now() + $3::float8 * interval '1 millisecond'
      where host = $1 and free_at = $2::timestamptz`,
    [host, until, pauseMs],
  );
  await db.query(
    `delete from content.host_turns where host in (
       select host from content.host_turns where free_at < orchestrator_now() - interval '1 hour'
        order by free_at limit ${FORGET_AT_ONCE} for update skip locked)`,
  );
}
