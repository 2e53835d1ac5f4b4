/** Looks for decisions: cycles in which something was decided or held, newest first, so many looked at for one page. */
import { type CycleSummaryRow, summaryOf } from "./cycles.ts";
import type { Queryable } from "./database.ts";

/** A page looks through so many cycles at the most, found or not; the next one goes on behind them. */
const LOOKED_AT_ONCE = 5_000;

export interface CycleFilter {
  trigger?: string | undefined;
  fromMs?: number | undefined;
  toMs?: number | undefined;
  /** `workflow_type/content_type`. */
  lane?: string | undefined;
  workflowType?: string | undefined;
  /** A hold's, or a decision's. */
  reason?: string | undefined;
  /** Anywhere in what was decided or held, in any case. */
  text?: string | undefined;
  before?: string | undefined;
  limit: number;
}

export interface FoundCycles {
  cycles: CycleSummaryRow[];
  /** The last cycle that was looked at, where older ones are left; null: all were looked at. */
  reached: { cycleId: string; startedAtMs: number } | null;
}

const SUMMARY = `cycle_id, trigger, boundary, drift_ms, started_at, duration_ms, policy_version, dispatched, held, replica_id`;

export async function findCycles(db: Queryable, filter: CycleFilter): Promise<FoundCycles> {
  const { lane, workflowType, reason, text, limit } = filter;
  const plain = [lane, workflowType, reason, text].every((value) => value === undefined);
  const timed = filter.fromMs !== undefined || filter.toMs !== undefined;
  // Each order has its index: all cycles and ticks by their ids, a range of time by when they began.
  const order = timed ? "started_at desc, cycle_id desc" : "cycle_id desc";
  const { rows } = await db.query(
    `with looked as materialized (
       select ${SUMMARY}, ${plain ? "null::jsonb as decisions, null::jsonb as reasons" : "decisions, reasons"}
         from cycles
        where ($1::text is null or trigger = $1) and ($2::uuid is null or cycle_id < $2)
          ${timed ? RANGE : "and $3::timestamptz is null and $4::timestamptz is null"}
        order by ${order} limit ${plain ? "$5 + 1" : LOOKED_AT_ONCE}),
     found as (
       select ${SUMMARY} from looked where ${plain ? "true" : MATCHES} order by cycle_id desc limit $5),
     last as (select cycle_id, started_at, (select count(*) from looked) as n from looked order by cycle_id limit 1)
     select found.*, last.cycle_id as last_id, last.started_at as last_at, last.n as looked
       from last left join found on true order by found.cycle_id desc`,
    [
      filter.trigger ?? null,
      filter.before ?? null,
      filter.fromMs === undefined ? null : new Date(filter.fromMs),
      filter.toMs === undefined ? null : new Date(filter.toMs),
      limit,
      ...(plain ? [] : [lane ?? null, workflowType ?? null, reason ?? null, text ?? null]),
    ],
  );
  const cycles = rows.filter((row) => row.cycle_id !== null).map(summaryOf);
  const first = rows[0];
  if (!first) return { cycles, reached: null };
  if (plain) return { cycles, reached: first.looked > limit ? placeOf(cycles.at(-1)) : null };
  if (cycles.length === limit) return { cycles, reached: placeOf(cycles.at(-1)) };
  const all = first.looked < LOOKED_AT_ONCE;
  return { cycles, reached: all ? null : { cycleId: first.last_id, startedAtMs: first.last_at } };
}

const RANGE = `
  and started_at >= coalesce($3::timestamptz, '-infinity')
  and started_at < least(coalesce($4::timestamptz, 'infinity'),
                         (select started_at + interval '1 ms' from cycles where cycle_id = $2))`;

const MATCHES = `
  ($9::text is null or position(lower($9) in lower(decisions::text || ' ' || reasons::text)) > 0)
  and (($6::text is null and $7::text is null and $8::text is null) or exists (
    select from jsonb_array_elements(decisions || reasons) one
     where ($6::text is null or one->>'lane' = $6)
       and ($7::text is null or one->>'workflow_type' = $7 or split_part(one->>'lane', '/', 1) = $7)
       and ($8::text is null or one->>'reason' = $8)))`;

function placeOf(cycle: CycleSummaryRow | undefined): FoundCycles["reached"] {
  return cycle ? { cycleId: cycle.cycleId, startedAtMs: cycle.startedAtMs } : null;
}
