/** Owns the stream of live events: one look at the newest cycles serves all who listen. Decides nothing, keeps nothing. */
import { PassThrough } from "node:stream";
import { Problem } from "@master-orchestrator/contract";
import type { Log } from "#log.ts";
import { type CycleRow, cyclesAfter, newestCycleId } from "#store/cycles.ts";
import type { Database } from "#store/database.ts";
import { isPaused } from "#store/orchestrator.ts";
import { cycleSummary } from "./present.ts";

/** The part of the process's clock that looking again needs. */
export interface LiveClock {
  nowMs(): number;
  at(atMs: number, action: () => void): () => void;
}

export interface LiveContext {
  db: Database;
  clock: LiveClock;
  log: Log;
  /** How the orchestrator stands, as `GET /api/v1/orchestrator` answers. */
  status(): Promise<unknown>;
}

export interface LiveFeed {
  /**
   * A stream of events; `after`: the last one that the listener has had. It ends within seconds once `mayStill` rejects (the key was
   * revoked, the session is over). Throws `unavailable` when too many listen.
   */
  listen(after: string | null, gone: AbortSignal, mayStill: () => Promise<unknown>): Promise<PassThrough>;
  /** A cycle has ended here: look at once. */
  changed(): void;
  /** Ends all streams. */
  stop(): void;
}

const LOOK_EVERY_MS = 1_000;
const STILL_THERE_EVERY_MS = 15_000;
/** How often it is asked whether those who listen still may. */
const ASK_EVERY_MS = 5_000;
const MAX_LISTENERS = 200;
const MAX_CYCLES_A_LOOK = 100;
/** A listener that does not take in so much is let go; it comes back with the id of its last event. */
const MAX_UNREAD_BYTES = 1_000_000;

interface LiveState {
  context: LiveContext;
  listeners: Map<PassThrough, () => Promise<unknown>>;
  askedMs: number;
  /** The newest cycle that was sent; null: look for it first. */
  seen: string | null;
  /** As it was last told. */
  paused: boolean;
  looking: boolean;
  wanted: boolean;
  quietSinceMs: number;
  cancel: () => void;
}

export function openLiveFeed(context: LiveContext): LiveFeed {
  const state: LiveState = {
    context,
    listeners: new Map(),
    askedMs: 0,
    seen: null,
    paused: false,
    looking: false,
    wanted: false,
    quietSinceMs: 0,
    cancel: () => {},
  };
  return {
    async listen(after, gone, mayStill) {
      if (state.listeners.size >= MAX_LISTENERS) {
        throw new Problem(
          "unavailable",
          `${MAX_LISTENERS} streams are open here`,
          "Close some, or ask another replica.",
        );
      }
      const stream = new PassThrough({ highWaterMark: 2 * MAX_UNREAD_BYTES });
      if (state.listeners.size === 0) {
        state.seen = await newestCycleId(context.db);
        state.paused = await isPaused(context.db);
      }
      const missed = after === null ? [] : await cyclesAfter(context.db, after, MAX_CYCLES_A_LOOK);
      stream.write(event("status", await context.status()));
      for (const cycle of missed.filter((one) => state.seen !== null && one.cycleId <= state.seen)) {
        stream.write(event("cycle", shown(cycle), cycle.cycleId));
      }
      const leave = () => {
        state.listeners.delete(stream);
        if (state.listeners.size === 0) state.cancel();
        stream.end();
      };
      if (gone.aborted) {
        stream.end();
        return stream;
      }
      gone.addEventListener("abort", leave, { once: true });
      state.listeners.set(stream, mayStill);
      void look(state);
      return stream;
    },
    changed() {
      if (state.listeners.size > 0) void look(state);
    },
    stop() {
      state.cancel();
      for (const stream of state.listeners.keys()) stream.end();
      state.listeners.clear();
    },
  };
}

/** One look at a time; one that is wanted meanwhile follows. */
async function look(state: LiveState): Promise<void> {
  state.wanted = true;
  if (state.looking) return;
  state.looking = true;
  try {
    while (state.wanted && state.listeners.size > 0) {
      state.wanted = false;
      await letGo(state);
      await tell(state);
    }
  } catch (error) {
    state.context.log.warn("The live events could not be read", { error });
  } finally {
    state.looking = false;
    lookAgain(state);
  }
}

/** A stream is opened once and read for hours: whether its key still opens it has to be asked again. */
async function letGo(state: LiveState): Promise<void> {
  const nowMs = state.context.clock.nowMs();
  if (nowMs - state.askedMs < ASK_EVERY_MS) return;
  state.askedMs = nowMs;
  await Promise.all(
    [...state.listeners].map(async ([stream, mayStill]) => {
      try {
        await mayStill();
      } catch (error) {
        // A database that does not answer is no reason to send anybody away.
        if (!(error instanceof Problem && error.code === "unauthorized")) return;
        state.listeners.delete(stream);
        stream.end();
      }
    }),
  );
}

async function tell(state: LiveState): Promise<void> {
  const { db, clock, status } = state.context;
  const cycles = await cyclesAfter(db, state.seen, MAX_CYCLES_A_LOOK);
  for (const cycle of cycles) send(state, event("cycle", shown(cycle), cycle.cycleId));
  state.seen = cycles.at(-1)?.cycleId ?? state.seen;
  // A cycle that finds nothing to decide leaves no trace: that somebody has paused is looked at by itself.
  const paused = await isPaused(db);
  if (cycles.length > 0 || paused !== state.paused) {
    state.paused = paused;
    send(state, event("status", await status()));
    state.quietSinceMs = clock.nowMs();
  } else if (clock.nowMs() - state.quietSinceMs >= STILL_THERE_EVERY_MS) {
    send(state, ": still there\n\n");
    state.quietSinceMs = clock.nowMs();
  }
}

function lookAgain(state: LiveState): void {
  state.cancel();
  if (state.listeners.size === 0) return;
  state.cancel = state.context.clock.at(state.context.clock.nowMs() + LOOK_EVERY_MS, () => void look(state));
}

function send(state: LiveState, text: string): void {
  for (const stream of state.listeners.keys()) {
    if (stream.writableLength + stream.readableLength < MAX_UNREAD_BYTES) stream.write(text);
    else {
      state.listeners.delete(stream);
      stream.destroy();
    }
  }
}

function shown(cycle: CycleRow): unknown {
  return { ...cycleSummary(cycle), decisions: cycle.decisions, reasons: cycle.reasons };
}

function event(name: string, data: unknown, id?: string): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
