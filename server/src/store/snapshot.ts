/** Reads everything that a decision needs, under the orchestrator's row lock. Changes nothing. */
import type { Policy, WorkflowSettings } from "@master-orchestrator/contract";
import {
  MAX_DUE_RUNS,
  MAX_DUE_TASKS,
  MAX_FACTS,
  MAX_RETRIES_PER_WORKFLOW,
  roomByWorkflow,
} from "#core/bounds.ts";
import { ripeFacts } from "#core/ripe.ts";
import { scheduleRule } from "#core/schedule.ts";
import type { Adaptation, Fact, NamedTask, Run, RunTask, Snapshot, WorkflowView } from "#core/snapshot.ts";
import { daysMoney, estimatesOf } from "#core/supplies.ts";
import { targetViews } from "#core/targets.ts";
import type { Queryable, Row } from "./database.ts";
import { type RunningTick, readHealth } from "./health.ts";
import { readLanes } from "./lanes.ts";
import { policyOf } from "./policies.ts";
import { readSchedules } from "./schedules.ts";
import type { Bite, Taken } from "./set-aside.ts";
import { adaptationOf } from "./spending.ts";
import { readSupplies } from "./supplies.ts";
import { occupiedBy, readOccupied, readTargets } from "./targets.ts";

/** What a cycle takes on unless one has failed. */
export const FULL_BITE: Bite = { facts: MAX_FACTS, runs: MAX_DUE_RUNS, tasks: MAX_DUE_TASKS };
/** A replica that was not seen for this long is gone. */
const REPLICA_GONE_AFTER_MS = 15_000;

export interface LockedOrchestrator {
  nowMs: number;
  paused: boolean;
  virtualTime: number;
  adaptation: Adaptation;
}

/**
 * Takes the row that makes its holder the one who decides, and then the time. A replica that hangs loses the row soon enough for
 * another to decide within 2 s: idle for 1.5 s it loses the connection, and so when nobody takes in a long answer for
 * a second, which a server on Linux can tell.
 */
export async function lockOrchestrator(tx: Queryable): Promise<LockedOrchestrator> {
  const { rows } = await tx.query(
    `with locked as (select paused, virtual_time, slowness, slowness_reason, slowness_since
                       from orchestrator for update)
     select locked.*, orchestrator_now() as now,
            set_config('idle_in_transaction_session_timeout', '1500ms', true),
            set_config('tcp_user_timeout', case when version() like '%linux%' then '1s' else '0' end, true) from locked`,
    [],
  );
  const row = rows[0] as Row;
  return {
    nowMs: row.now,
    paused: row.paused,
    virtualTime: row.virtual_time,
    adaptation: adaptationOf(row),
  };
}

/**
 * Reads the snapshot. The order matters: runs that may be superseded are locked before the facts
 * are read, and a callback's handler takes the same lock, so no callback is accepted for an attempt
 * that this cycle replaces. What is sent together runs in that order too. `tick`: what only a tick looks
 * at is read as well. `patienceMs`: for so long signs of life may wait for more of their run, unless this is a tick or there is
 * more than a bite. `taken` is told what was read, also if the reading fails half-way.
 */
export async function readSnapshot(
  tx: Queryable,
  locked: LockedOrchestrator,
  {
    tick = null,
    bite = FULL_BITE,
    patienceMs = 0,
    taken,
  }: { tick?: RunningTick; bite?: Bite; patienceMs?: number; taken?: Taken } = {},
): Promise<Snapshot> {
  const { nowMs } = locked;
  const [
    lockedRunIds,
    reported,
    { version, policy },
    workflows,
    listeningSinceMs,
    occupiedRows,
    targets,
    dueTasks,
  ] = await Promise.all([
    lockDueRuns(tx, nowMs),
    readFacts(tx, bite.facts),
    readPolicy(tx),
    readWorkflows(tx),
    readListeningSince(tx, nowMs),
    readOccupied(tx),
    readTargets(tx),
    readDueTasks(tx, nowMs, bite.tasks),
  ]);
  const dueRunIds = bite === FULL_BITE ? lockedRunIds : lockedRunIds.slice(0, bite.runs);
  const patient = tick === null && reported.length < bite.facts;
  const { facts, nextAtMs } = ripeFacts(reported, {
    nowMs,
    patienceMs: patient ? patienceMs : 0,
    dueRunIds: lockedRunIds,
  });
  if (taken) taken.moreFactsAtMs = nextAtMs;
  taken?.runs.push(...dueRunIds);
  taken?.facts.push(...facts.map((fact) => fact.factId));
  taken?.tasks.push(...dueTasks.map((task) => task.taskId));
  const namedTasks = await readNamedTasks(tx, facts);
  const runIds = new Set(dueRunIds);
  for (const fact of facts) if ("executionId" in fact) runIds.add(fact.executionId);
  for (const task of namedTasks) if (task.executionId) runIds.add(task.executionId);
  const [runs, liveChildren, schedules, health, supplies] = await Promise.all([
    readRuns(tx, [...runIds]),
    readLiveChildren(tx, [...runIds]),
    readSchedules(tx, workflows, nowMs),
    readHealth(tx, { nowMs, policy, tick }),
    readSupplies(tx, { policy, workflows, endingRuns: runsThatReport(facts) }),
  ]);
  const { total } = policy.concurrency;
  const occupied = occupiedBy(occupiedRows);
  const { running } = occupied;
  const room = roomByWorkflow({ total, workflows: Object.values(workflows), running, runs });
  return {
    nowMs,
    paused: locked.paused,
    virtualTime: locked.virtualTime,
    listeningSinceMs,
    policyVersion: version,
    policy,
    workflows,
    ...occupied,
    targets,
    lanes: await readLanes(tx, policy, room),
    runs,
    facts,
    namedTasks,
    dueTasks,
    liveChildren,
    schedules,
    adaptation: locked.adaptation,
    spending: tick ? { spentTodayMicros: daysMoney(supplies)?.usedMicros ?? 0 } : null,
    supplies,
    ...health,
  };
}

