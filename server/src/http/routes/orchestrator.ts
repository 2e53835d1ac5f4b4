/** The orchestrator over HTTP: its state, pause and resume, an extra cycle. */
import { Orchestrator, TickAnswer } from "@master-orchestrator/contract";
import type { z } from "zod";
import { cycleById } from "#store/cycles.ts";
import type { Database } from "#store/database.ts";
import { type OrchestratorView, orchestratorView, setPaused } from "#store/orchestrator.ts";
import { time } from "../present.ts";
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
  return [stateRoute(context), ...switchRoutes(context)];
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
      async handle({ caller, remark }) {
        const { paused } = await orchestratorView(db);
        await db.transaction((tx) => setPaused(tx, action === "pause", actorOf(caller)));
        remark({ target: "orchestrator", before: { paused }, after: { paused: action === "pause" } });
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
