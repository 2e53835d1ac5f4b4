/** Folds the facts about one run, and the passing of time, into what becomes of it. Decides nothing about new work. */
import type { AttemptState, Callback } from "@master-orchestrator/contract";
import type { Advance, Failure } from "./decision.ts";
import {
  advanceOf,
  type FoldContext,
  type Folding,
  isTargetGone,
  promisedSilenceMs,
  signal,
  silentFrom,
  startFolding,
  step,
  withAttempt,
} from "./folding.ts";
import { redeliveryMs } from "./retry.ts";
import { cancelReturned, cancelRun, cancelTask, failAttempt, type Outcome, settle } from "./settle.ts";
import type { DeliveryFact, Fact, Run, RunTask } from "./snapshot.ts";
import { hasEnded } from "./states.ts";

/** The shortest and the longest wait that a `Retry-After` may ask for: none at all would be a storm of deliveries. */
export const SNOOZE_MIN_MS = 1_000;
export const SNOOZE_MAX_MS = 3_600_000;

/** Returns what changes for the run, or null if nothing does; and the run as it stands afterwards. */
export function fold(
  run: Run,
  facts: readonly Fact[],
  context: FoldContext,
): { advance: Advance | null; run: Run } {
  let folding = startFolding(run);
  for (const fact of facts) folding = foldFact(folding, fact, context);
  folding = watch(folding, context);
  if (!folding.changed) return { advance: null, run };
  return { advance: advanceOf(folding), run: folding.run };
}

/** Posts a snoozed attempt again, now that it has a slot. */
export function resume(run: Run, context: FoldContext): Advance {
  const folding = withAttempt(startFolding(run), context, {
    state: "sent",
    deliveries: run.attempt.deliveries + 1,
    deliverAtMs: null,
    deadlineAtMs: context.nowMs + run.attempt.timeoutMs,
  });
  return advanceOf({ ...folding, deliver: true });
}

function foldFact(folding: Folding, fact: Fact, context: FoldContext): Folding {
  if (hasEnded(folding.run.status)) {
    return fact.kind === "cancel_task" ? cancelReturned(folding, fact.taskId, fact.actor) : folding;
  }
  if ("attempt" in fact && fact.attempt !== folding.run.attempt.number) return folding;
  switch (fact.kind) {
    case "delivery":
      return folding.attemptEnded ? folding : foldDelivery(folding, fact, context);
    case "claim": {
      if (folding.attemptEnded) return folding;
      const claimed = accept(folding, fact.atMs, "claimed", context);
      const { nextWithinMs = null } = fact;
      if (nextWithinMs === null) return claimed;
      // A promise that comes with the claim counts also if the run dies before its first heartbeat.
      const silentAtMs = fact.atMs + nextWithinMs;
      return withAttempt(claimed, context, { lastHeartbeatAtMs: fact.atMs, silentAtMs });
    }
    case "heartbeat": {
      if (folding.attemptEnded) return folding;
      const alive = accept(folding, fact.atMs, "sent a heartbeat", context);
      const promisedMs = fact.nextWithinMs ?? promisedSilenceMs(alive.run.attempt);
      return withAttempt(alive, context, {
        lastHeartbeatAtMs: fact.atMs,
        silentAtMs: promisedMs === null ? null : fact.atMs + promisedMs,
        progress: fact.progress ?? alive.run.attempt.progress,
        message: fact.message ?? alive.run.attempt.message,
      });
    }
    case "callback":
      return foldCallback(folding, fact.callback, context);
    case "cancel_execution":
      return cancelRun(folding, fact.actor, "cancelled by request");
    case "cancel_task":
      return cancelTask(folding, fact.taskId, fact.actor);
    case "set_priority":
    case "redrive":
    case "close_recovery":
      return folding;
  }
}

function foldDelivery(folding: Folding, fact: DeliveryFact, context: FoldContext): Folding {
  const { attempt } = folding.run;
  switch (fact.outcome) {
    case "accepted":
      return accept(folding, fact.atMs, "accepted the webhook", context, fact.tookMs);
    case "refused": {
      const { message } = fact;
      const told = signal(folding, { kind: "failed", posting: true, message });
      return failAttempt(told, "refused", { code: "refused", message, stackTrace: null }, context);
    }
    case "snoozed": {
      if (attempt.state !== "sent") return folding;
      const asked = fact.retryAfterMs;
      const waitMs =
        asked === null
          ? context.retry.snooze_seconds * 1000
          : Math.min(Math.max(asked, SNOOZE_MIN_MS), SNOOZE_MAX_MS);
      const untilMs = context.nowMs + waitMs;
      return withAttempt(signal(folding, { kind: "snoozed", untilMs }), context, {
        state: "snoozed",
        deliverAtMs: untilMs,
        snoozedSinceMs: attempt.snoozedSinceMs ?? context.nowMs,
        message: fact.message,
      });
    }
    case "unknown":
      if (attempt.state !== "sent" || fact.delivery !== attempt.deliveries) return folding;
      return withAttempt(signal(folding, { kind: "unanswered", message: fact.message }), context, {
        deliverAtMs: context.nowMs + redeliveryMs(attempt.deliveries),
        mayBeThere: attempt.mayBeThere || fact.maybeReceived !== false,
        message: fact.message,
      });
  }
}

