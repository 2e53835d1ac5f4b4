/** Reads executions for people: lists, one execution whole. Changes nothing. */
import { EXECUTION_STATUSES, type ExecutionStatus } from "@master-orchestrator/contract";
import type { Queryable, Row } from "./database.ts";
import { CREATED_MICROS, type Listing, newestFirst, type Position } from "./listing.ts";
import { runCost } from "./run-cost.ts";

const SUMMARY = `execution_id, parent_execution_id, workflow_type, status, priority, attempts, task_count,
  ${runCost("workflow_orchestration")} as cost_micros, created_at, started_at, completed_at, ${CREATED_MICROS}`;

const LISTING: Listing = {
  table: "workflow_orchestration",
  id: "execution_id",
  columns: SUMMARY,
  statuses: EXECUTION_STATUSES,
  lane: ["workflow_type"],
};

export interface ExecutionSummaryRow {
  executionId: string;
  parentExecutionId: string | null;
  workflowType: string;
  status: ExecutionStatus;
  priority: number;
  attemptsUsed: number;
  taskCount: number;
  costMicros: number;
  createdAtMs: number;
  /** Where it stands in a list. */
  position: Position;
  startedAtMs: number | null;
  completedAtMs: number | null;
}

export interface ExecutionFilter {
  status?: string;
  workflowType?: string;
  parentExecutionId?: string;
  from?: string;
  to?: string;
  /** The last row of the page before. */
  before?: Position;
  limit: number;
}

/** Newest first. */
export async function listExecutions(db: Queryable, filter: ExecutionFilter): Promise<ExecutionSummaryRow[]> {
  const { parentExecutionId, workflowType, ...rest } = filter;
  if (parentExecutionId !== undefined) return await listChildren(db, parentExecutionId, filter);
  const { text, values } = newestFirst(LISTING, { ...rest, lane: { workflow_type: workflowType } });
  const { rows } = await db.query(text, values);
  return rows.map(summaryOf);
}

/** A parent has few children: those that the other filters leave out are looked at too. */
async function listChildren(
  db: Queryable,
  parentExecutionId: string,
  filter: ExecutionFilter,
): Promise<ExecutionSummaryRow[]> {
  const { rows } = await db.query(
    `select ${SUMMARY} from workflow_orchestration
      where parent_execution_id = $1 and ($2::text is null or status = $2) and ($3::text is null or workflow_type = $3)
        and ($4::timestamptz is null or created_at >= $4) and ($5::timestamptz is null or created_at < $5)
        and ($6::bigint is null
             or (created_at, execution_id) < (timestamptz 'epoch' + $6 * interval '1 microsecond', $7::uuid))
      order by created_at desc, execution_id desc limit $8`,
    [
      parentExecutionId,
      filter.status ?? null,
      filter.workflowType ?? null,
      filter.from ?? null,
      filter.to ?? null,
      filter.before?.createdMicros ?? null,
      filter.before?.id ?? null,
      filter.limit,
    ],
  );
  return rows.map(summaryOf);
}

function summaryOf(row: Row): ExecutionSummaryRow {
  return {
    executionId: row.execution_id,
    parentExecutionId: row.parent_execution_id,
    workflowType: row.workflow_type,
    status: row.status,
    priority: row.priority,
    attemptsUsed: row.attempts,
    taskCount: row.task_count,
    costMicros: row.cost_micros,
    createdAtMs: row.created_at,
    position: { createdMicros: row.created_micros, id: row.execution_id },
    startedAtMs: row.started_at,
    completedAtMs: row.completed_at,
  };
}

export interface ExecutionDetail extends ExecutionSummaryRow {
  contentType: string | null;
  input: unknown;
  result: unknown;
  error: unknown;
  context: Record<string, unknown>;
  recoveryActions: unknown[];
}

/** One execution; its input names the payloads of the tasks that it was given. */
export async function executionById(db: Queryable, executionId: string): Promise<ExecutionDetail | null> {
  const { rows } = await db.query(
    `select ${SUMMARY}, content_type, result, error, context, recovery_actions,
            case when task_count > 0 then jsonb_build_object('tasks', (
              select coalesce(jsonb_agg(jsonb_build_object('task_id', t.task_id, 'content_type', t.content_type,
                       'payload', t.payload) order by t.task_id), '[]')
                from execution_tasks et join tasks t using (task_id)
               where et.execution_id = workflow_orchestration.execution_id)) else input end as input
       from workflow_orchestration where execution_id = $1`,
    [executionId],
  );
  const row = rows[0];
  if (!row) return null;
  return {
    ...summaryOf(row),
    contentType: row.content_type,
    input: row.input,
    result: row.result,
    error: row.error,
    context: row.context,
    recoveryActions: row.recovery_actions,
  };
}

export interface AttemptRow {
  attempt: number;
  state: string;
  webhookId: string;
  target: string | null;
  deliveries: number;
  claimant: string | null;
  dispatchedAtMs: number;
  acceptedAtMs: number | null;
  deadlineAtMs: number;
  lastHeartbeatAtMs: number | null;
  progress: number | null;
  message: string | null;
  endedAtMs: number | null;
  error: unknown;
  metrics: unknown;
  taskIds: string[];
}

export async function attemptsOf(db: Queryable, executionId: string): Promise<AttemptRow[]> {
  const { rows } = await db.query(
    `select a.*, c.claimant from attempts a left join claims c using (execution_id, attempt)
      where a.execution_id = $1 order by a.attempt`,
    [executionId],
  );
  return rows.map((row) => ({
    attempt: row.attempt,
    state: row.state,
    webhookId: row.webhook_id,
    target: row.target,
    deliveries: row.deliveries,
    claimant: row.claimant,
    dispatchedAtMs: row.dispatched_at,
    acceptedAtMs: row.accepted_at,
    deadlineAtMs: row.deadline_at,
    lastHeartbeatAtMs: row.last_heartbeat_at,
    progress: row.progress,
    message: row.message,
    endedAtMs: row.ended_at,
    error: row.error,
    metrics: row.metrics,
    taskIds: row.task_ids,
  }));
}

/** Ids of the tasks that an execution was given, at most 1,000. */
export async function taskIdsOf(db: Queryable, executionId: string): Promise<string[]> {
  const { rows } = await db.query(
    "select task_id from execution_tasks where execution_id = $1 order by task_id limit 1000",
    [executionId],
  );
  return rows.map((row) => row.task_id);
}

export interface SlotHolder {
  executionId: string;
  workflowType: string;
  target: string | null;
  sinceMs: number;
  tasks: number;
}

/** Who holds slots now: of one workflow, or of all; oldest first. */
export async function slotHolders(db: Queryable, workflowType: string | null): Promise<SlotHolder[]> {
  const { rows } = await db.query(
    `select e.execution_id, e.workflow_type, a.target, a.dispatched_at, cardinality(a.task_ids) as tasks
       from workflow_orchestration e
       join attempts a on a.execution_id = e.execution_id and a.attempt = e.attempts
      where e.status in ('DISPATCHING', 'MONITORING') and a.state in ('sent', 'accepted')
        and ($1::text is null or e.workflow_type = $1)
      order by a.dispatched_at limit 100`,
    [workflowType],
  );
  return rows.map((row) => ({
    executionId: row.execution_id,
    workflowType: row.workflow_type,
    target: row.target,
    sinceMs: row.dispatched_at,
    tasks: row.tasks,
  }));
}
