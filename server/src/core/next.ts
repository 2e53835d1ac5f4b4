/** Decides what follows a task that has ended: by its workflow's rules and by its callback. Never more than once. */
import { didYouMean, type NextTask } from "@master-orchestrator/contract";
import type { Advance, Enqueue, SkipNext, TaskChange } from "./decision.ts";
import type { NextRule, Run, RunTask, Snapshot } from "./snapshot.ts";

/** How long a chain of follow-ups may grow: what a loop of callbacks costs at most. */
export const MAX_CHAIN_DEPTH = 10;
/** Follow-ups by rule are numbered 1 to 20 by their place in the settings; those of the callback come after. */
export const FIRST_ASKED = 21;

/** One follow-up that an ended task gives rise to. `number` tells it from the others of the same task. */
interface Wanted {
  number: number;
  next: NextTask;
  why: string;
}

/** The follow-ups of the tasks that `advances` end, each enqueued or skipped with the reason. */
export function followUps(advances: readonly Advance[], snapshot: Snapshot): (Enqueue | SkipNext)[] {
  const runs = new Map(snapshot.runs.map((run) => [run.executionId, run]));
  return advances.flatMap((advance) => {
    const run = runs.get(advance.executionId);
    return run ? advance.tasks.flatMap((change) => afterTask(change, run, snapshot)) : [];
  });
}

function afterTask(change: TaskChange, run: Run, snapshot: Snapshot): (Enqueue | SkipNext)[] {
  const task = run.tasks.find((candidate) => candidate.taskId === change.taskId);
  if (!task || (change.to !== "completed" && change.to !== "dead_lettered")) return [];
  const event = change.to === "completed" ? "completed" : "failed";
  const rules = snapshot.workflows[run.workflowType]?.next ?? [];
  const wanted: Wanted[] = [
    ...rules.flatMap((rule, i) => (applies(rule, event) ? [ofRule(rule, i, run.workflowType)] : [])),
    ...(change.next ?? []).map((next, i) => ({ number: FIRST_ASKED + i, next, why: "its callback asks" })),
  ];
  return wanted.map((one) => followUp(one, { change, task, run, snapshot }));
}

function applies(rule: NextRule, event: "completed" | "failed"): boolean {
  return rule.on === "always" || rule.on === event;
}

function ofRule({ workflow_type, content_type, on }: NextRule, position: number, of: string): Wanted {
  const why = `a rule of ${of} says on ${on}`;
  return { number: 1 + position, next: { workflow_type, content_type }, why };
}

interface Ended {
  change: TaskChange;
  task: RunTask;
  run: Run;
  snapshot: Snapshot;
}

function followUp({ number, next, why }: Wanted, ended: Ended): Enqueue | SkipNext {
  const { task, run, snapshot } = ended;
  const workflowType = next.workflow_type;
  const skip = (reason: string): SkipNext => ({
    kind: "skip_next",
    executionId: run.executionId,
    taskId: task.taskId,
    workflowType,
    reason: `${workflowType} does not follow task ${task.taskId}: ${reason}`,
  });
  if (!Object.hasOwn(snapshot.workflows, workflowType)) {
    const meant = didYouMean(workflowType, Object.keys(snapshot.workflows));
    return skip(`no workflow is registered by that name${meant ? `; did you mean "${meant}"?` : ""}`);
  }
  const chainDepth = task.chainDepth + 1;
  if (chainDepth > MAX_CHAIN_DEPTH) return skip(`the chain has ${MAX_CHAIN_DEPTH} follow-ups, no more`);
  return {
    kind: "enqueue",
    workflowType,
    contentType: next.content_type ?? "default",
    priority: next.priority ?? task.priority,
    payload: next.payload ?? payloadAfter(ended),
    idempotencyKey: `next:${task.taskId}:${workflowType}:${number}`,
    parentTaskId: task.taskId,
    chainDepth,
    createdBy: "next",
    reason: `enqueued by task ${task.taskId}: ${why}`,
  };
}

/** Where it comes from, and what came of it. */
function payloadAfter({ change, task, run }: Ended): Record<string, unknown> {
  const source = {
    task_id: task.taskId,
    workflow_type: run.workflowType,
    content_type: run.contentType,
    execution_id: run.executionId,
  };
  if (change.to === "completed") return { source, result_data: change.result ?? null };
  const { code, message, stackTrace } = change.failure ?? { code: "failed", message: "", stackTrace: null };
  return { source, error: { code, message, stack_trace: stackTrace } };
}
