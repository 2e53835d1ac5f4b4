/** Owns what is to follow a task: how an author says it, and whether the contract takes it; enqueues nothing. */
import { fieldProblems, MAX_NEXT_TASKS, NextTask } from "@master-orchestrator/contract";
import { z } from "zod";
import { NotStorable, type Storable, storable } from "./result.ts";

/** A mark of its own, so that no result is taken for it; the same if the package is installed twice. */
const MARK: unique symbol = Symbol.for("@master-orchestrator/sdk:next");

/** A result and the follow-ups that it asks for. */
export interface WithNext<R> {
  readonly result: R;
  readonly next: readonly NextTask[];
  readonly [MARK]: true;
}

const NextTasks = z.array(NextTask).max(MAX_NEXT_TASKS);

/**
 * What `run` returns for a task that others are to follow: they are enqueued in the transaction that
 * completes it, once, however often it is reported. At most 20; a payload that is left out becomes
 * `{ source, result_data }` of the task.
 */
export function withNext<R>(result: R, next: readonly NextTask[]): WithNext<R> {
  return { result, next, [MARK]: true };
}

/** What `run` returned, ready for the wire. */
export interface Outcome {
  result: Storable;
  next: readonly NextTask[];
  /** Of result and follow-ups together. */
  bytes: number;
}

/** Throws NotStorable for what cannot be reported. */
export function outcomeOf(returned: unknown): Outcome {
  const followed = isFollowed(returned);
  const result = storable(followed ? returned.result : returned);
  if (!followed || returned.next.length === 0) return { result, next: [], bytes: result.bytes };
  const next = storable(returned.next);
  const wrong = fieldProblems(NextTasks, next.value)[0];
  if (wrong) throw new NotStorable(`next does not fit: ${wrong.path || "/"}: ${wrong.message}`);
  return { result, next: next.value as unknown as NextTask[], bytes: result.bytes + next.bytes };
}

function isFollowed(returned: unknown): returned is WithNext<unknown> {
  return typeof returned === "object" && returned !== null && MARK in returned;
}
