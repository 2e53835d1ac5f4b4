/** Owns what a line of an input file means as a task, and which lines are no task. Never sends one. */
import { createHash } from "node:crypto";
import { didYouMean, fieldProblems, NewTask } from "@master-orchestrator/contract";

/** What holds for every line that does not say otherwise. */
export interface TaskDefaults {
  workflowType: string;
  contentType: string | undefined;
  priority: number | undefined;
  /** The idempotency key of a task that has none. */
  keyFor: (task: KeylessTask) => string;
}

export type KeylessTask = Pick<NewTask, "workflow_type" | "payload">;
export type Outcome = { task: NewTask } | { problem: string };

const TASK_COLUMNS = ["workflow_type", "content_type", "priority", "idempotency_key", "not_before"] as const;
const TOPIC_COLUMNS = ["title", "brief", "keywords", "source_title", "source_text", "source_url"] as const;
const KNOWN_COLUMNS: readonly string[] = [...TASK_COLUMNS, ...TOPIC_COLUMNS];
const TASK_FIELDS: readonly string[] = TASK_COLUMNS;

/** The name of a column as this program knows it: `Content Type` is `content_type`; others stay as they are. */
export function columnName(title: string): string {
  const folded = title.toLowerCase().replace(/[\s-]+/g, "_");
  return KNOWN_COLUMNS.includes(folded) ? folded : title;
}

/** Remarks on columns that go into the payload and look like a slip of the pen. */
export function columnRemarks(columns: readonly string[]): string[] {
  return columns.flatMap((column) => {
    if (column === "" || KNOWN_COLUMNS.includes(column)) return [];
    const meant = didYouMean(column, KNOWN_COLUMNS);
    if (meant === null || columns.includes(meant)) return [];
    return [`the column "${column}" goes into the payload as it is; did you mean "${meant}"?`];
  });
}

/** A row of a table as a topic: typed where the column is known, texts otherwise, empty cells left out. */
function topicOfRow(row: Record<string, string>): Record<string, unknown> {
  const topic: Record<string, unknown> = {};
  const source: Record<string, string> = {};
  for (const [column, text] of Object.entries(row)) {
    const value = text.trim();
    if (value === "") continue;
    if (column.startsWith("source_") && KNOWN_COLUMNS.includes(column)) source[column.slice(7)] = value;
    else if (column === "keywords") topic.keywords = splitKeywords(value);
    else if (column === "priority") topic.priority = /^\d+$/.test(value) ? Number(value) : value;
    else topic[column] = value;
  }
  if (Object.keys(source).length > 0) topic.sources = [source];
  return topic;
}

function splitKeywords(text: string): string[] {
  return text
    .split(";")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

/** A row of a table as a task, or why it is none. Whatever column is not known goes into the payload. */
export function taskOfRow(row: Record<string, string>, defaults: TaskDefaults): Outcome {
  return complete(taskOfTopic(topicOfRow(row)), defaults);
}

/** A value of a JSON file (a whole task, or a bare topic) as a task, or why it is none. */
export function taskOfValue(value: unknown, defaults: TaskDefaults): Outcome {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { problem: "is neither a task nor a topic, which are objects" };
  }
  const given = value as Record<string, unknown>;
  if ("payload" in given) return complete({ ...given }, defaults);
  if ("title" in given) return complete(taskOfTopic(given), defaults);
  return { problem: 'has neither a "payload" (a task) nor a "title" (a topic)' };
}

function complete(draft: Record<string, unknown>, defaults: TaskDefaults): Outcome {
  draft.workflow_type ??= defaults.workflowType;
  if (defaults.contentType !== undefined) draft.content_type ??= defaults.contentType;
  if (defaults.priority !== undefined) draft.priority ??= defaults.priority;
  const problems = [...fieldProblems(NewTask, draft).map(readable), ...topicProblems(draft)];
  if (problems.length > 0) return { problem: problems.join("; ") };
  const task = draft as NewTask;
  task.idempotency_key ??= defaults.keyFor(task);
  return { task };
}

/** A bare topic: what belongs to the task is lifted out, all the rest is the payload. */
function taskOfTopic(topic: Record<string, unknown>): Record<string, unknown> {
  const task: Record<string, unknown> = {};
  const payload: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(topic)) {
    if (TASK_FIELDS.includes(name)) task[name] = value;
    else payload[name] = name === "keywords" && typeof value === "string" ? splitKeywords(value) : value;
  }
  return { ...task, payload };
}

/** What the content pipeline cannot do without; said here, before it costs an attempt. */
function topicProblems(draft: Record<string, unknown>): string[] {
  if (draft.workflow_type !== "content_pipeline") return [];
  const payload = draft.payload as Record<string, unknown> | null;
  if (typeof payload !== "object" || payload === null) return [];
  const missing = ["title", "brief"].filter((name) => {
    const text = payload[name];
    return typeof text !== "string" || text.trim() === "";
  });
  const problems = missing.map((name) => `${name} is missing`);
  const sources = Array.isArray(payload.sources) ? payload.sources : [];
  const empty = sources.some((source) => !source?.text && !source?.url);
  return empty ? [...problems, "a source needs source_text or source_url"] : problems;
}

/** The schema's own words, with the example that its time format needs. */
function readable({ path, message }: { path: string; message: string }): string {
  const example = path === "/not_before" ? " (write it like 2026-12-01T09:00:00Z)" : "";
  return `${path.slice(1).replaceAll("/", ".") || "task"}: ${message}${example}`;
}

/**
 * A key that is the same whenever the same work is asked for: a hash of workflow and payload, whatever
 * the order of their members. So a file that is enqueued twice does nothing the second time.
 */
export function contentKey({ workflow_type, payload }: KeylessTask): string {
  const hash = createHash("sha256")
    .update(workflow_type)
    .update("\0")
    .update(canonicalJson(payload ?? {}));
  return `cli-${hash.digest("hex").slice(0, 40)}`;
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, inner]) => `${JSON.stringify(name)}:${canonicalJson(inner)}`).join(",")}}`;
}
