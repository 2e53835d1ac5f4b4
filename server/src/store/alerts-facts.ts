/** Reads what alerts are judged by: how everything stands, and what ended lately. Bounded work; changes and judges nothing. */
import type { Policy, StateMetric } from "@master-orchestrator/contract";
import type { Counts, Facts, Needs, Series } from "#core/alerts-facts.ts";
import { GRACE_MS } from "#core/governor.ts";
import { fleetConnections, type ReplicaLoad } from "#core/health.ts";
import type { Queryable, Row } from "./database.ts";
import { type LaneGauge, readLaneGauges, readSystemGauges, type SystemGauges } from "./gauges.ts";
import { readBudget } from "./ledger-views.ts";
import { readLimits } from "./permits.ts";

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;
/** Longer windows are summed up from hours: their edges matter less than the work. */
const MINUTES_SUMMED_BY_MINUTE = 360;
/** A tick that has just become due may still be running. */
const TICK_GRACE_MS = 10_000;
/** Moments in a row that no cycle has looked at for so long are overdue. */
const OVERDUE = "60 seconds";

export interface FactsContext {
  policy: Policy;
  nowMs: number;
  tickIntervalMs: number;
}

/** Everything that is needed, of one moment. */
export async function readAlertFacts(tx: Queryable, needs: Needs, context: FactsContext): Promise<Facts> {
  const { nowMs, tickIntervalMs } = context;
  const counting = await readCounting(tx);
  const { countedUntilMs } = counting;
  const [lanes, system, rest, windows, ticks, hours, workflows] = await Promise.all([
    readLaneGauges(tx),
    readSystemGauges(tx),
    readRest(tx, needs, context),
    countedUntilMs === null ? new Map() : readWindows(tx, needs.windows, countedUntilMs),
    readTicks(tx, needs.ticks, { nowMs, tickIntervalMs }),
    readHours(tx, needs.weeks, counting),
    tx.query("select workflow_type from workflows order by workflow_type limit 500"),
  ]);
  return {
    nowMs,
    paused: system.paused,
    states: { ...laneStates(lanes), ...systemStates(system, nowMs), ...rest },
    countedUntilMs,
    windows,
    ticks,
    hours,
    workflows: workflows.rows.map((row) => row.workflow_type),
    waitingSeconds: longestWaits(lanes),
  };
}

type States = Partial<Record<StateMetric, readonly Series[]>>;

const single = (value: number): Series[] => [{ labels: {}, value }];

function laneStates(lanes: readonly LaneGauge[]): States {
  const of = (value: (lane: LaneGauge) => number): Series[] =>
    lanes.map((lane) => {
      return {
        labels: { workflow_type: lane.workflowType, content_type: lane.contentType },
        value: value(lane),
      };
    });
  return {
    queue_depth: single(lanes.reduce((sum, lane) => sum + lane.depth, 0)),
    lane_depth: of((lane) => lane.depth),
    oldest_waiting_seconds: of((lane) => lane.oldestAgeSeconds),
  };
}

function longestWaits(lanes: readonly LaneGauge[]): Map<string, number> {
  const waits = new Map<string, number>();
  for (const { workflowType, oldestAgeSeconds } of lanes) {
    waits.set(workflowType, Math.max(waits.get(workflowType) ?? 0, oldestAgeSeconds));
  }
  return waits;
}

function systemStates(system: SystemGauges, nowMs: number): States {
  const tick = system.lastTick;
  const breakers = system.recoveries.filter(({ procedure }) => /^trip_/.test(procedure));
  const named = (of: SystemGauges["recoveries"]): Series[] =>
    of.map(({ procedure, subject }) => ({ labels: { procedure, subject }, value: 1 }));
  return {
    paused: single(Number(system.paused)),
    set_aside: single(system.setAside),
    dead_letters: single(system.deadLetters),
    breaker_open: named(breakers),
    recovery_open: named(system.recoveries),
    ...(tick ? { seconds_since_tick: single(Math.max(0, nowMs - tick.boundaryMs) / 1000) } : {}),
  };
}

