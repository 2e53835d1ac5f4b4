/** Owns the row of the connection to n8n, and what has to be asked or stopped there. Decides nothing. */
import type { Queryable } from "./database.ts";

/** Makes this replica the one that looks after migrations, for a time. False while another one is. */
export async function holdConnection(db: Queryable, holder: string, forMs: number): Promise<boolean> {
  const { rowCount } = await db.query(
    `update n8n_connection set holder = $1, held_until = orchestrator_now() + $2::float8 * interval '1 millisecond'
      where holder is null or holder = $1 or held_until < orchestrator_now()`,
    [holder, forMs],
  );
  return rowCount === 1;
}

export async function leaveConnection(db: Queryable, holder: string): Promise<void> {
  await db.query("update n8n_connection set holder = null, held_until = null where holder = $1", [holder]);
}

export interface ConnectionRow {
  reachable: boolean | null;
  error: string | null;
  askedAtMs: number | null;
  webhookSecret: string | null;
  credentials: Record<string, string>;
}

export async function readConnection(db: Queryable): Promise<ConnectionRow> {
  const { rows } = await db.query(
    "select reachable, error, asked_at, webhook_secret, credentials from n8n_connection",
  );
  const row = rows[0]!;
  return {
    reachable: row.reachable,
    error: row.error,
    askedAtMs: row.asked_at,
    webhookSecret: row.webhook_secret,
    credentials: row.credentials,
  };
}

/** Notes whether n8n answered; true where that is new. */
export async function noteReachable(db: Queryable, error: string | null): Promise<boolean> {
  const { rows } = await db.query(
    `update n8n_connection c set reachable = $1, error = $2, asked_at = orchestrator_now()
       from (select reachable from n8n_connection) before returning before.reachable is distinct from $1 as changed`,
    [error === null, error],
  );
  return rows[0]?.changed === true;
}

/** The secret by which n8n knows our calls; the first one that was made stays. */
export async function ensureWebhookSecret(db: Queryable, secret: string): Promise<string> {
  const { rows } = await db.query(
    "update n8n_connection set webhook_secret = coalesce(webhook_secret, $1) returning webhook_secret",
    [secret],
  );
  return rows[0]?.webhook_secret;
}

export async function noteCredential(db: Queryable, name: string, id: string): Promise<void> {
  await db.query(
    "update n8n_connection set credentials = credentials || jsonb_build_object($1::text, $2::text)",
    [name, id],
  );
}

export interface ClaimedAttempt {
  workflowType: string;
  executionId: string;
  attempt: number;
  n8nExecutionId: string;
  taskIds: string[];
}

/** Live attempts that a run of n8n has claimed, and of which nothing was heard for a while; the oldest first. */
export async function silentAttempts(
  db: Queryable,
  silentMs: number,
  limit: number,
): Promise<ClaimedAttempt[]> {
  const { rows } = await db.query(
    `select e.workflow_type, c.execution_id, c.attempt, substring(c.claimant from '^n8n run (\\S+)$') as run, a.task_ids
       from workflow_orchestration e
       join claims c on c.execution_id = e.execution_id and c.attempt = e.attempts
       join attempts a on a.execution_id = e.execution_id and a.attempt = e.attempts
      where e.status in ('DISPATCHING', 'MONITORING', 'ERROR_RECOVERY') and c.claimant ~ '^n8n run \\S+$'
        and c.at < orchestrator_now() - $1::float8 * interval '1 millisecond'
        and not exists (select from callbacks k where k.execution_id = c.execution_id and k.attempt = c.attempt)
      order by c.at limit $2`,
    [silentMs, limit],
  );
  return rows.map((row) => ({
    workflowType: row.workflow_type,
    executionId: row.execution_id,
    attempt: row.attempt,
    n8nExecutionId: row.run,
    taskIds: row.task_ids,
  }));
}

/** Cancelled executions of the last hour whose runs in n8n nobody has stopped. */
export async function unstoppedRuns(db: Queryable, limit: number): Promise<ClaimedAttempt[]> {
  const { rows } = await db.query(
    `select e.workflow_type, c.execution_id, c.attempt, substring(c.claimant from '^n8n run (\\S+)$') as run
       from workflow_orchestration e join claims c on c.execution_id = e.execution_id
      where e.status = 'CANCELLED' and e.completed_at > orchestrator_now() - interval '1 hour'
        and c.claimant ~ '^n8n run \\S+$'
        and not exists (select from callbacks k where k.execution_id = c.execution_id and k.attempt = c.attempt)
        and not exists (select from n8n_stops s where s.execution_id = c.execution_id and s.attempt = c.attempt)
      order by e.completed_at limit $1`,
    [limit],
  );
  return rows.map((row) => ({
    workflowType: row.workflow_type,
    executionId: row.execution_id,
    attempt: row.attempt,
    n8nExecutionId: row.run,
    taskIds: [],
  }));
}

export async function noteStopped(db: Queryable, executionId: string, attempt: number): Promise<void> {
  await db.query("insert into n8n_stops (execution_id, attempt) values ($1, $2) on conflict do nothing", [
    executionId,
    attempt,
  ]);
}
