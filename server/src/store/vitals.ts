/** A few figures about the database itself, for the doctor. Changes nothing. */
import type { Queryable } from "./database.ts";

export interface Vitals {
  /** Such as 150018 for 15.18. */
  serverVersion: number;
  /** The database's wall clock. */
  nowMs: number;
  migrations: number;
  /** Since the last tick; null before the first. */
  tickAgeMs: number | null;
  /** Since the oldest fact that no cycle has folded in; null without any. */
  oldestFactAgeMs: number | null;
  /** Connections to the server now, and how many it allows. */
  connections: number;
  maxConnections: number;
  replicas: number;
  /** What no cycle could stomach, and nobody has put back. */
  setAside: number;
  openRecoveries: number;
}

export async function readVitals(db: Queryable): Promise<Vitals> {
  const { rows } = await db.query(
    `select current_setting('server_version_num')::int as server_version, clock_timestamp() as now,
            (select count(*) from schema_migrations)::int as migrations,
            extract(epoch from orchestrator_now() - (select max(ran_at) from ticks)) * 1000 as tick_age,
            extract(epoch from orchestrator_now() - (select min(at) from facts)) * 1000 as fact_age,
            (select count(*) from pg_stat_activity where backend_type = 'client backend')::int as connections,
            current_setting('max_connections')::int as max_connections,
            (select count(*) from replicas where seen_at > orchestrator_now() - interval '15 seconds')::int as replicas,
            (select count(*) from set_aside where put_back_at is null)::int as set_aside,
            (select count(*) from recoveries where closed_at is null)::int as open_recoveries`,
  );
  const row = rows[0] ?? {};
  return {
    serverVersion: row.server_version,
    nowMs: row.now,
    migrations: row.migrations,
    tickAgeMs: row.tick_age,
    oldestFactAgeMs: row.fact_age,
    connections: row.connections,
    maxConnections: row.max_connections,
    replicas: row.replicas,
    setAside: row.set_aside,
    openRecoveries: row.open_recoveries,
  };
}
