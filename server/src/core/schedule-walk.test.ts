/** Schedules through time: whatever the clock, the settings and the tasks do, each slot is accounted for, once. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aPolicy, aSnapshot, aWorkflow, deepFrozen, MINUTE, SECOND } from "#test/builders.ts";
import { type Chance, forSeeds } from "#test/chance.ts";
import type { Decision, ScheduleSlot } from "./decision.ts";
import { plan } from "./plan.ts";
import { slotAt } from "./schedule.ts";
import type { Adaptation, ScheduleRule, ScheduleState } from "./snapshot.ts";

const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const TYPE = "w";
/** Each walk passes a change of the clocks: Berlin, New York (both ways), Lord Howe (by half an hour). */
const STARTS = ["2026-03-28", "2026-10-24", "2026-03-07", "2026-10-31", "2026-04-04", "2026-10-03"];
const ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"];

interface Walk {
  nowMs: number;
  rule: ScheduleRule;
  paused: boolean;
  adaptation: Adaptation;
  state: ScheduleState | null;
  topics: number;
  /** Keys of every task there is, as the store has them: a key that is taken makes no second task. */
  keys: Set<string>;
  open: number;
  lastEndedAtMs: number | null;
  log: { slot: ScheduleSlot; rule: ScheduleRule; atMs: number; enqueued: number }[];
}

function aRule(random: Chance): ScheduleRule {
  const from = random.int(0, 23);
  const to = (from + random.int(1, 23)) % 24;
  const source = random.maybe(0.3) ? ("topics" as const) : null;
  return {
    everyMs: random.oneOf([MINUTE, 7 * MINUTE, 15 * MINUTE, HOUR, 100 * MINUTE, 4 * HOUR]),
    cooldownMs: random.oneOf([0, 0, 5 * MINUTE, 3 * HOUR]),
    hours: random.maybe(0.6) ? [from, to] : null,
    timeZone: random.oneOf(ZONES),
    contentType: "default",
    priority: 50,
    payload: {},
    source,
    perSlot: source ? random.int(1, 4) : 1,
  };
}

function begin(random: Chance): Walk {
  return {
    nowMs: Date.parse(`${random.oneOf(STARTS)}T12:00:00Z`) + random.int(0, DAY),
    rule: aRule(random),
    paused: false,
    adaptation: { slowness: 0, reason: "it keeps its pace", sinceMs: null },
    state: null,
    topics: 0,
    keys: new Set(),
    open: 0,
    lastEndedAtMs: null,
    log: [],
  };
}

/** The store's part: reads the state, carries out what was decided. */
function cycle(walk: Walk): void {
  const { nowMs, rule, state, paused, adaptation } = walk;
  const waiting = Array.from({ length: Math.min(walk.topics, rule.perSlot) }, (_, i) => ({
    ...{ workId: `t${walk.topics - i}`, contentType: "default", priority: 50, payload: {} },
  }));
  const past = { unfinished: Math.min(walk.open, rule.perSlot), lastEndedAtMs: walk.lastEndedAtMs };
  const snapshot = aSnapshot({
    ...{ nowMs, paused, adaptation, policy: aPolicy() },
    workflows: { [TYPE]: aWorkflow({ workflowType: TYPE, schedule: rule }) },
    schedules: state ? [{ ...state, ...past, waiting: rule.source ? waiting : [] }] : [],
  });
  const { decisions } = plan(deepFrozen(snapshot));
  const slots = decisions.filter((decision) => decision.kind === "schedule");
  assert.ok(slots.length <= 1, "one cycle decides one slot of a schedule at most");
  const [slot] = slots;
  const enqueues = decisions.filter((decision) => decision.kind === "enqueue");
  const fresh = enqueues.filter(({ idempotencyKey }) => !walk.keys.has(idempotencyKey));
  for (const { idempotencyKey } of fresh) walk.keys.add(idempotencyKey);
  walk.open += fresh.length;
  checkTasks(walk, slot, decisions);
  if (!slot) return;
  if (rule.source && slot.run) walk.topics -= enqueues.length;
  walk.log.push({ slot, rule, atMs: nowMs, enqueued: enqueues.length });
  walk.state = {
    ...{ workflowType: TYPE, everyMs: slot.everyMs, lastSlotMs: slot.slotMs, lastRunMs: slot.lastRunMs },
    ...{ unfinished: 0, lastEndedAtMs: null, waiting: [] },
  };
}

function checkTasks(
  { rule, nowMs, paused }: Walk,
  slot: ScheduleSlot | undefined,
  decisions: readonly Decision[],
) {
  const enqueues = decisions.filter((decision) => decision.kind === "enqueue");
  assert.equal(enqueues.length > 0, slot?.run ?? false, "a run has tasks, and nothing else has");
  assert.ok(enqueues.length <= rule.perSlot, "no more tasks than the slot may have");
  if (!slot) return;
  assert.ok(slot.cause.length > 0, "each decision has its words");
  if (slot.reason === "first_seen") return;
  assert.ok(slot.slotMs <= nowMs && nowMs < slot.slotMs + rule.everyMs, "the slot is the one that it is now");
  if (slot.run) {
    assert.ok(!paused, "nothing runs while paused");
    if (rule.hours) assert.ok(isOpen(rule, nowMs), `it is not in [${rule.hours}) ${rule.timeZone}`);
  }
}

/** By other means than the core's: the clock's own words, to the minute. */
function isOpen({ hours, timeZone }: ScheduleRule, atMs: number): boolean {
  const shown = new Date(atMs).toLocaleTimeString("en-US", { timeZone, hour12: false }).slice(0, 2);
  const [from, to] = hours as readonly [number, number];
  const hour = Number(shown) % 24;
  const open = new Set<number>();
  for (let h = from; h !== to % 24; h = (h + 1) % 24) open.add(h);
  return open.has(hour);
}

