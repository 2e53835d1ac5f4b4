/** Owns when runs would have started had the orchestrator been asked for them: the plan itself, in a world of those runs alone. */
import { type Policy, WorkflowSettings } from "@master-orchestrator/contract";
import type { Run } from "#core/snapshot.ts";
import { type Agenda, openAgenda } from "./agenda.ts";
import { workflowOf } from "./workload.ts";
import { openWorld, type World } from "./world.ts";

/** Asked for at a moment; it lasts as long as it did. */
export interface AskedRun {
  workflowType: string;
  atMs: number;
  durationMs: number;
}

export interface RunStart {
  startMs: number;
  /** The reason not to start it at once, and its cause in words; null: it starts at once. */
  hold: string | null;
  cause: string | null;
}

type Report = { kind: "accepted" | "over"; run: Run };

/** Nothing goes on for longer than this after the last run was asked for. */
const GIVEN_UP_AFTER_MS = 86_400_000;

/** By the place of each run among those that were asked for, in the order of their moments. */
export function startsOf(policy: Policy, runs: readonly AskedRun[]): RunStart[] {
  const types = [...new Set(runs.map(({ workflowType }) => workflowType))];
  const settings = WorkflowSettings.parse({
    ...{ webhook_url: "https://n8n.invalid/webhook", timeout_seconds: 86_400 },
    ...{ batch: { min: 1, max: 1 }, max_concurrent: 1 },
  });
  const workflows = Object.fromEntries(types.map((type) => [type, workflowOf(type, settings)]));
  const beginsMs = runs[0]?.atMs ?? 0;
  const world = openWorld({ policy, workflows, nowMs: beginsMs });
  const agenda: Agenda<Report> = openAgenda();
  const starts = new Map<string, number>();
  const holds = new Map<string, { hold: string; cause: string }>();
  const taskIds: string[] = [];
  const untilMs = (runs.at(-1)?.atMs ?? 0) + GIVEN_UP_AFTER_MS;
  let facts = 0;
  for (let nowMs: number | null = beginsMs; nowMs !== null && nowMs <= untilMs; ) {
    world.nowMs = nowMs;
    for (let run = runs[taskIds.length]; run && run.atMs <= nowMs; run = runs[taskIds.length]) {
      const { workflowType, atMs } = run;
      taskIds.push(world.enqueue({ workflowType, agedFromMs: atMs, dueAtMs: atMs }).taskId);
    }
    for (let entry = agenda.take(nowMs); entry; entry = agenda.take(nowMs)) {
      facts += 1;
      report(world, entry.item, facts, entry.atMs);
    }
    do {
      for (const decision of world.cycle()) {
        if (decision.kind !== "hold") continue;
        for (const taskId of taskIds) {
          const task = world.tasks.get(taskId);
          if (task?.status === "queued" && task.workflowType === decision.workflowType && !holds.has(taskId))
            holds.set(taskId, { hold: decision.reason, cause: decision.cause });
        }
      }
      for (const run of world.posted) {
        for (const taskId of world.tasksOf(run.executionId)) {
          starts.set(taskId, nowMs);
          agenda.add(nowMs, { kind: "accepted", run });
          agenda.add(nowMs + runs[taskIds.indexOf(taskId)]!.durationMs, { kind: "over", run });
        }
      }
    } while (world.hasMoreNow());
    nowMs = next(world, agenda, runs[taskIds.length]?.atMs ?? null);
  }
  return taskIds.map((taskId, i) => {
    const startMs = starts.get(taskId) ?? untilMs;
    const held = startMs > runs[i]!.atMs ? holds.get(taskId) : undefined;
    return { startMs, hold: held?.hold ?? null, cause: held?.cause ?? null };
  });
}

function next(world: World, agenda: Agenda<Report>, arrivalMs: number | null): number | null {
  const moments = [arrivalMs, agenda.first()?.atMs ?? null].filter((moment) => moment !== null);
  // With nothing to come and nobody at work, nothing more starts.
  if (moments.length === 0) return null;
  const due = world.nextDueMs();
  return Math.max(world.nowMs, Math.min(...moments, ...(due === null ? [] : [due])));
}

function report(world: World, { kind, run }: Report, factId: number, atMs: number): void {
  const { executionId, attempt } = run;
  const about = { factId, atMs, executionId, attempt: attempt.number };
  if (kind === "accepted") {
    const outcome = { outcome: "accepted", retryAfterMs: null, message: "accepted" } as const;
    world.report({ kind: "delivery", ...about, ...outcome, delivery: attempt.deliveries });
  } else {
    const callback = { execution_id: executionId, attempt: attempt.number, status: "completed" } as const;
    world.report({ kind: "callback", ...about, callback });
  }
}
