/** Owns the callback: what it says, and that it arrives; never does work. */
import {
  type Callback,
  CallbackAnswer,
  type CallbackItem,
  type DispatchMessage,
} from "@master-orchestrator/contract";
import type { Channel } from "./channel.ts";
import { backoffMs, type Clock } from "./clock.ts";
import type { Log } from "./definition.ts";
import { verdictOn } from "./http.ts";
import type { Ledger } from "./ledger.ts";

/** The orchestrator takes 1.5 MB; the rest is for the frame around the results. */
const MAX_CALLBACK_BYTES = 1_490_000;
const GIVE_UP_AFTER_MS = 24 * 3_600_000;

/** The callback of a batch whose every entry has a verdict. Items too many to fit are failed, and say why. */
export function composeCallback(dispatch: DispatchMessage, ledger: Ledger, durationMs: number): Callback {
  const items = ledger.entries.map((entry): CallbackItem => {
    const { verdict } = entry;
    if (verdict?.status === "completed") {
      const next = verdict.next.length > 0 ? { next: [...verdict.next] } : {};
      return { task_id: entry.taskId, status: "completed", result_data: verdict.result, ...next };
    }
    return { task_id: entry.taskId, status: "failed", error_data: verdict?.error ?? null };
  });
  leaveOutWhatDoesNotFit(ledger, items);
  const completed = items.filter((item) => item.status === "completed").length;
  const status = completed === items.length ? "completed" : completed > 0 ? "partial" : "failed";
  const firstError = items.find((item) => item.status === "failed")?.error_data ?? null;
  return {
    execution_id: dispatch.execution_id,
    attempt: dispatch.attempt,
    status,
    items,
    error_data: ledger.batchError ?? (status === "failed" ? firstError : null),
    metrics: {
      duration_ms: Math.max(0, Math.round(durationMs)),
      items_processed: ledger.entries.filter((entry) => entry.started).length,
      // To the millionth, as the orchestrator counts.
      cost_usd: Math.min(Math.round(ledger.costUsd * 1e6) / 1e6, 1_000_000),
      api_calls: Object.fromEntries(ledger.apiCalls),
    },
  };
}

/**
 * Fails the largest results until the callback fits, those first that are kept as checkpoints: sent
 * back alone, such a task is answered from its checkpoint, and nothing is paid twice.
 */
function leaveOutWhatDoesNotFit(ledger: Ledger, items: CallbackItem[]): void {
  let size = Buffer.byteLength(JSON.stringify(items));
  if (size <= MAX_CALLBACK_BYTES) return;
  const results = ledger.entries
    .flatMap(({ verdict }, index) => (verdict?.status === "completed" ? [{ index, ...verdict }] : []))
    .sort((a, b) => Number(b.kept) - Number(a.kept) || b.bytes - a.bytes);
  for (const { index, bytes, kept } of results) {
    if (size <= MAX_CALLBACK_BYTES) return;
    const before = items[index] as CallbackItem;
    const fitsAlone = bytes < MAX_CALLBACK_BYTES;
    const why = fitsAlone ? "the results of this batch are together" : "the result is";
    const then = kept ? "; it is kept, and the next attempt returns it without doing the work again" : "";
    const message = `${why} larger than a callback may be (1.5 MB)${then}`;
    const item: CallbackItem = {
      task_id: before.task_id,
      status: "failed",
      error_data: { message, retry_recommended: fitsAlone },
    };
    items[index] = item;
    size -= bytes - Buffer.byteLength(JSON.stringify(item.error_data));
  }
}

/** What is sent when the orchestrator refuses the callback itself: that it did, and nothing that it might refuse. */
function reducedCallback(callback: Callback, status: number, code: string | null): Callback {
  const message = `the orchestrator refused the results: HTTP ${status}${code ? ` ${code}` : ""}`;
  const error_data = { message, retry_recommended: true };
  return {
    attempt: callback.attempt,
    status: "failed",
    items: (callback.items ?? []).map((item) =>
      item.error_data?.retry_recommended === false
        ? { task_id: item.task_id, status: "failed", error_data: { message, retry_recommended: false } }
        : { task_id: item.task_id, status: "failed", error_data },
    ),
    error_data,
    metrics: callback.metrics ?? null,
  };
}

/**
 * Delivers a callback: tries again after 1, 2, 4 … 30 s (or when told) for a day, until the
 * orchestrator itself takes or refuses it, or `leave` aborts. Never rejects; the log says how it ended.
 */
export async function deliver(
  channel: Channel,
  callback: Callback,
  tools: { clock: Clock; log: Log },
  leave: AbortSignal,
): Promise<void> {
  const { clock, log } = tools;
  const start = clock.elapsed();
  let body = JSON.stringify(callback);
  let reduced = false;
  for (let tries = 0; ; tries++) {
    const answer = await channel.callback(body);
    const said = { status: answer.status, code: answer.code, detail: answer.detail };
    const verdict = verdictOn(answer);
    if (verdict === "done" && CallbackAnswer.safeParse(answer.body).success)
      return log("info", "the callback was taken", { status: callback.status, reduced });
    if (verdict === "stale") return log("info", "the attempt is over; its callback was not needed", said);
    if (verdict === "refused") {
      if (reduced || ![400, 413, 422].includes(answer.status)) {
        return log("error", "the callback was refused", said);
      }
      log("error", "the callback was refused; a reduced one says so", said);
      body = JSON.stringify(reducedCallback(callback, answer.status, answer.code));
      reduced = true;
      continue;
    }
    const wait = Math.max(backoffMs(clock, tries, 1_000, 30_000), answer.retryAfterMs ?? 0);
    if (leave.aborted) return log("error", "stopped before the callback was taken", said);
    if (clock.elapsed() - start + wait > GIVE_UP_AFTER_MS) {
      return log("error", "the callback could not be delivered for a day", said);
    }
    log("warn", "the callback was not taken yet", { ...said, try: tries + 1, next_in_ms: wait });
    await clock.sleep(wait, "callback", leave);
    if (leave.aborted) return log("error", "stopped before the callback was taken", said);
  }
}