function disturb(random: Chance, walk: Walk): void {
  walk.nowMs += random.maybe(0.9)
    ? random.int(1, 12) * MINUTE + random.int(0, 59_999)
    : random.int(1, 30) * HOUR;
  if (walk.open > 0 && random.maybe(0.6)) {
    walk.open -= 1;
    walk.lastEndedAtMs = walk.nowMs;
  }
  if (random.maybe(0.3)) walk.topics += random.int(1, 5);
  if (random.maybe(0.02)) walk.paused = !walk.paused;
  if (random.maybe(0.05)) walk.adaptation = { ...walk.adaptation, slowness: random.fraction() };
}

const SEEDS = 100;

describe("schedules through changes of the clocks", () => {
  it("account for every slot once: decided, or counted as missed", () => {
    forSeeds(SEEDS, (random) => {
      const walk = begin(random);
      for (let step = 0; step < 200; step++) {
        disturb(random, walk);
        cycle(walk);
        // Looking again at the same moment decides nothing.
        const decided = walk.log.length;
        cycle(walk);
        assert.equal(walk.log.length, decided);
      }
      const { everyMs } = walk.rule;
      for (const [i, { slot }] of walk.log.entries()) {
        const before = walk.log[i - 1];
        if (!before) {
          assert.equal(slot.reason, "first_seen");
          continue;
        }
        const between = (slot.slotMs - before.slot.slotMs) / everyMs;
        assert.ok(between >= 1, "slots are decided in their order, each once");
        assert.equal(slot.missed, between - 1, "what went by unseen is counted");
        if (slot.missed > 0) assert.match(slot.cause, new RegExp(`${slot.missed} before it went by unseen`));
      }
      const last = walk.log.at(-1);
      assert.equal(last?.slot.slotMs, slotAt(walk.nowMs, everyMs), "nothing is left undecided");
    });
  });

  it("make no second task for a slot when the clock is set back, and go on all the same", () => {
    forSeeds(SEEDS, (random) => {
      const walk = begin(random);
      walk.rule = { ...walk.rule, hours: null, source: null, perSlot: 1, cooldownMs: 0 };
      for (let step = 0; step < 150; step++) {
        disturb(random, walk);
        walk.paused = false;
        walk.adaptation = { ...walk.adaptation, slowness: 0 };
        walk.open = 0;
        if (random.maybe(0.1)) walk.nowMs -= random.oneOf([SECOND, MINUTE, 2 * HOUR, 3 * DAY]);
        cycle(walk);
      }
      const runs = walk.log.filter(({ slot }) => slot.run).map(({ slot }) => slot.slotMs);
      assert.equal(walk.keys.size, new Set(runs).size, "a task for each slot that ran, never two");
      for (const [i, { slot }] of walk.log.entries()) {
        const before = walk.log[i - 1]?.slot;
        if (before && slot.slotMs < before.slotMs) assert.match(slot.cause, /the clock was set back/);
      }
      // However far it was set back: within two slots there is a run again.
      const from = walk.log.length;
      for (let i = 0; i < 3; i++) {
        walk.nowMs += walk.rule.everyMs;
        walk.open = 0;
        cycle(walk);
      }
      assert.ok(
        walk.log.slice(from).some(({ slot }) => slot.run),
        "it goes on",
      );
    });
  });

  it("go on with the next slot when the interval changes, and decide no slot again", () => {
    forSeeds(SEEDS, (random) => {
      const walk = begin(random);
      for (let step = 0; step < 150; step++) {
        disturb(random, walk);
        if (random.maybe(0.1)) walk.rule = { ...walk.rule, everyMs: aRule(random).everyMs };
        const before = walk.log.at(-1);
        cycle(walk);
        const now = walk.log.at(-1);
        if (!before || !now || now === before) continue;
        if (before.rule.everyMs !== now.rule.everyMs) {
          assert.deepEqual([now.slot.run, now.slot.reason], [false, "first_seen"]);
          assert.match(now.slot.cause, /its interval was .* and is .*: it goes on with the next slot/);
          assert.ok(now.slot.slotMs >= before.slot.slotMs);
        } else assert.ok(now.slot.slotMs > before.slot.slotMs);
      }
      const runs = walk.log.filter(({ slot }) => slot.run).map(({ slot }) => slot.slotMs);
      assert.equal(new Set(runs).size, runs.length, "no slot runs twice");
    });
  });
});

describe("slots that are slowed down", () => {
  it("leave an even spacing on average, whole slots or not, and a shorter one at once when it eases", () => {
    forSeeds(50, (random) => {
      const walk = begin(random);
      walk.rule = { ...walk.rule, hours: null, source: null, perSlot: 1, cooldownMs: 0 };
      const slowness = random.fraction();
      walk.adaptation = { ...walk.adaptation, slowness };
      const step = () => {
        walk.nowMs += walk.rule.everyMs;
        walk.open = 0;
        cycle(walk);
      };
      for (let i = 0; i < 400; i++) step();
      const runs = walk.log.filter(({ slot }) => slot.run).length;
      const factor = 1 + slowness * 3;
      assert.ok(
        Math.abs(400 / runs - factor) < 0.05 * factor,
        `a run every ${400 / runs} slots, not ${factor}`,
      );
      for (const { slot } of walk.log) {
        if (slot.reason === "slowed_down")
          assert.match(slot.cause, /instead of every .* since it keeps its pace/);
      }
      walk.adaptation = { ...walk.adaptation, slowness: 0 };
      const from = walk.log.length;
      for (let i = 0; i < 10; i++) step();
      assert.equal(walk.log.slice(from).filter(({ slot }) => slot.run).length, 10);
    });
  });
});
