/** When cycles run: on the wall clock's boundaries, on wake-ups, and when something becomes due. Decides nothing. */
import { CycleFailed } from "./bites.ts";
import type { Clock } from "./clock.ts";
import type { CycleOutcome, Trigger } from "./cycle.ts";

/** Without any wake-up a cycle still looks this often: what was missed is seen then. */
export const POLL_MS = 1_000;
const RETRY_AFTER_ERROR_MS = 500;
/** The longest that a tick sets out before its boundary; for so long at most no other cycle runs. */
export const MAX_LEAD_MS = 500;
const MIN_LEAD_MS = 25;
/** How much of the longest wake-up counts after one more: a slow moment is forgotten within a minute of work. */
const FADES_TO = 0.995;
/**
 * Between two cycles that follow each other: one cycle over what gathers costs far less than two. It lasts in proportion to what
 * the last one took, so that little to do is done soon, and much in fewer pieces.
 */
const GATHER_SHARE = 1 / 3;
const GATHER_MS = { least: 5, most: 30 } as const;
/**
 * How long signs of life may wait to be folded in together with more of their run: longer where cycles are long, since a short
 * run lasts several of them then.
 */
export const PATIENCE_MS = 300;
const PATIENCE_CYCLES = 6;
const MOST_PATIENCE_MS = 2_000;

export interface Loop {
  /** Something was recorded: run a cycle now. Wake-ups while one runs become one more cycle. */
  wake(): void;
  /** A sign of life was recorded: a cycle within the patience is soon enough. */
  wakeSoon(): void;
  /** Resolves when a cycle that began after this call has ended. Rejects after `deadlineMs`. */
  settled(deadlineMs: number): Promise<void>;
  /** Runs an extra cycle. */
  runNow(): Promise<CycleOutcome>;
  nextTickMs(): number;
  /** Ends after the cycle that is running. */
  stop(): Promise<void>;
}

export interface LoopContext {
  clock: Clock;
  tickIntervalMs: number;
  /** At most `MAX_LEAD_MS`; 0 where time does not pass while the database waits. */
  maxLeadMs: number;
  /** How long signs of life wait at the least. 0: never. */
  patienceMs: number;
  run(trigger: Trigger): Promise<CycleOutcome>;
  lastTickMs: number | null;
  /** Called after every cycle that committed messages. */
  onMessages(): void;
  onError(error: unknown): void;
  onTick(outcome: CycleOutcome, boundaryMs: number): void;
}

/** The boundary at or before `nowMs`. */
export function boundaryBefore(nowMs: number, intervalMs: number): number {
  return Math.floor(nowMs / intervalMs) * intervalMs;
}

interface LoopState {
  context: LoopContext;
  stopped: boolean;
  /** The boundary whose tick comes next. The first cycle that begins at or after it is that tick. */
  boundaryMs: number;
  /** The database's clock less ours, as the last cycle saw it: the database's counts. */
  aheadMs: number;
  /** What the last wake-up took, and what one has taken lately at the most. */
  lastMs: number;
  longestMs: number;
  /** The cycle in progress, if any. */
  running: Promise<void> | null;
  wanted: boolean;
  /** A cycle has just ended; the next wake-up waits a little for others. */
  gathering: boolean;
  /** It is time to set out for the boundary: the next cycle waits for it with the row in its hands. */
  tickWanted: boolean;
  cancelTick: () => void;
  cancelDue: () => void;
  /** A sign of life waits for its cycle. */
  soon: boolean;
  cancelSoon: () => void;
  waiters: { resolve: () => void; eligible: boolean }[];
}

/** Starts the heartbeat. A boundary that was missed while nobody ran is made up for once, at once. */
export function startLoop(context: LoopContext): Loop {
  const { clock, tickIntervalMs, lastTickMs } = context;
  const current = boundaryBefore(clock.nowMs(), tickIntervalMs);
  const missed = lastTickMs !== null && lastTickMs < current;
  const state: LoopState = {
    context,
    stopped: false,
    boundaryMs: missed ? current : current + tickIntervalMs,
    aheadMs: 0,
    lastMs: 0,
    longestMs: 0,
    running: null,
    wanted: true,
    gathering: false,
    tickWanted: false,
    cancelTick: () => {},
    cancelDue: () => {},
    soon: false,
    cancelSoon: () => {},
    waiters: [],
  };
  armTick(state);
  pump(state);
  return {
    wake: () => wake(state),
    wakeSoon: () => wakeSoon(state),
    settled: (deadlineMs) => settled(state, deadlineMs),
    async runNow() {
      const outcome = await exclusively(state, () => context.run(trigger(state, "wake")));
      afterCycle(state, outcome);
      return outcome;
    },
    nextTickMs: () => Math.max(state.boundaryMs, boundaryBefore(clock.nowMs(), tickIntervalMs)),
    stop: () => stop(state),
  };
}

function wake(state: LoopState): void {
  state.wanted = true;
  pump(state);
}

/** Cycles that run meanwhile know themselves what they leave waiting, and for how long. */
function wakeSoon(state: LoopState): void {
  const { clock } = state.context;
  const patienceMs = patienceOf(state);
  if (patienceMs === 0) wake(state);
  if (patienceMs === 0 || state.soon || state.stopped) return;
  state.soon = true;
  state.cancelSoon = clock.at(clock.nowMs() + patienceMs, () => {
    state.soon = false;
    wake(state);
  });
}

