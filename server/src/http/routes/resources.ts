/** What there is and how much of it is used, over HTTP: the day's budget, the providers' limits. Changes nothing but pauses. */
import { type Policy, Resources } from "@master-orchestrator/contract";
import { z } from "zod";
import { expectedOf, openCapacity } from "#core/capacity.ts";
import { GRACE_MS } from "#core/governor.ts";
import { fleetConnections, type ReplicaLoad } from "#core/health.ts";
import { strained } from "#core/pressure.ts";
import type { MeasuredNeed } from "#core/supplies.ts";
import type { Database } from "#store/database.ts";
import { type BudgetState, readBudget } from "#store/ledger-views.ts";
import { orchestratorView } from "#store/orchestrator.ts";
import { type LimitState, type LineState, readLimits, readLine, resumeProvider } from "#store/permits.ts";
import { readPolicy, readWorkflows } from "#store/snapshot.ts";
import { currentAdaptation } from "#store/spending.ts";
import { readSupplies } from "#store/supplies.ts";
import { occupiedBy, readOccupied } from "#store/targets.ts";
import { time, usd } from "../present.ts";
import { defineRoute, type Route } from "../route.ts";

export interface ResourceRoutesContext {
  db: Database;
}

/** Lanes whose needs are shown. */
const MAX_NEEDS = 100;

const ResumeAnswer = z.object({ provider: z.string(), pauses_ended: z.int() }).meta({ id: "ResumeAnswer" });

export function resourceRoutes({ db }: ResourceRoutesContext): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/resources",
      summary: "The day's budget, the providers' limits, connections and memory: how much is used of each",
      tag: "Resources",
      access: ["viewer", "worker"],
      answers: { 200: Resources },
      async handle() {
        const [budget, limits, line, adaptation, seen] = await Promise.all([
          readBudget(db),
          readLimits(db, GRACE_MS),
          readLine(db),
          currentAdaptation(db),
          readSeen(db),
        ]);
        const { policy, supplies, resources } = seen;
        const { replicas } = resources;
        const expected = expectedOf(openCapacity(seen, seen.running));
        const high = strained(seen);
        const body = {
          budget: { ...showBudget(budget), expected_usd: usd(Math.round(expected.micros.get("all") ?? 0)) },
          providers: showProviders(limits, line, expected.calls),
          database: { ...showDatabase(replicas, policy), claimed: expected.connections },
          memory: showMemory(replicas, policy),
          high_load: high && { resource: high.name, share: Math.round(high.share * 1000) / 1000 },
          adaptation: { slowness: adaptation.slowness, reason: adaptation.reason },
          needs: supplies.needs.slice(0, MAX_NEEDS).map(showNeed),
        };
        return { status: 200, body };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/api/v1/resources/providers/:provider/resume",
      summary: "End a provider's pauses now: it is asked again at once",
      tag: "Resources",
      access: "operator",
      params: z.strictObject({ provider: z.string().regex(/^[a-z][a-z0-9_.-]{0,62}$/) }),
      answers: { 200: ResumeAnswer },
      async handle({ params: { provider } }) {
        return { status: 200, body: { provider, pauses_ended: await resumeProvider(db, provider) } };
      },
    }),
  ];
}

/** What the plan's gates would see now, by the same statements. */
async function readSeen(db: Database) {
  const [{ policy }, workflows, occupied, { nowMs, replicas }] = await Promise.all([
    readPolicy(db),
    readWorkflows(db),
    readOccupied(db),
    orchestratorView(db),
  ]);
  const supplies = await readSupplies(db, { policy, workflows, endingRuns: [] });
  const { running } = occupiedBy(occupied);
  return { policy, workflows, running, nowMs, resources: { replicas }, supplies };
}

function showNeed(need: MeasuredNeed) {
  const { workflowType, contentType, runs, calls, costMicros, seconds } = need;
  const shown = {
    runs,
    calls,
    cost_usd: usd(Math.round(costMicros)),
    run_seconds: Math.round(seconds * 10) / 10,
  };
  return { lane: `${workflowType}/${contentType}`, ...shown };
}

function showBudget(budget: BudgetState) {
  const used = budget.settledMicros + budget.heldMicros;
  const restHours = (1 - budget.elapsed) * 24;
  return {
    day: budget.day,
    daily_usd: usd(budget.capMicros),
    settled_usd: usd(budget.settledMicros),
    held_usd: usd(budget.heldMicros),
    left_usd: usd(Math.max(0, budget.capMicros - used)),
    forecast_usd: usd(Math.round(used + budget.lastHourMicros * restHours)),
    caps: budget.caps.map(({ scope, capMicros, usedMicros }) => ({
      scope,
      cap_usd: usd(capMicros),
      used_usd: usd(usedMicros),
    })),
  };
}

function showDatabase(replicas: readonly ReplicaLoad[], policy: Policy) {
  const { inUse, open, waiting } = fleetConnections({ replicas });
  return { limit: policy.database.max_connections, in_use: inUse, open, waiting };
}

function showMemory(replicas: readonly ReplicaLoad[], policy: Policy) {
  const said = replicas.flatMap(({ rssMb }) => (rssMb === null ? [] : [rssMb]));
  const largest = said.length === 0 ? null : Math.max(...said);
  const short = replicas.some(({ memoryPressed }) => memoryPressed === true);
  return { limit_mb: policy.memory.max_rss_mb, largest_rss_mb: largest, replicas: replicas.length, short };
}

function showProviders(
  limits: readonly LimitState[],
  { pauses, waiting }: LineState,
  expected: ReadonlyMap<string, number>,
) {
  const names = [...limits, ...pauses, ...waiting].map(({ provider }) => provider);
  return Object.fromEntries(
    [...new Set(names)].sort().map((name) => {
      const own = limits.filter(({ provider }) => provider === name);
      const minute = own.find(({ kind, model }) => kind === "requests_per_minute" && model === "");
      const shown = {
        limit: minute?.most ?? null,
        used: minute?.used ?? 0,
        next_free_at: minute ? moment(minute.nextFreeAtMs) : null,
        waiting: waiting.find(({ provider }) => provider === name)?.waiting ?? 0,
        expected: expected.get(`${name}:requests_per_minute`) ?? 0,
        pauses: pauses
          .filter(({ provider }) => provider === name)
          .map(({ model, kind, untilMs, message }) => ({
            ...{ model: model || null, kind, message },
            until: time(untilMs),
          })),
        limits: own.map((limit) => ({
          name: limit.pool,
          kind: limit.kind,
          model: limit.model || null,
          limit: limit.most,
          used: limit.used,
          next_free_at: moment(limit.nextFreeAtMs),
        })),
      };
      return [name, shown];
    }),
  );
}

function moment(atMs: number | null): string | null {
  return atMs === null ? null : time(atMs);
}
