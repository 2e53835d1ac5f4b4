/** Records what outsiders report. Inserts only: what a fact means is decided by the next cycle. */
import { hash } from "node:crypto";
import type { Callback } from "@master-orchestrator/contract";
import { canonicalJson } from "#core/canonical.ts";
import type { Queryable, Row } from "./database.ts";
import { rowset } from "./rowset.ts";

const LIVE = "('DISPATCHING', 'MONITORING', 'ERROR_RECOVERY')";

export interface DeliveryOutcome {
  executionId: string;
  attempt: number;
  delivery: number;
  outcome: "accepted" | "refused" | "snoozed" | "unknown";
  retryAfterMs: number | null;
  message: string;
  /** Of an unknown one; false: it certainly was not received. */
  maybeReceived?: boolean;
  /** Until there was an answer; null without one. */
  tookMs?: number | null;
}

const OUTCOMES = rowset({ execution_id: "uuid", attempt: "int", data: "jsonb" });

/** Records how deliveries ended, many at once. */
export async function recordDeliveries(db: Queryable, outcomes: readonly DeliveryOutcome[]): Promise<void> {
  if (outcomes.length === 0) return;
  await db.query(
    `insert into facts (kind, execution_id, attempt, data)
     select 'delivery', f.execution_id, f.attempt, f.data
       from ${OUTCOMES.from("$1", "f")}`,
    [
      OUTCOMES.json(
        outcomes.map(({ executionId, attempt, ...data }) => ({ execution_id: executionId, attempt, data })),
      ),
    ],
  );
}

export type CallbackVerdict =
  | { verdict: "taken" | "duplicate" | "stale" | "unknown_execution" }
  | { verdict: "ahead"; attempt: number }
  | { verdict: "foreign_tasks"; taskIds: string[] };

export interface CallbackReport {
  executionId: string;
  callback: Callback;
}

/** Records one callback; see `recordCallbacks`. */
export async function recordCallback(
  db: Queryable,
  executionId: string,
  callback: Callback,
): Promise<CallbackVerdict> {
  const [verdict] = await recordCallbacks(db, [{ executionId, callback }]);
  return verdict as CallbackVerdict;
}

const REPORTS = rowset({
  position: "int",
  execution_id: "uuid",
  attempt: "int",
  digest: "text",
  callback: "jsonb",
  named: "uuid[]",
});

/**
 * Records callbacks, each once per attempt; no two of one attempt in one call. The key share lock on
 * the executions waits for a cycle that may be replacing an attempt or cancelling an execution, and
 * for no other, so a callback that is answered "taken" is folded in, never dropped.
 */
export async function recordCallbacks(
  db: Queryable,
  reports: readonly CallbackReport[],
): Promise<CallbackVerdict[]> {
  const digests = reports.map(digestOf);
  const { rows } = await db.query(
    `with report as materialized (select * from ${REPORTS.from("$1", "r")}),
     execution as (
       select execution_id, status in ${LIVE} as live, attempts from workflow_orchestration
        where execution_id in (select execution_id from report) order by execution_id for key share),
     checked as (
       select report.*, execution.live, execution.attempts,
              (select array_agg(named) from unnest(report.named) named
                where not exists (select from attempts a where a.execution_id = report.execution_id
                                     and a.attempt = report.attempt and named = any(a.task_ids))) as foreigners
         from report join execution using (execution_id)),
     first as (
       insert into callbacks (execution_id, attempt, digest)
       select execution_id, attempt, decode(digest, 'hex') from checked
        where live and attempt = attempts and foreigners is null
       on conflict do nothing returning execution_id, attempt),
     fact as (
       insert into facts (kind, execution_id, attempt, data)
       select 'callback', execution_id, attempt, jsonb_build_object('callback', callback)
         from checked join first using (execution_id, attempt))
     select checked.position, checked.live, checked.attempts, checked.foreigners,
            first.execution_id is not null as taken,
            (select digest from callbacks known where known.execution_id = checked.execution_id
                and known.attempt = checked.attempt) as known
       from checked left join first using (execution_id, attempt)`,
    [REPORTS.json(reports.map((report, i) => reportRow(report, i, digests[i] as Buffer)))],
  );
  const found = new Map(rows.map((row) => [row.position, row]));
  return await Promise.all(
    reports.map(async (report, i) => {
      const verdict = verdictOn(report, digests[i] as Buffer, found.get(i));
      // A twin was being written at the same moment: now it is there to be compared with.
      return verdict ?? verdictAfterTwin(db, report, digests[i] as Buffer);
    }),
  );
}

function digestOf({ executionId, callback }: CallbackReport): Buffer {
  return hash("sha256", canonicalJson({ ...callback, execution_id: executionId }), "buffer");
}

function reportRow({ executionId, callback }: CallbackReport, position: number, digest: Buffer) {
  return {
    position,
    execution_id: executionId,
    attempt: callback.attempt,
    digest: digest.toString("hex"),
    callback,
    named: (callback.items ?? []).map((item) => item.task_id),
  };
}

