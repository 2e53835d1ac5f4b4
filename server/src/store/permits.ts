/** Owns the right to call a provider: permits, the line of those who wait for one, providers' own pauses. Knows no HTTP. */
import type { QuotaPause } from "#core/quota.ts";
import type { Queryable, Row } from "./database.ts";
import { type Settlement, settlementRow } from "./ledger.ts";

/** What one call (or several that are made together) needs, all of it or nothing. */
export interface Ask {
  /** Of its place in the line, and of its ledger row. */
  entryId: string;
  source: "gateway" | "permit";
  provider: string;
  /** The model that is called, and its name in the price table; empty for calls without one. */
  models: readonly string[];
  /** What the caller asked for, and why another was taken. */
  askedModel: string | null;
  fallback: string | null;
  operation: string;
  permits: number;
  /** Worst cases. */
  reservedMicros: number;
  inputTokens: number;
  outputTokens: number;
  priceVersion: string | null;
  /** Whose it is: with an attempt, only while that is the current one of a live execution. */
  executionId: string | null;
  attempt: number | null;
  workflowType: string | null;
  run: string | null;
  actor: string;
  replicaId: string | null;
  /** Takes a place in the line if it cannot be granted now; to be asked again within seconds. */
  wait: boolean;
  /** An outcome that nobody reported in this time is taken for the worst case. */
  deadlineMs: number;
}

export type Verdict =
  | { verdict: "granted"; executionId: string | null; workflowType: string | null }
  /** `limit` e.g. `gemini:requests_per_minute`; `exact`: not earlier, unless limits are raised. */
  | { verdict: "wait"; limit: string; waitMs: number; exact: boolean }
  /** More than the limit would ever let through at once. */
  | { verdict: "never"; limit: string; most: number }
  | { verdict: "over_budget"; scope: string; capMicros: number; usedMicros: number }
  /** The attempt is over. */
  | { verdict: "stale" };

export interface AdmitAnswer {
  /** The governor's time, epoch milliseconds, and how many steps of the clock were taken off it. */
  nowMs: number;
  steps: number;
  policyVersion: number;
  /** Null: nothing was judged, because the policy is another one, or the clock is not where it can be. */
  verdicts: Verdict[] | null;
}

/** What a replica has to say to the governor at one moment. */
export interface Turn {
  settlements: readonly Settlement[];
  asks: readonly Ask[];
}

export interface AdmitContext {
  /** The version of the policy whose prices the reservations were made with. */
  policyVersion: number;
  /** Where the governor's clock can be, if nobody has set it; null: not known. */
  believable: { fromMs: number; toMs: number } | null;
  graceMs: number;
}

/** Settles, then judges calls in their order, permits and money together: one statement, one commit. `ended`: as `settle`. */
export async function takeTurn(
  db: Queryable,
  { settlements, asks }: Turn,
  context: AdmitContext,
): Promise<AdmitAnswer & { ended: string[] }> {
  const { believable } = context;
  const { rows } = await db.query(
    "select governor_turn($1::jsonb, $2::jsonb, $3, $4, $5, $6::float8 * interval '1 millisecond') as answer",
    [
      JSON.stringify(settlements.map(settlementRow)),
      JSON.stringify(asks.map(askRow)),
      context.policyVersion,
      believable && new Date(believable.fromMs),
      believable && new Date(believable.toMs),
      context.graceMs,
    ],
  );
  const { answer } = rows[0] as Row;
  const { now_ms, steps, policy_version, verdicts, ended } = answer;
  return {
    nowMs: now_ms,
    steps,
    policyVersion: policy_version,
    verdicts: verdicts?.map(verdictOf) ?? null,
    ended,
  };
}

function askRow(ask: Ask) {
  return {
    entry_id: ask.entryId,
    source: ask.source,
    provider: ask.provider,
    models: ask.models,
    asked_model: ask.askedModel,
    fallback: ask.fallback,
    operation: ask.operation,
    permits: ask.permits,
    reserved_micros: ask.reservedMicros,
    input_tokens: ask.inputTokens,
    output_tokens: ask.outputTokens,
    price_version: ask.priceVersion,
    execution_id: ask.executionId,
    attempt: ask.attempt,
    workflow_type: ask.workflowType,
    run: ask.run,
    actor: ask.actor,
    replica_id: ask.replicaId,
    wait: ask.wait,
    deadline_ms: ask.deadlineMs,
  };
}

function verdictOf(row: Row): Verdict {
  switch (row.verdict) {
    case "granted":
      return { verdict: "granted", executionId: row.execution_id, workflowType: row.workflow_type };
    case "wait":
      return { verdict: "wait", limit: row.limit, waitMs: row.wait_ms, exact: row.exact };
    case "never":
      return { verdict: "never", limit: row.limit, most: row.most };
    case "over_budget":
      return {
        verdict: "over_budget",
        scope: row.scope,
        capMicros: row.cap_micros,
        usedMicros: row.used_micros,
      };
    default:
      return { verdict: "stale" };
  }
}

