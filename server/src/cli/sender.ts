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
/** So few tasks are sent again in one request. */
const FEW = 32;

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
  if (refusal.code === "unknown_workflow") spreadToSameWorkflow(part, culprits, refusal);
  const whole = `refused (${refusal.code}): `;
  for (const [index, reasons] of culprits) {
    listener.refused(part[index]!, `${whole}${reasons.join("; ")}${advice(refusal)}`);
  }
  const rest = part.filter((_, index) => !culprits.has(index));
  if (culprits.size === 0 && rest.length === 1) {
    listener.refused(rest[0]!, `${whole}${refusal.message}${advice(refusal)}`);
    return [];
  }
  if (rest.length === 0) return [];
  if (culprits.size > 0 && rest.length <= FEW) return [rest];
  // A server may name only the first of many culprits: halves keep it from reading the whole batch again for each.
  const middle = Math.ceil(rest.length / 2);
  return [rest.slice(0, middle), rest.slice(middle)].filter((half) => half.length > 0);
}

/** What holds for one task of a workflow that is not registered holds for all of that workflow. */
function spreadToSameWorkflow(part: Ready[], culprits: Map<number, string[]>, refusal: Refusal): void {
  const named = new Map([...culprits].map(([index, reasons]) => [part[index]!.task.workflow_type, reasons]));
  const only = part[0]!.task.workflow_type;
  if (named.size === 0 && part.every(({ task }) => task.workflow_type === only))
    named.set(only, [refusal.message]);
  for (const [index, { task }] of part.entries()) {
    const reasons = named.get(task.workflow_type);
    if (reasons) culprits.set(index, reasons);
  }
}

function advice(refusal: Refusal): string {
  if (refusal.code !== "idempotency_conflict") return refusal.hint ? ` (${refusal.hint})` : "";
  return " (it was enqueued before with another priority, content type or payload; give it another idempotency_key to do it anew)";
}

/** How a pause reads. */
export function retryRemark(reason: string, waitMs: number): string {
  return `${reason}; trying again in ${duration(Math.max(waitMs, 1000))}`;
}