/** Runs wanted cycles one after another until none is wanted; a tick before anything else. */
function pump(state: LoopState): void {
  if (state.running || state.stopped) return;
  const { clock, run } = state.context;
  if (state.tickWanted) {
    state.tickWanted = false;
    state.cancelTick();
    void exclusively(state, () => run(trigger(state, "tick"))).then(
      (outcome) => afterCycle(state, outcome),
      (error) => afterError(state, error),
    );
  } else if (state.wanted && !state.gathering) {
    state.wanted = false;
    for (const waiter of state.waiters) waiter.eligible = true;
    const startedMs = clock.nowMs();
    void exclusively(state, () => run(trigger(state, "wake"))).then(
      (outcome) => {
        state.lastMs = clock.nowMs() - startedMs;
        state.longestMs = Math.max(state.lastMs, state.longestMs * FADES_TO);
        afterCycle(state, outcome);
      },
      (error) => afterError(state, error),
    );
  }
}

function trigger(state: LoopState, kind: Trigger["kind"]): Trigger {
  const { boundaryMs, context } = state;
  const { tickIntervalMs: intervalMs, maxLeadMs: waitMs } = context;
  return { kind, boundaryMs, intervalMs, waitMs, patienceMs: patienceOf(state) };
}

function patienceOf({ context: { patienceMs }, lastMs }: LoopState): number {
  if (patienceMs === 0) return 0;
  return Math.max(patienceMs, Math.min(PATIENCE_CYCLES * lastMs, MOST_PATIENCE_MS));
}

/** One cycle at a time in this process: a second would only wait for the row. */
async function exclusively<T>(state: LoopState, work: () => Promise<T>): Promise<T> {
  while (state.running) await state.running;
  const { promise, resolve } = Promise.withResolvers<void>();
  state.running = promise;
  try {
    return await work();
  } finally {
    state.running = null;
    resolve();
    const done = state.waiters.filter((waiter) => waiter.eligible);
    state.waiters = state.waiters.filter((waiter) => !waiter.eligible);
    for (const waiter of done) waiter.resolve();
  }
}

function afterCycle(state: LoopState, outcome: CycleOutcome): void {
  const { clock, tickIntervalMs, onMessages, onTick } = state.context;
  if (outcome.messages > 0) onMessages();
  if (outcome.boundaryMs !== null) onTick(outcome, outcome.boundaryMs);
  if (outcome.again) state.wanted = true;
  state.aheadMs = outcome.nowMs - outcome.localMs;
  // Whatever boundary lies behind has its tick by now, from this cycle or from another replica's.
  state.boundaryMs = boundaryBefore(outcome.nowMs, tickIntervalMs) + tickIntervalMs;
  armTick(state);
  if (outcome.ran) {
    const dueMs = outcome.nextDueMs === null ? Number.POSITIVE_INFINITY : outcome.nextDueMs - state.aheadMs;
    armDue(state, Math.min(clock.nowMs() + POLL_MS, dueMs));
  }
  state.gathering = true;
  const shareMs = (clock.nowMs() - outcome.localMs) * GATHER_SHARE;
  void clock.gather(Math.min(Math.max(shareMs, GATHER_MS.least), GATHER_MS.most)).then(() => {
    state.gathering = false;
    pump(state);
  });
  pump(state);
}

function afterError(state: LoopState, error: unknown): void {
  if (state.stopped) return;
  state.context.onError(error);
  armDue(state, state.context.clock.nowMs() + retryAfterMs(error));
}

function retryAfterMs(error: unknown): number {
  return error instanceof CycleFailed ? error.retryAfterMs : RETRY_AFTER_ERROR_MS;
}

function armDue(state: LoopState, atMs: number): void {
  state.cancelDue();
  if (!state.stopped) state.cancelDue = state.context.clock.at(atMs, () => wake(state));
}

/**
 * Sets out for the boundary early enough that the cycle which runs then has ended and the row is held when it comes.
 * Armed anew after every cycle, so that a step of either clock counts for a second at the most.
 */
function armTick(state: LoopState): void {
  state.cancelTick();
  if (state.stopped) return;
  const { clock, tickIntervalMs, maxLeadMs } = state.context;
  const leadMs = Math.min(maxLeadMs, tickIntervalMs / 2, Math.max(MIN_LEAD_MS, 1.5 * state.longestMs));
  const moment = Math.max(state.boundaryMs - state.aheadMs - leadMs, 0);
  state.cancelTick = clock.at(moment, () => {
    state.tickWanted = true;
    pump(state);
  });
}
function settled(state: LoopState, deadlineMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = state.context.clock.at(state.context.clock.nowMs() + deadlineMs, () =>
      reject(new Error("no cycle ended in time")),
    );
    state.waiters.push({
      eligible: false,
      resolve: () => {
        cancel();
        resolve();
      },
    });
    wake(state);
  });
}

async function stop(state: LoopState): Promise<void> {
  state.stopped = true;
  state.cancelTick();
  state.cancelDue();
  state.cancelSoon();
  while (state.running) await state.running;
  for (const waiter of state.waiters.splice(0)) waiter.resolve();
}