/** Null where the callback could be taken and yet was not: somebody else's is just being committed. */
function verdictOn(report: CallbackReport, digest: Buffer, row: Row | undefined): CallbackVerdict | null {
  const { attempt } = report.callback;
  if (!row) return { verdict: "unknown_execution" };
  if (row.taken) return { verdict: "taken" };
  if (row.known) return { verdict: digest.equals(row.known) ? "duplicate" : "stale" };
  if (attempt > row.attempts) return { verdict: "ahead", attempt: row.attempts };
  if (attempt < row.attempts || !row.live) return { verdict: "stale" };
  return row.foreigners ? { verdict: "foreign_tasks", taskIds: row.foreigners } : null;
}

async function verdictAfterTwin(
  db: Queryable,
  { executionId, callback }: CallbackReport,
  digest: Buffer,
): Promise<CallbackVerdict> {
  const { rows } = await db.query("select digest from callbacks where execution_id = $1 and attempt = $2", [
    executionId,
    callback.attempt,
  ]);
  return { verdict: rows[0] && digest.equals(rows[0].digest) ? "duplicate" : "stale" };
}

export type AttemptVerdict = "recorded" | "stale" | "unknown_execution";

/** What an attempt may still do: `stale` once a newer one was dispatched or the execution has ended. */
export async function attemptVerdict(
  db: Queryable,
  executionId: string,
  attempt: number,
): Promise<AttemptVerdict> {
  const { rows } = await db.query(
    `select attempts = $2 and status in ${LIVE} as current from workflow_orchestration where execution_id = $1`,
    [executionId, attempt],
  );
  if (!rows[0]) return "unknown_execution";
  return rows[0].current ? "recorded" : "stale";
}

export interface Claim {
  executionId: string;
  attempt: number;
  claimant: string;
  /** The claimant promises to be heard again within this time. */
  nextWithinMs?: number | null;
}

export interface ClaimVerdict {
  verdict: AttemptVerdict;
  /** The claimant that counts: the first one. */
  claimant: string;
}

const CLAIMS = rowset({
  position: "int",
  execution_id: "uuid",
  attempt: "int",
  claimant: "text",
  data: "jsonb",
});

/**
 * Claims attempts; no two of one attempt in one call. The same lock as for callbacks: a claim waits for
 * a cycle that may be replacing its attempt, so that two attempts never work at once.
 */
export async function recordClaims(db: Queryable, claims: readonly Claim[]): Promise<ClaimVerdict[]> {
  const { rows } = await db.query(
    `with claim as materialized (select * from ${CLAIMS.from("$1", "c")}),
     execution as (
       select execution_id, status in ${LIVE} as live, attempts from workflow_orchestration
        where execution_id in (select execution_id from claim) order by execution_id for key share),
     wanted as (
       select claim.*, live and attempts = attempt as current from claim join execution using (execution_id)),
     first as (
       insert into claims (execution_id, attempt, claimant)
       select execution_id, attempt, claimant from wanted where current
       on conflict do nothing returning execution_id, attempt, claimant),
     fact as (
       insert into facts (kind, execution_id, attempt, data)
       select 'claim', execution_id, attempt, wanted.data from wanted join first using (execution_id, attempt))
     select wanted.position, wanted.current,
            coalesce(first.claimant, (select claimant from claims known
              where known.execution_id = wanted.execution_id and known.attempt = wanted.attempt)) as claimant
       from wanted left join first using (execution_id, attempt)`,
    [
      CLAIMS.json(
        claims.map(({ executionId, attempt, claimant, nextWithinMs = null }, position) => ({
          position,
          execution_id: executionId,
          attempt,
          claimant,
          data: { nextWithinMs },
        })),
      ),
    ],
  );
  const found = new Map(rows.map((row) => [row.position, row]));
  return await Promise.all(
    claims.map(async (claim, i) => {
      const row = found.get(i);
      if (!row) return { verdict: "unknown_execution", claimant: claim.claimant };
      if (!row.current) return { verdict: "stale", claimant: claim.claimant };
      // Another claim was being written at the same moment: now it is there.
      return { verdict: "recorded", claimant: row.claimant ?? (await claimantOf(db, claim)) };
    }),
  );
}

/** Claims one attempt; see `recordClaims`. */
export async function recordClaim(
  db: Queryable,
  executionId: string,
  attempt: number,
  claimant: string,
): Promise<ClaimVerdict> {
  const [verdict] = await recordClaims(db, [{ executionId, attempt, claimant }]);
  return verdict as ClaimVerdict;
}

async function claimantOf(db: Queryable, { executionId, attempt }: Claim): Promise<string> {
  const { rows } = await db.query("select claimant from claims where execution_id = $1 and attempt = $2", [
    executionId,
    attempt,
  ]);
  return rows[0]?.claimant;
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

/** Asks for a recovery to be closed. False if there is no such recovery, or it is closed already. */
export async function recordCloseRecovery(
  db: Queryable,
  recoveryId: string,
  actor: string,
): Promise<boolean> {
  const { rowCount } = await db.query(
    `insert into facts (kind, data)
     select 'close_recovery', jsonb_build_object('recoveryId', recovery_id, 'actor', $2::text)
       from recoveries where recovery_id = $1 and closed_at is null`,
    [recoveryId, actor],
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
