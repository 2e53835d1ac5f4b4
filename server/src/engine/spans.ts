/** What the engine tells a trace: deliveries and cycles as spans. Pure values; records nothing itself. */
import {
  attemptSpan,
  idSpan,
  type Span,
  spanBelow,
  type TraceContext,
  taskSpan,
} from "@master-orchestrator/contract/trace";
import type { Delivery } from "#store/deliveries.ts";
import type { Meaning } from "./answer.ts";
import type { CycleOutcome } from "./cycle.ts";

export interface DeliveryTrace {
  /** The span of this very posting; the webhook's `traceparent`. */
  context: TraceContext;
  parentSpanId: string | null;
  /** Of each task the span of this attempt, in the task's own trace. */
  attempts: readonly TraceContext[];
}

/** A run of one task stands in that task's trace; one of several begins a trace of its own, the execution's. */
export function traceDelivery({ executionId, attempt, tasks }: Delivery): DeliveryTrace {
  const attempts = tasks.map((task) =>
    attemptSpan(taskSpan(task.task_id, task.traceparent).context, executionId, attempt),
  );
  const [only] = attempts;
  const alone = only !== undefined && attempts.length === 1;
  const context = spanBelow(alone ? only : idSpan(executionId));
  return { context, parentSpanId: alone ? only.spanId : null, attempts };
}

export function deliverySpan(
  delivery: Delivery,
  { context, parentSpanId, attempts }: DeliveryTrace,
  told: { meaning: Meaning; startMs: number; endMs: number },
): Span {
  const { meaning, startMs, endMs } = told;
  const wrong = meaning.outcome === "refused" || meaning.outcome === "unknown";
  return {
    ...{ context, parentSpanId, startMs, endMs, kind: "client", name: `deliver ${delivery.workflowType}` },
    attributes: {
      "orchestrator.execution_id": delivery.executionId,
      "orchestrator.attempt": delivery.attempt,
      "orchestrator.delivery": delivery.delivery,
      "orchestrator.target": delivery.target,
      "orchestrator.tasks": delivery.tasks.length,
      "orchestrator.outcome": meaning.outcome,
    },
    links: parentSpanId === null ? attempts : [],
    error: wrong ? meaning.message : null,
  };
}

/** A cycle is a trace of its own: it decides about many tasks. Their attempts point to it. */
export function cycleSpan(outcome: CycleOutcome, tookMs: number): Span {
  const { cycleId, nowMs, boundaryMs } = outcome;
  return {
    ...{ name: "cycle", kind: "internal", context: idSpan(cycleId), parentSpanId: null },
    ...{ startMs: nowMs, endMs: nowMs + tookMs },
    attributes: {
      "orchestrator.cycle_id": cycleId,
      "orchestrator.trigger": boundaryMs === null ? "wake" : "tick",
      "orchestrator.drift_ms": boundaryMs === null ? null : nowMs - boundaryMs,
      "orchestrator.dispatched": outcome.dispatched,
      "orchestrator.decisions": outcome.decisions.length,
    },
  };
}

/** The tasks that a cycle ended. */
export function endedTasks({ decisions }: CycleOutcome): string[] {
  return decisions.flatMap((decision) => {
    const changes =
      decision.kind === "advance" ? decision.tasks : decision.kind === "change_task" ? [decision.change] : [];
    return changes.filter(({ to }) => ENDS.has(to)).map(({ taskId }) => taskId);
  });
}
const ENDS: ReadonlySet<string> = new Set(["completed", "dead_lettered", "cancelled"]);
