/** Owns waiting for tasks to end: asks after each by its id, and tells what holds the rest. Never changes a task. */
import type { Task, TaskStatus } from "@master-orchestrator/contract";
import { type Api, path } from "./api.ts";
import { Refusal, Unreachable } from "./failure.ts";
import type { Terminal } from "./terminal.ts";

export interface Awaited {
  taskId: string;
  place: string;
}

export interface Unfinished extends Awaited {
  status: TaskStatus | "unknown";
  /** Why it waits, in words; null while it runs. */
  cause: string | null;
}

export interface WaitReport {
  completed: number;
  deadLettered: Unfinished[];
  cancelled: Unfinished[];
  unfinished: Unfinished[];
}

export interface WaitProgress {
  done: number;
  total: number;
  running: number;
  /** Hold reason → tasks, of those that were looked at in the last round. */
  holds: Map<string, number>;
}

/** Asked after in one round. The others' turn comes: who has not ended goes to the end of the line. */
const WINDOW = 64;
const AT_ONCE = 8;
const PAUSE_MS = 1000;

/**
 * Waits until every task has ended or `timeoutMs` is over; whatever has not ended then is in `unfinished`.
 * A server that is away for a while is waited for as well. Rejects on a refusal (a key that was revoked).
 */
export async function waitForTasks(
  awaited: readonly Awaited[],
  timeoutMs: number,
  api: Api,
  terminal: Terminal,
  onProgress: (progress: WaitProgress) => void,
): Promise<WaitReport> {
  const deadline = terminal.now() + timeoutMs;
  const report: WaitReport = { completed: 0, deadLettered: [], cancelled: [], unfinished: [] };
  let pending: Unfinished[] = awaited.map((each) => ({ ...each, status: "unknown", cause: null }));
  while (pending.length > 0) {
    const window = pending.slice(0, WINDOW);
    const holds = new Map<string, number>();
    const waiting: Unfinished[] = [];
    for (const { each, task } of await lookAtAll(window, api)) {
      const seen = task === null ? each : { ...each, status: task.status, cause: task.hold?.cause ?? null };
      if (task?.status === "completed") report.completed++;
      else if (task?.status === "dead_lettered")
        report.deadLettered.push({ ...seen, cause: lastError(task) });
      else if (task?.status === "cancelled") report.cancelled.push(seen);
      else waiting.push(seen);
      if (task?.hold) holds.set(task.hold.reason, (holds.get(task.hold.reason) ?? 0) + 1);
    }
    pending = [...pending.slice(WINDOW), ...waiting];
    const running = waiting.filter((each) => each.status === "running").length;
    onProgress({ done: awaited.length - pending.length, total: awaited.length, running, holds });
    if (pending.length === 0) break;
    const left = deadline - terminal.now();
    if (left <= 0) break;
    // A window of which most have ended says that there is more to collect: no pause then.
    if (waiting.length * 2 > window.length || pending.length === waiting.length) {
      await terminal.sleep(Math.min(PAUSE_MS, left));
    }
  }
  report.unfinished = pending;
  return report;
}

async function lookAtAll(window: Unfinished[], api: Api): Promise<{ each: Unfinished; task: Task | null }[]> {
  const seen: { each: Unfinished; task: Task | null }[] = [];
  for (let i = 0; i < window.length; i += AT_ONCE) {
    const some = window.slice(i, i + AT_ONCE);
    const tasks = await Promise.all(some.map((each) => lookAt(each.taskId, api)));
    seen.push(...some.map((each, j) => ({ each, task: tasks[j]! })));
  }
  return seen;
}

/** Null where nobody answers just now: the next round asks again. */
async function lookAt(taskId: string, api: Api): Promise<Task | null> {
  try {
    return await api<Task>("GET", path`/api/v1/tasks/${taskId}`);
  } catch (error) {
    if (error instanceof Unreachable) return null;
    if (error instanceof Refusal && (error.status >= 500 || error.status === 429)) return null;
    throw error;
  }
}

function lastError(task: Task): string | null {
  return task.errors?.at(-1)?.message ?? null;
}
