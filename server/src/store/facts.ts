/** Records what outsiders report. Inserts only: what a fact means is decided by the next cycle. */
import { createHash } from "node:crypto";
import type { Callback } from "@master-orchestrator/contract";
import { canonicalJson } from "#core/canonical.ts";
import type { Queryable } from "./database.ts";

const LIVE = "('DISPATCHING', 'MONITORING', 'ERROR_RECOVERY')";

export interface DeliveryOutcome {
  executionId: string;
  attempt: number;
  delivery: number;
  outcome: "accepted" | "refused" | "snoozed" | "unknown";
  retryAfterMs: number | null;
  message: string;
}

/** Records how deliveries ended, many at once. */
export async function recordDeliveries(db: Queryable, outcomes: readonly DeliveryOutcome[]): Promise<void> {
  if (outcomes.length === 0) return;
  await db.query(
    `insert into facts (kind, execution_id, attempt, data)
     select 'delivery', f.execution_id, f.attempt, f.data
       from jsonb_to_recordset($1::jsonb) as f (execution_id uuid, attempt int, data jsonb)`,
    [
      JSON.stringify(
        outcomes.map(({ executionId, attempt, ...data }) => ({ execution_id: executionId, attempt, data })),
      ),
    ],
  );
}

export type CallbackVerdict =
  | { verdict: "taken" | "duplicate" | "stale" | "unknown_execution" }
  | { verdict: "ahead"; attempt: number }
  | { verdict: "foreign_tasks"; taskIds: string[] };

/**
 * Records a callback, once per attempt. The key share lock on the execution waits for a cycle that may
 * be replacing the attempt or cancelling the execution, and for no other, so a callback that is
 * answered "taken" is folded in, never dropped.
 */
export async function recordCallback(
  db: Queryable,
  executionId: string,
  callback: Callback,
): Promise<CallbackVerdict> {
  const digest = createHash("sha256")
    .update(canonicalJson({ ...callback, execution_id: executionId }))
    .digest();
  const named = (callback.items ?? []).map((item) => item.task_id);
  // A second try sees what a concurrent twin of this callback has just committed.
  for (let attempt = 1; ; attempt++) {
    const { rows } = await db.query(
      `with execution as (
         select status, attempts from workflow_orchestration where execution_id = $1 for key share),
       foreigner as (
         select array_agg(named) as ids from unnest($5::uuid[]) named
          where not exists (select from attempts a
                             where a.execution_id = $1 and a.attempt = $2 and named = any(a.task_ids))),
       first as (
         insert into callbacks (execution_id, attempt, digest)
         select $1, $2, $3 from execution, foreigner
          where execution.attempts = $2 and execution.status in ${LIVE} and foreigner.ids is null
         on conflict do nothing returning attempt),
       fact as (
         insert into facts (kind, execution_id, attempt, data)
         select 'callback', $1, first.attempt, jsonb_build_object('callback', $4::jsonb) from first)
       select execution.status, execution.attempts, foreigner.ids as foreigners,
              exists (select from first) as taken,
              (select digest from callbacks where execution_id = $1 and attempt = $2) as known
         from execution, foreigner`,
      [executionId, callback.attempt, digest, JSON.stringify(callback), named],
    );
    const row = rows[0];
    if (!row) return { verdict: "unknown_execution" };
    if (row.taken) return { verdict: "taken" };
    if (row.known) return { verdict: digest.equals(row.known) ? "duplicate" : "stale" };
    if (callback.attempt > row.attempts) return { verdict: "ahead", attempt: row.attempts };
    const live = !["COMPLETED", "FAILED", "CANCELLED"].includes(row.status);
    if (callback.attempt < row.attempts || !live) return { verdict: "stale" };
    if (row.foreigners) return { verdict: "foreign_tasks", taskIds: row.foreigners };
    if (attempt === 2) return { verdict: "stale" };
  }
}

export type AttemptVerdict = "recorded" | "stale" | "unknown_execution";

/** What an attempt may still do: `stale` once a newer one was dispatched or the execution has ended. */
async function attemptVerdict(db: Queryable, executionId: string, attempt: number): Promise<AttemptVerdict> {
  const { rows } = await db.query(
    `select attempts = $2 and status in ${LIVE} as current from workflow_orchestration where execution_id = $1`,
    [executionId, attempt],
  );
  if (!rows[0]) return "unknown_execution";
  return rows[0].current ? "recorded" : "stale";
}

/** Claims an attempt. Returns the claimant that counts: the first one. */
export async function recordClaim(
  db: Queryable,
  executionId: string,
  attempt: number,
  claimant: string,
): Promise<{ verdict: AttemptVerdict; claimant: string }> {
  const verdict = await attemptVerdict(db, executionId, attempt);
  if (verdict !== "recorded") return { verdict, claimant };
  const { rows } = await db.query(
    `with first as (
       insert into claims (execution_id, attempt, claimant) values ($1, $2, $3)
       on conflict (execution_id, attempt) do update set claimant = claims.claimant
       returning claimant, xmax = 0 as inserted),
     fact as (
       insert into facts (kind, execution_id, attempt) select 'claim', $1, $2 from first where inserted)
     select claimant from first`,
    [executionId, attempt, claimant],
  );
  return { verdict, claimant: rows[0]?.claimant };
}

export interface Heartbeat {
  progress: number | null;
  message: string | null;
  nextWithinMs: number | null;
}

/** Records a sign of life; returns the attempt's deadline (epoch ms) with the verdict. */
export async function recordHeartbeat(
  db: Queryable,
  executionId: string,
  attempt: number,
  heartbeat: Heartbeat,
): Promise<{ verdict: AttemptVerdict; deadlineAtMs: number | null }> {
  const { rows } = await db.query(
    `with live as (
       select a.deadline_at from workflow_orchestration e
         join attempts a on a.execution_id = e.execution_id and a.attempt = e.attempts
        where e.execution_id = $1 and e.attempts = $2 and e.status in ${LIVE}),
     fact as (
       insert into facts (kind, execution_id, attempt, data) select 'heartbeat', $1, $2, $3 from live)
     select deadline_at from live`,
    [executionId, attempt, JSON.stringify(heartbeat)],
  );
  if (rows[0]) return { verdict: "recorded", deadlineAtMs: rows[0].deadline_at };
  const verdict = await attemptVerdict(db, executionId, attempt);
  return { verdict: verdict === "recorded" ? "stale" : verdict, deadlineAtMs: null };
}

/** Asks for an execution to be cancelled. False if there is no such execution. */
export async function recordCancelExecution(
  db: Queryable,
  executionId: string,
  actor: string,
): Promise<boolean> {
  const { rowCount } = await db.query(
    `insert into facts (kind, execution_id, data)
     select 'cancel_execution', execution_id, jsonb_build_object('actor', $2::text)
       from workflow_orchestration where execution_id = $1`,
    [executionId, actor],
  );
  return rowCount === 1;
}

/** Asks for something to be done to tasks; returns how many of them exist. */
export async function recordTaskRequest(
  db: Queryable,
  kind: "cancel_task" | "set_priority" | "redrive",
  taskIds: readonly string[],
  data: { actor: string; priority?: number },
): Promise<number> {
  const { rowCount } = await db.query(
    `insert into facts (kind, task_id, data)
     select $1, task_id, $3 from tasks where task_id = any($2::uuid[])`,
    [kind, taskIds, JSON.stringify(data)],
  );
  return rowCount ?? 0;
}