/** What only some rules need, and has to be asked for. */
async function readRest(tx: Queryable, { states }: Needs, { policy }: FactsContext): Promise<States> {
  const [budget, limits, runs, fleet, channels] = await Promise.all([
    states.has("budget_used_share") ? readBudget(tx) : null,
    states.has("limit_used_share") ? readLimits(tx, GRACE_MS) : null,
    readRuns(tx),
    readFleetLoad(tx),
    tx.query("select name, failures_in_row from alert_channels where enabled order by name limit 100"),
  ]);
  return {
    ...(budget && { budget_used_share: budgetShares(budget) }),
    ...(limits && {
      limit_used_share: limits
        .filter(({ most }) => most > 0)
        .map(({ pool, used, most }) => ({ labels: { limit: pool }, value: used / most })),
    }),
    ...runs,
    memory_used_share: fleet
      .filter(({ rssMb }) => rssMb !== null && policy.memory.max_rss_mb > 0)
      .map((one) => ({
        labels: { replica: one.replicaId },
        value: (one.rssMb as number) / policy.memory.max_rss_mb,
      })),
    connections_used_share: single(
      fleetConnections({ replicas: fleet }).inUse / policy.database.max_connections,
    ),
    channel_failures: channels.rows.map((row) => {
      return { labels: { channel: row.name }, value: row.failures_in_row };
    }),
  };
}

function budgetShares({
  capMicros,
  settledMicros,
  heldMicros,
  caps,
}: Awaited<ReturnType<typeof readBudget>>): Series[] {
  const all = { scope: "all", capMicros, usedMicros: settledMicros + heldMicros };
  return [all, ...caps].map(({ scope, capMicros: cap, usedMicros: used }) => {
    // Of a budget of nothing, nothing at all is spent; anything is too much.
    return { labels: { scope }, value: cap > 0 ? used / cap : used > 0 ? 1 : 0 };
  });
}

async function readRuns(tx: Queryable): Promise<States> {
  const { rows } = await tx.query(
    `select (select count(*) from workflow_orchestration
              where status in ('DISPATCHING', 'MONITORING') and workflow_type <> 'master_orchestrator'
                and due_at < orchestrator_now() - interval '${OVERDUE}')::int as stuck,
            (select jsonb_object_agg(workflow_type, age) from (
               select workflow_type, extract(epoch from orchestrator_now() - min(created_at)) as age
                 from workflow_orchestration
                where status in ('DISPATCHING', 'MONITORING', 'ERROR_RECOVERY')
                  and workflow_type <> 'master_orchestrator' group by 1) r) as ages`,
  );
  return {
    stuck_executions: single(rows[0]?.stuck),
    longest_execution_seconds: Object.entries((rows[0]?.ages ?? {}) as Record<string, number>).map(
      ([workflowType, value]) => ({ labels: { workflow_type: workflowType }, value }),
    ),
  };
}

async function readFleetLoad(tx: Queryable): Promise<ReplicaLoad[]> {
  const { rows } = await tx.query(
    `select replica_id, rss_mb, event_loop_delay_ms, connections from replicas
      where seen_at > orchestrator_now() - interval '15 seconds' order by replica_id limit 100`,
  );
  return rows.map((row) => ({
    replicaId: row.replica_id,
    rssMb: row.rss_mb,
    eventLoopDelayMs: row.event_loop_delay_ms,
    connections: row.connections,
  }));
}

interface Counting {
  countedUntilMs: number | null;
  sinceMs: number | null;
}

async function readCounting(tx: Queryable): Promise<Counting> {
  const { rows } = await tx.query(
    `select rolled_until, (select at from roll_ups where step = 'hour' order by at limit 1) as since
       from roll_up_progress`,
  );
  return { countedUntilMs: rows[0]?.rolled_until ?? null, sinceMs: rows[0]?.since ?? null };
}

const SUMS = `sum(completed)::bigint as completed, sum(dead_lettered)::bigint as dead_lettered,
  sum(attempts_ended)::bigint as attempts_ended, sum(attempts_failed)::bigint as attempts_failed,
  sum(cost_micros)::bigint as cost_micros, sum_counts(wait_buckets) as wait_buckets,
  sum_counts(work_buckets) as work_buckets, sum_counts(total_buckets) as total_buckets`;

