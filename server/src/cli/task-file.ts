/** Owns turning an input file of any format into tasks and named bad lines. Never sends, never prints. */
import { openCsv } from "./csv.ts";
import { Failure } from "./failure.ts";
import { type Input, readLines } from "./input.ts";
import { readJson, readNdjson } from "./json-input.ts";
import type { Ready } from "./sender.ts";
import {
  columnName,
  columnRemarks,
  type Outcome,
  type TaskDefaults,
  taskOfRow,
  taskOfValue,
} from "./topic.ts";

/** A good line, or a bad one with its place (`line 17`) and what is wrong with it. */
export type Entry = { ready: Ready } | { place: string; problem: string };

/** One request may have 12 MB with everything around its tasks. */
export const MAX_BATCH_BYTES = 10_000_000;

/**
 * Reads tasks one by one, in memory that does not grow with the file (JSON excepted). Throws a Failure
 * where the file as a whole cannot be understood; `remark` hears what looks like a mistake and is none for sure.
 */
export async function* readTasks(
  input: Input,
  defaults: TaskDefaults,
  remark: (text: string) => void,
): AsyncGenerator<Entry> {
  if (input.format === "csv") {
    yield* readRows(input, defaults, remark);
    return;
  }
  for await (const entry of input.format === "json" ? readJson(input) : readNdjson(readLines(input))) {
    if ("problem" in entry) yield { place: `line ${entry.line}`, problem: entry.problem };
    else {
      const place =
        entry.index === undefined ? `line ${entry.line}` : `line ${entry.line}, task ${entry.index + 1}`;
      yield entryOf(place, taskOfValue(entry.value, defaults));
    }
  }
}

async function* readRows(input: Input, defaults: TaskDefaults, remark: (text: string) => void) {
  const csv = await openCsv(readLines(input), columnName);
  refuseForeignTable(csv.columns, csv.headerLine, defaults);
  for (const text of columnRemarks(csv.columns)) remark(text);
  for await (const record of csv.records) {
    const place = `line ${record.line}`;
    if ("problem" in record) yield { place, problem: record.problem };
    else yield entryOf(place, taskOfRow(record.row, defaults));
  }
}

/** Without these columns every single line would be bad: said once, before anything else. */
function refuseForeignTable(columns: string[], headerLine: number, defaults: TaskDefaults): void {
  if (defaults.workflowType !== "content_pipeline" || columns.includes("workflow_type")) return;
  const missing = ["title", "brief"].filter((column) => !columns.includes(column));
  if (missing.length === 0) return;
  throw new Failure(
    `the header (line ${headerLine}) has no column ${missing.map((column) => `"${column}"`).join(" and no column ")}`,
    `it has: ${columns.join(", ")}; the first line has to name the columns`,
  );
}

function entryOf(place: string, outcome: Outcome): Entry {
  if ("problem" in outcome) return { place, problem: outcome.problem };
  const json = JSON.stringify(outcome.task);
  if (Buffer.byteLength(json) > MAX_BATCH_BYTES) return { place, problem: "the task is larger than 10 MB" };
  return { ready: { place, task: outcome.task, json } };
}
