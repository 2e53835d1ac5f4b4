/** Owns the thread that analyses: starts it, hands series over, takes results, ends it. Knows no statistics. */
import { Worker } from "node:worker_threads";
import type { SeriesAnalysis } from "./analyse.ts";
import type { Series } from "./series.ts";

/** A year of days and its models need a fraction of it. */
const MAX_HEAP_MB = 512;

/** `analysis` is null for a series of which nothing is known, and where it failed: then `error` says how. */
export interface Outcome {
  analysis: SeriesAnalysis | null;
  error: string | null;
}

/** In their order. `done` is told how many are. Rejects when `signal` aborts. */
export async function analyseAll(
  series: readonly Series[],
  to: string,
  { signal, done }: { signal: AbortSignal; done?: (count: number) => void },
): Promise<Outcome[]> {
  signal.throwIfAborted();
  if (series.length === 0) return [];
  const worker = new Worker(new URL("./worker.ts", import.meta.url), {
    workerData: { series, to },
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  });
  const { promise, resolve, reject } = Promise.withResolvers<Outcome[]>();
  const outcomes: Outcome[] = [];
  worker.on("message", (outcome: Outcome) => {
    outcomes.push(outcome);
    done?.(outcomes.length);
    if (outcomes.length === series.length) resolve(outcomes);
  });
  worker.on("error", reject);
  worker.on("exit", (code) => reject(new Error(`the analysis ended early, with code ${code}`)));
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    await worker.terminate();
  }
}
