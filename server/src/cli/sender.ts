/** Owns getting tasks into the queue: requests, retries, and finding the line that a refused request is about. */
import { EnqueueAnswer, type NewTask } from "@master-orchestrator/contract";
import type { Api } from "./api.ts";
import { Failure, Refusal, Unreachable } from "./failure.ts";
import type { Terminal } from "./terminal.ts";
import { duration } from "./text.ts";

/** A task that is ready to go, with the place it came from (`line 17`) and its JSON. */
export interface Ready {
  place: string;
  task: NewTask;
  json: string;
}

export type Accepted = EnqueueAnswer["tasks"][number];

/** What the sender tells while it works. Every task handed in is told of once, accepted or refused. */
export interface Listener {
  accepted(ready: Ready, answer: Accepted): void;
  refused(ready: Ready, reason: string): void;
  /** Called before a pause; `reason` says what went wrong. */
  retrying(reason: string, waitMs: number): void;
}

/** The server was lost on the way. The tasks between these places may be in or not; those behind are not. */
export class Lost extends Failure {
  readonly first: string;
  readonly last: string;
  constructor(cause: Error, part: Ready[]) {
    super(
      cause.message,
      cause instanceof Failure ? cause.hint : cause instanceof Refusal ? cause.hint : null,
    );
    this.first = part[0]!.place;
    this.last = part.at(-1)!.place;
  }
}

const PATIENCE_MS = 60_000;
/** A server that has never answered and refuses connections is most likely not started at all. */
const FIRST_PATIENCE_MS = 5_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/** Refusals that may be about some tasks of a batch only; all others hold for whatever is sent. */
const ABOUT_TASKS: readonly number[] = [400, 409, 413, 422];

/** Returns a function that enqueues one batch. It rejects with Lost, or with a Refusal that holds for every task. */
export function openSender(
  api: Api,
  terminal: Terminal,
  listener: Listener,
): (batch: Ready[]) => Promise<void> {
  let everAnswered = false;

  /** Safe to repeat, because every task carries an idempotency key. */
  async function post(part: Ready[]): Promise<EnqueueAnswer> {
    const bodyText = `{"tasks":[${part.map((ready) => ready.json).join(",")}]}`;
    const startedAt = terminal.now();
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      try {
        const answer = await api<EnqueueAnswer>("POST", "/api/v1/tasks", { bodyText });
        everAnswered = true;
        return answer;
      } catch (error) {
        everAnswered ||= error instanceof Refusal;
        if (!isPassing(error)) throw error;
        const pause = Math.max(wait, error instanceof Refusal ? (error.retryAfterMs ?? 0) : 0);
        const notStarted = !everAnswered && error instanceof Unreachable && error.refusedConnection;
        const patience = notStarted ? FIRST_PATIENCE_MS : PATIENCE_MS;
        if (terminal.now() - startedAt + pause > patience) throw new Lost(error, part);
        listener.retrying(error.message, pause);
        await terminal.sleep(pause);
      }
    }
  }

  return async (batch) => {
    const parts = [batch];
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      try {
        takeAnswer(part, await post(part), listener);
      } catch (error) {
        if (!(error instanceof Refusal) || !isAboutTasks(error)) throw error;
        parts.push(...withoutCulprits(part, error, listener).reverse());
      }
    }
  };
}

function isAboutTasks({ status, code }: Refusal): boolean {
  return ABOUT_TASKS.includes(status) || code === "unknown_workflow";
}

function isPassing(error: unknown): error is Refusal | Unreachable {
  if (error instanceof Unreachable) return true;
  return error instanceof Refusal && (error.status >= 500 || error.status === 429 || error.status === 408);
}

function takeAnswer(part: Ready[], answer: EnqueueAnswer, listener: Listener): void {
  if (!EnqueueAnswer.safeParse(answer).success || answer.tasks.length !== part.length) {
    throw new Failure(
      "the answer to a batch does not name its tasks",
      "is ORCHESTRATOR_URL an orchestrator?",
    );
  }
  for (const [i, ready] of part.entries()) listener.accepted(ready, answer.tasks[i]!);
}

/** What is left to send of a refused part: all but the tasks that the refusal names; in halves where it names none. */
function withoutCulprits(part: Ready[], refusal: Refusal, listener: Listener): Ready[][] {
  const culprits = new Map<number, string[]>();
  for (const { path, message } of refusal.errors) {
    const [, index, field] = /^\/tasks\/(\d+)(?:\/(.*))?$/.exec(path) ?? [];
    if (index === undefined || Number(index) >= part.length) continue;
    const reasons = culprits.get(Number(index)) ?? [];
    reasons.push(field ? `${field.replaceAll("/", ".")}: ${message}` : message);
    culprits.set(Number(index), reasons);
  }
  if (culprits.size > 0) {
    for (const [index, reasons] of culprits) {
      listener.refused(part[index]!, `refused (${refusal.code}): ${reasons.join("; ")}${advice(refusal)}`);
    }
    const rest = part.filter((_, index) => !culprits.has(index));
    return rest.length > 0 ? [rest] : [];
  }
  if (part.length === 1 || holdsForAll(part, refusal)) {
    const reason = `refused (${refusal.code}): ${refusal.message}${advice(refusal)}`;
    for (const ready of part) listener.refused(ready, reason);
    return [];
  }
  const middle = Math.ceil(part.length / 2);
  return [part.slice(0, middle), part.slice(middle)];
}

/** A workflow that is not registered is not found by halving either. */
function holdsForAll(part: Ready[], refusal: Refusal): boolean {
  if (refusal.code !== "unknown_workflow") return false;
  return part.every(({ task }) => task.workflow_type === part[0]!.task.workflow_type);
}

function advice(refusal: Refusal): string {
  if (refusal.code !== "idempotency_conflict") return refusal.hint ? ` (${refusal.hint})` : "";
  return " (it was enqueued before with another priority, content type or payload; give it another idempotency_key to do it anew)";
}

/** How a pause reads. */
export function retryRemark(reason: string, waitMs: number): string {
  return `${reason}; trying again in ${duration(Math.max(waitMs, 1000))}`;
}
