/** Runs the analysis of series on a thread of its own: models compute for seconds, and clocks must not wait for them. */
import { parentPort, workerData } from "node:worker_threads";
import { analyse } from "./analyse.ts";
import type { Outcome } from "./analyst.ts";
import type { Series } from "./series.ts";

const { series, to } = workerData as { series: Series[]; to: string };
for (const each of series) parentPort?.postMessage(outcomeOf(each));

/** One series that cannot be analysed keeps none of the others from it. */
function outcomeOf(each: Series): Outcome {
  try {
    return { analysis: analyse(each, to), error: null };
  } catch (error) {
    return { analysis: null, error: error instanceof Error ? error.message : String(error) };
  }
}
