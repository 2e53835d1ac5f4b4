/** Schedules: which slot is due, when it is a run and when not, and that each is decided once. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aSnapshot, aWorkflow, deepFrozen, MINUTE, NOW, SECOND, WORKFLOW } from "#test/builders.ts";
import type { Decision } from "./decision.ts";
import { plan } from "./plan.ts";
import { decisionRecord } from "./record.ts";
import { nextSlotMs, slotAt } from "./schedule.ts";
import type { ScheduleRule, ScheduleState, Snapshot, WorkflowView } from "./snapshot.ts";

const HOUR = 60 * MINUTE;

const aRule = (over: Partial<ScheduleRule> = {}): ScheduleRule => ({
  everyMs: 15 * MINUTE,
  cooldownMs: 0,
  hours: null,
  timeZone: "UTC",
  contentType: "default",
  priority: 50,
  payload: {},
  source: null,
  perSlot: 1,
  ...over,
});
/** The slot before the current one was decided; its task has ended long ago. */
const aState = (over: Partial<ScheduleState> = {}): ScheduleState => ({
  workflowType: WORKFLOW,
  everyMs: null,
  lastSlotMs: NOW - 15 * MINUTE,
  lastRunMs: null,
  waiting: [],
  unfinished: 0,
  lastEndedAtMs: NOW - 10 * MINUTE,
  ...over,
});

const aTopic = (workId: string) => ({
  ...{ workId, contentType: "news", priority: 80, payload: { title: workId } },
});
const slowed = { slowness: 0.5, reason: "money is short", sinceMs: NOW };

interface Case {
  rule?: Partial<ScheduleRule> | null;
  state?: Partial<ScheduleState> | null;
  workflow?: Partial<WorkflowView>;
  snapshot?: Partial<Snapshot>;
}

function decided({ rule = {}, state = {}, workflow = {}, snapshot = {} }: Case): readonly Decision[] {
  const schedule = rule === null ? null : aRule(rule);
  const workflows = { [WORKFLOW]: aWorkflow({ schedule, ...workflow }) };
  const schedules = state === null ? [] : [aState(state)];
  return plan(deepFrozen(aSnapshot({ workflows, schedules, ...snapshot }))).decisions;
}

const slots = (decisions: readonly Decision[]) =>
  decisions.filter((decision) => decision.kind === "schedule");
const enqueued = (decisions: readonly Decision[]) =>
  decisions.filter((decision) => decision.kind === "enqueue");

describe("slots", () => {
  const cases: [atMs: number, everyMs: number, slotMs: number][] = [
    [NOW, 15 * MINUTE, NOW],
    [NOW + 1, 15 * MINUTE, NOW],
    [NOW - 1, 15 * MINUTE, NOW - 15 * MINUTE],
    [NOW + 7 * MINUTE, HOUR, NOW],
    [1_000_000, 7 * SECOND, 994_000],
    [NOW, 2_592_000 * SECOND, Math.floor(NOW / 2_592_000_000) * 2_592_000_000],
  ];
  for (const [atMs, everyMs, slotMs] of cases) {
    it(`of ${everyMs} ms: ${atMs} is in that of ${slotMs}`, () =>
      assert.equal(slotAt(atMs, everyMs), slotMs));
  }

  it("tell when to look next: at the nearest of all schedules", () => {
    const every = (everyMs: number) => aWorkflow({ schedule: aRule({ everyMs }) });
    const workflows = { a: every(HOUR), b: every(15 * MINUTE), c: aWorkflow() };
    assert.equal(nextSlotMs(workflows, NOW), NOW + 15 * MINUTE);
    assert.equal(nextSlotMs(workflows, NOW + 50 * MINUTE), NOW + HOUR);
    assert.equal(nextSlotMs({ c: aWorkflow() }, NOW), null);
  });
});

