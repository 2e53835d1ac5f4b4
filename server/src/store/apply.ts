/** Carries out a plan: every change of state, in sets, in the cycle's own transaction. Decides nothing. */
import { MASTER } from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import type { Advance, Decision, Failure, FinishCycle, RecoveryStep, TaskChange } from "#core/decision.ts";
import { fingerprintOf } from "#core/fingerprint.ts";
import { holdsByLane, snapshotRecord } from "#core/record.ts";
import type { Snapshot } from "#core/snapshot.ts";
import { updateAdvanced } from "./apply-advance.ts";
import { insertFollowing, noteSkipped } from "./apply-enqueue.ts";
import { type OpenedDispatch, type Start, startAttempts, startSteps } from "./apply-start.ts";
import { updateHolds, updateShares } from "./cycles.ts";
import type { Queryable } from "./database.ts";
import { addOutcomes } from "./health.ts";
import type { Message } from "./outbox.ts";
import { applyRecoveries, recoverySteps } from "./recoveries.ts";
import { rowset } from "./rowset.ts";
import { updateSchedules } from "./schedules.ts";
import { noteTakenArticles } from "./seo-corpus.ts";
import { updateAdaptation } from "./spending.ts";
import { updateNeeds } from "./supplies.ts";
import { rememberTargets } from "./targets.ts";
import { takeWork } from "./topics.ts";
import { insertTransitions, type TransitionRow } from "./transitions.ts";

export interface Applied {
  /** Messages that have to be sent with this transaction. */
  messages: Message[];
  dispatched: number;
}

/** Applies `decisions` made from `snapshot`; `cycleId` names the cycle in the audit log. */
export async function applyDecisions(
  tx: Queryable,
  cycle: { cycleId: string; trigger: "tick" | "wake"; policyVersion: number },
  snapshot: Snapshot,
  decisions: readonly Decision[],
): Promise<Applied> {
  const { nowMs } = snapshot;
  const of = <K extends Decision["kind"]>(kind: K) =>
    decisions.filter((d): d is Extract<Decision, { kind: K }> => d.kind === kind);
  const advances = of("advance");
  const dispatches = of("dispatch").map(
    (dispatch): OpenedDispatch => ({ ...dispatch, executionId: uuidv7() }),
  );
  const retries = of("retry");
  const changes: TaskChange[] = [
    ...advances.flatMap((advance) => advance.tasks),
    ...of("change_task").map((decision) => decision.change),
  ];

  const recovered = { steps: of("recovery"), switches: of("switch_workflow") };
  const opened = cycle.trigger === "tick" || dispatches.length + recovered.steps.length > 0;
  const starts: Start[] = [...dispatches.map((dispatch) => ({ ...dispatch, attempt: 1 })), ...retries];
  const transitions = [
    ...(opened ? cycleSteps(cycle.cycleId, dispatches.length, recovered.steps) : []),
    ...recoverySteps(recovered),
    ...advanceSteps(advances),
    ...taskSteps(changes),
    ...startSteps(dispatches, retries),
    ...prioritySteps(of("set_priority")),
  ];
  // Sent together, carried out in this order: each finds what those before it have written.
  await Promise.all([
    updateAdvanced(tx, advances, { nowMs, cycleId: cycle.cycleId, systemState: snapshotRecord(snapshot) }),
    updateTasks(tx, changes, nowMs),
    insertTaskErrors(tx, advances, nowMs),
    updatePriorities(tx, of("set_priority")),
    addOutcomes(tx, of("count_outcomes"), nowMs),
    rememberTargets(tx, of("remember_target")),
    updateNeeds(tx, of("measure_need"), nowMs),
    opened && insertCycleExecution(tx, cycle, { dispatches, steps: recovered.steps }, snapshot),
    applyRecoveries(tx, recovered, { cycleId: cycle.cycleId, nowMs }),
    startAttempts(tx, { cycleId: cycle.cycleId, nowMs }, { dispatches, retries, starts }),
    noteSkipped(tx, of("skip_next"), { cycleId: cycle.cycleId, nowMs }),
    insertTransitions(tx, transitions, nowMs, cycle.cycleId),
    finishCycles(tx, of("finish_cycle"), { cycleId: cycle.cycleId, nowMs }),
    insertFollowing(tx, of("enqueue"), { cycleId: cycle.cycleId, nowMs }),
    takeWork(tx, of("take_work"), nowMs),
    noteTakenArticles(tx, of("take_work"), nowMs),
    updateSchedules(tx, of("schedule"), of("forget_schedule"), nowMs),
    ...of("share").map((share) => updateShares(tx, share)),
    ...of("adapt").map((adapt) => updateAdaptation(tx, adapt, nowMs)),
    updateHolds(tx, holdsByLane(decisions), nowMs, cycle.cycleId),
    deleteFacts(
      tx,
      snapshot.facts.map((fact) => fact.factId),
    ),
  ]);
  return { messages: messagesOf(advances, starts), dispatched: starts.length };
}

