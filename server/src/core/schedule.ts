/** Decides for each slot of a schedule whether its workflow runs, or why not. Never twice about one slot. */
import {
  DEFAULT_PER_SLOT,
  type Schedule,
  type ScheduleDecision,
  type WorkSource,
} from "@master-orchestrator/contract";
import { intervalFactor, tasksPerSlot } from "./adapt.ts";
import type { Enqueue, ForgetSchedule, ScheduleSlot, TakeWork } from "./decision.ts";
import { isWithin } from "./hours.ts";
import type { ScheduleRule, ScheduleState, Snapshot, WaitingWork, WorkflowView } from "./snapshot.ts";

/** The rule that stored settings mean. */
export function scheduleRule(schedule: Schedule): ScheduleRule {
  const source = schedule.source ?? null;
  return {
    everyMs: Math.round(schedule.every_seconds * 1000),
    cooldownMs: Math.round((schedule.cooldown_seconds ?? 0) * 1000),
    hours: schedule.hours ?? null,
    timeZone: schedule.time_zone ?? "UTC",
    contentType: schedule.content_type ?? "default",
    priority: schedule.priority ?? 50,
    payload: schedule.payload ?? {},
    source,
    perSlot: source === null ? 1 : (schedule.per_slot ?? DEFAULT_PER_SLOT),
  };
}

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

/** How sources are spoken of. */
const SOURCES: Readonly<Record<WorkSource, { name: string; waiting: string; nothing: string }>> = {
  topics: { name: "topics", waiting: "topics that wait", nothing: "no topics wait" },
  stale_days: {
    name: "days",
    waiting: "looks at days that have changed or are over",
    nothing: "no day has changed or is over since the last look",
  },
  events: {
    name: "events",
    waiting: "looks at new events and running experiments",
    nothing: "no new events since the last run, and no experiment runs",
  },
  articles_due: {
    name: "articles",
    waiting: "articles that are due for an audit",
    nothing: "no articles are due for an audit",
  },
};

type Decided = ScheduleSlot | Enqueue | TakeWork;

/**
 * A slot that has begun since the last one that was decided is due. However many have gone by, only
 * the current one is decided, so that what was missed is made up for once. A schedule that is seen
 * for the first time starts with its next slot; so does one whose interval was changed.
 */
export function decideSchedules(snapshot: Snapshot): (Decided | ForgetSchedule)[] {
  const states = new Map(snapshot.schedules.map((state) => [state.workflowType, state]));
  const scheduled = Object.values(snapshot.workflows).flatMap((workflow) =>
    workflow.schedule ? [{ workflow, rule: workflow.schedule }] : [],
  );
  const kept = new Set(scheduled.map(({ workflow }) => workflow.workflowType));
  return [
    ...scheduled.flatMap(({ workflow, rule }) => {
      const state = states.get(workflow.workflowType);
      const begun = state ? beginAgain(rule, state, snapshot.nowMs) : ANEW;
      if (begun) return [beginning(workflow.workflowType, rule, begun, snapshot.nowMs)];
      return decideSlot(workflow, rule, state as ScheduleState, snapshot);
    }),
    ...[...states.keys()]
      .filter((workflowType) => !kept.has(workflowType))
      .map((workflowType): ForgetSchedule => ({ kind: "forget_schedule", workflowType })),
  ];
}

/** Why a schedule begins with its next slot, and what is kept of before. */
interface Beginning {
  cause: string;
  lastSlotMs: number | null;
  lastRunMs: number | null;
}

const ANEW: Beginning = {
  cause: "the schedule is new: it begins with the next slot",
  lastSlotMs: null,
  lastRunMs: null,
};

/** Null for a schedule that simply goes on. */
function beginAgain(rule: ScheduleRule, state: ScheduleState, nowMs: number): Beginning | null {
  const { everyMs, lastSlotMs, lastRunMs } = state;
  if (everyMs !== null && everyMs !== rule.everyMs) {
    const cause = `its interval was ${everyMs / 1000} s and is ${rule.everyMs / 1000} s: it goes on with the next slot`;
    // Slots that were decided stay decided, also where the new ones are longer.
    return { cause, lastSlotMs: lastSlotMs <= nowMs ? lastSlotMs : null, lastRunMs };
  }
  // By less than two slots it simply waits until the clock has caught up.
  if (lastSlotMs - slotAt(nowMs, rule.everyMs) <= rule.everyMs) return null;
  const seconds = Math.ceil((lastSlotMs - nowMs) / 1000);
  const cause = `the clock was set back by ${seconds} s or more: it goes on with the next slot`;
  return { cause, lastSlotMs: null, lastRunMs: null };
}

function beginning(workflowType: string, rule: ScheduleRule, begun: Beginning, nowMs: number): ScheduleSlot {
  const { cause, lastRunMs } = begun;
  return {
    kind: "schedule",
    workflowType,
    slotMs: Math.max(slotAt(nowMs, rule.everyMs), begun.lastSlotMs ?? 0),
    everyMs: rule.everyMs,
    missed: 0,
    run: false,
    reason: "first_seen",
    cause,
    lastRunMs,
  };
}

