/** Looks at what alerts are about once an interval, and delivers what is due in between. Every replica does; one looks at a time. */
import type { Log } from "#log.ts";
import { nextNotification } from "#store/alerts-outbox.ts";
import { currentPolicy } from "#store/policies.ts";
import { type CourierContext, deliverDue } from "./courier.ts";
import { type LookContext, look } from "./judge.ts";

export interface WatchClock {
  nowMs(): number;
  at(atMs: number, action: () => void): () => void;
}

export interface WatchContext extends LookContext, CourierContext {
  clock: WatchClock;
  log: Log;
  onError(error: unknown): void;
}

export interface Watch {
  /** Breaks off what is being delivered; it is sent again by whoever comes next, under the same id. */
  stop(): Promise<void>;
}

const DEFAULT_EVERY_MS = 60_000;
/** Another replica may be delivering what seems due: looking again sooner would not help. */
const LEAST_PAUSE_MS = 1_000;

/** Begins at once, in the background: with what was left undelivered. */
export function startWatch(context: WatchContext): Watch {
  const { clock, onError } = context;
  const ending = new AbortController();
  let cancel = () => {};
  let running: Promise<void> = Promise.resolve();
  let nextLookMs = clock.nowMs();
  const turn = async () => {
    if (clock.nowMs() >= nextLookMs) {
      const policy = (await currentPolicy(context.db))?.policy;
      const everyMs = policy ? policy.alerts.evaluate_every_seconds * 1000 : DEFAULT_EVERY_MS;
      nextLookMs = (Math.floor(clock.nowMs() / everyMs) + 1) * everyMs;
      if (policy) report(context.log, await look(context, policy));
    }
    await deliverDue(context, ending.signal);
    const dueMs = (await nextNotification(context.db)) ?? Number.POSITIVE_INFINITY;
    return Math.min(nextLookMs, Math.max(dueMs, clock.nowMs() + LEAST_PAUSE_MS));
  };
  const run = () => {
    running = turn()
      .catch((error) => {
        if (!ending.signal.aborted) onError(error);
        return clock.nowMs() + DEFAULT_EVERY_MS;
      })
      .then((nextMs) => {
        if (!ending.signal.aborted) cancel = clock.at(nextMs, run);
      });
  };
  run();
  return {
    async stop() {
      ending.abort();
      cancel();
      await running;
    },
  };
}

function report(log: Log, changes: Awaited<ReturnType<typeof look>>): void {
  for (const { alert, steps } of changes ?? []) {
    const { rule, labels, severity, words } = alert;
    const last = steps.at(-1);
    if (last?.to === "firing") log.warn("An alert fires", { rule, labels, severity, words });
    if (last?.to === "resolved" && alert.firedAtMs !== null) {
      log.info("An alert is over", { rule, labels, reason: last.reason });
    }
  }
}
