/** Owns how the ledger is read: the day's budget, single entries, and the reconciliation of a day. Changes nothing. */
import type { LEDGER_GROUPS } from "@master-orchestrator/contract";
import type { Queryable, Row } from "./database.ts";

export interface BudgetState {
  /** The UTC day, `2026-12-01`. */
  day: string;
  /** How much of the day is over, 0 to 1. */
  elapsed: number;
  capMicros: number;
  settledMicros: number;
  heldMicros: number;
  /** Reserved or settled in the last hour of this day. */
  lastHourMicros: number;
  caps: { scope: string; capMicros: number; usedMicros: number }[];
}

/** How today's money stands under the policy in force. */
export async function readBudget(db: Queryable): Promise<BudgetState> {
  const { rows } = await db.query(
    `with clock as (select orchestrator_now() at time zone 'UTC' as now),
     today as (select now, now::date as day, extract(epoch from now - now::date) / 86400 as elapsed from clock),
     budget as (select policy->'budget' as doc from policy_versions order by version desc limit 1),
     cap as (
       select kind.singular || named.key as scope, round(named.value::numeric * 1000000)::bigint as cap
         from budget, (values ('providers', 'provider:'), ('workflows', 'workflow:'),
                              ('content_types', 'content_type:')) kind (plural, singular)
         cross join lateral jsonb_each_text(coalesce(budget.doc->'caps'->kind.plural, '{}')) named
        where named.value is not null)
     select to_char(today.day, 'YYYY-MM-DD') as day, today.elapsed::float8 as elapsed,
            round((budget.doc->>'daily_usd')::numeric * 1000000)::bigint as cap,
            coalesce(t.settled_micros, 0) as settled, coalesce(t.held_micros, 0) as held,
            (select coalesce(sum(coalesce(l.cost_micros, l.reserved_micros)), 0)::bigint from ledger l
              where l.day = today.day and l.state <> 'released'
                and l.granted_at > governor_now() - interval '1 hour') as last_hour,
            (select jsonb_agg(jsonb_build_object('scope', cap.scope, 'cap', cap.cap,
                      'used', coalesce(u.settled_micros + u.held_micros, 0)) order by cap.scope)
               from cap left join ledger_totals u on u.day = today.day and u.scope = cap.scope) as caps
       from today cross join budget left join ledger_totals t on t.day = today.day and t.scope = 'all'`,
  );
  const row = rows[0] as Row;
  return {
    day: row.day,
    elapsed: row.elapsed,
    capMicros: row.cap,
    settledMicros: row.settled,
    heldMicros: row.held,
    lastHourMicros: row.last_hour,
    caps: (row.caps ?? []).map((cap: Row) => ({
      scope: cap.scope,
      capMicros: cap.cap,
      usedMicros: cap.used,
    })),
  };
}

/** What a UTC day (`2026-12-01`) has cost, as far as it is settled, in millionths of a dollar. */
export async function settledOn(db: Queryable, day: string): Promise<number> {
  const { rows } = await db.query(
    "select settled_micros as settled from ledger_totals where day = $1::date and scope = 'all'",
    [day],
  );
  return rows[0]?.settled ?? 0;
}

export interface LedgerFilter {
  day: string | undefined;
  state: string | undefined;
  provider: string | undefined;
  executionId: string | undefined;
  taskId: string | undefined;
  fallback: boolean;
  /** Entries older than this one; ids rise with time. */
  before: string | undefined;
  limit: number;
}

/** Entries as their rows stand, newest first. */
export async function listLedger(db: Queryable, filter: LedgerFilter): Promise<Row[]> {
  const { rows } = await db.query(
    `select *, to_char(day, 'YYYY-MM-DD') as utc_day from ledger
      where ($1::date is null or day = $1) and ($2::text is null or state = $2) and ($3::text is null or provider = $3)
        and ($4::uuid is null or execution_id = $4) and (not $5 or fallback is not null)
        and ($6::uuid is null or execution_id in (select execution_id from execution_tasks where task_id = $6))
        and ($7::uuid is null or entry_id < $7)
      order by entry_id desc limit $8`,
    [
      filter.day ?? null,
      filter.state ?? null,
      filter.provider ?? null,
      filter.executionId ?? null,
      filter.fallback,
      filter.taskId ?? null,
      filter.before ?? null,
      filter.limit,
    ],
  );
  return rows;
}

