/** Owns the rows that say which slot of each schedule was decided last, and how. Decides nothing. */
import type { Schedule, ScheduleDecision } from "@master-orchestrator/contract";
import type { ForgetSchedule, ScheduleSlot } from "#core/decision.ts";
import { slotAt } from "#core/schedule.ts";
import type { ScheduleRule, ScheduleState, WorkflowView } from "#core/snapshot.ts";
import type { Queryable, Row } from "./database.ts";

/** The rule that stored settings mean. */
export function scheduleRule(schedule: Schedule): ScheduleRule {
  return {
    everyMs: Math.round(schedule.every_seconds * 1000),
    cooldownMs: Math.round((schedule.cooldown_seconds ?? 0) * 1000),
    hours: schedule.hours ?? null,
    timeZone: schedule.time_zone ?? "UTC",
    contentType: schedule.content_type ?? "default",
    priority: schedule.priority ?? 50,
    payload: schedule.payload ?? {},
  };
}

/** Where every schedule stands; how its tasks stand only where a slot is to be decided. */
export async function readSchedules(
  tx: Queryable,
  workflows: Readonly<Record<string, WorkflowView>>,
  nowMs: number,
): Promise<ScheduleState[]> {
  const { rows } = await tx.query("select workflow_type, last_slot from schedules order by workflow_type");
  const due = rows.flatMap(({ workflow_type: type, last_slot: lastSlotMs }) => {
    const rule = workflows[type]?.schedule;
    return rule && slotAt(nowMs, rule.everyMs) > lastSlotMs ? [type as string] : [];
  });
  const past = await readPast(tx, due);
  return rows.map((row) => ({
    workflowType: row.workflow_type,
    lastSlotMs: row.last_slot,
    unfinished: past.get(row.workflow_type)?.unfinished ?? false,
    lastEndedAtMs: past.get(row.workflow_type)?.last_ended ?? null,
  }));
}

async function readPast(tx: Queryable, types: readonly string[]): Promise<Map<string, Row>> {
  if (types.length === 0) return new Map();
  const { rows } = await tx.query(
    `select workflow_type,
            exists (select from tasks t where t.created_by = 'schedule' and t.completed_at is null
                       and t.workflow_type = due.workflow_type) as unfinished,
            (select max(t.completed_at) from tasks t where t.created_by = 'schedule'
                and t.workflow_type = due.workflow_type) as last_ended
       from unnest($1::text[]) as due (workflow_type)`,
    [types],
  );
  return new Map(rows.map((row) => [row.workflow_type, row]));
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
      `insert into schedules (workflow_type, last_slot, last_decision, decided_at)
       select workflow_type, last_slot, last_decision, $4
         from unnest($1::text[], $2::timestamptz[], $3::text[]) as d (workflow_type, last_slot, last_decision)
       on conflict (workflow_type) do update set last_slot = excluded.last_slot,
         last_decision = excluded.last_decision, decided_at = excluded.decided_at`,
      [
        decided.map((slot) => slot.workflowType),
        decided.map((slot) => new Date(slot.slotMs)),
        decided.map((slot) => slot.reason),
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
    `select asked.workflow_type, last_slot, last_decision, orchestrator_now() as now
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
      };
      return [workflowType, view];
    }),
  );
}
