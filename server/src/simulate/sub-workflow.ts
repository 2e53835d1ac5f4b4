/** Owns how a simulated sub-workflow works a batch off: a few tasks at a time, as the sdk does. Decides nothing. */
import type { Callback, NextTask } from "@master-orchestrator/contract";

/** One task of a batch, as this try of it will go. */
export interface Work {
  taskId: string;
  durationMs: number;
  fails: boolean;
  costMicros: number;
  /** What its callback asks for when it is completed. */
  asks?: readonly NextTask[];
}

export interface Worked {
  /** From the start until its callback. */
  durationMs: number;
  /** What it reports. */
  callback: Omit<Callback, "execution_id" | "attempt">;
  /** Tasks that it came to; the others were not tried. */
  tried: readonly string[];
}

/** Work ends this long before the time-out, so that its callback is there in time: as in the sdk. */
const MARGIN_MS = 2_000;

/** How long after its start a batch works at the most. */
export function deadlineOf(timeoutMs: number): number {
  return timeoutMs - Math.min(MARGIN_MS, timeoutMs * 0.05);
}

/** Each of `atOnce` workers takes the next task; what is not finished in time is reported as failed. */
export function workOff(batch: readonly Work[], timeoutMs: number, atOnce: number): Worked {
  const deadlineMs = deadlineOf(timeoutMs);
  const freeAtMs = new Array<number>(Math.min(atOnce, batch.length)).fill(0);
  const verdicts: { work: Work; message: string | null }[] = [];
  const tried: string[] = [];
  let costMicros = 0;
  let durationMs = 0;
  for (const work of batch) {
    const { taskId, durationMs: takesMs, fails, costMicros: costs } = work;
    const worker = freeAtMs.indexOf(Math.min(...freeAtMs));
    const startsMs = freeAtMs[worker] as number;
    const endsMs = startsMs + takesMs;
    freeAtMs[worker] = endsMs;
    durationMs = Math.max(durationMs, Math.min(endsMs, deadlineMs));
    if (startsMs < deadlineMs) {
      tried.push(taskId);
      costMicros += costs;
    }
    const message = endsMs > deadlineMs ? "it was not finished in time" : fails ? "it failed" : null;
    verdicts.push({ work, message });
  }
  return { durationMs: Math.ceil(durationMs), callback: reportOn(verdicts, costMicros), tried };
}

/** The callback of a batch whose tasks turned out so; without a message a task is completed. */
export function reportOn(
  verdicts: readonly { work: Work; message: string | null }[],
  costMicros: number,
): Worked["callback"] {
  const items: NonNullable<Callback["items"]> = verdicts.map(({ work: { taskId, asks }, message }) =>
    message === null
      ? { task_id: taskId, status: "completed", ...(asks ? { next: [...asks] } : {}) }
      : { task_id: taskId, status: "failed", error_data: { message } },
  );
  const done = items.filter((item) => item.status === "completed").length;
  const status = done === items.length ? "completed" : done > 0 ? "partial" : "failed";
  return { status, items, metrics: { cost_usd: costMicros / 1e6 } };
}
