/** Splits the time of an execution into what it was spent on: waiting, delivery, work, and between attempts. Pure. */
import type { Execution } from "../../lib/wire.ts";

export const SPANS = ["waiting", "delivery", "work", "between attempts"] as const;
export type SpanKind = (typeof SPANS)[number];

export interface Span {
  kind: SpanKind;
  /** `attempt 2`, or the task that waited longest. */
  of: string;
  fromMs: number;
  toMs: number;
}

type Timed = Pick<Execution, "created_at" | "completed_at" | "attempts" | "tasks">;

/** In their order; spans of no length are left out. An execution that is not over ends at `nowMs`. */
export function spansOf(execution: Timed, nowMs: number): Span[] {
  const createdMs = Date.parse(execution.created_at);
  const endMs = execution.completed_at === null ? nowMs : Date.parse(execution.completed_at);
  const dueMs = Math.min(createdMs, ...execution.tasks.map((task) => Date.parse(task.due_at)));
  const spans: Span[] = [
    { kind: "waiting", of: "the task that waited longest", fromMs: dueMs, toMs: createdMs },
  ];
  let lastMs = createdMs;
  for (const attempt of execution.attempts) {
    const of = `attempt ${attempt.attempt}`;
    const sentMs = Date.parse(attempt.dispatched_at);
    const overMs = attempt.ended_at === null ? endMs : Date.parse(attempt.ended_at);
    const takenMs = attempt.accepted_at === null ? overMs : Math.min(overMs, Date.parse(attempt.accepted_at));
    spans.push({ kind: "between attempts", of, fromMs: lastMs, toMs: sentMs });
    spans.push({ kind: "delivery", of, fromMs: sentMs, toMs: takenMs });
    spans.push({ kind: "work", of, fromMs: takenMs, toMs: overMs });
    lastMs = overMs;
  }
  return spans.filter((span) => span.toMs > span.fromMs);
}
