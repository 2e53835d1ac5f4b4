/** When cycles run: on the wall clock's boundaries, on wake-ups, and when something becomes due. Decides nothing. */
import type { Clock } from "./clock.ts";
import type { CycleOutcome, Trigger } from "./cycle.ts";

/** Without any wake-up a cycle still looks this often: what was missed is seen then. */
export const POLL_MS = 1_000;
const RETRY_AFTER_ERROR_MS = 1_000;
/** Between two cycles that follow each other: one cycle over what gathers costs far less than two. */
const GATHER_MS = 15;

export interface Loop {
  /** Something was recorded: run a cycle now. Wake-ups while one runs become one more cycle. */
  wake(): void;
  /** Resolves when a cycle that began after this call has ended. Rejects after `deadlineMs`. */
  settled(deadlineMs: number): Promise<void>;
  /** Runs an extra cycle as the heartbeat would, without a boundary. */
  runNow(): Promise<CycleOutcome>;
  nextTickMs(): number;
  /** Ends after the cycle that is running. */
  stop(): Promise<void>;
}

export interface LoopContext {
  clock: Clock;
  tickIntervalMs: number;
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
  /** The boundary that is to be run next. */
  boundaryMs: number;
  /** The cycle in progress, if any. */
  running: Promise<void> | null;
  wanted: boolean;
  /** A cycle has just ended; the next wake-up waits a little for others. */
  gathering: boolean;
  cancelTick: () => void;
  cancelDue: () => void;
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
    running: null,
    wanted: true,
    gathering: false,
    cancelTick: () => {},
    cancelDue: () => {},
    waiters: [],
  };
  armTick(state, state.boundaryMs);
  pump(state);
  return {
    wake: () => wake(state),
    settled: (deadlineMs) => settled(state, deadlineMs),
    runNow: () => exclusively(state, () => context.run({ kind: "wake" })),
    nextTickMs: () => Math.max(state.boundaryMs, boundaryBefore(clock.nowMs(), tickIntervalMs)),
    stop: () => stop(state),
  };
}

function wake(state: LoopState): void {
  state.wanted = true;
  pump(state);
}

/** Runs wanted cycles one after another until none is wanted. */
function pump(state: LoopState): void {
  if (state.running || state.gathering || !state.wanted || state.stopped) return;
  state.wanted = false;
  for (const waiter of state.waiters) waiter.eligible = true;
  void exclusively(state, () => state.context.run({ kind: "wake" })).then(
    (outcome) => afterCycle(state, outcome),
    (error) => afterError(state, error),
  );
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
  if (outcome.messages > 0) state.context.onMessages();
  if (outcome.again) state.wanted = true;
  const { clock } = state.context;
  // The database's clock decides what is due; the local one only measures the time until then.
  const restMs = outcome.nextDueMs === null ? POLL_MS : Math.max(0, outcome.nextDueMs - outcome.nowMs);
  armDue(state, clock.nowMs() + Math.min(POLL_MS, restMs));
  state.gathering = true;
  void clock.gather(GATHER_MS).then(() => {
    state.gathering = false;
    pump(state);
  });
}

function afterError(state: LoopState, error: unknown): void {
  if (state.stopped) return;
  state.context.onError(error);
  armDue(state, state.context.clock.nowMs() + RETRY_AFTER_ERROR_MS);
}

function armDue(state: LoopState, atMs: number): void {
  state.cancelDue();
  if (!state.stopped) state.cancelDue = state.context.clock.at(atMs, () => wake(state));
}

function armTick(state: LoopState, atMs: number): void {
  if (!state.stopped) state.cancelTick = state.context.clock.at(atMs, () => void tick(state));
}

async function tick(state: LoopState): Promise<void> {
  const { context, boundaryMs } = state;
  try {
    const intervalMs = context.tickIntervalMs;
    const outcome = await exclusively(state, () => context.run({ kind: "tick", boundaryMs, intervalMs }));
    if (outcome.nowMs < boundaryMs) {
      // The database's clock is behind ours, by a little or a lot: what counts is its next boundary.
      state.boundaryMs = boundaryBefore(outcome.nowMs, intervalMs) + intervalMs;
      armTick(state, context.clock.nowMs() + (state.boundaryMs - outcome.nowMs));
      return;
    }
    if (outcome.boundaryMs !== null) context.onTick(outcome, outcome.boundaryMs);
    state.boundaryMs = boundaryBefore(Math.max(outcome.nowMs, boundaryMs), intervalMs) + intervalMs;
    armTick(state, context.clock.nowMs() + (state.boundaryMs - outcome.nowMs));
    afterCycle(state, outcome);
  } catch (error) {
    if (state.stopped) return;
    context.onError(error);
    armTick(state, context.clock.nowMs() + RETRY_AFTER_ERROR_MS);
  }
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
  while (state.running) await state.running;
  for (const waiter of state.waiters.splice(0)) waiter.resolve();
}
