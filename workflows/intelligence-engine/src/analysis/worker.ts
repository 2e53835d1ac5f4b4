/** Runs the analysis of series on a thread of its own: models compute for seconds, and clocks must not wait for them. */
import { parentPort, workerData } from "node:worker_threads";
import { analyse } from "./analyse.ts";
import type { Series } from "./series.ts";

const { series, to } = workerData as { series: Series[]; to: string };
for (const each of series) parentPort?.postMessage(analyse(each, to));
