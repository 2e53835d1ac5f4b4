/** Who did what over HTTP: a list to filter. Writes no entry: the server does, for every route alike. */
import { AuditLog, type AuditLogEntry, AuditLogQuery } from "@master-orchestrator/contract";
import { type AuditRow, listAudit } from "#store/audit.ts";
import type { Database } from "#store/database.ts";
import { pagesOf } from "../cursor.ts";
import { time } from "../present.ts";
import { defineRoute, type Route } from "../route.ts";

export function auditRoutes({ db }: { db: Database }): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/audit",
      summary: "Who did what: changes that people and keys asked for, newest first",
      description:
        "Log-ins, and every call that is not a GET, by a key that is no worker's: done (2xx), not allowed (403) or in conflict (409). " +
        "What programs send in numbers (tasks, permits, usage, locks) names its sender in its own rows.",
      tag: "Audit",
      access: "operator",
      query: AuditLogQuery,
      answers: { 200: AuditLog },
      async handle({ query }) {
        const pages = pagesOf("audit", query);
        const { key_id: keyId, limit, target, text, from, to } = query;
        const rows = await listAudit(db, { keyId, target, text, from, to, before: pages.after(), limit });
        const next_cursor = pages.next(rows, (row) => row.auditId);
        return { status: 200, body: { entries: rows.map(shown), next_cursor } };
      },
    }),
  ];
}

function shown(row: AuditRow): AuditLogEntry {
  return {
    audit_id: row.auditId,
    at: time(row.atMs),
    actor: row.actor,
    key_id: row.keyId,
    role: row.role,
    action: row.action,
    path: row.path,
    target: row.target,
    status: row.status,
    request: row.request as AuditLogEntry["request"],
    before: row.before as AuditLogEntry["before"],
    after: row.after as AuditLogEntry["after"],
    request_id: row.requestId,
  };
}
