/** Owns sub-workflows whose tasks call providers: each call waits in line for its permit, and the task with it. Decides nothing. */
import type { Run } from "#core/snapshot.ts";
import { type Agenda, openAgenda } from "./agenda.ts";
import { deadlineOf, reportOn, type Work, type Worked } from "./sub-workflow.ts";

/** A task of a batch that calls one provider so often, evenly over its duration. */
export interface CallingWork extends Work {
  calls: { provider: string; count: number };
}

export type Asked = { granted: true } | { freeAtMs: number } | { refused: true };

export interface Calling {
  /** Sets to work at `startsMs`; `done` hears how it went. */
  begin(run: Run, batch: readonly CallingWork[], startsMs: number, atOnce: number): void;
  nextMs(): number | null;
  /** Carries out what happens up to this moment, and returns the runs that have finished. */
  moveTo(nowMs: number): { run: Run; worked: Omit<Worked, "durationMs"> }[];
}

interface Batch {
  run: Run;
  deadlineMs: number;
  left: CallingWork[];
  working: number;
  outcomes: Map<string, string | null>;
  order: readonly CallingWork[];
  costMicros: number;
}

/** The next call of a task, or its end once all are made. */
interface Step {
  batch: Batch;
  work: CallingWork;
  made: number;
}

/** `ask` is the gateway: one call, now. */
export function openCalling(
  ask: (call: { executionId: string; provider: string; costMicros: number }) => Asked,
): Calling {
  const steps: Agenda<Step> = openAgenda();
  const take = (batch: Batch, atMs: number) => {
    const work = batch.left.shift();
    if (!work) return;
    batch.working += 1;
    steps.add(atMs, { batch, work, made: 0 });
  };
  const end = ({ batch, work }: Step, message: string | null, nowMs: number) => {
    batch.outcomes.set(work.taskId, message);
    batch.working -= 1;
    take(batch, nowMs);
  };
  const carryOut = (step: Step, nowMs: number) => {
    const { batch, work, made } = step;
    const { provider, count } = work.calls;
    if (nowMs >= batch.deadlineMs) return end(step, "it was not finished in time", nowMs);
    if (made === count) return end(step, work.fails ? "it failed" : null, nowMs);
    const costMicros = Math.round(work.costMicros / count);
    const { executionId } = batch.run;
    const asked = ask({ executionId, provider, costMicros });
    if ("refused" in asked) return end(step, "the day's budget is exhausted", nowMs);
    const again = (atMs: number, next: Step) => steps.add(Math.min(atMs, batch.deadlineMs), next);
    if ("freeAtMs" in asked) return again(asked.freeAtMs, step);
    batch.costMicros += costMicros;
    again(nowMs + Math.ceil(work.durationMs / count), { ...step, made: made + 1 });
  };
  return {
    begin(run, order, startsMs, atOnce) {
      const deadlineMs = startsMs + deadlineOf(run.attempt.timeoutMs);
      const batch = {
        run,
        deadlineMs,
        left: [...order],
        working: 0,
        outcomes: new Map(),
        order,
        costMicros: 0,
      };
      for (let i = 0; i < Math.min(atOnce, order.length); i++) take(batch, startsMs);
    },
    nextMs: () => steps.first()?.atMs ?? null,
    moveTo(nowMs) {
      const done: { run: Run; worked: Omit<Worked, "durationMs"> }[] = [];
      for (let entry = steps.take(nowMs); entry; entry = steps.take(nowMs)) {
        const { batch } = entry.item;
        carryOut(entry.item, nowMs);
        if (batch.working > 0 || batch.left.length > 0) continue;
        done.push({ run: batch.run, worked: workedBy(batch) });
      }
      return done;
    },
  };
}

function workedBy({ order, outcomes, costMicros }: Batch): Omit<Worked, "durationMs"> {
  const verdicts = order.map((work) => ({ work, message: outcomes.get(work.taskId) ?? null }));
  return { callback: reportOn(verdicts, costMicros), tried: order.map(({ taskId }) => taskId) };
}
