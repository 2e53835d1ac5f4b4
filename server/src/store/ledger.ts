/** Owns the ledger: what calls cost, in all and each. Every change of it moves the day's sums in the same statement. */
import { v7 as uuidv7 } from "uuid";
import type { Queryable } from "./database.ts";

/** How a reservation ends. */
export interface Settlement {
  entryId: string;
  /** `released`: the provider certainly never got the call. */
  state: "settled" | "released";
  /** `assumed`: nobody knows, so the worst case; a better report may still correct it. */
  outcome: "metered" | "not_billed" | "assumed" | "reported" | "never_sent";
  /** Null with `assumed` (what was reserved) and `released`. */
  costMicros: number | null;
  inputTokens: number | null;
  cachedInputTokens: number | null;
  outputTokens: number | null;
  thinkingTokens: number | null;
  httpStatus: number | null;
}

/** Moves the sums by what `changed` (day, scopes, settled, held) says, in one order, so that no two settlements deadlock. */
const MOVE_TOTALS = `
  insert into ledger_totals as t (day, scope, settled_micros, held_micros)
  select day, scope, sum(settled)::bigint, sum(held)::bigint from changed, unnest(scopes) scope
   where settled <> 0 or held <> 0 group by day, scope order by day, scope
  on conflict (day, scope) do update set settled_micros = t.settled_micros + excluded.settled_micros,
         held_micros = t.held_micros + excluded.held_micros`;

/** Ends reservations: each once, but what was assumed may be corrected. Returns the ids that it ended. */
export async function settle(db: Queryable, settlements: readonly Settlement[]): Promise<string[]> {
  const { rows } = await db.query("select entry_id from governor_settle($1::jsonb)", [
    JSON.stringify(settlements.map(settlementRow)),
  ]);
  return rows.map((row) => row.entry_id);
}

export function settlementRow(settlement: Settlement) {
  return {
    entry_id: settlement.entryId,
    state: settlement.state,
    outcome: settlement.outcome,
    cost_micros: settlement.costMicros,
    input_tokens: settlement.inputTokens,
    cached_input_tokens: settlement.cachedInputTokens,
    output_tokens: settlement.outputTokens,
    thinking_tokens: settlement.thinkingTokens,
    http_status: settlement.httpStatus,
  };
}

/** What the gateway has metered for an attempt; what is still held counts by its worst case until it is settled. */
const METERED = `coalesce((select sum(case when g.state = 'held' then g.reserved_micros else g.cost_micros end)
   from ledger g where g.execution_id = a.execution_id and g.attempt = a.attempt and g.source <> 'callback'
    and g.state <> 'released'), 0)`;

export interface CallbackCost {
  executionId: string;
  attempt: number;
  /** What the callback reported in all. */
  costMicros: number;
}

/**
 * Charges what attempts reported beyond what the gateway metered for them: one row each, the first report counts.
 * In the transaction of the cycle that folds the callback in.
 */
export async function chargeCallbacks(tx: Queryable, costs: readonly CallbackCost[]): Promise<void> {
  const reported = costs.filter(({ costMicros }) => costMicros > 0);
  if (reported.length === 0) return;
  await holdSums(tx, reported);
  await tx.query(
    `with a as (
       select r.entry_id, r.execution_id, r.attempt, r.cost_micros, e.workflow_type, e.content_type
         from jsonb_to_recordset($1::jsonb) as r (entry_id uuid, execution_id uuid, attempt int, cost_micros bigint)
         join workflow_orchestration e using (execution_id)),
     ended as (
       insert into ledger (entry_id, source, state, outcome, day, scopes, workflow_type, content_type, execution_id,
                           attempt, actor, permits, reserved_micros, cost_micros, reported_micros, granted_at,
                           deadline_at, settled_at)
       select a.entry_id, 'callback', 'settled', 'reported', (orchestrator_now() at time zone 'UTC')::date,
              array_remove(array['all', 'content_type:' || a.content_type, 'workflow:' || a.workflow_type], null),
              a.workflow_type, a.content_type, a.execution_id, a.attempt, 'callback', 0, 0,
              greatest(0, a.cost_micros - ${METERED}), a.cost_micros, clock.now, clock.now, clock.now
         from a, (select governor_now() as now) clock
       on conflict (execution_id, attempt) where source = 'callback' do nothing
       returning day, scopes, cost_micros as settled, 0::bigint as held),
     changed as (select * from ended)
     ${MOVE_TOTALS}`,
    [
      JSON.stringify(
        reported.map(({ executionId, attempt, costMicros }) => ({
          entry_id: uuidv7(),
          execution_id: executionId,
          attempt,
          cost_micros: costMicros,
        })),
      ),
    ],
  );
}