describe("a slot that has begun", () => {
  it("is a task with its slot, once", () => {
    const rule = { contentType: "news", priority: 70, payload: { depth: 3 } };
    const decisions = decided({ rule });
    const slot = new Date(NOW).toISOString();
    assert.deepEqual(enqueued(decisions), [
      {
        kind: "enqueue",
        workflowType: WORKFLOW,
        contentType: "news",
        priority: 70,
        payload: { depth: 3, scheduled_for: slot },
        idempotencyKey: `schedule:${WORKFLOW}:${slot}`,
        parentTaskId: null,
        chainDepth: 0,
        createdBy: "schedule",
        reason: `enqueued by the schedule of ${WORKFLOW} for its slot of ${slot}`,
      },
    ]);
    assert.deepEqual(slots(decisions).map(decisionRecord), [
      {
        kind: "schedule",
        workflow_type: WORKFLOW,
        slot,
        run: true,
        missed: 0,
        reason: "run",
        cause: "its slot has begun",
      },
    ]);
  });

  const nothing: [what: string, over: Case][] = [
    ["it was decided before", { state: { lastSlotMs: NOW } }],
    ["the clock went back", { state: { lastSlotMs: NOW + 15 * MINUTE } }],
    ["it has not begun yet", { snapshot: { nowMs: NOW - 1 } }],
    ["there is no schedule", { rule: null, state: null }],
  ];
  for (const [what, over] of nothing)
    it(`is nothing when ${what}`, () => assert.deepEqual(decided(over), []));

  it("is one task however many went by, for the current slot", () => {
    const decisions = decided({
      state: { lastSlotMs: NOW - 5 * HOUR },
      snapshot: { nowMs: NOW + 2 * MINUTE },
    });
    assert.equal(enqueued(decisions).length, 1);
    const [slot] = slots(decisions);
    assert.equal(slot!.slotMs, NOW);
    assert.equal(slot!.cause, "its slot has begun; 19 before it went by unseen");
  });

  it("with a source is a task for each that waits, as many as have room", () => {
    const waiting = ["a", "b", "c"].map(aTopic);
    const decisions = decided({ rule: { source: "topics", perSlot: 3 }, state: { unfinished: 1, waiting } });
    assert.deepEqual(
      enqueued(decisions).map(({ idempotencyKey, contentType, priority, payload }) => ({
        ...{ idempotencyKey, contentType, priority, payload },
      })),
      ["a", "b"].map((id) => ({
        ...{ idempotencyKey: `topics:${id}`, contentType: "news", priority: 80, payload: { title: id } },
      })),
    );
    assert.deepEqual(decisions.filter(({ kind }) => kind === "take_work").map(decisionRecord), [
      { kind: "take_work", workflow_type: WORKFLOW, source: "topics", work_ids: ["a", "b"] },
    ]);
    assert.equal(slots(decisions)[0]?.cause, "its slot has begun: 2 of the topics that wait");
    const fewer = decided({
      rule: { source: "topics", perSlot: 3 },
      state: { waiting },
      snapshot: { adaptation: { ...slowed, slowness: 1 } },
    });
    assert.equal(enqueued(fewer).length, 1, "the slot of who is slowed down is smaller");
  });

  it("is only noted when the schedule is new", () => {
    const decisions = decided({ state: null, snapshot: { nowMs: NOW + MINUTE } });
    assert.deepEqual(
      slots(decisions).map(({ slotMs, run, reason }) => [slotMs, run, reason]),
      [[NOW, false, "first_seen"]],
    );
    assert.deepEqual(enqueued(decisions), []);
  });

  it("of a schedule that was taken away is forgotten", () => {
    assert.deepEqual(decided({ rule: null }), [{ kind: "forget_schedule", workflowType: WORKFLOW }]);
    const gone = decided({ snapshot: { workflows: {} } });
    assert.deepEqual(gone.map(decisionRecord), [{ kind: "forget_schedule", workflow_type: WORKFLOW }]);
  });
});

