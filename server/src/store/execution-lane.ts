/** Reads to which lane a run belongs. Changes nothing. */
import type { Queryable } from "./database.ts";

/** `workflow/content type`; null for a run that is not known, or of no lane. */
export async function laneOfExecution(db: Queryable, executionId: string): Promise<string | null> {
  const { rows } = await db.query(
    "select workflow_type || '/' || content_type as lane from workflow_orchestration where execution_id = $1",
    [executionId],
  );
  return rows[0]?.lane ?? null;
}
