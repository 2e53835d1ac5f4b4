/** Reads what a deliverer needs to post an attempt's message. Changes nothing. */
import type { WebhookAuth, WorkflowSettings } from "@master-orchestrator/contract";
import type { Queryable } from "./database.ts";
import type { Message } from "./outbox.ts";

export interface Delivery extends Message {
  parentExecutionId: string | null;
  workflowType: string;
  priority: number;
  webhookId: string;
  /** The name of its target; null for what was started before targets were recorded. */
  target: string | null;
  timeoutMs: number;
  deadlineAtMs: number;
  context: Record<string, unknown>;
  tasks: {
    task_id: string;
    content_type: string;
    payload: Record<string, unknown>;
    traceparent: string | null;
  }[];
  builtIn: boolean;
  settings: Partial<WorkflowSettings>;
  auth: WebhookAuth | null;
  signingSecret: string | null;
}

/**
 * The deliveries that are still wanted: their attempt is the current one, awaits a sign of life,
 * and this is its newest posting. A message whose moment has passed has no row here. `offset 0` keeps the state out of the
 * search for each run: else all that are being dispatched are read for each of them.
 */
export async function wantedDeliveries(db: Queryable, messages: readonly Message[]): Promise<Delivery[]> {
  if (messages.length === 0) return [];
  const { rows } = await db.query(
    `select e.execution_id, e.parent_execution_id, e.workflow_type, e.priority, e.context, a.attempt,
            a.deliveries, a.webhook_id, a.target, a.timeout_ms, a.deadline_at, w.built_in, w.settings, w.auth, w.signing_secret,
            (select jsonb_agg(jsonb_build_object('task_id', t.task_id, 'content_type', t.content_type,
                'payload', t.payload, 'traceparent', t.traceparent) order by array_position(a.task_ids, t.task_id))
               from tasks t where t.task_id = any(a.task_ids) and t.execution_id = e.execution_id) as tasks
       from unnest($1::uuid[], $2::int[], $3::int[]) as m (execution_id, attempt, delivery)
      cross join lateral (select * from workflow_orchestration e
                           where e.execution_id = m.execution_id and e.attempts = m.attempt offset 0) e
       join attempts a on a.execution_id = m.execution_id and a.attempt = m.attempt
                      and a.state = 'sent' and a.deliveries = m.delivery
       join workflows w on w.workflow_type = e.workflow_type
      where e.status = 'DISPATCHING'`,
    [
      messages.map((message) => message.executionId),
      messages.map((message) => message.attempt),
      messages.map((message) => message.delivery),
    ],
  );
  return rows.map((row) => ({
    executionId: row.execution_id,
    parentExecutionId: row.parent_execution_id,
    workflowType: row.workflow_type,
    priority: row.priority,
    attempt: row.attempt,
    delivery: row.deliveries,
    webhookId: row.webhook_id,
    target: row.target,
    timeoutMs: row.timeout_ms,
    deadlineAtMs: row.deadline_at,
    context: row.context,
    tasks: row.tasks ?? [],
    builtIn: row.built_in,
    settings: row.settings,
    auth: row.auth,
    signingSecret: row.signing_secret,
  }));
}