/** A sign of life: the attempt's clock starts now. */
function accept(
  folding: Folding,
  atMs: number,
  how: string,
  context: FoldContext,
  tookMs: number | null = null,
): Folding {
  if (folding.run.attempt.state === "accepted") return folding;
  const accepted = withAttempt(signal(folding, { kind: "answered", tookMs }), context, {
    state: "accepted",
    acceptedAtMs: atMs,
    deadlineAtMs: atMs + folding.run.attempt.timeoutMs,
    deliverAtMs: null,
    snoozedSinceMs: null,
    message: null,
  });
  return step(accepted, "MONITORING", `the sub-workflow ${how}`);
}

/** What the passing of time alone does to a run. */
function watch(folding: Folding, context: FoldContext): Folding {
  const { attempt, dueAtMs, status } = folding.run;
  if (hasEnded(status) || folding.attemptEnded || dueAtMs === null || dueAtMs > context.nowMs) return folding;
  const fail = (state: AttemptState, message: string) => {
    const told = signal(folding, { kind: "failed", posting: state === "undelivered", message });
    return failAttempt(told, state, { code: state, message, stackTrace: null }, context);
  };
  const seconds = Math.round(attempt.timeoutMs / 1000);
  if (attempt.state !== "accepted" && attempt.mayBeThere && isTargetGone(folding.run, context)) {
    return fail("undelivered", `its target ${attempt.target} was removed before it gave a sign of life`);
  }
  if (attempt.state === "snoozed") {
    const since = attempt.snoozedSinceMs ?? context.nowMs;
    const limitMs = context.retry.snooze_limit_seconds * 1000;
    return context.nowMs - since >= limitMs
      ? fail("undelivered", `the sub-workflow was busy for ${context.retry.snooze_limit_seconds} s`)
      : folding;
  }
  if (context.nowMs >= attempt.deadlineAtMs) {
    return attempt.state === "accepted"
      ? fail("timed_out", `no callback within ${seconds} s of the start`)
      : fail("undelivered", `no sign of life within ${seconds} s and ${attempt.deliveries} deliveries`);
  }
  if (attempt.state === "accepted") {
    return context.nowMs >= silentFrom(attempt, context)
      ? fail("lost", "the run fell silent: it promised a heartbeat and sent none")
      : withAttempt(folding, context, {});
  }
  // Without any outcome nobody knows what became of the last posting: its deliverer is lost.
  const mayBeThere = attempt.mayBeThere || attempt.deliverAtMs === null;
  return withAttempt({ ...folding, deliver: true }, context, {
    deliveries: attempt.deliveries + 1,
    deliverAtMs: null,
    mayBeThere,
  });
}

function foldCallback(folding: Folding, callback: Callback, context: FoldContext): Folding {
  const items = new Map((callback.items ?? []).map((item) => [item.task_id, item]));
  const statusOf = ({ taskId }: RunTask) => items.get(taskId)?.status ?? callback.status;
  const firstDone = folding.run.tasks.find((task) => statusOf(task) === "completed");
  const outcomeOf = (task: RunTask): Outcome => {
    const item = items.get(task.taskId);
    if (statusOf(task) === "completed") {
      const result = item?.result_data ?? (item ? null : callback.result_data) ?? null;
      const ofAll = task === firstDone ? (callback.next ?? []) : [];
      return { ok: true, result, next: [...(item?.next ?? []), ...ofAll] };
    }
    const data = item?.error_data ?? callback.error_data;
    const unreported = !item && callback.status === "partial";
    return {
      ok: false,
      failure: {
        code: unreported ? "unreported" : "failed",
        message:
          data?.message ?? (unreported ? "the callback does not name this task" : "no message was given"),
        stackTrace: data?.stack_trace ?? null,
      },
      final: data?.retry_recommended === false,
    };
  };
  const outcomes = new Map(folding.run.tasks.map((task) => [task.taskId, outcomeOf(task)]));
  const failed = [...outcomes.values()].filter((outcome) => !outcome.ok);
  const overall: Failure | null =
    failed.length === 0
      ? null
      : callback.error_data?.message
        ? {
            code: "failed",
            message: callback.error_data.message,
            stackTrace: callback.error_data.stack_trace ?? null,
          }
        : (failed[0] as Outcome & { ok: false }).failure;
  const state: AttemptState =
    failed.length === 0 ? "completed" : failed.length < outcomes.size ? "partial" : "failed";
  const reported: Folding = {
    ...signal(folding, { kind: "returned" }),
    metrics: callback.metrics ?? null,
    costMicros: Math.round((callback.metrics?.cost_usd ?? 0) * 1e6),
    changed: true,
  };
  return settle(reported, { state, outcomes, overall, result: callback.result_data ?? null }, context);
}
