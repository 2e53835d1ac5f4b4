/** Owns the rows that say which slot of each schedule was decided last, and how. Decides nothing. */
import type { Schedule, ScheduleDecision, WorkSource } from "@master-orchestrator/contract";
import type { ForgetSchedule, ScheduleSlot } from "#core/decision.ts";
import { scheduleRule, slotAt } from "#core/schedule.ts";
import type { ScheduleRule, ScheduleState, WaitingWork, WorkflowView } from "#core/snapshot.ts";
import type { Queryable, Row } from "./database.ts";
import { hasRevenueWork } from "./funnel.ts";
import { staleWork } from "./reader-days.ts";
import { lockDueArticles } from "./seo-corpus.ts";
import { lockWaitingTopics } from "./topics.ts";

/** Where every schedule stands; what its tasks and its source hold only where a slot is to be decided. */
export async function readSchedules(
  tx: Queryable,
  workflows: Readonly<Record<string, WorkflowView>>,
  nowMs: number,
): Promise<ScheduleState[]> {
  const { rows } = await tx.query(
    "select workflow_type, every_ms, last_slot, last_run_at from schedules order by workflow_type",
    [],
  );
  const due = rows.flatMap(({ workflow_type: type, last_slot: lastSlotMs }) => {
    const rule = workflows[type]?.schedule;
    return rule && slotAt(nowMs, rule.everyMs) > lastSlotMs ? [{ type: type as string, rule }] : [];
  });
  const [past, waiting] = await Promise.all([readPast(tx, due), readWaiting(tx, due, nowMs)]);
  return rows.map(({ workflow_type: type, every_ms, last_slot, last_run_at }) => ({
    workflowType: type,
    everyMs: every_ms,
    lastSlotMs: last_slot,
    lastRunMs: last_run_at,
    unfinished: past.get(type)?.unfinished ?? 0,
    lastEndedAtMs: past.get(type)?.last_ended ?? null,
    waiting: waiting.get(type) ?? [],
  }));
}

interface DueSchedule {
  type: string;
  rule: ScheduleRule;
}

async function readPast(tx: Queryable, due: readonly DueSchedule[]): Promise<Map<string, Row>> {
  if (due.length === 0) return new Map();
  const { rows } = await tx.query(
    `select due.workflow_type,
            (select count(*) from (select from tasks t where t.created_by = 'schedule' and t.completed_at is null
                and t.workflow_type = due.workflow_type limit due.most) counted)::int as unfinished,
            (select max(t.completed_at) from tasks t where t.created_by = 'schedule'
                and t.workflow_type = due.workflow_type) as last_ended
       from unnest($1::text[], $2::int[]) as due (workflow_type, most)`,
    [due.map(({ type }) => type), due.map(({ rule }) => rule.perSlot)],
  );
  return new Map(rows.map((row) => [row.workflow_type, row]));
}

/** What the sources of these schedules hold ready, as far as one slot could take it. */
const READ_SOURCE: Record<
  WorkSource,
  (tx: Queryable, most: number, slot: WaitingWork) => Promise<WaitingWork[]>
> = {
  topics: lockWaitingTopics,
  stale_days: staleWork,
  events: async (tx, _most, slot) => ((await hasRevenueWork(tx)) ? [slot] : []),
  articles_due: lockDueArticles,
};

async function readWaiting(
  tx: Queryable,
  due: readonly DueSchedule[],
  nowMs: number,
): Promise<Map<string, WaitingWork[]>> {
  const found = new Map<string, WaitingWork[]>();
  for (const { type, rule } of due) {
    if (rule.source === null) continue;
    const slot = slotAsWork(type, slotAt(nowMs, rule.everyMs));
    found.set(type, await READ_SOURCE[rule.source](tx, rule.perSlot, slot));
  }
  return found;
}

/** For sources that say only whether there is anything to do: then the slot itself is the work. */
function slotAsWork(type: string, slotMs: number): WaitingWork {
  const slot = new Date(slotMs).toISOString();
  const payload = { scheduled_for: slot };
  return { workId: `${type}:${slot}`, contentType: "default", priority: 50, payload };
}

/** Keeps what was decided about slots, and forgets schedules that are gone. */
export async function updateSchedules(
  tx: Queryable,
  decided: readonly ScheduleSlot[],
  forgotten: readonly ForgetSchedule[],
  nowMs: number,
): Promise<void> {
  if (decided.length > 0) {
    await tx.query(
      `insert into schedules (workflow_type, every_ms, last_slot, last_run_at, last_decision, last_cause, decided_at)
       select workflow_type, every_ms, last_slot, last_run_at, last_decision, last_cause, $2
         from jsonb_to_recordset($1::jsonb) as d (workflow_type text, every_ms bigint, last_slot timestamptz,
                last_run_at timestamptz, last_decision text, last_cause text)
       on conflict (workflow_type) do update set every_ms = excluded.every_ms, last_slot = excluded.last_slot,
         last_run_at = excluded.last_run_at, last_decision = excluded.last_decision,
         last_cause = excluded.last_cause, decided_at = excluded.decided_at`,
      [
        JSON.stringify(
          decided.map((slot) => ({
            workflow_type: slot.workflowType,
            every_ms: slot.everyMs,
            last_slot: new Date(slot.slotMs),
            last_run_at: slot.lastRunMs === null ? null : new Date(slot.lastRunMs),
            last_decision: slot.reason,
            last_cause: slot.cause,
          })),
        ),
        new Date(nowMs),
      ],
    );
  }
  if (forgotten.length > 0) {
    const types = forgotten.map(({ workflowType }) => workflowType);
    await tx.query("delete from schedules where workflow_type = any($1::text[])", [types]);
  }
}

export interface ScheduleView {
  /** Null until a cycle has seen the schedule. */
  lastSlotMs: number | null;
  nextSlotMs: number;
  lastDecision: ScheduleDecision | null;
  cause: string | null;
  decidedAtMs: number | null;
}

/** Where the schedules of `workflows` stand, for people; those without one are left out. */
export async function scheduleViews(
  db: Queryable,
  workflows: readonly { workflowType: string; schedule: Schedule | null | undefined }[],
): Promise<Map<string, ScheduleView>> {
  const scheduled = workflows.flatMap(({ workflowType, schedule }) =>
    schedule ? [{ workflowType, everyMs: scheduleRule(schedule).everyMs }] : [],
  );
  if (scheduled.length === 0) return new Map();
  const { rows } = await db.query(
    `select asked.workflow_type, last_slot, last_decision, last_cause, decided_at, orchestrator_now() as now
       from unnest($1::text[]) as asked (workflow_type) left join schedules using (workflow_type)`,
    [scheduled.map(({ workflowType }) => workflowType)],
  );
  const found = new Map(rows.map((row) => [row.workflow_type, row]));
  return new Map(
    scheduled.map(({ workflowType, everyMs }) => {
      const row = found.get(workflowType) as Row;
      const view = {
        lastSlotMs: row.last_slot,
        nextSlotMs: slotAt(row.now, everyMs) + everyMs,
        lastDecision: row.last_decision,
        cause: row.last_cause,
        decidedAtMs: row.decided_at,
      };
      return [workflowType, view];
    }),
  );
}