function runsThatReport(facts: readonly Fact[]): string[] {
  return facts.flatMap((fact) => (fact.kind === "callback" ? [fact.executionId] : []));
}

/**
 * Locks the runs that this cycle may replace or cancel, and so shut out their callbacks until it
 * commits. Runs whose time has come: those at work, all of them; those between attempts, only as many of each
 * workflow as could start, and none of a paused one, so that a pile of them hides nobody. Runs that are to be cancelled, or were refused.
 */
async function lockDueRuns(tx: Queryable, nowMs: number): Promise<string[]> {
  const { rows } = await tx.query(
    `select execution_id from workflow_orchestration
      where execution_id in (
        (select execution_id from workflow_orchestration
          where due_at <= $1 and status in ('DISPATCHING', 'MONITORING') order by due_at limit $2)
        union all
        (select retry.execution_id from workflows w cross join lateral (
           select e.execution_id from workflow_orchestration e
            where e.workflow_type = w.workflow_type and e.status = 'ERROR_RECOVERY' and e.due_at <= $1
            order by e.due_at limit $3) retry
          where not w.paused)
        union all
        select execution_id from facts
         where kind = 'cancel_execution' or (kind = 'delivery' and data->>'outcome' = 'refused')
        union all
        select t.execution_id from facts f join tasks t on t.task_id = f.task_id where f.kind = 'cancel_task')
        and not exists (select from set_aside s
              where s.kind = 'run' and s.item = workflow_orchestration.execution_id::text and s.put_back_at is null)
      order by execution_id for update`,
    [new Date(nowMs), MAX_DUE_RUNS, MAX_RETRIES_PER_WORKFLOW],
  );
  return rows.map((row) => row.execution_id);
}

async function readFacts(tx: Queryable, most: number): Promise<Fact[]> {
  const { rows } = await tx.query(
    "select fact_id, kind, execution_id, attempt, task_id, data, at from facts order by fact_id limit $1",
    [most],
  );
  return rows.map(factOf);
}

/** The inverse of what `store/facts.ts` writes. */
function factOf(row: Row): Fact {
  const { fact_id: factId, at: atMs, execution_id: executionId, task_id: taskId, attempt, data } = row;
  const named = executionId ? { executionId } : taskId ? { taskId } : {};
  return {
    kind: row.kind,
    factId,
    atMs,
    ...named,
    ...(attempt === null ? {} : { attempt }),
    ...data,
  } as Fact;
}

async function readNamedTasks(tx: Queryable, facts: readonly Fact[]): Promise<NamedTask[]> {
  const ids = facts.flatMap((fact) => ("taskId" in fact ? [fact.taskId] : []));
  if (ids.length === 0) return [];
  const { rows } = await tx.query(
    "select task_id, status, execution_id, due_at, failures from tasks where task_id = any($1)",
    [ids],
  );
  return rows.map((row) => ({
    taskId: row.task_id,
    status: row.status,
    executionId: row.execution_id,
    dueAtMs: row.due_at,
    failures: row.failures,
  }));
}

/** By their ids first, in a step of its own: the planner would rather look for each id in each state. */
async function readRuns(tx: Queryable, ids: string[]): Promise<Run[]> {
  if (ids.length === 0) return [];
  const { rows } = await tx.query(
    `with e as materialized (select * from workflow_orchestration where execution_id = any($1))
     select e.execution_id, e.parent_execution_id, e.workflow_type, e.content_type, e.status, e.task_count,
            e.due_at, a.attempt, a.state, a.target, a.may_be_there, a.timeout_ms, a.deliveries, a.deliver_at, a.snoozed_since,
            a.accepted_at, a.deadline_at, a.last_heartbeat_at, a.silent_at, a.progress, a.message,
            (select coalesce(jsonb_agg(jsonb_build_object(
                'taskId', t.task_id, 'status', t.status, 'priority', t.priority, 'failures', t.failures,
                'agedFromMs', extract(epoch from t.aged_from) * 1000, 'chainDepth', t.chain_depth) order by t.task_id), '[]')
               from tasks t where t.execution_id = e.execution_id) as tasks
       from e join attempts a on a.execution_id = e.execution_id and a.attempt = e.attempts
      where e.status in ('DISPATCHING', 'MONITORING', 'ERROR_RECOVERY')
      order by e.execution_id`,
    [ids],
  );
  return rows.map(runOf);
}

