/** When cycles are run: ticks set out in time and come before anything else, and no step of a clock stops them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type FakeClock, fakeClock } from "#test/fake-clock.ts";
import type { CycleOutcome, Trigger } from "./cycle.ts";
import { type Loop, MAX_LEAD_MS, POLL_MS, startLoop } from "./loop.ts";

const START = Date.UTC(2026, 2, 2, 9, 0, 0);
const INTERVAL_MS = 10_000;
const HOUR_MS = 3_600_000;

interface Run {
  kind: Trigger["kind"];
  /** The database's time at which the cycle was asked for, and the one at which it began, less the start. */
  askedAt: number;
  beganAt: number;
  boundary: number | null;
  /** How long signs of life were to wait in it. */
  patienceMs: number;
}

/** A loop over a cycle that does nothing but take its time, on two clocks that can be set apart. */
class Site {
  readonly time: FakeClock = fakeClock(async () => {}, START);
  readonly runs: Run[] = [];
  readonly ticked: number[] = [];
  readonly errors: unknown[] = [];
  /** Boundaries that have their tick, from this replica or another. */
  readonly taken = new Set<number>();
  databaseStepMs = 0;
  localStepMs = 0;
  wakeTakesMs = 0;
  failing = 0;
  loop!: Loop;

  start(over: { lastTickMs?: number; maxLeadMs?: number; patienceMs?: number } = {}): this {
    this.loop = startLoop({
      clock: {
        nowMs: () => this.time.nowMs() + this.localStepMs,
        monotonicMs: this.time.monotonicMs,
        // As the wall clock's: a deadline is counted in time that passes.
        at: (atMs, action) => this.time.at(atMs - this.localStepMs, action),
        gather: this.time.gather,
      },
      tickIntervalMs: INTERVAL_MS,
      maxLeadMs: over.maxLeadMs ?? MAX_LEAD_MS,
      patienceMs: over.patienceMs ?? 0,
      lastTickMs: over.lastTickMs ?? null,
      run: (trigger) => this.#run(trigger),
      onMessages: () => {},
      onError: (error) => this.errors.push(error),
      onTick: (_outcome, boundaryMs) => this.ticked.push(boundaryMs - START),
    });
    return this;
  }

  get #now(): number {
    return this.time.nowMs() + this.databaseStepMs;
  }

  async #run({ kind, boundaryMs, intervalMs, waitMs, patienceMs }: Trigger): Promise<CycleOutcome> {
    const askedAt = this.#now - START;
    if (this.failing-- > 0) throw new Error("the database is away");
    const earlyMs = boundaryMs - this.#now;
    if (kind === "tick" && earlyMs > 0 && earlyMs <= waitMs) await this.#pass(earlyMs);
    const nowMs = this.#now;
    const localMs = this.time.nowMs() + this.localStepMs;
    const newest = nowMs - ((nowMs - boundaryMs) % intervalMs);
    const boundary = nowMs >= boundaryMs && !this.taken.has(newest) ? newest : null;
    if (boundary !== null) this.taken.add(boundary);
    const ran = kind === "wake" || boundary !== null;
    const beganAt = nowMs - START;
    this.runs.push({ kind, askedAt, beganAt, boundary: boundary && boundary - START, patienceMs });
    if (ran && this.wakeTakesMs > 0) await this.#pass(this.wakeTakesMs);
    const idle = { cycleId: "c", dispatched: 0, messages: 0, again: false, nextDueMs: null };
    return { ...idle, recoveries: [], adapt: null, decisions: [], boundaryMs: boundary, nowMs, localMs, ran };
  }

  #pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.time.at(this.time.nowMs() + ms, resolve));
  }

  ticks(): Run[] {
    return this.runs.filter((run) => run.kind === "tick");
  }

  async stop(): Promise<void> {
    const stopped = this.loop.stop();
    await this.time.advance(10_000);
    await stopped;
    assert.equal(this.time.pending(), 0, "it leaves no timer behind");
  }
}

test("a tick sets out before its boundary, and begins on it", async () => {
  const site = new Site().start();
  await site.time.advance(2 * INTERVAL_MS);
  assert.deepEqual(
    site.ticks().map((run) => [run.beganAt, run.boundary]),
    [
      [10_000, 10_000],
      [20_000, 20_000],
    ],
  );
  assert.ok(site.ticks().every((run) => run.askedAt < run.beganAt));
  assert.deepEqual(site.ticked, [10_000, 20_000]);
  await site.stop();
});

test("it sets out earlier the longer cycles have lately taken, and never more than the longest lead", async () => {
  const leads: number[] = [];
  for (const wakeTakesMs of [0, 100, 200, 900]) {
    const site = new Site();
    site.wakeTakesMs = wakeTakesMs;
    site.start();
    await site.time.advance(INTERVAL_MS + 2_000);
    const [first] = site.ticks();
    leads.push(INTERVAL_MS - first!.askedAt);
    await site.stop();
  }
  const [none, some, more, most] = leads as [number, number, number, number];
  assert.ok(0 < none && none < 100 && 100 < some && some < more && more <= MAX_LEAD_MS, `${leads}`);
  assert.ok(most <= MAX_LEAD_MS, `${leads}`);
});

test("a tick that had to wait for a long cycle is run once", async () => {
  const site = new Site();
  site.wakeTakesMs = 900;
  site.start();
  await site.time.advance(9_400);
  site.loop.wake();
  await site.time.advance(2_000);
  assert.deepEqual(
    site.ticks().map((run) => [run.askedAt, run.boundary]),
    [[10_300, 10_000]],
  );
  await site.stop();
});

