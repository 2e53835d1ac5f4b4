/** A task's life as spans, told when it has ended, out of its rows: the whole, the wait, each attempt. Reads nothing. */
import { attemptSpan, idSpan, type Span, spanBelow, taskSpan } from "@master-orchestrator/contract/trace";
import type { TracedTask } from "#store/traces.ts";

export function lifeSpans(task: TracedTask): Span[] {
  const { context, parentSpanId } = taskSpan(task.taskId, task.traceparent);
  const failed = task.status === "dead_lettered";
  const life: Span = {
    ...{ name: `task ${task.workflowType}`, kind: "consumer", context, parentSpanId },
    ...{ startMs: task.createdAtMs, endMs: task.endedAtMs },
    attributes: {
      "orchestrator.task_id": task.taskId,
      "orchestrator.lane": `${task.workflowType}/${task.contentType}`,
      "orchestrator.priority": task.priority,
      "orchestrator.status": task.status,
      "orchestrator.failures": task.failures,
    },
    error: failed ? "out of attempts" : null,
  };
  const wait: Span = {
    ...{ name: "wait", kind: "internal", context: spanBelow(context), parentSpanId: context.spanId },
    // From when it was due: what was asked for later has not waited.
    startMs: Math.max(task.createdAtMs, task.agedFromMs),
    endMs: Math.max(task.startedAtMs ?? task.endedAtMs, task.createdAtMs, task.agedFromMs),
    attributes: {},
  };
  return [life, wait, ...task.attempts.map((attempt) => attemptOf(task, attempt))];
}

function attemptOf(task: TracedTask, attempt: TracedTask["attempts"][number]): Span {
  const { context } = taskSpan(task.taskId, task.traceparent);
  const { executionId, cycleId } = attempt;
  const links = cycleId === null ? [] : [idSpan(cycleId)];
  return {
    ...{ name: `attempt ${attempt.attempt}`, kind: "internal" },
    context: attemptSpan(context, executionId, attempt.attempt),
    parentSpanId: context.spanId,
    startMs: attempt.dispatchedAtMs,
    endMs: attempt.endedAtMs ?? task.endedAtMs,
    attributes: {
      "orchestrator.execution_id": executionId,
      "orchestrator.attempt": attempt.attempt,
      "orchestrator.state": attempt.state,
      "orchestrator.target": attempt.target,
      "orchestrator.tasks": attempt.tasks,
    },
    links: attempt.tasks > 1 ? [...links, idSpan(executionId)] : links,
    error: attempt.error,
  };
}
