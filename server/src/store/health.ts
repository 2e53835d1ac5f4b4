/** Reads how the system does, in one statement, and counts how attempts end. Judges nothing. */
import type { Policy } from "@master-orchestrator/contract";
import type { CountOutcomes } from "#core/decision.ts";
import type { Health, Outcomes, ReplicaLoad, Resources } from "#core/health.ts";
import type { Recovery, Snapshot } from "#core/snapshot.ts";
import type { Queryable, Row } from "./database.ts";

/** Outcomes are counted in slices of this length; what lies in one slice with a breaker's closing is left out. */
const SLICE_MS = 15_000;
const SLICES_KEPT_MS = 2 * 3_600_000;
/** A replica that was not seen for this long is gone. */
const REPLICA_GONE_AFTER_MS = 15_000;

const HOUR_MS = 3_600_000;
/** Work is slow if it takes longer lately than in the day before. */
const WORK_LATELY_MS = 15 * 60_000;
const WORK_USUAL_MS = 25 * HOUR_MS;

/** The tick that the cycle runs; null for a wake-up. */
export type RunningTick = { boundaryMs: number; intervalMs: number } | null;

export type HealthPart = Pick<Snapshot, "health" | "resources" | "recoveries" | "reducedUntilMs">;

/** Costs the same at any throughput: every part is an index's end or a small table. */
export async function readHealth(
  tx: Queryable,
  { nowMs, policy, tick }: { nowMs: number; policy: Policy; tick: RunningTick },
): Promise<HealthPart> {
  const windowFrom = new Date(nowMs - policy.recovery.window_minutes * 60_000);
  const { rows } = await tx.query(
    `with closed as (
       select procedure, subject, max(closed_at) as at from recoveries where closed_at > $1 group by 1, 2)
     select
       (select jsonb_object_agg(workflow_type, jsonb_build_object('ended', ended, 'failedEndpoint', failed_endpoint,
                 'failedTask', failed_task, 'failuresInRow', failures_in_row))
          from (select c.workflow_type, sum(ended)::int as ended, sum(failed_endpoint)::int as failed_endpoint,
                       sum(failed_task)::int as failed_task,
                       (array_agg(failures_in_row order by slice_at desc))[1] as failures_in_row
                  from attempt_counts c
                  left join closed on closed.procedure = 'trip_breaker' and closed.subject = c.workflow_type
                 where slice_at > $1 and (closed.at is null or slice_at >= closed.at)
                 group by c.workflow_type) counted) as outcomes,
       (select jsonb_agg(to_jsonb(r)) from (
          select recovery_id, procedure, subject, state, cause, entry_rule, exit_rule, data,
                 extract(epoch from opened_at) * 1000 as opened_ms, extract(epoch from since_at) * 1000 as since_ms,
                 extract(epoch from next_at) * 1000 as next_ms
            from recoveries where closed_at is null order by opened_at, recovery_id) r) as recoveries,
       (select at from closed where procedure = 'reduce') as reduced_until,
       (select jsonb_build_object('count', count(*), 'p95Ms',
                 coalesce(percentile_cont(0.95) within group (order by duration_ms), 0))
          from (select duration_ms from cycles where started_at > $1 order by cycle_id desc limit 100) lately) as cycles,
       (select count(*) from failed_cycles where at > $1 and fault = 'store')::int as failed_cycles,
       (select jsonb_agg(jsonb_build_object('replicaId', replica_id, 'rssMb', rss_mb, 'memoryPressed', memory_pressed,
                 'eventLoopDelayMs', event_loop_delay_ms, 'connections', connections) order by replica_id)
          from replicas where seen_at > $2) as replicas,
       (select max(boundary) from ticks where boundary < $3) as tick_before,
       (select jsonb_build_object('rule', rule, 'words', words) from alerts
         where state = 'firing' and rule = any ($4) order by alert_id limit 1) as uptime_alert,
       (select jsonb_build_object('lately', coalesce(sum_counts(work_buckets) filter (where step = 'minute'), '{}'),
                 'usually', coalesce(sum_counts(work_buckets) filter (where step = 'hour'), '{}'))
          from roll_ups where $3::timestamptz is not null and cardinality(work_buckets) > 0
           and ((step = 'minute' and at >= $5) or (step = 'hour' and at >= $6 and at < $7))) as work`,
    [
      ...[
        windowFrom,
        new Date(nowMs - REPLICA_GONE_AFTER_MS),
        tick === null ? null : new Date(tick.boundaryMs),
      ],
      uptimeRules(policy),
      ...[WORK_LATELY_MS, WORK_USUAL_MS, HOUR_MS].map((ms) => new Date(nowMs - ms)),
    ],
  );
  const row = rows[0] ?? {};
  return {
    health: {
      outcomes: (row.outcomes ?? {}) as Record<string, Outcomes>,
      missedTicks: missedTicks(tick, row.tick_before),
      cycles: row.cycles as Health["cycles"],
      failedCycles: row.failed_cycles,
      uptimeAlert: row.uptime_alert ?? null,
      work: tick === null ? null : (row.work as Health["work"]),
    },
    resources: { replicas: (row.replicas ?? []) as ReplicaLoad[] } satisfies Resources,
    recoveries: (row.recoveries ?? []).map(recoveryOf),
    reducedUntilMs: row.reduced_until,
  };
}

