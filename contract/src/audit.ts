/** Who did what, on the wire. */
import { z } from "zod";
import { isRange, Json, NextCursor, PageQuery, Timestamp, Uuid } from "./primitives.ts";

export const AuditLogEntry = z
  .object({
    audit_id: Uuid,
    at: Timestamp,
    actor: z.string().meta({ example: "Ada (k3w9…)" }),
    key_id: z.string(),
    role: z.string(),
    action: z.string().meta({ example: "POST /api/v1/orchestrator/pause" }),
    path: z.string(),
    target: z.string().nullable().meta({ description: "What it was about, by its name or id" }),
    status: z.int().meta({ description: "How it was answered: 2xx done, 403 not allowed, 409 in conflict" }),
    request: Json.nullable().meta({ description: "The body, without secrets; cut where it is long" }),
    before: Json.nullable(),
    after: Json.nullable(),
    request_id: z.string(),
  })
  .meta({ id: "AuditLogEntry" });
export type AuditLogEntry = z.infer<typeof AuditLogEntry>;

export const AuditLogQuery = PageQuery.extend({
  key_id: z.string().max(64).optional(),
  target: z.string().max(200).optional(),
  text: z
    .string()
    .max(200)
    .optional()
    .meta({ description: "Found in who, what, target, body, before or after; in any case" }),
  from: Timestamp.optional(),
  to: Timestamp.optional(),
}).refine(...isRange);

export const AuditLog = z
  .object({ entries: z.array(AuditLogEntry), next_cursor: NextCursor })
  .meta({ id: "AuditLog" });
