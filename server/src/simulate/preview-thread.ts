/** The thread in which a preview is computed, so that whoever decides meanwhile is not kept waiting. Computes nothing itself. */
import { parentPort, workerData } from "node:worker_threads";
import { type PreviewTask, preview } from "./preview.ts";

parentPort?.postMessage("loaded");
parentPort?.postMessage(preview(workerData as PreviewTask));