/** Gives up places in the line. */
export async function leaveLine(db: Queryable, entryIds: readonly string[]): Promise<void> {
  await db.query("delete from permit_waiters where waiter_id = any($1::uuid[])", [entryIds]);
}

/** The governor's time and how many steps of the clock were taken off it. */
export async function readGovernorClock(db: Queryable): Promise<{ nowMs: number; steps: number }> {
  const { rows } = await db.query(
    "select extract(epoch from orchestrator_now() - behind) * 1000 as now_ms, steps from governor",
  );
  return { nowMs: rows[0]?.now_ms, steps: rows[0]?.steps };
}

/** Takes a step of the clock off the governor's time, unless another replica already took one off after `steps`. */
export async function takeOffStep(db: Queryable, stepMs: number, steps: number): Promise<boolean> {
  const { rowCount } = await db.query(
    `update governor set behind = behind + $1::float8 * interval '1 millisecond', steps = steps + 1
      where steps = $2`,
    [stepMs, steps],
  );
  return rowCount === 1;
}

/** Lets a provider (or one of its models) rest until then. A later pause stands; a graver kind does too. */
export async function pauseProvider(db: Queryable, provider: string, pause: QuotaPause): Promise<void> {
  await db.query(
    `insert into provider_pauses as p (provider, model, kind, until_at, message, set_at)
     values ($1, $2, $3, governor_now() + $4::float8 * interval '1 millisecond', $5, governor_now())
     on conflict (provider, model) do update set kind = excluded.kind, until_at = excluded.until_at,
            message = excluded.message, set_at = excluded.set_at
      where excluded.until_at > p.until_at or p.until_at < governor_now()`,
    [provider, pause.model ?? "", pause.kind, pause.pauseMs, pause.message],
  );
}

/** Ends a provider's pauses, for its models too; returns how many there were. */
export async function resumeProvider(db: Queryable, provider: string): Promise<number> {
  const { rowCount } = await db.query("delete from provider_pauses where provider = $1", [provider]);
  return rowCount ?? 0;
}

export interface LimitState {
  provider: string;
  pool: string;
  kind: string;
  model: string;
  most: number;
  used: number;
  /** Null: now; or never, under a limit of 0. */
  nextFreeAtMs: number | null;
}

/** Every limit of the policy in force: how much of it is used, and when the next permit is free. */
export async function readLimits(db: Queryable, graceMs: number): Promise<LimitState[]> {
  const { rows } = await db.query(
    `with clock as (select governor_now() as now, $1::float8 * interval '1 millisecond' as grace),
     policy as (select policy from policy_versions order by version desc limit 1),
     lim as (
       select p.provider, l.pool, l.kind, l.model, l.most, governor_window(l.kind, clock.grace) as span, clock.now
         from clock, policy, jsonb_object_keys(policy.policy->'providers') as p (provider)
         cross join lateral (
           select '{}'::text[] as models
           union all select array[m] from jsonb_object_keys(
             coalesce(policy.policy->'providers'->p.provider->'models', '{}')) m) named
         cross join lateral governor_limits(policy.policy, p.provider, named.models) l
        where (l.model = '') = (named.models = '{}'))
     select lim.*, coalesce(case
              when lim.kind in ('requests_per_minute', 'requests_per_day') then
                (select count(*) from permit_slots s where s.pool = lim.pool and s.granted_at > lim.now - lim.span)
              when lim.kind = 'concurrency' then
                (select count(*) from ledger l where l.state = 'held' and l.provider = lim.provider
                    and (lim.model = '' or lim.model = any(l.models)))
              else (select sum(t.tokens)
                      from governor_tokens(lim.kind, lim.provider, lim.model, lim.now - lim.span) t)
            end, 0)::bigint as used,
            case when lim.kind in ('requests_per_minute', 'requests_per_day') then
              (select s.granted_at + lim.span from permit_slots s where s.pool = lim.pool and lim.most > 0
                order by s.granted_at desc offset greatest(lim.most - 1, 0) limit 1)
            end as next_free_at
       from lim order by lim.provider, lim.model, lim.kind`,
    [graceMs],
  );
  return rows.map((row) => ({
    provider: row.provider,
    pool: row.pool,
    kind: row.kind,
    model: row.model,
    most: row.most,
    used: row.used,
    nextFreeAtMs: row.next_free_at > row.now ? row.next_free_at : null,
  }));
}

export interface LineState {
  pauses: { provider: string; model: string; kind: string; untilMs: number; message: string }[];
  waiting: { provider: string; waiting: number }[];
}

/** Who waits, and which providers rest. */
export async function readLine(db: Queryable): Promise<LineState> {
  const [pauses, waiting] = await Promise.all([
    db.query("select * from provider_pauses where until_at > governor_now() order by provider, model"),
    db.query(
      "select provider, count(*)::int as waiting from permit_waiters where expires_at > governor_now() group by provider",
    ),
  ]);
  return {
    pauses: pauses.rows.map((row) => ({
      provider: row.provider,
      model: row.model,
      kind: row.kind,
      untilMs: row.until_at,
      message: row.message,
    })),
    waiting: waiting.rows.map((row) => ({ provider: row.provider, waiting: row.waiting })),
  };
}