function messagesOf(advances: readonly Advance[], starts: readonly Start[]): Message[] {
  return [
    ...advances
      .filter((advance) => advance.deliver)
      .map((advance) => ({
        executionId: advance.executionId,
        attempt: advance.attempt.number,
        delivery: advance.attempt.deliveries,
      })),
    ...starts.map((start) => ({ executionId: start.executionId, attempt: start.attempt, delivery: 1 })),
  ];
}

const CHANGES = rowset({
  task_id: "uuid",
  from_status: "text",
  to_status: "text",
  failures: "int",
  due_at: "timestamptz",
  aged_from: "timestamptz",
  runs_alone: "boolean",
  leaves: "boolean",
  result: "jsonb",
  fingerprint: "text",
});

/** Changes tasks in one statement. A task that is not in the state the plan saw stops the cycle. */
async function updateTasks(tx: Queryable, changes: readonly TaskChange[], nowMs: number): Promise<void> {
  // A task may be changed twice in one plan (retried, then cancelled): the last word is the row's.
  const last = new Map<string, TaskChange>();
  for (const change of changes) {
    const earlier = last.get(change.taskId);
    last.set(change.taskId, earlier ? { ...earlier, ...change, from: earlier.from } : change);
  }
  if (last.size === 0) return;
  const { rowCount } = await tx.query(
    `update tasks t set
        status = c.to_status,
        failures = coalesce(c.failures, t.failures),
        due_at = coalesce(c.due_at, t.due_at),
        aged_from = coalesce(c.aged_from, t.aged_from),
        runs_alone = coalesce(c.runs_alone, t.runs_alone),
        execution_id = case when c.leaves then null else t.execution_id end,
        result = coalesce(c.result, t.result),
        error_fingerprint = coalesce(c.fingerprint, t.error_fingerprint),
        completed_at = case when c.to_status in ('completed', 'dead_lettered', 'cancelled') then $2::timestamptz end
       from ${CHANGES.from("$1", "c")}
      where t.task_id = c.task_id and t.status = c.from_status`,
    [
      CHANGES.json(
        [...last.values()].map((change) => ({
          task_id: change.taskId,
          from_status: change.from,
          to_status: change.to,
          failures: change.failures,
          due_at: change.dueAtMs === undefined ? undefined : new Date(change.dueAtMs),
          aged_from: change.agedFromMs === undefined ? undefined : new Date(change.agedFromMs),
          runs_alone: change.runsAlone,
          leaves: change.leaves ?? false,
          result: change.result,
          fingerprint: change.failure && fingerprint(change.failure),
        })),
      ),
      new Date(nowMs),
    ],
  );
  if (rowCount !== last.size)
    throw new Error(`the plan changes ${last.size} tasks, the database ${rowCount}`);
}

/** A failed batch has one failure for all its tasks. */
const fingerprints = new WeakMap<Failure, string>();
function fingerprint(failure: Failure): string {
  const known = fingerprints.get(failure) ?? fingerprintOf(failure);
  fingerprints.set(failure, known);
  return known;
}

async function insertTaskErrors(tx: Queryable, advances: readonly Advance[], nowMs: number): Promise<void> {
  const errors = advances.flatMap((advance) =>
    advance.tasks.flatMap((change) =>
      change.failure
        ? [
            {
              task_id: change.taskId,
              execution_id: advance.executionId,
              attempt: advance.attempt.number,
              code: change.failure.code,
              message: change.failure.message,
              stack_trace: change.failure.stackTrace,
              fingerprint: fingerprint(change.failure),
            },
          ]
        : [],
    ),
  );
  if (errors.length === 0) return;
  await tx.query(
    `insert into task_errors (task_id, execution_id, attempt, at, code, message, stack_trace, fingerprint)
     select task_id, execution_id, attempt, $2, code, message, stack_trace, fingerprint
       from jsonb_to_recordset($1::jsonb) as e (task_id uuid, execution_id uuid, attempt int, code text,
              message text, stack_trace text, fingerprint text)`,
    [JSON.stringify(errors), new Date(nowMs)],
  );
}

/** Of several requests for one task the last one counts. */
async function updatePriorities(
  tx: Queryable,
  priorities: readonly { taskId: string; priority: number }[],
): Promise<void> {
  if (priorities.length === 0) return;
  const last = new Map(priorities.map(({ taskId, priority }) => [taskId, priority]));
  await tx.query(
    `update tasks t set priority = p.priority
       from unnest($1::uuid[], $2::int[]) as p (task_id, priority) where t.task_id = p.task_id`,
    [[...last.keys()], [...last.values()]],
  );
}