test("whatever is asked for while a tick waits for its boundary comes after it", async () => {
  const site = new Site();
  site.wakeTakesMs = 100;
  site.start();
  await site.time.advance(9_900);
  site.loop.wake();
  site.loop.wake();
  await site.time.advance(500);
  const around = site.runs.filter((run) => run.beganAt > 9_500);
  assert.deepEqual(
    around.map((run) => [run.kind, run.beganAt]),
    [
      ["tick", 10_000],
      ["wake", 10_100],
    ],
  );
  await site.stop();
});

test("a cycle that begins late, after the boundary, is the tick, and no other follows", async () => {
  const site = new Site().start({ maxLeadMs: 0 });
  await site.time.advance(9_995);
  // The database's clock is a little ahead of ours: the boundary is past before our timer is.
  site.databaseStepMs = 5;
  site.loop.wake();
  await site.time.advance(1_000);
  const withBoundary = site.runs.filter((run) => run.boundary !== null);
  assert.deepEqual(
    withBoundary.map((run) => [run.kind, run.beganAt, run.boundary]),
    [["wake", 10_000, 10_000]],
  );
  assert.deepEqual(site.ticked, [10_000]);
  await site.stop();
});

test("a tick that another replica ran is not run again", async () => {
  const site = new Site().start();
  site.taken.add(START + 10_000);
  await site.time.advance(2 * INTERVAL_MS);
  assert.deepEqual(site.ticked, [20_000]);
  await site.stop();
});

test("a boundary that was missed while nobody ran is made up for once, at once", async () => {
  const site = new Site().start({ lastTickMs: START - 3 * INTERVAL_MS });
  await site.time.advance(INTERVAL_MS);
  assert.deepEqual(site.ticked, [0, 10_000]);
  assert.equal(site.runs[0]!.boundary, 0);
  await site.stop();
});

test("a tick that fails is made up for by the next cycle, within a second", async () => {
  const site = new Site().start();
  await site.time.advance(9_000);
  site.failing = 1;
  await site.time.advance(2_000);
  assert.equal(site.errors.length, 1);
  const [tick] = site.runs.filter((run) => run.boundary === 10_000);
  assert.ok(tick!.beganAt < 11_000, `${tick!.beganAt}`);
  await site.stop();
});

test("this machine's clock is set forward an hour and back: every boundary of the database's has its tick", async () => {
  const site = new Site().start();
  await site.time.advance(19_500);
  site.localStepMs = HOUR_MS;
  await site.time.advance(20_000);
  site.localStepMs = 0;
  await site.time.advance(20_500);
  assert.deepEqual(site.ticked, [10_000, 20_000, 30_000, 40_000, 50_000, 60_000]);
  for (const { boundary, beganAt } of site.runs) {
    if (boundary !== null) assert.ok(beganAt - boundary < POLL_MS, `${boundary} ran at ${beganAt}`);
  }
  await site.stop();
});

test("the database's clock is set forward an hour and back: one tick for what was jumped over, none twice", async () => {
  const site = new Site().start();
  await site.time.advance(13_000);
  site.databaseStepMs = HOUR_MS;
  await site.time.advance(25_000);
  site.databaseStepMs = 0;
  await site.time.advance(22_000);
  const anHourOn = [10_000, 20_000, 30_000].map((ms) => HOUR_MS + ms);
  assert.deepEqual(site.ticked, [10_000, ...anHourOn, 40_000, 50_000, 60_000]);
  site.databaseStepMs = -25_000;
  await site.time.advance(32_000);
  assert.deepEqual(site.ticked.slice(7), [], "boundaries that come again have had their tick");
  await site.time.advance(4_000);
  assert.deepEqual(site.ticked.slice(7), [70_000]);
  await site.stop();
});

test("signs of life wake one cycle between them, within the patience, and what matters wakes one at once", async () => {
  const site = new Site().start({ patienceMs: 300 });
  await site.time.advance(100);
  const before = site.runs.length;
  for (let n = 0; n < 5; n++) site.loop.wakeSoon();
  await site.time.advance(299);
  assert.equal(site.runs.length, before, "not yet");
  await site.time.advance(1);
  assert.equal(site.runs.length, before + 1);
  assert.equal(site.runs.at(-1)?.beganAt, 400);
  site.loop.wakeSoon();
  site.loop.wake();
  await site.time.advance(0);
  assert.equal(site.runs.length, before + 2);
  await site.stop();
});

test("the longer cycles take, the longer signs of life may wait, up to two seconds", async () => {
  const site = new Site().start({ patienceMs: 300 });
  await site.time.advance(100);
  const asked: number[] = [];
  for (const takesMs of [10, 100, 900]) {
    site.wakeTakesMs = takesMs;
    site.loop.wake();
    await site.time.advance(2_500);
    asked.push(site.runs.at(-1)?.patienceMs as number);
  }
  assert.deepEqual(asked, [300, 600, 2_000]);
  await site.stop();
});

test("without patience a sign of life wakes a cycle at once", async () => {
  const site = new Site().start();
  await site.time.advance(100);
  const before = site.runs.length;
  site.loop.wakeSoon();
  await site.time.advance(0);
  assert.equal(site.runs.length, before + 1);
  await site.stop();
});
