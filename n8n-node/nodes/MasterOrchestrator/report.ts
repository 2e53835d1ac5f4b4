/** Owns what a run's items say about its tasks: the callback of the contract. Pure. */
import type { GenericValue, IDataObject } from "n8n-workflow";
import { type Run, without } from "../wire/message.ts";

/** What is passed on of a run's output where no item speaks for a task. */
const MAX_SHOWN_ITEMS = 20;
const MAX_SHOWN_CHARACTERS = 200_000;
const MAX_MESSAGE = 2000;

export interface Outcome {
  status: "completed" | "partial" | "failed";
  items?: IDataObject[];
  result_data?: GenericValue;
  error_data?: IDataObject;
}

/** An item of the input: its JSON, and the error that n8n has put beside it. */
export interface Ended {
  json: IDataObject;
  error: unknown;
}

/**
 * Items with the `task_id` of one of the run's tasks speak for that task, items with an error for its failure. Where none does,
 * they speak for all tasks.
 */
export function outcomeOf(run: Run, ended: readonly Ended[], executionId: string): Outcome {
  const known = new Set(run.task_ids);
  const named = ended.filter(({ json }) => known.has(String(json.task_id)));
  return named.length > 0 ? byTask(known, named) : together(run, ended, executionId);
}

function byTask(known: ReadonlySet<string>, named: readonly Ended[]): Outcome {
  const items: IDataObject[] = [];
  for (const task_id of known) {
    const of = named.filter(({ json }) => json.task_id === task_id);
    const bad = of.find((each) => errorOf(each) !== null);
    if (bad) items.push({ task_id, status: "failed", error_data: errorOf(bad) as IDataObject });
    else if (of.length > 0) {
      const results = of.map(({ json }) => resultOf(json));
      items.push({
        task_id,
        status: "completed",
        result_data: of.length === 1 ? results[0] : { output: results },
      });
    }
  }
  const done = items.filter(({ status }) => status === "completed").length;
  if (done === known.size) return { status: "completed", items };
  return { status: done === 0 && items.length === known.size ? "failed" : "partial", items };
}

function together(run: Run, ended: readonly Ended[], executionId: string): Outcome {
  const failed = ended.filter((each) => errorOf(each) !== null);
  const output = ended.slice(0, MAX_SHOWN_ITEMS).map(({ json }) => resultOf(json));
  const shown = JSON.stringify(output).length <= MAX_SHOWN_CHARACTERS ? output : [];
  const result_data = { items: ended.length, failed_items: failed.length, output: shown };
  const [first] = failed;
  if (!first) return { status: "completed", result_data };
  const error_data = { ...(errorOf(first) as IDataObject), n8n_execution_id: executionId };
  if (failed.length === ended.length) return { status: "failed", error_data };
  // Some went well, and nobody says for which task: the tasks are done, and what failed is told.
  const items = run.task_ids.map((task_id) => ({ task_id, status: "completed", result_data }));
  return { status: "partial", items, error_data };
}

/** The error of an item as the contract has it; null if it went well. */
function errorOf({ json, error }: Ended): IDataObject | null {
  const found = error ?? json.error;
  if (found === undefined || found === null || found === false || found === "") return null;
  return { message: messageOf(found) };
}

export function messageOf(error: unknown): string {
  const { message, description } = (typeof error === "object" && error !== null ? error : {}) as IDataObject;
  const text = message ?? description ?? (typeof error === "object" ? JSON.stringify(error) : error);
  return String(text).slice(0, MAX_MESSAGE);
}

/** An item without what came from the trigger: above all without the token. */
const resultOf = (json: IDataObject) => without(json, "orchestrator", "task_id", "payload");

/** Nothing that the orchestrator would refuse: no NUL, no half of a character. */
export function clean(value: IDataObject): IDataObject {
  return JSON.parse(
    JSON.stringify(value, (_key, inner) =>
      typeof inner === "string" ? inner.toWellFormed().replaceAll("\u0000", "") : inner,
    ),
  );
}
