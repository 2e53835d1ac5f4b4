/** Reads what there is of what runs out, in one statement, and keeps what work has needed. Judges nothing. */
import type { Policy } from "@master-orchestrator/contract";
import type { MeasureNeed } from "#core/decision.ts";
import { GRACE_MS } from "#core/governor.ts";
import type { WorkflowView } from "#core/snapshot.ts";
import type { MeasuredNeed, MoneySupply, PermitSupply, RunUse, Supplies } from "#core/supplies.ts";
import type { Queryable, Row } from "./database.ts";

/** Lanes whose needs are known, those first that were measured last. */
const MAX_LANES = 500;
/** Runs at work that are looked at one by one. */
const MAX_RUNS = 2_000;
/** Slots of a limit that are looked at, the next to come free first; the others are taken to come free last. */
const MAX_SLOTS = 1_000;
/** The moments at which slots come free are rounded up to this part of their window. */
const PARTS = 21;
const WINDOW_MS = { requests_per_minute: 60_000, requests_per_day: 86_400_000 } as const;

export interface Asked {
  policy: Policy;
  workflows: Readonly<Record<string, WorkflowView>>;
  /** Runs whose use is asked for because they may end now. */
  endingRuns: readonly string[];
}

/**
 * Costs the same at any depth of the queue: ends of indexes, the running sums of the day, and runs at work of lanes that
 * are known to need something.
 */
export async function readSupplies(tx: Queryable, asked: Asked): Promise<Supplies> {
  const pools = poolsOf(asked.policy);
  const caps = capsOf(asked.policy);
  const { rows } = await tx.query("select read_supplies($1, $2, $3, $4, $5, $6, $7, $8, $9) as found", [
    pools.map(({ name }) => name),
    pools.map(({ windowMs }) => windowMs),
    caps.map(({ scope }) => scope),
    workflowsThatSay(asked.workflows),
    asked.endingRuns,
    PARTS,
    MAX_LANES,
    MAX_RUNS,
    MAX_SLOTS,
  ]);
  const { found: row } = rows[0] as Row;
  return {
    permits: pools.map((pool, i) => permitSupply(pool, row.permits[i])),
    paused: row.paused ?? [],
    money: caps.map((cap, i) => ({ ...cap, usedMicros: row.used[i] })),
    needs: (row.needs ?? []) as MeasuredNeed[],
    atWork: runUses(row.at_work ?? [], row.spent ?? []),
  };
}

type Spent = [executionId: string, provider: string, calls: number, micros: number];

/** Brings together what the database, which may not hash here, would be slow to join. */
function runUses(runs: readonly Omit<RunUse, "calls" | "micros">[], spent: readonly Spent[]): RunUse[] {
  const uses = new Map(
    runs.map((run) => [
      run.executionId,
      { ...run, calls: {} as Record<string, number>, micros: {} as Record<string, number> },
    ]),
  );
  for (const [executionId, provider, calls, micros] of spent) {
    const use = uses.get(executionId);
    if (use && calls > 0 && provider !== "") use.calls[provider] = calls;
    if (use && micros > 0) use.micros[provider] = micros;
  }
  return [...uses.values()];
}

type Pool = Pick<PermitSupply, "provider" | "name" | "kind" | "limit" | "windowMs">;

/** Limits on requests of whole providers: which model a run will call, nobody knows before it does. */
function poolsOf({ providers }: Policy): Pool[] {
  return Object.entries(providers).flatMap(([provider, limits]) =>
    (["requests_per_minute", "requests_per_day"] as const).flatMap((kind) => {
      const limit = limits[kind];
      const windowMs = WINDOW_MS[kind] + GRACE_MS;
      return limit === undefined ? [] : [{ provider, name: `${provider}:${kind}`, kind, limit, windowMs }];
    }),
  );
}

/** Slots beyond a limit that was lowered are nobody's; those that a raised one lacks are free. */
function permitSupply(pool: Pool, row: Row): PermitSupply {
  const have = row.have as number;
  let surplus = have - pool.limit;
  const free = Math.max(0, row.free - surplus);
  surplus = Math.max(0, surplus - row.free);
  const freeing: { inMs: number; permits: number }[] = [];
  const unseen: [number, number][] = have > row.seen ? [[pool.windowMs, have - row.seen]] : [];
  for (const [inMs, slots] of [...((row.freeing ?? []) as [number, number][]), ...unseen]) {
    const permits = Math.max(0, slots - surplus);
    surplus = Math.max(0, surplus - slots);
    if (permits > 0) freeing.push({ inMs, permits });
  }
  return { ...pool, free, freeing, used: Math.max(0, pool.limit - free) };
}

function capsOf({ budget }: Policy): Omit<MoneySupply, "usedMicros">[] {
  const named = (prefix: string, caps: Readonly<Record<string, number | null>>) =>
    Object.entries(caps).flatMap(([name, usd]) =>
      usd === null ? [] : [{ scope: `${prefix}:${name}`, capMicros: Math.round(usd * 1e6) }],
    );
  return [
    { scope: "all", capMicros: Math.round(budget.daily_usd * 1e6) },
    ...named("provider", budget.caps.providers),
    ...named("workflow", budget.caps.workflows),
    ...named("content_type", budget.caps.content_types),
  ];
}

function workflowsThatSay(workflows: Asked["workflows"]): string[] {
  return Object.values(workflows)
    .filter(({ estimates }) => estimates.costMicros !== null || Object.keys(estimates.calls).length > 0)
    .map(({ workflowType }) => workflowType);
}

/** Keeps what lanes have needed, with the runs that ended in this cycle. */
export async function updateNeeds(
  tx: Queryable,
  measured: readonly MeasureNeed[],
  nowMs: number,
): Promise<void> {
  if (measured.length === 0) return;
  await tx.query(
    `insert into lane_needs (workflow_type, content_type, runs, calls, cost_micros, provider_micros, seconds, measured_at)
     select workflow_type, content_type, runs, calls, cost_micros, provider_micros, seconds, $2
       from jsonb_to_recordset($1::jsonb) as n (workflow_type text, content_type text, runs int, calls jsonb,
              cost_micros float8, provider_micros jsonb, seconds float8)
     on conflict (workflow_type, content_type) do update set runs = excluded.runs, calls = excluded.calls,
       cost_micros = excluded.cost_micros, provider_micros = excluded.provider_micros, seconds = excluded.seconds,
       measured_at = excluded.measured_at`,
    [
      JSON.stringify(
        measured.map(({ need }) => ({
          workflow_type: need.workflowType,
          content_type: need.contentType,
          runs: need.runs,
          calls: need.calls,
          cost_micros: need.costMicros,
          provider_micros: need.providerMicros,
          seconds: need.seconds,
        })),
      ),
      new Date(nowMs),
    ],
  );
}