export function countsOf(row: Row): Counts {
  return {
    workflowType: row.workflow_type,
    completed: row.completed,
    deadLettered: row.dead_lettered,
    attemptsEnded: row.attempts_ended,
    attemptsFailed: row.attempts_failed,
    costMicros: row.cost_micros,
    waitBuckets: row.wait_buckets.map(Number),
    workBuckets: row.work_buckets.map(Number),
    totalBuckets: row.total_buckets.map(Number),
  };
}

async function readWindows(
  tx: Queryable,
  windows: readonly number[],
  untilMs: number,
): Promise<Map<number, Counts[]>> {
  const steps = windows.map((minutes) => (minutes <= MINUTES_SUMMED_BY_MINUTE ? "minute" : "hour"));
  const { rows } = await tx.query(
    `select w.minutes, r.workflow_type, ${SUMS}
       from unnest($1::float8[], $2::text[]) as w (minutes, step)
       join roll_ups r on r.step = w.step and r.at < $3
        and r.at >= date_trunc(w.step, $3::timestamptz - w.minutes * interval '1 minute', 'UTC')
      group by 1, 2`,
    [windows, steps, new Date(untilMs)],
  );
  const read = new Map<number, Counts[]>(windows.map((minutes) => [minutes, []]));
  for (const row of rows) read.get(row.minutes)?.push(countsOf(row));
  return read;
}

/** What ended between two moments, by workflow. */
export async function readCounts(
  tx: Queryable,
  step: "minute" | "hour",
  fromMs: number,
  toMs: number,
): Promise<Counts[]> {
  const { rows } = await tx.query(
    `select workflow_type, ${SUMS} from roll_ups where step = $1 and at >= $2 and at < $3 group by 1`,
    [step, new Date(fromMs), new Date(toMs)],
  );
  return rows.map(countsOf);
}

async function readHours(
  tx: Queryable,
  weeks: number,
  { countedUntilMs, sinceMs }: Counting,
): Promise<(Counts[] | null)[]> {
  if (weeks === 0 || countedUntilMs === null || sinceMs === null) return [];
  const lastFull = Math.floor(countedUntilMs / HOUR_MS) * HOUR_MS - HOUR_MS;
  const hours = Array.from({ length: weeks + 1 }, (_, week) => lastFull - week * WEEK_MS);
  const { rows } = await tx.query(
    `select at, workflow_type, ${SUMS} from roll_ups where step = 'hour' and at = any ($1::timestamptz[]) group by 1, 2`,
    [hours.map((at) => new Date(at))],
  );
  return hours.map((at) => (at < sinceMs ? null : rows.filter((row) => row.at === at).map(countsOf)));
}

/** Boundaries since the first tick that is known; a tick a whole interval late was missed. */
export async function readTicks(
  tx: Queryable,
  windows: readonly number[],
  { nowMs, tickIntervalMs }: { nowMs: number; tickIntervalMs: number },
): Promise<Map<number, { expected: number; ran: number }>> {
  if (windows.length === 0) return new Map();
  const { rows } = await tx.query(
    `with first as (select boundary from ticks order by boundary limit 1)
     select w.minutes, first.boundary as first, (
              select count(*) from ticks t where t.boundary > $2::timestamptz - w.minutes * interval '1 minute'
                 and t.boundary <= $2 and t.drift_ms < $3)::int as ran
       from unnest($1::float8[]) as w (minutes) cross join first`,
    [windows, new Date(nowMs - TICK_GRACE_MS), tickIntervalMs],
  );
  const until = Math.floor((nowMs - TICK_GRACE_MS) / tickIntervalMs);
  return new Map(
    rows.map((row) => {
      const fromMs = Math.max(row.first - 1, nowMs - TICK_GRACE_MS - row.minutes * 60_000);
      return [
        row.minutes,
        { expected: Math.max(0, until - Math.floor(fromMs / tickIntervalMs)), ran: row.ran },
      ];
    }),
  );
}
