/** Runs `mainTextOf` on a thread of its own: a large page takes a second, which others would wait for. Decides nothing. */
import { parentPort, workerData } from "node:worker_threads";
import { mainTextOf } from "./extract.ts";

parentPort?.postMessage(mainTextOf(workerData as string));
