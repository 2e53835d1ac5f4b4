/** The orchestrator over HTTP: its state, pause and resume, an extra cycle, past cycles. */
import {
  Cycle,
  CycleList,
  CycleListQuery,
  Orchestrator,
  Problem,
  TickAnswer,
  Uuid,
} from "@master-orchestrator/contract";
import { z } from "zod";
import { cycleById, listCycles } from "#store/cycles.ts";
import type { Database } from "#store/database.ts";
import { type OrchestratorView, orchestratorView, setPaused } from "#store/orchestrator.ts";
import { pagesOf } from "../cursor.ts";
import { cycleSummary, time } from "../present.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";

export interface OrchestratorStatusContext {
  db: Database;
  version: string;
  nextTickMs(): number;
}

export interface OrchestratorRoutesContext extends OrchestratorStatusContext {
  wake(): void;
  runNow(): Promise<{ cycleId: string }>;
}

export function orchestratorRoutes(context: OrchestratorRoutesContext): Route[] {
  return [stateRoute(context), ...switchRoutes(context), ...cycleRoutes(context)];
}

function stateRoute(context: OrchestratorRoutesContext): Route {
  return defineRoute({
    method: "GET",
    path: "/api/v1/orchestrator",
    summary: "How the orchestrator stands",
    tag: "Orchestrator",
    access: "viewer",
    answers: { 200: Orchestrator },
    handle: async () => ({ status: 200, body: await showOrchestrator(context) }),
  });
}

/** How it stands, as `GET /api/v1/orchestrator` answers. */
export async function showOrchestrator({
  db,
  version,
  nextTickMs,
}: OrchestratorStatusContext): Promise<z.infer<typeof Orchestrator>> {
  const view = await orchestratorView(db);
  return {
    state: stateOf(view),
    paused: view.paused,
    paused_by: view.pausedBy,
    replicas: view.replicas.map((replica) => ({
      replica_id: replica.replicaId,
      started_at: time(replica.startedAtMs),
      seen_at: time(replica.seenAtMs),
      rss_mb: replica.rssMb,
      event_loop_delay_ms: replica.eventLoopDelayMs,
      connections: replica.connections && {
        open: replica.connections.open,
        in_use: replica.connections.inUse,
        waiting: replica.connections.waiting,
      },
    })),
    recoveries: view.recoveries.map(({ recoveryId, ...recovery }) => ({
      recovery_id: recoveryId,
      ...recovery,
    })),
    last_tick: view.lastTick && {
      boundary: time(view.lastTick.boundaryMs),
      ran_at: time(view.lastTick.ranAtMs),
      drift_ms: view.lastTick.driftMs,
    },
    next_tick: time(nextTickMs()),
    running: view.running,
    waiting: view.waiting,
    version,
  };
}

/** Of all that runs, the state that asks for most attention. Cycles are over in milliseconds. */
function stateOf(view: OrchestratorView) {
  if (view.recovering > 0 || view.recoveries.length > 0) return "ERROR_RECOVERY";
  return view.running > 0 ? "MONITORING" : "IDLE";
}

function switchRoutes(context: OrchestratorRoutesContext): Route[] {
  const { db, wake, runNow } = context;
  const pauseRoute = (action: "pause" | "resume", summary: string) =>
    defineRoute({
      method: "POST",
      path: `/api/v1/orchestrator/${action}`,
      summary,
      tag: "Orchestrator",
      access: "operator",
      answers: { 200: Orchestrator },
      async handle({ caller }) {
        await db.transaction((tx) => setPaused(tx, action === "pause", actorOf(caller)));
        wake();
        return { status: 200, body: await showOrchestrator(context) };
      },
    });
  return [
    pauseRoute("pause", "Admit nothing more; what runs goes on"),
    pauseRoute("resume", "Admit again"),
    defineRoute({
      method: "POST",
      path: "/api/v1/orchestrator/tick",
      summary: "Run a cycle now, besides the heartbeat",
      tag: "Orchestrator",
      access: "operator",
      answers: { 200: TickAnswer },
      async handle() {
        const { cycleId } = await runNow();
        const recorded = await cycleById(db, cycleId);
        return { status: 200, body: { cycle_id: recorded ? cycleId : null } };
      },
    }),
  ];
}

function cycleRoutes({ db }: OrchestratorRoutesContext): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/cycles",
      summary: "List cycles that decided something, newest first",
      tag: "Orchestrator",
      access: "viewer",
      query: CycleListQuery,
      answers: { 200: CycleList },
      async handle({ query }) {
        const pages = pagesOf("cycles", query);
        const before = pages.after();
        const rows = await listCycles(db, { trigger: query.trigger, before, limit: query.limit });
        const next_cursor = pages.next(rows, (row) => row.cycleId);
        return { status: 200, body: { cycles: rows.map(cycleSummary), next_cursor } };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/cycles/:cycle_id",
      summary: "Show a cycle: what it saw, what it decided, why the rest waited",
      tag: "Orchestrator",
      access: "viewer",
      params: z.strictObject({ cycle_id: Uuid }),
      answers: { 200: Cycle },
      async handle({ params }) {
        const cycle = await cycleById(db, params.cycle_id);
        if (!cycle) {
          const hint = "List them with GET /api/v1/cycles; wake-ups that changed nothing are not kept.";
          throw new Problem("not_found", `there is no cycle ${params.cycle_id}`, hint);
        }
        const { snapshot, decisions, reasons } = cycle;
        return { status: 200, body: { ...cycleSummary(cycle), snapshot, decisions, reasons } };
      },
    }),
  ];
}
