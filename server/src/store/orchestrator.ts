/** The orchestrator's own row, its replicas, and its pause switch. */
import { randomBytes } from "node:crypto";
import type { Policy } from "@master-orchestrator/contract";
import type { ReplicaLoad } from "#core/health.ts";
import type { Queryable } from "./database.ts";
import { policyOf } from "./policies.ts";
import { insertTransitions } from "./transitions.ts";

/** Creates the one row if this is the first start; returns the secret that execution tokens are derived from. */
export async function ensureOrchestrator(
  db: Queryable,
): Promise<{ tokenSecret: Buffer; firstStart: boolean }> {
  const created = await db.query(
    "insert into orchestrator (token_secret) values ($1) on conflict do nothing returning only_row",
    [randomBytes(32)],
  );
  const { rows } = await db.query("select token_secret from orchestrator");
  return { tokenSecret: rows[0]?.token_secret, firstStart: created.rowCount === 1 };
}

/** Says that this replica is here, and how it does; forgets those that were not seen for a day. */
export async function seeReplica(
  db: Queryable,
  replicaId: string,
  load: Omit<ReplicaLoad, "replicaId"> = { rssMb: null, eventLoopDelayMs: null, connections: null },
): Promise<void> {
  await db.query(
    `with gone as (delete from replicas where seen_at < orchestrator_now() - interval '24 hours')
     insert into replicas (replica_id, started_at, seen_at, rss_mb, event_loop_delay_ms, connections, memory_pressed)
     values ($1, orchestrator_now(), orchestrator_now(), $2, $3, $4, $5)
     on conflict (replica_id) do update set seen_at = orchestrator_now(), rss_mb = excluded.rss_mb,
       event_loop_delay_ms = excluded.event_loop_delay_ms, connections = excluded.connections,
       memory_pressed = excluded.memory_pressed`,
    [
      replicaId,
      load.rssMb,
      load.eventLoopDelayMs,
      load.connections === null ? null : JSON.stringify(load.connections),
      load.memoryPressed ?? false,
    ],
  );
}

/** How many replicas there are, and the policy that they share. */
export async function readFleet(db: Queryable): Promise<{ replicas: number; policy: Policy }> {
  const { rows } = await db.query(
    `select (select count(*) from replicas where seen_at > orchestrator_now() - interval '15 seconds')::int as replicas,
            (select policy::text from policy_versions order by version desc limit 1) as policy`,
  );
  return { replicas: rows[0]?.replicas, policy: policyOf(rows[0]?.policy) };
}

export async function forgetReplica(db: Queryable, replicaId: string): Promise<void> {
  await db.query("delete from replicas where replica_id = $1", [replicaId]);
}

export async function isPaused(db: Queryable): Promise<boolean> {
  const { rows } = await db.query("select paused from orchestrator");
  return rows[0]?.paused === true;
}

/** Pauses or resumes all admission; what runs goes on. Returns the database's time. */
export async function setPaused(tx: Queryable, paused: boolean, actor: string): Promise<void> {
  const { rows } = await tx.query(
    `update orchestrator set paused = $1, paused_by = case when $1 then $2 end,
            paused_at = case when $1 then orchestrator_now() end
      where paused <> $1 returning orchestrator_now() as now`,
    [paused, actor],
  );
  if (!rows[0]) return;
  const to = paused ? "paused" : "resumed";
  const from = paused ? "resumed" : "paused";
  const reason = `${to} by request`;
  await insertTransitions(
    tx,
    [{ entity: "orchestrator", entityId: "orchestrator", from, to, reason, actor }],
    rows[0].now,
    null,
  );
}

export interface OrchestratorView {
  nowMs: number;
  paused: boolean;
  pausedBy: string | null;
  replicas: (ReplicaLoad & { startedAtMs: number; seenAtMs: number })[];
  /** Those that are open, at most 100. */
  recoveries: { recoveryId: string; procedure: string; subject: string; state: string }[];
  lastTick: { boundaryMs: number; ranAtMs: number; driftMs: number } | null;
  running: number;
  recovering: number;
  waiting: number;
}

/** How the orchestrator stands; `waiting` is counted up to 10,000. */
export async function orchestratorView(db: Queryable): Promise<OrchestratorView> {
  const { rows } = await db.query(
    `select orchestrator_now() as now, o.paused, o.paused_by,
            (select count(*) from workflow_orchestration where status in ('DISPATCHING', 'MONITORING')
                and workflow_type <> 'master_orchestrator')::int as running,
            (select count(*) from workflow_orchestration where status = 'ERROR_RECOVERY')::int as recovering,
            (select count(*) from (select 1 from tasks where status = 'queued' limit 10000) w)::int as waiting
       from orchestrator o`,
  );
  const replicas = await db.query(
    `select replica_id, started_at, seen_at, rss_mb, memory_pressed, event_loop_delay_ms, connections from replicas
      where seen_at > orchestrator_now() - interval '15 seconds' order by started_at limit 100`,
  );
  const tick = await db.query("select boundary, ran_at, drift_ms from ticks order by boundary desc limit 1");
  const open = await db.query(
    "select recovery_id, procedure, subject, state from recoveries where closed_at is null order by recovery_id limit 100",
  );
  const row = rows[0] ?? {};
  const last = tick.rows[0];
  return {
    nowMs: row.now,
    paused: row.paused,
    pausedBy: row.paused_by,
    replicas: replicas.rows.map((r) => ({
      replicaId: r.replica_id,
      startedAtMs: r.started_at,
      seenAtMs: r.seen_at,
      rssMb: r.rss_mb,
      memoryPressed: r.memory_pressed,
      eventLoopDelayMs: r.event_loop_delay_ms,
      connections: r.connections,
    })),
    recoveries: open.rows.map((r) => ({
      recoveryId: r.recovery_id,
      procedure: r.procedure,
      subject: r.subject,
      state: r.state,
    })),
    lastTick: last ? { boundaryMs: last.boundary, ranAtMs: last.ran_at, driftMs: last.drift_ms } : null,
    running: row.running,
    recovering: row.recovering,
    waiting: row.waiting,
  };
}

/** The database's time, which counts; in epoch milliseconds. */
export async function databaseNowMs(db: Queryable): Promise<number> {
  const { rows } = await db.query("select orchestrator_now() as now");
  return rows[0]?.now;
}