describe("no run", () => {
  const late = { lastEndedAtMs: NOW - MINUTE };
  const cases: [what: string, over: Case, reason: string, cause: RegExp][] = [
    ["while the house is paused", { snapshot: { paused: true } }, "paused", /orchestrator/],
    ["of a paused workflow", { workflow: { paused: true } }, "paused", new RegExp(WORKFLOW)],
    ["without a webhook", { workflow: { hasTarget: false } }, "no_target", /no webhook/],
    ["before the hours", { rule: { hours: [13, 18] } }, "outside_hours", /from 13 to 18 o'clock, UTC/],
    ["at the hour that ends them", { rule: { hours: [8, 12] } }, "outside_hours", /from 8 to 12/],
    [
      "while the task before has not ended",
      { state: { unfinished: 1 } },
      "previous_run_not_over",
      /not ended/,
    ],
    ["too soon after its end", { rule: { cooldownMs: 90_500 }, state: late }, "cooling_down", /90.5 s/],
    [
      "while as many tasks of its slots as there may be have not ended",
      { rule: { source: "topics", perSlot: 3 }, state: { unfinished: 3, waiting: [aTopic("a")] } },
      "previous_run_not_over",
      /3 tasks of earlier slots have not ended/,
    ],
    [
      "when nothing waits in its source",
      { rule: { source: "topics", perSlot: 3 } },
      "nothing_to_do",
      /no topics/,
    ],
    [
      "when no article is due",
      { rule: { source: "articles_due", perSlot: 3 } },
      "nothing_to_do",
      /no articles are due for an audit/,
    ],
    [
      "in the slots that a longer interval leaves out",
      { state: { lastRunMs: NOW - 15 * MINUTE }, snapshot: { adaptation: slowed } },
      "slowed_down",
      /^it runs every 2250 s instead of every 900 s, since money is short$/,
    ],
    [
      "for the first of several reasons",
      { workflow: { paused: true, hasTarget: false }, rule: { hours: [0, 1] }, state: { unfinished: 1 } },
      "paused",
      /paused/,
    ],
  ];
  for (const [what, over, reason, cause] of cases) {
    it(`${what}: ${reason}, and the slot is decided`, () => {
      const decisions = decided(over);
      assert.deepEqual(enqueued(decisions), []);
      const [slot, ...more] = slots(decisions);
      assert.deepEqual([slot!.run, slot!.reason, slot!.slotMs, more], [false, reason, NOW, []]);
      assert.match(slot!.cause, cause);
    });
  }

  const runs: [what: string, over: Case][] = [
    ["in the hour that begins the hours", { rule: { hours: [12, 13] } }],
    ["in hours over midnight", { rule: { hours: [22, 13] } }],
    ["until midnight", { rule: { hours: [9, 24] } }],
    ["when the cooldown is over to the millisecond", { rule: { cooldownMs: MINUTE }, state: late }],
    ["with a cooldown, but nothing before", { rule: { cooldownMs: HOUR }, state: { lastEndedAtMs: null } }],
  ];
  for (const [what, over] of runs) {
    it(`is not said ${what}`, () => assert.equal(enqueued(decided(over)).length, 1));
  }
});

describe("hours", () => {
  // The clocks of Berlin go forward at 01:00 UTC on 29 March 2026, and Kathmandu is 5:45 ahead.
  const cases: [at: string, timeZone: string, hours: [number, number], runs: boolean][] = [
    ["2026-01-15T07:00:00Z", "Europe/Berlin", [8, 9], true],
    ["2026-07-15T07:00:00Z", "Europe/Berlin", [8, 9], false],
    ["2026-07-15T06:00:00Z", "Europe/Berlin", [8, 9], true],
    ["2026-03-29T00:59:59Z", "Europe/Berlin", [2, 3], false],
    ["2026-03-29T01:00:00Z", "Europe/Berlin", [2, 3], false],
    ["2026-03-29T01:00:00Z", "Europe/Berlin", [3, 4], true],
    ["2026-01-15T18:15:00Z", "Asia/Kathmandu", [0, 1], true],
    ["2026-01-15T18:14:59Z", "Asia/Kathmandu", [0, 1], false],
    ["2026-01-15T23:30:00Z", "UTC", [22, 6], true],
    ["2026-01-15T05:59:00Z", "UTC", [22, 6], true],
    ["2026-01-15T06:00:00Z", "UTC", [22, 6], false],
    ["2026-01-15T00:00:00Z", "UTC", [22, 0], false],
    ["2026-01-15T00:00:00Z", "UTC", [0, 24], true],
  ];
  for (const [at, timeZone, hours, runs] of cases) {
    it(`[${hours}) in ${timeZone} ${runs ? "hold" : "do not hold"} ${at}`, () => {
      const nowMs = Date.parse(at);
      const over = { rule: { hours, timeZone, everyMs: SECOND }, state: { lastSlotMs: nowMs - HOUR } };
      const decisions = decided({ ...over, snapshot: { nowMs } });
      assert.equal(enqueued(decisions).length, runs ? 1 : 0);
    });
  }
});
