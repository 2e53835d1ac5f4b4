/** Owns the rows of investigations of alerts: asks for them as tasks, and attaches what those reported. Judges nothing. */
import type { Inquiry } from "#core/alerts-investigate.ts";
import { insertSteps } from "./alerts.ts";
import type { Queryable, Row } from "./database.ts";
import { enqueueEach } from "./tasks.ts";

const BY_RULE = "orchestrator";
const ENGINE = "intelligence_engine";
const PRIORITY = 60;
/** Findings attached at one look; the next look takes the rest. */
const MOST_ATTACHED = 50;

export interface AskedInquiry extends Inquiry {
  alertId: string;
}

/** One task for each alert, whoever asks and however often. Where no engine is registered, the alert's history says so. */
export async function askInquiries(
  tx: Queryable,
  asked: readonly AskedInquiry[],
  nowMs: number,
): Promise<void> {
  if (asked.length === 0) return;
  const outcomes = await enqueueEach(
    tx,
    asked.map(({ alertId, payload, notBeforeMs }) => ({
      task: {
        workflow_type: ENGINE,
        content_type: "default",
        priority: PRIORITY,
        payload,
        idempotency_key: `alert:${alertId}`,
        not_before: new Date(notBeforeMs).toISOString(),
      },
      actor: BY_RULE,
    })),
  );
  const steps = [];
  for (const [i, { alertId, notBeforeMs }] of asked.entries()) {
    const outcome = outcomes[i];
    const taskId = outcome?.kind === "enqueued" ? outcome.enqueued.taskId : null;
    const due = new Date(notBeforeMs).toISOString();
    const reason = taskId
      ? `task ${taskId} looks into it, from ${due} on: once the day is over`
      : `nobody looks into it: the workflow ${ENGINE} is not registered`;
    steps.push({ alertId, to: taskId ? "investigating" : "not_investigated", reason, value: null });
    if (taskId === null) continue;
    await tx.query(
      `insert into alert_investigations (alert_id, task_id, asked_at, due_at) values ($1, $2, $3, $4)
       on conflict (alert_id) do nothing`,
      [alertId, taskId, new Date(nowMs), new Date(notBeforeMs)],
    );
  }
  await insertSteps(tx, steps, { actor: BY_RULE, nowMs });
}

/** What has been found since the last look becomes a part of the alert, and its note where nobody has written one. */
export async function attachFindings(tx: Queryable, nowMs: number): Promise<void> {
  const { rows } = await tx.query(
    `select i.alert_id, t.status, t.result->'finding' as finding
       from alert_investigations i join tasks t using (task_id)
      where i.ended_at is null and t.status in ('completed', 'dead_lettered', 'cancelled')
      order by i.asked_at limit ${MOST_ATTACHED}`,
  );
  for (const row of rows) {
    const found = row.status === "completed" && typeof row.finding?.headline === "string";
    const error = found ? null : `its task ended as ${row.status} without a finding`;
    const reason: string = error ?? row.finding.headline;
    await tx.query(
      `update alert_investigations set ended_at = $2, finding = $3, error = $4 where alert_id = $1`,
      [row.alert_id, new Date(nowMs), found ? JSON.stringify(row.finding) : null, error],
    );
    if (found)
      await tx.query("update alerts set note = coalesce(note, $2) where alert_id = $1", [
        row.alert_id,
        reason,
      ]);
    const step = {
      alertId: row.alert_id,
      to: found ? "investigated" : "not_investigated",
      reason,
      value: null,
    };
    await insertSteps(tx, [step], { actor: BY_RULE, nowMs });
  }
}

export interface InvestigationRow {
  taskId: string;
  dueAtMs: number;
  endedAtMs: number | null;
  finding: { headline: string; words: string[]; confidence: string } | null;
  error: string | null;
}

export async function investigationOf(db: Queryable, alertId: string): Promise<InvestigationRow | null> {
  const { rows } = await db.query("select * from alert_investigations where alert_id = $1", [alertId]);
  return rows[0] ? rowOf(rows[0]) : null;
}

function rowOf(row: Row): InvestigationRow {
  const finding = row.finding && {
    headline: String(row.finding.headline),
    words: Array.isArray(row.finding.words) ? row.finding.words.map(String) : [],
    confidence: String(row.finding.confidence ?? "low"),
  };
  return { taskId: row.task_id, dueAtMs: row.due_at, endedAtMs: row.ended_at, finding, error: row.error };
}
