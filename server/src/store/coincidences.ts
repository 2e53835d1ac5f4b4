/** Owns what happened in the house over some days, as an investigation asks for it: changes by people, recoveries, failures, deployments. */
import type { Queryable } from "./database.ts";

export interface Coincidence {
  at: string;
  kind: "policy" | "workflow" | "orchestrator" | "recovery" | "failures" | "deployment";
  subject: string;
  what: string;
}

/** From the day `from` until before the day `to`, oldest first, at most `limit`; the newest are kept. */
export async function coincidences(
  db: Queryable,
  { from, to, limit }: { from: string; to: string; limit: number },
): Promise<Coincidence[]> {
  const { rows } = await db.query(
    `with span as (select $1::date::timestamp at time zone 'UTC' as from_at, $2::date::timestamp at time zone 'UTC' as to_at),
     happened as (
       (select at, entity as kind, entity_id as subject,
               concat_ws(': ', concat_ws(' → ', from_state, to_state), nullif(reason, '')) as what
          from transitions, span
         where entity in ('policy', 'workflow', 'orchestrator') and at >= from_at and at < to_at
         order by at desc limit $3)
       union all
       (select opened_at, 'recovery', subject, procedure || ': ' || cause from recoveries, span
         where opened_at >= from_at and opened_at < to_at order by opened_at desc limit $3)
       union all
       (select at, 'failures', workflow_type, sum(dead_lettered) || ' of ' || sum(completed + dead_lettered) ||
               ' tasks of that day were dead-lettered' from roll_ups, span
         where step = 'day' and at >= from_at and at < to_at group by at, workflow_type
        having sum(dead_lettered) > 0 order by at desc limit $3)
       union all
       (select started_at, 'deployment', replica_id, 'a replica was started' from replicas, span
         where started_at >= from_at and started_at < to_at order by started_at desc limit $3)
       union all
       (select max(applied_at), 'deployment', 'schema', 'migrations up to ' || max(name) || ' were run'
          from schema_migrations, span where applied_at >= from_at and applied_at < to_at
        having count(*) > 0))
     select at, kind, subject, what from (select * from happened order by at desc limit $3) newest order by at`,
    [from, to, limit],
  );
  return rows.map((row) => ({
    at: new Date(row.at).toISOString(),
    kind: row.kind,
    subject: row.subject,
    what: row.what,
  }));
}
