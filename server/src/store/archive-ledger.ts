/** Which entries of the ledger move into files, and what is kept of them: the sums of a day. Knows no file. */
import type { Members } from "./archive-tables.ts";
import type { Queryable } from "./database.ts";

/** Held money is not over, and a run at work may yet be charged by what its calls have cost. */
const OVER = `l.state <> 'held' and not exists (
  select from workflow_orchestration e where e.execution_id = l.execution_id and e.completed_at is null)`;
const DAYS = `l.day >= ($1::timestamptz at time zone 'UTC')::date and l.day < ($2::timestamptz at time zone 'UTC')::date`;

/** The first day with such an entry, as the moment at which it begins; null without any. */
export async function firstLedgerDay(
  db: Queryable,
  fromMs: number,
  beforeMs: number,
): Promise<number | null> {
  const { rows } = await db.query(
    `select l.day::timestamp at time zone 'UTC' as at from ledger l where ${DAYS} and ${OVER} order by l.day limit 1`,
    [new Date(fromMs), new Date(beforeMs)],
  );
  return rows[0]?.at ?? null;
}

/** Ids of a day's entries, at most `limit`. */
export async function ledgerKeys(db: Queryable, range: readonly Date[], limit: number): Promise<string[]> {
  const { rows } = await db.query(
    `select l.entry_id from ledger l where ${DAYS} and ${OVER} order by l.day, l.entry_id limit $3`,
    [...range, limit],
  );
  return rows.map((row) => row.entry_id);
}

/** Keeps what the entries of a part come to. In the transaction that deletes them, before it does. */
export async function keepLedgerSums(tx: Queryable, archiveId: string, { keys }: Members): Promise<void> {
  await tx.query(
    `insert into ledger_archived (archive_id, day, scopes, provider, model, workflow_type, content_type, source, actor, calls,
                                  reserved, settled, released, assumed, input_tokens, output_tokens)
     select $1, day, scopes, provider, models[1], workflow_type, content_type, source, actor, count(*), sum(reserved_micros),
            coalesce(sum(cost_micros), 0), coalesce(sum(reserved_micros) filter (where state = 'released'), 0),
            coalesce(sum(cost_micros) filter (where outcome = 'assumed'), 0), coalesce(sum(input_tokens), 0),
            coalesce(sum(output_tokens), 0)
       from ledger where entry_id = any($2::uuid[])
      group by day, scopes, provider, models[1], workflow_type, content_type, source, actor`,
    [archiveId, keys.ledger_entry],
  );
}