/**
 * Holds the sums of the days to which these attempts' calls belong, and today's: no call is settled between the look at
 * what was metered and the charge of the rest.
 */
async function holdSums(tx: Queryable, costs: readonly CallbackCost[]): Promise<void> {
  await tx.query(
    `select from ledger_totals where scope = 'all' and day in (
            select (orchestrator_now() at time zone 'UTC')::date
            union select day from ledger where (execution_id, attempt) in (
                  select * from unnest($1::uuid[], $2::int[])))
      order by day for update`,
    [costs.map(({ executionId }) => executionId), costs.map(({ attempt }) => attempt)],
  );
}

/** How many reservations one sweep ends. */
const MAX_SWEPT = 500;

/**
 * Ends, at their worst case, reservations whose outcome nobody will report: their time is over, or their replica was
 * not seen for `goneAfterMs`. Returns their ids; a full list means that there may be more.
 */
export async function settleOverdue(db: Queryable, goneAfterMs: number): Promise<string[]> {
  const { rows } = await db.query(
    `select l.entry_id from ledger l
      where l.state = 'held' and (l.deadline_at < governor_now()
         or (l.source = 'gateway' and l.replica_id is not null
             and l.granted_at < governor_now() - $1::float8 * interval '1 millisecond'
             and not exists (select from replicas r where r.replica_id = l.replica_id
                                and r.seen_at > orchestrator_now() - $1::float8 * interval '1 millisecond')))
      order by l.entry_id limit $2`,
    [goneAfterMs, MAX_SWEPT],
  );
  if (rows.length === 0) return [];
  return await settle(
    db,
    rows.map((row) => ({ ...UNKNOWN, entryId: row.entry_id })),
  );
}

/** The settlement of what nobody knows. */
export const UNKNOWN: Omit<Settlement, "entryId"> = {
  state: "settled",
  outcome: "assumed",
  costMicros: null,
  inputTokens: null,
  cachedInputTokens: null,
  outputTokens: null,
  thinkingTokens: null,
  httpStatus: null,
};

export interface Report {
  /** The same key again is charged once; null: every report is one of its own. */
  reportKey: string | null;
  provider: string | null;
  models: readonly string[];
  executionId: string | null;
  attempt: number | null;
  workflowType: string | null;
  run: string | null;
  actor: string;
  costMicros: number;
  inputTokens: number | null;
  cachedInputTokens: number | null;
  outputTokens: number | null;
  priceVersion: string | null;
}

/** Charges calls that were made without a permit of ours; `duplicate`: that report was charged before, as it says. */
export async function recordUsage(
  db: Queryable,
  report: Report,
): Promise<{ entryId: string; costMicros: number; duplicate: boolean }> {
  const entryId = uuidv7();
  const { rows } = await db.query(
    `with given as (
       select coalesce(e.workflow_type, $6) as workflow_type, e.content_type, e.execution_id,
              case when e.execution_id is not null then coalesce($5::int, e.attempts) end as attempt
         from (select) one left join workflow_orchestration e on e.execution_id = $4),
     ended as (
       insert into ledger (entry_id, source, state, outcome, day, scopes, provider, models, asked_model, workflow_type,
                           content_type, execution_id, attempt, run, actor, permits, reserved_micros, cost_micros,
                           input_tokens, cached_input_tokens, output_tokens, price_version, report_key, granted_at,
                           deadline_at, settled_at)
       select $1, 'usage', 'settled', 'reported', (orchestrator_now() at time zone 'UTC')::date,
              array_remove(array['all', 'content_type:' || content_type, 'provider:' || $2::text,
                                 'workflow:' || workflow_type], null),
              $2, $3::text[], ($3::text[])[1], workflow_type, content_type, execution_id, attempt,
              $7, $8, 0, 0, $9, $10, $11, $12, $13, $14, clock.now, clock.now, clock.now
         from given, (select governor_now() as now) clock
       on conflict (report_key) where report_key is not null do nothing
       returning entry_id, day, scopes, cost_micros as settled, 0::bigint as held),
     changed as (select * from ended),
     moved as (${MOVE_TOTALS})
     select entry_id from ended`,
    [
      entryId,
      report.provider,
      report.models,
      report.executionId,
      report.attempt,
      report.workflowType,
      report.run,
      report.actor,
      report.costMicros,
      report.inputTokens,
      report.cachedInputTokens,
      report.outputTokens,
      report.priceVersion,
      report.reportKey,
    ],
  );
  if (rows.length === 1) return { entryId, costMicros: report.costMicros, duplicate: false };
  const known = await db.query("select entry_id, cost_micros from ledger where report_key = $1", [
    report.reportKey,
  ]);
  return { entryId: known.rows[0]?.entry_id, costMicros: known.rows[0]?.cost_micros, duplicate: true };
}
