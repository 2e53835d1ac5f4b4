/** Decides for each slot of a schedule whether its workflow runs, or why not. Never twice about one slot. */
import type { ScheduleDecision } from "@master-orchestrator/contract";
import type { Enqueue, ForgetSchedule, ScheduleSlot } from "./decision.ts";
import type { ScheduleRule, ScheduleState, Snapshot, WorkflowView } from "./snapshot.ts";

/** The beginning of the slot in which `nowMs` falls; slots are counted from the Unix epoch. */
export function slotAt(nowMs: number, everyMs: number): number {
  return Math.floor(nowMs / everyMs) * everyMs;
}

/** When the next slot of any schedule begins; null without schedules. */
export function nextSlotMs(workflows: Snapshot["workflows"], nowMs: number): number | null {
  const next = Object.values(workflows).flatMap(({ schedule }) =>
    schedule ? [slotAt(nowMs, schedule.everyMs) + schedule.everyMs] : [],
  );
  return next.length === 0 ? null : Math.min(...next);
}

/**
 * A slot that has begun since the last one that was decided is due. However many have gone by, only
 * the current one is decided, so that what was missed is made up for once. A schedule that is seen
 * for the first time starts with its next slot.
 */
export function decideSchedules(snapshot: Snapshot): (ScheduleSlot | Enqueue | ForgetSchedule)[] {
  const states = new Map(snapshot.schedules.map((state) => [state.workflowType, state]));
  const scheduled = Object.values(snapshot.workflows).flatMap((workflow) =>
    workflow.schedule ? [{ workflow, rule: workflow.schedule }] : [],
  );
  const kept = new Set(scheduled.map(({ workflow }) => workflow.workflowType));
  return [
    ...scheduled.flatMap(({ workflow, rule }) =>
      decideSlot(workflow, rule, states.get(workflow.workflowType), snapshot),
    ),
    ...[...states.keys()]
      .filter((workflowType) => !kept.has(workflowType))
      .map((workflowType): ForgetSchedule => ({ kind: "forget_schedule", workflowType })),
  ];
}

function decideSlot(
  workflow: WorkflowView,
  rule: ScheduleRule,
  state: ScheduleState | undefined,
  snapshot: Snapshot,
): (ScheduleSlot | Enqueue)[] {
  const { workflowType } = workflow;
  const slotMs = slotAt(snapshot.nowMs, rule.everyMs);
  const decide = (reason: ScheduleDecision, cause: string): ScheduleSlot => ({
    kind: "schedule",
    workflowType,
    slotMs,
    run: reason === "run",
    reason,
    cause,
  });
  if (!state) return [decide("first_seen", "the schedule is new: it begins with the next slot")];
  if (slotMs <= state.lastSlotMs) return [];
  const obstacle = obstacleTo(workflow, rule, state, snapshot);
  if (obstacle) return [decide(obstacle.reason, obstacle.cause)];
  const missed = Math.max(0, Math.ceil((slotMs - state.lastSlotMs) / rule.everyMs) - 1);
  const cause =
    missed === 0 ? "its slot has begun" : `its slot has begun; ${missed} before it went by unseen`;
  return [decide("run", cause), taskFor(workflowType, rule, slotMs)];
}

interface Obstacle {
  reason: ScheduleDecision;
  cause: string;
}

/** The first reason not to run, or null. */
function obstacleTo(
  workflow: WorkflowView,
  rule: ScheduleRule,
  state: ScheduleState,
  snapshot: Snapshot,
): Obstacle | null {
  const { workflowType } = workflow;
  if (snapshot.paused) return { reason: "paused", cause: "the orchestrator is paused" };
  if (workflow.paused) return { reason: "paused", cause: `${workflowType} is paused` };
  if (!workflow.hasTarget) {
    return { reason: "no_target", cause: `${workflowType} has no webhook to post to` };
  }
  if (rule.hours && !isWithin(rule.hours, hourAt(snapshot.nowMs, rule.timeZone))) {
    const [from, to] = rule.hours;
    return { reason: "outside_hours", cause: `it runs from ${from} to ${to} o'clock, ${rule.timeZone}` };
  }
  if (state.unfinished) {
    return { reason: "previous_run_not_over", cause: "the task of an earlier slot has not ended" };
  }
  const { lastEndedAtMs } = state;
  const readyAtMs = lastEndedAtMs === null ? null : lastEndedAtMs + rule.cooldownMs;
  if (readyAtMs !== null && snapshot.nowMs < readyAtMs) {
    return { reason: "cooling_down", cause: `its last task ended less than ${rule.cooldownMs / 1000} s ago` };
  }
  return null;
}

function isWithin([from, to]: readonly [number, number], hour: number): boolean {
  return from < to ? hour >= from && hour < to : hour >= from || hour < to;
}

/** The hour of the day, 0 to 23, that clocks in `timeZone` show at `atMs`. */
function hourAt(atMs: number, timeZone: string): number {
  const format = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", hourCycle: "h23" });
  return Number(format.format(atMs));
}

function taskFor(workflowType: string, rule: ScheduleRule, slotMs: number): Enqueue {
  const slot = new Date(slotMs).toISOString();
  return {
    kind: "enqueue",
    workflowType,
    contentType: rule.contentType,
    priority: rule.priority,
    payload: { ...rule.payload, scheduled_for: slot },
    idempotencyKey: `schedule:${workflowType}:${slot}`,
    parentTaskId: null,
    chainDepth: 0,
    createdBy: "schedule",
    reason: `enqueued by the schedule of ${workflowType} for its slot of ${slot}`,
  };
}
