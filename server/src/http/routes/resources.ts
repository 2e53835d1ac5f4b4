/** What there is and how much of it is used, over HTTP: the day's budget, the providers' limits. Changes nothing but pauses. */
import { defaultPolicy, type Policy, Resources } from "@master-orchestrator/contract";
import { z } from "zod";
import { GRACE_MS } from "#core/governor.ts";
import { fleetConnections, type ReplicaLoad } from "#core/health.ts";
import type { Database } from "#store/database.ts";
import { type BudgetState, readBudget } from "#store/ledger-views.ts";
import { orchestratorView } from "#store/orchestrator.ts";
import { type LimitState, type LineState, readLimits, readLine, resumeProvider } from "#store/permits.ts";
import { currentPolicy } from "#store/policies.ts";
import { time, usd } from "../present.ts";
import { defineRoute, type Route } from "../route.ts";

export interface ResourceRoutesContext {
  db: Database;
}

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
        const [budget, limits, line, { replicas }, stored] = await Promise.all([
          readBudget(db),
          readLimits(db, GRACE_MS),
          readLine(db),
          orchestratorView(db),
          currentPolicy(db),
        ]);
        const policy = stored?.policy ?? defaultPolicy();
        const body = {
          budget: showBudget(budget),
          providers: showProviders(limits, line),
          database: showDatabase(replicas, policy),
          memory: showMemory(replicas, policy),
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
  return { limit_mb: policy.memory.max_rss_mb, largest_rss_mb: largest, replicas: replicas.length };
}

function showProviders(limits: readonly LimitState[], { pauses, waiting }: LineState) {
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
