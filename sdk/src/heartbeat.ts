/** Owns the signs of life of one attempt, and the local deadline they correct; never ends the work itself. */
import type { Channel } from "./channel.ts";
import type { Clock } from "./clock.ts";

export interface Pulse {
  progress: number;
  message: string | null;
}

/** What a run that beats every `everyMs` promises: the next sign of life within four times as long. */
export function promisedSeconds(everyMs: number): number {
  return Math.min(Math.max((everyMs * 4) / 1000, 1), 3600);
}

/**
 * Sends a heartbeat now and every `everyMs` until `signal` aborts. Each one promises the
 * next. A heartbeat that fails is not repeated: the next one is on its way.
 * `onDeadline` gets the deadline that the orchestrator named, on its own wall clock.
 */
export async function beat(
  channel: Channel,
  clock: Clock,
  everyMs: number,
  pulse: () => Pulse,
  onDeadline: (deadlineMs: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const next_within_seconds = promisedSeconds(everyMs);
  while (!signal.aborted) {
    const deadlineMs = await channel.heartbeat({ ...pulse(), next_within_seconds }, signal);
    if (deadlineMs !== null) onDeadline(deadlineMs);
    await clock.sleep(everyMs, "heartbeat", signal);
  }
}

export interface Deadline {
  /** Milliseconds from now. */
  moveTo(inMs: number): void;
  cancel(): void;
}

/** Calls `onDue` once, when the time is up. It can be moved until then. */
export function armDeadline(clock: Clock, inMs: number, onDue: () => void): Deadline {
  let armed = new AbortController();
  let over = false;
  function moveTo(ms: number): void {
    if (over) return;
    armed.abort();
    const mine = new AbortController();
    armed = mine;
    void clock.sleep(Math.max(0, ms), "deadline", mine.signal).then(() => {
      if (mine.signal.aborted) return;
      over = true;
      onDue();
    });
  }
  moveTo(inMs);
  return {
    moveTo,
    cancel() {
      over = true;
      armed.abort();
    },
  };
}