/** Those whose firing means that the heartbeat misses its target. */
function uptimeRules({ alerts }: Policy): string[] {
  return Object.entries(alerts.rules).flatMap(([name, rule]) => {
    const onUptime =
      rule.kind === "burn_rate"
        ? rule.objective === "uptime"
        : rule.kind === "threshold" && rule.metric === "uptime_share";
    return rule.enabled && onUptime ? [name] : [];
  });
}

/** Boundaries between two ticks, by the interval as it is now. */
function missedTicks(tick: RunningTick, beforeMs: number | null): number {
  if (tick === null || beforeMs === null) return 0;
  return Math.max(0, Math.round((tick.boundaryMs - beforeMs) / tick.intervalMs) - 1);
}

function recoveryOf(row: Row): Recovery {
  return {
    recoveryId: row.recovery_id,
    procedure: row.procedure,
    subject: row.subject,
    state: row.state,
    cause: row.cause,
    entryRule: row.entry_rule,
    exitRule: row.exit_rule,
    numbers: row.data.numbers ?? {},
    openedAtMs: row.opened_ms,
    sinceMs: row.since_ms,
    nextAtMs: row.next_ms,
    reopened: row.data.reopened ?? 0,
    probe: row.data.probe ?? null,
  };
}

/** Adds what ended in this cycle to its slice of time; forgets slices that nobody asks for any more. */
export async function addOutcomes(
  tx: Queryable,
  counted: readonly CountOutcomes[],
  nowMs: number,
): Promise<void> {
  if (counted.length === 0) return;
  const sliceMs = Math.floor(nowMs / SLICE_MS) * SLICE_MS;
  await tx.query(
    `with gone as (delete from attempt_counts where slice_at < $3)
     insert into attempt_counts as c (slice_at, workflow_type, ended, failed_endpoint, failed_task, failures_in_row)
     select $2, workflow_type, ended, failed_endpoint, failed_task, failures_in_row
       from jsonb_to_recordset($1::jsonb) as n (workflow_type text, ended int, failed_endpoint int, failed_task int,
              failures_in_row int)
     on conflict (slice_at, workflow_type) do update set ended = c.ended + excluded.ended,
       failed_endpoint = c.failed_endpoint + excluded.failed_endpoint,
       failed_task = c.failed_task + excluded.failed_task, failures_in_row = excluded.failures_in_row`,
    [
      JSON.stringify(
        counted.map((count) => ({
          workflow_type: count.workflowType,
          ended: count.ended,
          failed_endpoint: count.failedEndpoint,
          failed_task: count.failedTask,
          failures_in_row: count.failuresInRow,
        })),
      ),
      new Date(sliceMs),
      new Date(nowMs - SLICES_KEPT_MS),
    ],
  );
}
