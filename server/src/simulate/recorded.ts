/** Owns arrivals that somebody wrote down, one to a line of NDJSON. Never reads a file. */
import { ContentType, Priority, Timestamp, Usd, validate, WorkflowType } from "@master-orchestrator/contract";
import { z } from "zod";
import type { Arrival } from "./workload.ts";

export const ArrivalRecord = z.strictObject({
  at: Timestamp,
  workflow_type: WorkflowType,
  content_type: ContentType.default("default"),
  priority: Priority.default(50),
  duration_seconds: z.number().positive().max(86_400),
  /** How many of its first tries fail; true for all of them. */
  fails: z.union([z.boolean(), z.int().min(0).max(1000)]).default(0),
  cost_usd: Usd.default(0),
});

/** The arrival that a line's value stands for. Throws a Problem that names each wrong field. */
export function recordedArrival(value: unknown): Arrival {
  const record = validate(ArrivalRecord, value);
  return {
    atMs: Date.parse(record.at),
    workflowType: record.workflow_type,
    contentType: record.content_type,
    priority: record.priority,
    isTopic: true,
    durationMs: Math.max(1, Math.round(record.duration_seconds * 1000)),
    failures: record.fails === true ? Number.POSITIVE_INFINITY : Number(record.fails),
    costMicros: Math.round(record.cost_usd * 1e6),
  };
}
