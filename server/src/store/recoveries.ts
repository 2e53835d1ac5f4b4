/** The rows of recoveries: what a plan opened, changed and closed, and how people see it. Decides nothing. */
import { v7 as uuidv7 } from "uuid";
import type { RecoveryStep, SwitchWorkflow } from "#core/decision.ts";
import { ORCHESTRATOR } from "#core/recovery-steps.ts";
import type { Recovery } from "#core/snapshot.ts";
import type { Queryable, Row } from "./database.ts";
import type { TransitionRow } from "./transitions.ts";

/** What a plan does about trouble. */
export interface Recovered {
  steps: readonly RecoveryStep[];
  switches: readonly SwitchWorkflow[];
}

/** Writes the steps of one plan; the last step of each recovery is the row's. */
export async function applyRecoveries(
  tx: Queryable,
  { steps, switches }: Recovered,
  cycle: { cycleId: string; nowMs: number },
): Promise<void> {
  const opened = new Map<string, RecoveryStep>();
  const moved = new Map<string, RecoveryStep>();
  for (const step of steps) {
    const name = `${step.recovery.procedure} ${step.recovery.subject}`;
    const known = step.step === "opened" || opened.has(name) ? opened : moved;
    known.set(name, step);
  }
  // What is closed makes room for what is opened in its place.
  await Promise.all([
    updateRecoveries(tx, [...moved.values()], cycle),
    insertRecoveries(tx, [...opened.values()], cycle),
    switchWorkflows(tx, switches, cycle.nowMs),
  ]);
}

/** The transitions of those steps. */
export function recoverySteps({ steps, switches }: Recovered): TransitionRow[] {
  return [...steps.map(stepRow), ...switches.map(switchRow)];
}

function rowOf({ recovery, step, reason, actor }: RecoveryStep) {
  const { numbers, reopened, probe } = recovery;
  return {
    recovery_id: uuidv7(),
    procedure: recovery.procedure,
    subject: recovery.subject,
    state: recovery.state,
    cause: recovery.cause,
    entry_rule: recovery.entryRule,
    exit_rule: recovery.exitRule,
    data: { numbers, reopened, probe },
    since_at: new Date(recovery.sinceMs),
    next_at: recovery.nextAtMs === null ? null : new Date(recovery.nextAtMs),
    closes: step === "closed",
    closed_by: actor,
    closed_reason: reason,
  };
}

const COLUMNS = `recovery_id uuid, procedure text, subject text, state text, cause text, entry_rule text, exit_rule text,
  data jsonb, since_at timestamptz, next_at timestamptz, closes boolean, closed_by text, closed_reason text`;

async function updateRecoveries(
  tx: Queryable,
  steps: readonly RecoveryStep[],
  { cycleId, nowMs }: { cycleId: string; nowMs: number },
): Promise<void> {
  if (steps.length === 0) return;
  const { rowCount } = await tx.query(
    `update recoveries r set state = n.state, cause = n.cause, data = n.data, since_at = n.since_at,
            next_at = case when not n.closes then n.next_at end,
            closed_at = case when n.closes then $2::timestamptz end, closed_in = case when n.closes then $3::uuid end,
            closed_by = case when n.closes then n.closed_by end, closed_reason = case when n.closes then n.closed_reason end
       from jsonb_to_recordset($1::jsonb) as n (${COLUMNS})
      where r.procedure = n.procedure and r.subject = n.subject and r.closed_at is null`,
    [JSON.stringify(steps.map(rowOf)), new Date(nowMs), cycleId],
  );
  if (rowCount !== steps.length)
    throw new Error(`the plan changes ${steps.length} recoveries, the database ${rowCount}`);
}

async function insertRecoveries(
  tx: Queryable,
  steps: readonly RecoveryStep[],
  { cycleId, nowMs }: { cycleId: string | null; nowMs: number },
): Promise<void> {
  if (steps.length === 0) return;
  await tx.query(
    `insert into recoveries (recovery_id, procedure, subject, state, cause, entry_rule, exit_rule, data, opened_at,
         opened_in, since_at, next_at)
     select recovery_id, procedure, subject, state, cause, entry_rule, exit_rule, data, $2, $3, since_at, next_at
       from jsonb_to_recordset($1::jsonb) as n (${COLUMNS})`,
    [JSON.stringify(steps.map(rowOf)), new Date(nowMs), cycleId],
  );
}

