/** Owns the look at every single write of the ledger: how much is spent and set aside after it, in the order of the writes. */
import type { Database } from "#store/database.ts";

/**
 * From now on each write of the ledger leaves a line; to be called before the first. `provider`: its calls alone. What is
 * kept is the day's on which most is used.
 */
export async function watchLedger(db: Database, provider?: string): Promise<void> {
  const those = provider === undefined ? "true" : `provider = '${provider}'`;
  await db.query(
    `create table ledger_watch (seq bigint generated always as identity, used_micros bigint not null);
     create function watch_ledger() returns trigger language plpgsql as $$ begin
       insert into ledger_watch (used_micros)
         select coalesce(max(used), 0) from (
           select sum(case state when 'held' then reserved_micros else coalesce(cost_micros, 0) end) as used
             from ledger where ${those} group by day) days;
       return null;
     end $$;
     create trigger watch_ledger after insert or update on ledger for each statement execute function watch_ledger()`,
  );
}

/** Of all prefixes of the ledger: how many there were, and the most that was spent and set aside after one. */
export async function mostUsed(db: Database): Promise<{ prefixes: number; micros: number }> {
  const { rows } = await db.query(
    "select count(*)::int as prefixes, coalesce(max(used_micros), 0) as micros from ledger_watch",
  );
  return { prefixes: rows[0]?.prefixes, micros: rows[0]?.micros };
}
