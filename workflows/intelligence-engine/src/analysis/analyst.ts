/** Owns the thread that analyses: starts it, hands series over, takes results, ends it. Knows no statistics. */
import { Worker } from "node:worker_threads";
import type { SeriesAnalysis } from "./analyse.ts";
import type { Series } from "./series.ts";

/** A year of days and its models need a fraction of it. */
const MAX_HEAP_MB = 512;

/** In their order; null for a series of which nothing is known. `done` is told how many are. Rejects when `signal` aborts. */
export async function analyseAll(
  series: readonly Series[],
  to: string,
  { signal, done }: { signal: AbortSignal; done?: (count: number) => void },
): Promise<(SeriesAnalysis | null)[]> {
  signal.throwIfAborted();
  if (series.length === 0) return [];
  const worker = new Worker(new URL("./worker.ts", import.meta.url), {
    workerData: { series, to },
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  });
  const { promise, resolve, reject } = Promise.withResolvers<(SeriesAnalysis | null)[]>();
  const results: (SeriesAnalysis | null)[] = [];
  worker.on("message", (result: SeriesAnalysis | null) => {
    results.push(result);
    done?.(results.length);
    if (results.length === series.length) resolve(results);
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
