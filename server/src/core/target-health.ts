/** What becomes of the memory of a target by what happened there: failures in a row, rest, room. Decides nothing. */
import type { Advance, Signal } from "./decision.ts";
import type { Snapshot, TargetMemory } from "./snapshot.ts";
import { newMemory, targetSubject } from "./targets.ts";

export type Memories = Map<string, TargetMemory>;

const LEAST_ROOM = 0.125;
/** What a good answer gives back. */
const MORE_ROOM = 0.125;

/** The memories with what these advances tell; of targets that their workflows still have. */
export function learn(snapshot: Snapshot, advances: readonly Advance[]): Memories {
  const memories: Memories = new Map(
    snapshot.targets.map((memory) => [targetSubject(memory.workflowType, memory.name), memory]),
  );
  const slowMs = snapshot.policy.recovery.target.slow_seconds * 1000;
  for (const { workflowType, signals } of advances) {
    for (const signal of signals) {
      const known = snapshot.workflows[workflowType]?.targets.some(({ name }) => name === signal.target);
      if (!known) continue;
      const subject = targetSubject(workflowType, signal.target);
      const before = memories.get(subject) ?? newMemory(workflowType, signal.target);
      memories.set(subject, after(before, signal, snapshot.nowMs, slowMs));
    }
  }
  return memories;
}

function after(memory: TargetMemory, signal: Signal, nowMs: number, slowMs: number): TargetMemory {
  const less = { room: Math.max(LEAST_ROOM, memory.room / 2) };
  const more = { room: Math.min(1, memory.room + MORE_ROOM) };
  const failed = (message: string) => ({ lastFailureAtMs: nowMs, lastFailure: message.slice(0, 500) });
  const answered = { unansweredInRow: 0, lastSuccessAtMs: nowMs };
  switch (signal.kind) {
    case "answered":
      return { ...memory, ...answered, ...((signal.tookMs ?? 0) > slowMs ? less : more) };
    case "returned":
      return { ...memory, ...answered, failedInRow: 0 };
    case "snoozed":
      return { ...memory, ...less, restsUntilMs: Math.max(memory.restsUntilMs ?? 0, signal.untilMs) };
    case "unanswered":
      return { ...memory, ...less, ...failed(signal.message), unansweredInRow: memory.unansweredInRow + 1 };
    case "failed":
      return {
        ...memory,
        ...failed(signal.message),
        unansweredInRow: memory.unansweredInRow + Number(signal.posting),
        failedInRow: memory.failedInRow + Number(!signal.posting),
      };
  }
}

/** Failures since the last success: postings since one was answered, and attempts since a callback came. */
export function failuresInRow({ unansweredInRow, failedInRow }: TargetMemory): number {
  return unansweredInRow + failedInRow;
}

/** What failed before counts no more. */
export function forgiven(memory: TargetMemory): TargetMemory {
  return failuresInRow(memory) === 0 ? memory : { ...memory, unansweredInRow: 0, failedInRow: 0 };
}