export async function findEntry(db: Queryable, entryId: string): Promise<Row | null> {
  const { rows } = await db.query("select * from ledger where entry_id = $1", [entryId]);
  return rows[0] ?? null;
}

const GROUP_COLUMNS: Record<(typeof LEDGER_GROUPS)[number], string> = {
  provider: "provider",
  model: "model",
  workflow: "workflow_type",
  content_type: "content_type",
  source: "source",
  actor: "actor",
  execution: "execution_id::text",
};

/** What there is to sum: entries, and what archived ones come to (of whose executions only their files know). */
const PARTS = `
  select day, scopes, provider, models[1] as model, workflow_type, content_type, source, actor, execution_id, 1 as calls,
         reserved_micros as reserved, coalesce(cost_micros, 0) as settled,
         case when state = 'held' then reserved_micros else 0 end as held,
         case when state = 'released' then reserved_micros else 0 end as released,
         case when outcome = 'assumed' then cost_micros else 0 end as assumed,
         coalesce(input_tokens, 0) as input_tokens, coalesce(output_tokens, 0) as output_tokens
    from ledger join asked using (day)
  union all
  select a.day, scopes, provider, model, workflow_type, content_type, source, actor, null::uuid, calls,
         reserved, settled, 0, released, assumed, input_tokens, output_tokens
    from ledger_archived a join asked using (day) join archives using (archive_id) where archives.state = 'archived'`;
const SUMS = `${["reserved", "settled", "held", "released", "assumed", "input_tokens", "output_tokens"]
  .map((name) => `coalesce(sum(${name}), 0)::bigint as ${name}`)
  .join(", ")}, coalesce(sum(calls), 0)::int as calls`;

export interface Reconciliation {
  day: string;
  capMicros: number;
  /** Whether the running sums equal those over the entries. */
  agrees: boolean;
  /** Of all groups, also of those that are left out. */
  total: Row;
  groups: Row[];
}

/** A day by groups, at most 500 of them, the dearest first; null: today. */
export async function reconcile(
  db: Queryable,
  day: string | null,
  by: (typeof LEDGER_GROUPS)[number],
): Promise<Reconciliation> {
  const { rows } = await db.query(
    `with asked as (select coalesce($1::date, (orchestrator_now() at time zone 'UTC')::date) as day),
     entry as materialized (${PARTS}),
     part as (select * from (select ${GROUP_COLUMNS[by]} as name, ${SUMS} from entry group by 1) grouped
               order by settled + held desc, name limit 500),
     summed as (select scope, sum(settled)::bigint as settled, sum(held)::bigint as held
                  from entry, unnest(scopes) scope group by scope)
     select to_char(asked.day, 'YYYY-MM-DD') as day,
            (select round((policy->'budget'->>'daily_usd')::numeric * 1000000)::bigint
               from policy_versions order by version desc limit 1) as cap,
            not exists (
              select from summed full join (select t.* from ledger_totals t where t.day = asked.day) t using (scope)
               where coalesce(summed.settled, 0) <> coalesce(t.settled_micros, 0)
                  or coalesce(summed.held, 0) <> coalesce(t.held_micros, 0)) as agrees,
            (select to_jsonb(total) from (select ${SUMS} from entry) total) as total,
            (select coalesce(jsonb_agg(part), '[]') from part) as groups
       from asked`,
    [day],
  );
  const row = rows[0] as Row;
  return { day: row.day, capMicros: row.cap, agrees: row.agrees, total: row.total, groups: row.groups };
}