function runOf(row: Row): Run {
  return {
    executionId: row.execution_id,
    parentId: row.parent_execution_id,
    workflowType: row.workflow_type,
    contentType: row.content_type,
    status: row.status,
    tasks: row.tasks as RunTask[],
    taskCount: row.task_count,
    dueAtMs: row.due_at,
    attempt: {
      number: row.attempt,
      state: row.state,
      target: row.target,
      mayBeThere: row.may_be_there ?? false,
      timeoutMs: row.timeout_ms,
      deliveries: row.deliveries,
      deliverAtMs: row.deliver_at,
      snoozedSinceMs: row.snoozed_since,
      acceptedAtMs: row.accepted_at,
      deadlineAtMs: row.deadline_at,
      lastHeartbeatAtMs: row.last_heartbeat_at,
      silentAtMs: row.silent_at,
      progress: row.progress,
      message: row.message,
    },
  };
}

export async function readPolicy(tx: Queryable): Promise<{ version: number; policy: Policy }> {
  const { rows } = await tx.query(
    "select version, policy::text as policy from policy_versions order by version desc limit 1",
    [],
  );
  // Parsing fills in what a newer version of the service knows and the stored document does not.
  return { version: rows[0]?.version ?? 0, policy: policyOf(rows[0]?.policy) };
}

/** Since when somebody was here to hear a heartbeat. */
async function readListeningSince(tx: Queryable, nowMs: number): Promise<number> {
  const { rows } = await tx.query("select min(started_at) as since from replicas where seen_at > $1", [
    new Date(nowMs - REPLICA_GONE_AFTER_MS),
  ]);
  return rows[0]?.since ?? nowMs;
}

export async function readWorkflows(tx: Queryable): Promise<Record<string, WorkflowView>> {
  const { rows } = await tx.query(
    "select workflow_type, built_in, settings, paused, paused_by from workflows",
    [],
  );
  return Object.fromEntries(rows.map((row) => [row.workflow_type, workflowOf(row)]));
}

function workflowOf(row: Row): WorkflowView {
  const settings = row.settings as WorkflowSettings;
  const targets = targetViews(settings, { own: row.built_in });
  return {
    workflowType: row.workflow_type,
    paused: row.paused,
    pausedBy: row.paused_by,
    hasTarget: targets.length > 0,
    targets,
    maxConcurrent: settings.max_concurrent ?? 3,
    batchMin: settings.batch?.min ?? 1,
    batchMax: settings.batch?.max ?? 10,
    timeoutMs: (settings.timeout_seconds ?? 300) * 1000,
    weight: settings.weight ?? 1,
    critical: settings.critical ?? false,
    estimates: estimatesOf(settings),
    secondsPerTask: settings.estimates?.seconds_per_task ?? null,
    next: settings.next ?? [],
    schedule: settings.schedule ? scheduleRule(settings.schedule) : null,
  };
}

async function readDueTasks(tx: Queryable, nowMs: number, most: number): Promise<Snapshot["dueTasks"]> {
  const { rows } = await tx.query(
    `select task_id, status from tasks t
      where status in ('scheduled', 'retrying') and execution_id is null and due_at <= $1
        and not exists (select from set_aside s
              where s.kind = 'task' and s.item = t.task_id::text and s.put_back_at is null)
      order by due_at, task_id limit $2`,
    [new Date(nowMs), most],
  );
  return rows.map((row) => ({ taskId: row.task_id, status: row.status }));
}

/** Live children of the parents of those of `ids` that are live. */
async function readLiveChildren(tx: Queryable, ids: string[]): Promise<Record<string, number>> {
  if (ids.length === 0) return {};
  const { rows } = await tx.query(
    `with e as materialized (select * from workflow_orchestration where execution_id = any($1))
     select child.parent_execution_id, count(*)::int as live
       from (select distinct parent_execution_id from e
              where status in ('DISPATCHING', 'MONITORING', 'ERROR_RECOVERY')) parent
       join workflow_orchestration child using (parent_execution_id)
      where child.status not in ('COMPLETED', 'FAILED', 'CANCELLED')
      group by child.parent_execution_id`,
    [ids],
  );
  return Object.fromEntries(rows.map((row) => [row.parent_execution_id, row.live]));
}