/** The cycle's own execution: it lives until its children have ended. */
async function insertCycleExecution(
  tx: Queryable,
  cycle: { cycleId: string; trigger: string; policyVersion: number },
  { dispatches, steps }: { dispatches: readonly OpenedDispatch[]; steps: readonly RecoveryStep[] },
  snapshot: Snapshot,
): Promise<void> {
  const now = new Date(snapshot.nowMs);
  const open = dispatches.length > 0;
  await tx.query(
    `insert into workflow_orchestration (execution_id, workflow_type, status, priority, context, result,
        created_at, started_at, completed_at, recovery_actions)
     values ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9)`,
    [
      cycle.cycleId,
      MASTER,
      open ? "MONITORING" : "COMPLETED",
      Math.max(0, ...dispatches.map((dispatch) => dispatch.priority)),
      JSON.stringify({
        cycle_id: cycle.cycleId,
        trigger: cycle.trigger,
        policy_version: cycle.policyVersion,
      }),
      open ? null : JSON.stringify({ dispatched: 0 }),
      now,
      open ? null : now,
      JSON.stringify(steps.map((step) => recoveryAction(step, cycle.cycleId, now))),
    ],
  );
}

/** Ends cycles whose children have all ended; the result counts how. */
async function finishCycles(
  tx: Queryable,
  finished: readonly FinishCycle[],
  { cycleId, nowMs }: { cycleId: string; nowMs: number },
): Promise<void> {
  if (finished.length === 0) return;
  await tx.query(
    `with finished as (
       update workflow_orchestration p set status = 'COMPLETED', completed_at = $2,
              result = (select jsonb_object_agg(lower(status), n)
                          from (select status, count(*) as n from workflow_orchestration c
                                 where c.parent_execution_id = p.execution_id group by status) counted)
        where p.execution_id = any($1::uuid[]) and p.status = 'MONITORING'
        returning p.execution_id)
     insert into transitions (at, entity, entity_id, from_state, to_state, reason, actor, cycle_id)
     select $2, 'execution', execution_id, 'MONITORING', 'COMPLETED', 'all its children have ended',
            'orchestrator', $3 from finished`,
    [finished.map((decision) => decision.executionId), new Date(nowMs), cycleId],
  );
}

async function deleteFacts(tx: Queryable, factIds: readonly number[]): Promise<void> {
  if (factIds.length > 0) await tx.query("delete from facts where fact_id = any($1::bigint[])", [factIds]);
}

/** What a cycle did about trouble, in the shape in which runs keep what was done about theirs. */
function recoveryAction({ step, recovery, reason }: RecoveryStep, cycleId: string, at: Date) {
  const { procedure, subject } = recovery;
  return { at, cycle_id: cycleId, action: `${procedure} ${step}`, subject, reason };
}

function cycleSteps(
  cycleId: string,
  dispatched: number,
  recovered: readonly RecoveryStep[],
): TransitionRow[] {
  const base = { entity: "execution" as const, entityId: cycleId };
  const analyzed: TransitionRow[] = [
    { ...base, from: null, to: "IDLE", reason: "the cycle began" },
    { ...base, from: "IDLE", to: "ANALYZING", reason: "the snapshot was read" },
  ];
  let from = "ANALYZING";
  if (recovered.length > 0) {
    const what = recovered.map(
      ({ step, recovery }) => `${recovery.procedure} of ${recovery.subject} ${step}`,
    );
    analyzed.push({ ...base, from, to: "ERROR_RECOVERY", reason: what.join("; ") });
    from = "ERROR_RECOVERY";
  }
  if (dispatched === 0) {
    return [...analyzed, { ...base, from, to: "COMPLETED", reason: "nothing was to be started" }];
  }
  return [
    ...analyzed,
    { ...base, from, to: "DISPATCHING", reason: `${dispatched} runs were admitted` },
    { ...base, from: "DISPATCHING", to: "MONITORING", reason: "their messages are in the outbox" },
  ];
}

function advanceSteps(advances: readonly Advance[]): TransitionRow[] {
  return advances.flatMap((advance) =>
    advance.steps.map((step) => ({
      entity: "execution",
      entityId: advance.executionId,
      from: step.from,
      to: step.to,
      reason: step.reason,
      actor: step.actor,
      metadata: { attempt: advance.attempt.number },
    })),
  );
}

function taskSteps(changes: readonly TaskChange[]): TransitionRow[] {
  return changes.map((change) => ({
    entity: "task",
    entityId: change.taskId,
    from: change.from,
    to: change.to,
    reason: change.reason,
    actor: change.actor,
    metadata: change.failures === undefined ? {} : { failures: change.failures },
  }));
}

function prioritySteps(
  priorities: readonly { taskId: string; priority: number; actor: string }[],
): TransitionRow[] {
  return priorities.map((change) => ({
    entity: "task",
    entityId: change.taskId,
    from: null,
    to: `priority ${change.priority}`,
    reason: "priority changed by request",
    actor: change.actor,
  }));
}
