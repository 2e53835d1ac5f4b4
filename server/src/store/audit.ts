/** Owns the rows that say who did what. Appends, reads, and drops what is beyond the limit of history; changes none. */
import { v7 as uuidv7 } from "uuid";
import type { Queryable, Row } from "./database.ts";

export interface AuditEntry {
  actor: string;
  keyId: string;
  role: string;
  /** The route: `POST /api/v1/orchestrator/pause`. */
  action: string;
  path: string;
  target: string | null;
  status: number;
  request: unknown;
  before: unknown;
  after: unknown;
  requestId: string;
}

export interface AuditRow extends AuditEntry {
  auditId: string;
  atMs: number;
}

/** With each entry so many that are too old go: more than come, so that none stay. */
const DROPPED_AT_ONCE = 100;

/** Appends an entry, and drops the oldest of those beyond the policy's limit of history. */
export async function insertAudit(db: Queryable, entry: AuditEntry): Promise<void> {
  const asJson = (value: unknown) => (value === undefined || value === null ? null : JSON.stringify(value));
  await db.query(
    `with old as (
       delete from audit where audit_id in (
         select audit_id from audit
          where at < orchestrator_now() - make_interval(days => coalesce((select (policy->'retention'->>'archive_after_days')::int
                       from policy_versions order by version desc limit 1), 30))
          order by audit_id limit ${DROPPED_AT_ONCE}))
     insert into audit (audit_id, at, actor, key_id, role, action, path, target, status, request, before, after, request_id)
     values ($1, orchestrator_now(), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      uuidv7(),
      entry.actor,
      entry.keyId,
      entry.role,
      entry.action,
      entry.path,
      entry.target,
      entry.status,
      asJson(entry.request),
      asJson(entry.before),
      asJson(entry.after),
      entry.requestId,
    ],
  );
}

export interface AuditFilter {
  keyId?: string | undefined;
  target?: string | undefined;
  /** In the actor, the action, the target or the body. */
  text?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  before?: string | undefined;
  limit: number;
}

/** Newest first. */
export async function listAudit(db: Queryable, filter: AuditFilter): Promise<AuditRow[]> {
  const { rows } = await db.query(
    `select * from audit
      where ($1::text is null or key_id = $1) and ($2::text is null or target = $2)
        and ($3::text is null or position(lower($3) in lower(concat_ws(' ', actor, action, path, target, request, before, after))) > 0)
        and ($4::timestamptz is null or at >= $4) and ($5::timestamptz is null or at < $5)
        and ($6::uuid is null or audit_id < $6)
      order by audit_id desc limit $7`,
    [
      filter.keyId ?? null,
      filter.target ?? null,
      filter.text ?? null,
      filter.from ?? null,
      filter.to ?? null,
      filter.before ?? null,
      filter.limit,
    ],
  );
  return rows.map(auditOf);
}

function auditOf(row: Row): AuditRow {
  return {
    auditId: row.audit_id,
    atMs: row.at,
    actor: row.actor,
    keyId: row.key_id,
    role: row.role,
    action: row.action,
    path: row.path,
    target: row.target,
    status: row.status,
    request: row.request,
    before: row.before,
    after: row.after,
    requestId: row.request_id,
  };
}