/** An operator's word stands: what he has paused or resumed meanwhile is left as it is. */
async function switchWorkflows(
  tx: Queryable,
  switches: readonly SwitchWorkflow[],
  nowMs: number,
): Promise<void> {
  if (switches.length === 0) return;
  await tx.query(
    `update workflows w set paused = s.paused, paused_by = case when s.paused then $3 end, updated_by = $3, updated_at = $4
       from unnest($1::text[], $2::boolean[]) as s (workflow_type, paused)
      where w.workflow_type = s.workflow_type and w.paused <> s.paused and (s.paused or w.paused_by = $3)`,
    [
      switches.map(({ workflowType }) => workflowType),
      switches.map(({ paused }) => paused),
      ORCHESTRATOR,
      new Date(nowMs),
    ],
  );
}

/** Opens a recovery outside of any plan: for the engine, when no plan could be made. */
export async function openSetAside(
  tx: Queryable,
  { subject, cause, nowMs }: { subject: string; cause: string; nowMs: number },
): Promise<void> {
  const recovery: Recovery = {
    ...{ recoveryId: null, procedure: "set_aside", subject, state: "active", cause, numbers: {} },
    entryRule: "cycle after cycle failed, down to one that took on nothing else",
    exitRule: "the next cycle succeeds without it",
    ...{ openedAtMs: nowMs, sinceMs: nowMs, nextAtMs: null, reopened: 0, probe: null },
  };
  const step: RecoveryStep = {
    ...{ kind: "recovery", step: "opened", from: null, recovery, reason: cause, actor: ORCHESTRATOR },
  };
  await insertRecoveries(tx, [step], { cycleId: null, nowMs });
}

/** `from → to` names the procedure, so that an entity's log can be read on its own. */
function stepRow({ step, from, recovery, reason, actor }: RecoveryStep): TransitionRow {
  const { procedure, subject, state, numbers, nextAtMs } = recovery;
  const ofWorkflow = ["trip_breaker", "trip_target", "pause"].includes(procedure);
  const entity = ofWorkflow ? "workflow" : "orchestrator";
  const next = nextAtMs === null || step === "closed" ? {} : { next_at: new Date(nextAtMs).toISOString() };
  return {
    entity,
    entityId: ofWorkflow ? (subject.split("/")[0] as string) : ORCHESTRATOR,
    from: `${procedure} ${from ?? "closed"}`,
    to: `${procedure} ${step === "closed" ? "closed" : state}`,
    reason,
    actor,
    metadata: { subject, ...numbers, ...next },
  };
}

function switchRow({ workflowType, paused, reason }: SwitchWorkflow): TransitionRow {
  const [from, to] = paused ? ["resumed", "paused"] : ["paused", "resumed"];
  return { entity: "workflow", entityId: workflowType, from: from!, to: to!, reason };
}

export interface RecoveryView extends Omit<Recovery, "recoveryId" | "sinceMs" | "reopened" | "probe"> {
  recoveryId: string;
  openedIn: string | null;
  closedAtMs: number | null;
  closedIn: string | null;
  closedBy: string | null;
  closedReason: string | null;
}

/** Newest first; `open` null for all, `before` the last id of the page before. */
export async function listRecoveries(
  db: Queryable,
  query: { open: boolean | null; before?: string | undefined; limit: number },
): Promise<RecoveryView[]> {
  const { rows } = await db.query(
    `select * from recoveries
      where ($1::boolean is null or (closed_at is null) = $1) and ($2::uuid is null or recovery_id < $2)
      order by recovery_id desc limit $3`,
    [query.open, query.before ?? null, query.limit],
  );
  return rows.map(viewOf);
}

export async function recoveryById(db: Queryable, recoveryId: string): Promise<RecoveryView | null> {
  const { rows } = await db.query("select * from recoveries where recovery_id = $1", [recoveryId]);
  return rows[0] ? viewOf(rows[0]) : null;
}

function viewOf(row: Row): RecoveryView {
  return {
    recoveryId: row.recovery_id,
    procedure: row.procedure,
    subject: row.subject,
    state: row.state,
    cause: row.cause,
    entryRule: row.entry_rule,
    exitRule: row.exit_rule,
    numbers: row.data.numbers ?? {},
    openedAtMs: row.opened_at,
    openedIn: row.opened_in,
    nextAtMs: row.next_at,
    closedAtMs: row.closed_at,
    closedIn: row.closed_in,
    closedBy: row.closed_by,
    closedReason: row.closed_reason,
  };
}
