/** Owns asking n8n about runs whose callback was lost, and stopping those that were cancelled here. Records facts, decides nothing. */
import { Callback } from "@master-orchestrator/contract";
import { recordCallback } from "#store/facts.ts";
import { type ClaimedAttempt, noteStopped, silentAttempts, unstoppedRuns } from "#store/n8n-connection.ts";
import type { MigrateContext } from "./context.ts";
import { NAMES } from "./n8n/parts.ts";
import { nodeRuns } from "./run-data.ts";

/** n8n tries a callback five times, five seconds apart, and with its time-outs; before that nothing is lost. */
const SILENT_MS = 30_000;
const ASK_AGAIN_MS = 30_000;
const MOST_ASKED = 20;
const ENDED = new Set(["success", "error", "crashed", "canceled"]);

/** When each run was asked about last, so that a long one is not asked about all the time. */
export type Asked = Map<string, number>;

/** The attempts that were settled by asking. Throws Unreachable or Refused. */
export async function settleLost(context: MigrateContext, asked: Asked): Promise<ClaimedAttempt[]> {
  const { db, n8n, clock, log, wake } = context;
  const nowMs = clock.nowMs();
  const silent = await silentAttempts(db, SILENT_MS, MOST_ASKED * 5);
  const live = new Set(silent.map(({ n8nExecutionId }) => n8nExecutionId));
  for (const id of asked.keys()) if (!live.has(id)) asked.delete(id);
  const due = silent.filter(
    ({ n8nExecutionId: id }) => nowMs - (asked.get(id) ?? Number.NEGATIVE_INFINITY) >= ASK_AGAIN_MS,
  );
  const settled: ClaimedAttempt[] = [];
  for (const attempt of due.slice(0, MOST_ASKED)) {
    asked.set(attempt.n8nExecutionId, nowMs);
    const execution = await n8n.execution(attempt.n8nExecutionId);
    if (execution && !ENDED.has(execution.status)) continue;
    const callback = execution
      ? (reportIn(execution.data, attempt) ?? endOf(attempt, execution.status))
      : endOf(attempt, "gone");
    const { verdict } = await recordCallback(db, attempt.executionId, callback);
    if (verdict !== "taken") continue;
    settled.push(attempt);
    log.info("A lost callback was settled by asking n8n", {
      execution_id: attempt.executionId,
      attempt: attempt.attempt,
      n8n_execution_id: attempt.n8nExecutionId,
      status: callback.status,
    });
  }
  if (settled.length > 0) wake();
  return settled;
}

/** What the run itself wanted to report: it stands in the data of the node before the call. Null where it does not. */
function reportIn(data: unknown, { executionId, attempt }: ClaimedAttempt): Callback | null {
  for (const name of [NAMES.outcome, NAMES.failure]) {
    for (const run of nodeRuns(data, name)) {
      const read = Callback.safeParse(run);
      if (read.success && read.data.execution_id === executionId && read.data.attempt === attempt)
        return read.data;
    }
  }
  return null;
}

/** A run that ended without a report: n8n was stopped or killed, or the report was never made. */
function endOf({ executionId, attempt, n8nExecutionId }: ClaimedAttempt, status: string): Callback {
  const said = status === "gone" ? "n8n does not have it any more" : `n8n says that it is ${status}`;
  const message = `the run ${n8nExecutionId} of n8n sent no callback; ${said}`;
  return Callback.parse({
    ...{ execution_id: executionId, attempt, status: status === "success" ? "completed" : "failed" },
    ...(status === "success" ? { result_data: { settled_by: message } } : { error_data: { message } }),
  });
}

/** The wrapper's run and what it has called: stopping one does not stop the other. */
export async function stopCancelled(context: MigrateContext): Promise<void> {
  const { db, n8n, log } = context;
  for (const run of await unstoppedRuns(db, MOST_ASKED)) {
    const called = await calledBy(context, run.n8nExecutionId);
    const stopped = await n8n.stop(run.n8nExecutionId);
    for (const id of called) await n8n.stop(id);
    await noteStopped(db, run.executionId, run.attempt);
    log.info("A cancelled run was stopped in n8n", {
      execution_id: run.executionId,
      n8n_execution_ids: [run.n8nExecutionId, ...called],
      was_running: stopped,
    });
  }
}

/** Runs of the same workflow that the wrapper has started and that still run. */
async function calledBy({ n8n }: MigrateContext, wrapperId: string): Promise<string[]> {
  const wrapper = await n8n.execution(wrapperId);
  if (!wrapper) return [];
  const named = JSON.stringify(wrapper.data ?? "").matchAll(/"subExecution":\{[^}]*"executionId":"([^"]+)"/g);
  return [...new Set([...named].map(([, id]) => id as string))];
}
