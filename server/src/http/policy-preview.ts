/** Gathers the recorded past for a preview of a policy, and has it computed in a thread, one at a time and in time. */
import { Worker } from "node:worker_threads";
import { type Policy, type PolicyPreview, Problem } from "@master-orchestrator/contract";
import type { z } from "zod";
import type { PreviewFound, PreviewTask } from "#simulate/preview.ts";
import type { Database } from "#store/database.ts";
import { databaseNowMs } from "#store/orchestrator.ts";
import { recordedRuns } from "#store/recorded-runs.ts";
import { listTasks, type TaskSummaryRow } from "#store/task-views.ts";
import { listWorkflows } from "#store/workflows.ts";
import { taskSummary, time } from "./present.ts";

export type Preview = (
  asked: { current: Policy; proposed: Policy; hours: number; costs?: PreviewTask["costs"] },
  gone: AbortSignal,
) => Promise<Omit<z.infer<typeof PolicyPreview>, "policy_version">>;

const MAX_TASKS = 5_000;
const MAX_RUNS = 20_000;
const MAX_WORKFLOWS = 500;
const WITHIN_MS = 20_000;
/** A thread begins by reading its code: a busy machine takes its time. */
const LOADED_WITHIN_MS = 60_000;
const MEMORY_MB = 256;
const THREAD = new URL("../simulate/preview-thread.ts", import.meta.url);
/** Of a workflow's settings those that a plan looks at; that it is paused now says nothing about then. */
const DECISIVE = [
  ...["timeout_seconds", "batch", "max_concurrent", "weight", "estimates", "next", "schedule"],
  ...["webhook_url", "targets", "critical"],
];

/** Throws Problem `unavailable` while another one is computed, `timeout` when it takes too long, `conflict` without a past. */
export function createPreview(db: Database): Preview {
  let busy = false;
  return async ({ current, proposed, hours, costs }, gone) => {
    if (busy) {
      throw new Problem(
        "unavailable",
        "another preview is being computed here",
        "Try again in some seconds.",
      );
    }
    busy = true;
    try {
      const toMs = await databaseNowMs(db);
      const fromMs = toMs - hours * 3_600_000;
      const rows = await recordedTasks(db, fromMs);
      const beganMs = Math.min(toMs, ...rows.map((row) => row.createdAtMs));
      const [runs, settings] = await Promise.all([recordedRuns(db, beganMs, MAX_RUNS), decisiveSettings(db)]);
      const executions = runs.map(({ costMicros, attempts }) => ({
        cost_usd: costMicros / 1e6,
        attempts: attempts.map((attempt) => ({
          state: attempt.state,
          task_ids: attempt.taskIds,
          dispatched_at: time(attempt.dispatchedAtMs),
          accepted_at: time(attempt.acceptedAtMs),
          ended_at: time(attempt.endedAtMs),
        })) as PreviewTask["history"]["executions"][number]["attempts"],
      }));
      const history = { tasks: rows.map(taskSummary), executions };
      const found = await inThread({ history, settings, current, proposed, costs }, gone);
      if (found === null) throw nothingRecorded(hours);
      const { tasks, leftOut, guessed } = found;
      return {
        ...{ from: time(rows.length < MAX_TASKS ? fromMs : beganMs), to: time(toMs) },
        ...{ tasks, left_out: leftOut, guessed, cut: rows.length === MAX_TASKS },
        ...{ current: found.current, proposed: found.proposed },
      };
    } finally {
      busy = false;
    }
  };
}

/** The newest, in pages as long as a list's. */
async function recordedTasks(db: Database, fromMs: number): Promise<TaskSummaryRow[]> {
  return await listTasks(db, { from: new Date(fromMs).toISOString(), limit: MAX_TASKS });
}

async function decisiveSettings(db: Database): Promise<PreviewTask["settings"]> {
  const workflows = await listWorkflows(db, null, MAX_WORKFLOWS);
  return Object.fromEntries(
    workflows.map(({ workflowType, settings }) => [
      workflowType,
      Object.fromEntries(Object.entries(settings).filter(([name]) => DECISIVE.includes(name))),
    ]),
  );
}

function nothingRecorded(hours: number): Problem {
  return new Problem(
    "conflict",
    `no task of the last ${hours} hours has run, so nobody knows how long one takes`,
    "Ask for more hours, or try made-up work with `orchestrator simulate`.",
  );
}

async function inThread(task: PreviewTask, gone: AbortSignal): Promise<PreviewFound | null> {
  const worker = new Worker(THREAD, {
    workerData: task,
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
  });
  const { promise, resolve, reject } = Promise.withResolvers<PreviewFound | null>();
  const tooLate = () =>
    reject(
      new Problem(
        "timeout",
        `the preview was not there within ${WITHIN_MS / 1000} s`,
        "Ask for fewer hours, or use `orchestrator simulate --history`, which has no such limit.",
      ),
    );
  let late = setTimeout(tooLate, LOADED_WITHIN_MS);
  worker.on("message", (found: PreviewFound | null | "loaded") => {
    if (found !== "loaded") return resolve(found);
    clearTimeout(late);
    late = setTimeout(tooLate, WITHIN_MS);
  });
  const leave = () => reject(new Problem("unavailable", "whoever asked is gone", "Ask again."));
  gone.addEventListener("abort", leave, { once: true });
  worker.once("error", reject);
  worker.once("exit", () =>
    reject(new Problem("internal", "the preview ended without a result", "Try again.")),
  );
  try {
    return await promise;
  } finally {
    clearTimeout(late);
    gone.removeEventListener("abort", leave);
    await worker.terminate();
  }
}
