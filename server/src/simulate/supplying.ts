/**
 * Permits, money and needs of a simulated world, as `store/supplies.ts` reads them and the gateway keeps them: a rolling
 * window for each limit on requests, and a day's ceiling that no call passes. Plans nothing.
 */
import type { Policy } from "@master-orchestrator/contract";
import { isWorking } from "#core/folding.ts";
import { GRACE_MS } from "#core/governor.ts";
import type { Run } from "#core/snapshot.ts";
import type { MeasuredNeed, MoneySupply, PermitSupply, RunUse, Supplies } from "#core/supplies.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** What a run has called and cost so far. */
interface Use {
  startedMs: number;
  calls: Record<string, number>;
  micros: Record<string, number>;
}

export interface Supplying {
  /** Moments of the grants that still count, the oldest first, by the limit's name. */
  readonly grants: Map<string, number[]>;
  readonly uses: Map<string, Use>;
  readonly needs: Map<string, MeasuredNeed>;
  /** Calls that the day's ceiling refused. */
  refused: number;
}

/** What is needed of a world to keep it. */
export interface SupplyPlace {
  readonly supplying: Supplying;
  readonly nowMs: number;
  readonly policy: Policy;
  readonly runs: ReadonlyMap<string, Run>;
  /** By the UTC day. */
  readonly spentMicros: Map<number, number>;
}

export function fullSupplies(): Supplying {
  return { grants: new Map(), uses: new Map(), needs: new Map(), refused: 0 };
}

export function suppliesIn(place: SupplyPlace): Supplies {
  const { supplying, nowMs } = place;
  return {
    permits: limitsOf(place.policy).map((limit) => supplyOf(limit, grantsOf(limit, place), nowMs)),
    paused: [],
    money: [moneyIn(place)],
    needs: [...supplying.needs.values()],
    atWork: [...supplying.uses].flatMap(([executionId, use]): RunUse[] => {
      const run = place.runs.get(executionId);
      if (!run || !isWorking(run)) return [];
      const { workflowType, contentType } = run;
      const tasks = run.taskCount;
      const { calls, micros } = use;
      return [{ executionId, workflowType, contentType, tasks, ageMs: nowMs - use.startedMs, calls, micros }];
    }),
  };
}

type Limit = Pick<PermitSupply, "provider" | "name" | "kind" | "limit" | "windowMs">;

function limitsOf({ providers }: Policy): Limit[] {
  return Object.entries(providers).flatMap(([provider, limits]) => {
    const limit = limits.requests_per_minute;
    const kind = "requests_per_minute" as const;
    const windowMs = MINUTE_MS + GRACE_MS;
    return limit === undefined ? [] : [{ provider, name: `${provider}:${kind}`, kind, limit, windowMs }];
  });
}

function grantsOf({ name, windowMs }: Limit, { supplying, nowMs }: SupplyPlace): number[] {
  const grants = supplying.grants.get(name) ?? [];
  while ((grants[0] ?? nowMs) <= nowMs - windowMs) grants.shift();
  supplying.grants.set(name, grants);
  return grants;
}

function supplyOf(limit: Limit, grants: readonly number[], nowMs: number): PermitSupply {
  const freeing = grants.map((atMs) => ({ inMs: atMs + limit.windowMs - nowMs, permits: 1 }));
  return { ...limit, used: grants.length, free: limit.limit - grants.length, freeing };
}

function moneyIn({ policy, spentMicros, nowMs }: SupplyPlace): MoneySupply {
  const usedMicros = spentMicros.get(Math.floor(nowMs / DAY_MS)) ?? 0;
  return { scope: "all", capMicros: Math.round(policy.budget.daily_usd * 1e6), usedMicros };
}

/** One run sets to work: whatever it uses from now on is its own. */
export function beginUse({ supplying, nowMs }: SupplyPlace, executionId: string): void {
  supplying.uses.set(executionId, { startedMs: nowMs, calls: {}, micros: {} });
}

/** It has ended; returns what was charged for its calls, so that its callback does not charge them again. */
export function endUse({ supplying }: SupplyPlace, executionId: string): number {
  const metered = Object.values(supplying.uses.get(executionId)?.micros ?? {});
  supplying.uses.delete(executionId);
  return metered.reduce((sum, one) => sum + one, 0);
}

/** A call at this moment; else the moment at which the next permit is free, or that the day has no money left. */
export function call(
  place: SupplyPlace,
  { executionId, provider, costMicros }: { executionId: string; provider: string; costMicros: number },
): { granted: true } | { freeAtMs: number } | { refused: true } {
  const limit = limitsOf(place.policy).find((one) => one.provider === provider);
  const grants = limit && grantsOf(limit, place);
  if (limit && grants && grants.length >= limit.limit)
    return { freeAtMs: (grants[0] as number) + limit.windowMs };
  const { capMicros, usedMicros } = moneyIn(place);
  if (usedMicros + costMicros > capMicros) {
    place.supplying.refused += 1;
    return { refused: true };
  }
  grants?.push(place.nowMs);
  const day = Math.floor(place.nowMs / DAY_MS);
  place.spentMicros.set(day, (place.spentMicros.get(day) ?? 0) + costMicros);
  const use = place.supplying.uses.get(executionId);
  if (use) {
    use.calls[provider] = (use.calls[provider] ?? 0) + 1;
    use.micros[provider] = (use.micros[provider] ?? 0) + costMicros;
  }
  return { granted: true };
}
