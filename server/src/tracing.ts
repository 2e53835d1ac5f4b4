/** Sends spans to an OpenTelemetry collector: bounded, in the background, later than anything else. Delays no work, and loses no word about what it lost. */
import type { Span, Tracer } from "@master-orchestrator/contract/trace";
import type { TracingConfig } from "#config-tracing.ts";
import type { Clock } from "#engine/clock.ts";
import { type Log, redact } from "#log.ts";
import { otlpBody } from "#otlp.ts";
import type { Outbound } from "#outbound/client.ts";
import type { Queryable } from "#store/database.ts";
import { readEndedTasks } from "#store/traces.ts";
import { lifeSpans } from "#task-spans.ts";

/** As OpenTelemetry's own batch processor has them by default. */
const MOST_WAITING = 2_048;
const MOST_AT_ONCE = 512;
const FLUSH_MS = 5_000;
const SEND_WITHIN_MS = 10_000;
const MOST_TRIES = 4;
const FIRST_PAUSE_MS = 1_000;
const MOST_ENDED = 5_000;
const ENDED_AT_ONCE = 200;
/** What a collector that is busy answers; anything else but success is final. */
const AGAIN = new Set([429, 502, 503, 504]);

export interface Tracing {
  tracer: Tracer;
  /** These tasks have ended: their lives are told, out of their rows, when there is time. */
  ended(taskIds: readonly string[]): void;
  /** Spans since the start, by what became of them. */
  counts(): { exported: number; dropped: number; waiting: number };
  /** Sends what waits, for `deadlineMs` at most. */
  stop(deadlineMs: number): Promise<void>;
}

export interface TracingParts {
  config: TracingConfig;
  db: Queryable;
  outbound: Outbound;
  clock: Clock;
  log: Log;
  version: string;
}

interface State extends TracingParts {
  waiting: Span[];
  ended: string[];
  counted: { exported: number; dropped: number };
  /** The sending that is under way. */
  sending: Promise<void> | null;
  cancelFlush: (() => void) | null;
  stopping: boolean;
  failing: boolean;
}

export function openTracing(parts: TracingParts): Tracing {
  const state: State = {
    ...parts,
    ...{ waiting: [], ended: [], counted: { exported: 0, dropped: 0 } },
    ...{ sending: null, cancelFlush: null, stopping: false, failing: false },
  };
  return {
    tracer: (span) => take(state, span),
    ended(taskIds) {
      if (taskIds.length === 0) return;
      const room = Math.max(0, MOST_ENDED - state.ended.length);
      state.ended.push(...taskIds.slice(0, room));
      // Of each at least the life, the wait and one attempt.
      state.counted.dropped += 3 * Math.max(0, taskIds.length - room);
      arm(state);
    },
    counts: () => ({ ...state.counted, waiting: state.waiting.length }),
    async stop(deadlineMs) {
      state.stopping = true;
      const { promise, resolve } = Promise.withResolvers<void>();
      const cancel = state.clock.at(state.clock.nowMs() + deadlineMs, resolve);
      await Promise.race([promise, flushed(state)]);
      cancel();
      state.cancelFlush?.();
    },
  };
}

/** Whether a trace is recorded: as its beginner wished, and of those that began here the configured share, the same at every replica. */
export function isSampled({ context }: Span, ratio: number): boolean {
  if (!context.sampled) return false;
  // The last 56 bits of a trace's id are chance, by the standard and in our ids alike.
  return ratio >= 1 || Number.parseInt(context.traceId.slice(-14), 16) < ratio * 2 ** 56;
}

function take(state: State, span: Span): void {
  if (!isSampled(span, state.config.ratio)) return;
  if (state.waiting.length >= MOST_WAITING) {
    state.counted.dropped++;
    return;
  }
  // What failed may quote what it was given.
  state.waiting.push(span.error ? { ...span, error: String(redact(span.error.slice(0, 1_000))) } : span);
  if (state.waiting.length >= MOST_AT_ONCE) void flush(state);
  else arm(state);
}

function arm(state: State): void {
  if (state.cancelFlush || state.sending || state.stopping) return;
  state.cancelFlush = state.clock.at(state.clock.nowMs() + FLUSH_MS, () => {
    state.cancelFlush = null;
    void flush(state);
  });
}

async function flushed(state: State): Promise<void> {
  while (state.sending || state.waiting.length + state.ended.length > 0) await flush(state);
}

/** Sends until nothing waits. One sending at a time; never rejects. */
function flush(state: State): Promise<void> {
  state.cancelFlush?.();
  state.cancelFlush = null;
  state.sending ??= sendAll(state).finally(() => {
    state.sending = null;
  });
  return state.sending;
}

async function sendAll(state: State): Promise<void> {
  while (state.ended.length + state.waiting.length > 0) {
    if (state.waiting.length < MOST_AT_ONCE) await readEnded(state);
    const batch = state.waiting.splice(0, MOST_AT_ONCE);
    if (batch.length === 0) continue;
    const problem = await send(state, batch);
    if (problem === null) state.counted.exported += batch.length;
    else state.counted.dropped += batch.length;
    if (problem !== null && !state.failing) {
      state.log.warn("Traces are lost: the collector does not take them", { reason: problem });
    }
    state.failing = problem !== null;
  }
}

async function readEnded(state: State): Promise<void> {
  const taskIds = state.ended.splice(0, ENDED_AT_ONCE);
  if (taskIds.length === 0) return;
  try {
    for (const task of await readEndedTasks(state.db, taskIds)) {
      for (const span of lifeSpans(task)) take(state, span);
    }
  } catch (error) {
    state.counted.dropped += 3 * taskIds.length;
    state.log.warn("The lives of tasks could not be read for their traces", { error });
  }
}

/** Null when they were taken; else why not, after the last try. */
async function send(state: State, batch: readonly Span[]): Promise<string | null> {
  const { config, outbound, version } = state;
  const body = otlpBody({ ...config.resource, "service.version": version }, batch);
  for (let tries = 1; ; tries++) {
    let problem: string;
    try {
      const { status } = await outbound.post(config.url, {
        headers: { ...config.headers, "content-type": "application/json" },
        body,
        timeoutMs: SEND_WITHIN_MS,
        own: true,
      });
      if (status >= 200 && status < 300) return null;
      problem = `it answered ${status}`;
      if (!AGAIN.has(status)) return problem;
    } catch (error) {
      problem = (error as Error).message;
    }
    if (tries === MOST_TRIES || state.stopping) return problem;
    await pause(state, FIRST_PAUSE_MS * 2 ** (tries - 1));
  }
}

function pause({ clock }: State, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.at(clock.nowMs() + ms, resolve);
  });
}