function decideSlot(
  workflow: WorkflowView,
  rule: ScheduleRule,
  state: ScheduleState,
  snapshot: Snapshot,
): Decided[] {
  const { workflowType } = workflow;
  const { everyMs } = rule;
  const slotMs = slotAt(snapshot.nowMs, everyMs);
  if (slotMs <= state.lastSlotMs) return [];
  const missed = Math.ceil((slotMs - state.lastSlotMs) / everyMs) - 1;
  const about = { kind: "schedule", workflowType, slotMs, everyMs, missed } as const;
  const unseen = missed === 0 ? "" : `; ${missed} before it went by unseen`;
  const obstacle = obstacleTo(workflow, rule, state, snapshot);
  if (obstacle) {
    const { reason, cause } = obstacle;
    return [{ ...about, run: false, reason, cause: cause + unseen, lastRunMs: state.lastRunMs }];
  }
  const { work, tasks } = workOf(workflowType, rule, state, snapshot);
  const cause = `its slot has begun${work}${unseen}`;
  const lastRunMs = evenly(state.lastRunMs, slotMs, everyMs * factorOf(snapshot), everyMs);
  return [{ ...about, run: true, reason: "run", cause, lastRunMs }, ...tasks];
}

/**
 * Where a run stands in an even spacing of `spacingMs`, which need not be a whole number of slots: not
 * at its slot but where it would have been, so that runs every one and a half slots come after 2, 1, 2, 1.
 */
function evenly(lastRunMs: number | null, slotMs: number, spacingMs: number, everyMs: number): number {
  if (lastRunMs === null) return slotMs;
  return Math.min(slotMs, Math.max(Math.round(lastRunMs + spacingMs), slotMs - everyMs + 1));
}

/** How many tasks of its slots may be there at once. */
function mostOf(rule: ScheduleRule, { adaptation, policy }: Snapshot): number {
  return tasksPerSlot(rule, adaptation.slowness, policy.adapt);
}

function factorOf({ adaptation, policy }: Snapshot): number {
  return intervalFactor(adaptation.slowness, policy.adapt);
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
  const spacingMs = rule.everyMs * factorOf(snapshot);
  if (state.lastRunMs !== null && slotAt(snapshot.nowMs, rule.everyMs) < state.lastRunMs + spacingMs - 1) {
    const every = `it runs every ${Math.round(spacingMs / 1000)} s instead of every ${rule.everyMs / 1000} s`;
    return { reason: "slowed_down", cause: `${every}, since ${snapshot.adaptation.reason}` };
  }
  const most = mostOf(rule, snapshot);
  if (state.unfinished >= most) {
    const what = most === 1 ? "the task of an earlier slot has" : `${most} tasks of earlier slots have`;
    return { reason: "previous_run_not_over", cause: `${what} not ended` };
  }
  // An end that is still to come was noted before the clock was set back: it says nothing.
  const sinceEndMs = state.lastEndedAtMs === null ? -1 : snapshot.nowMs - state.lastEndedAtMs;
  if (sinceEndMs >= 0 && sinceEndMs < rule.cooldownMs) {
    return { reason: "cooling_down", cause: `its last task ended less than ${rule.cooldownMs / 1000} s ago` };
  }
  if (rule.source !== null && state.waiting.length === 0) {
    return { reason: "nothing_to_do", cause: SOURCES[rule.source].nothing };
  }
  return null;
}

/** The hour of the day, 0 to 23, that clocks in `timeZone` show at `atMs`. */
function hourAt(atMs: number, timeZone: string): number {
  const format = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", hourCycle: "h23" });
  return Number(format.format(atMs));
}

/** The tasks of a slot: the slot itself, or as much of what waits as has room beside what has not ended. */
function workOf(
  workflowType: string,
  rule: ScheduleRule,
  state: ScheduleState,
  snapshot: Snapshot,
): { work: string; tasks: (Enqueue | TakeWork)[] } {
  const slot = new Date(slotAt(snapshot.nowMs, rule.everyMs)).toISOString();
  const { source } = rule;
  if (source === null) return { work: "", tasks: [taskOfSlot(workflowType, rule, slot)] };
  const taken = state.waiting.slice(0, mostOf(rule, snapshot) - state.unfinished);
  const take: TakeWork = { kind: "take_work", workflowType, source, workIds: taken.map((one) => one.workId) };
  const reason = `taken from the ${SOURCES[source].name} by the schedule of ${workflowType} for its slot of ${slot}`;
  const tasks = taken.map((one) => taskOfWork(workflowType, source, one, reason));
  return {
    work: `: ${taken.length} of the ${SOURCES[source].waiting}`,
    tasks: [take, ...tasks],
  };
}

const BY_ITSELF = { parentTaskId: null, chainDepth: 0, createdBy: "schedule" } as const;

function taskOfSlot(workflowType: string, rule: ScheduleRule, slot: string): Enqueue {
  return {
    kind: "enqueue",
    workflowType,
    contentType: rule.contentType,
    priority: rule.priority,
    payload: { ...rule.payload, scheduled_for: slot },
    idempotencyKey: `schedule:${workflowType}:${slot}`,
    ...BY_ITSELF,
    reason: `enqueued by the schedule of ${workflowType} for its slot of ${slot}`,
  };
}

function taskOfWork(workflowType: string, source: WorkSource, work: WaitingWork, reason: string): Enqueue {
  const { workId, contentType, priority, payload } = work;
  const idempotencyKey = `${source}:${workId}`;
  return {
    ...{ kind: "enqueue", workflowType, contentType, priority, payload: { ...payload }, idempotencyKey },
    ...BY_ITSELF,
    reason,
  };
}
