/** Which tables are archived, by which key their rows are found, and in which order they move. A catalogue: no statement. */
import type { ArchiveType } from "@master-orchestrator/contract";

/** Whose rows move together. */
export type Owner = "execution" | "task" | "cycle" | "tick" | "hold" | "house_transition" | "ledger_entry";

export interface ArchivedTable {
  /** Of its file; tells two kinds of rows of one table apart. */
  name: string;
  type: ArchiveType;
  table: string;
  owner: Owner;
  /** The column that names the owner, and the type of its values. */
  key: string;
  keyType: "uuid" | "text" | "bigint" | "timestamptz";
  /** The order of the rows of one owner. */
  orderBy: string;
  /** What `id`, `status` and a range of time are compared with when somebody looks for rows. */
  idColumn: string;
  statusColumn: string | null;
  timeColumn: string;
  /** Found by a key without an own order in time: a range of `at` keeps other days' partitions out. */
  withinTime?: boolean;
}

const ofExecution = {
  owner: "execution",
  key: "execution_id",
  keyType: "uuid",
  idColumn: "execution_id",
} as const;
const ofTask = { owner: "task", key: "task_id", keyType: "uuid", idColumn: "task_id" } as const;
const noStatus = { statusColumn: null } as const;
const transition = {
  type: "transitions",
  table: "transitions",
  statusColumn: "to_state",
  timeColumn: "at",
} as const;
const ofEntity = {
  ...transition,
  key: "entity_id",
  keyType: "text",
  idColumn: "entity_id",
  withinTime: true,
} as const;

/** In the order in which rows can be put back: what is referred to comes first. They are taken away in the reverse. */
export const ARCHIVED_TABLES: readonly ArchivedTable[] = [
  {
    ...ofExecution,
    name: "executions",
    type: "executions",
    table: "workflow_orchestration",
    orderBy: "execution_id",
    statusColumn: "status",
    timeColumn: "created_at",
  },
  {
    ...ofExecution,
    name: "attempts",
    type: "attempts",
    table: "attempts",
    orderBy: "attempt",
    statusColumn: "state",
    timeColumn: "dispatched_at",
  },
  {
    ...ofExecution,
    ...noStatus,
    name: "claims",
    type: "claims",
    table: "claims",
    orderBy: "attempt",
    timeColumn: "at",
  },
  {
    ...ofExecution,
    ...noStatus,
    name: "callbacks",
    type: "callbacks",
    table: "callbacks",
    orderBy: "attempt",
    timeColumn: "at",
  },
  {
    ...ofTask,
    name: "tasks",
    type: "tasks",
    table: "tasks",
    orderBy: "task_id",
    statusColumn: "status",
    timeColumn: "created_at",
  },
  {
    ...ofExecution,
    ...noStatus,
    name: "execution_tasks",
    type: "execution_tasks",
    table: "execution_tasks",
    orderBy: "task_id",
    timeColumn: "",
  },
  {
    ...ofTask,
    name: "errors",
    type: "errors",
    table: "task_errors",
    orderBy: "error_id",
    statusColumn: "code",
    timeColumn: "at",
  },
  {
    ...ofTask,
    ...noStatus,
    name: "checkpoints",
    type: "checkpoints",
    table: "checkpoints",
    orderBy: "key",
    timeColumn: "saved_at",
  },
  { ...ofEntity, name: "execution_transitions", owner: "execution", orderBy: "transition_id" },
  { ...ofEntity, name: "task_transitions", owner: "task", orderBy: "transition_id" },
  {
    ...transition,
    name: "house_transitions",
    owner: "house_transition",
    key: "transition_id",
    keyType: "bigint",
    orderBy: "transition_id",
    idColumn: "entity_id",
    withinTime: true,
  },
  {
    type: "cycles",
    name: "cycles",
    table: "cycles",
    owner: "cycle",
    key: "cycle_id",
    keyType: "uuid",
    orderBy: "cycle_id",
    idColumn: "cycle_id",
    statusColumn: "trigger",
    timeColumn: "started_at",
  },
  {
    ...noStatus,
    type: "ticks",
    name: "ticks",
    table: "ticks",
    owner: "tick",
    key: "boundary",
    keyType: "timestamptz",
    orderBy: "boundary",
    idColumn: "cycle_id",
    timeColumn: "boundary",
  },
  {
    type: "holds",
    name: "holds",
    table: "holds",
    owner: "hold",
    key: "hold_id",
    keyType: "bigint",
    orderBy: "hold_id",
    idColumn: "cycle_id",
    statusColumn: "reason",
    timeColumn: "from_at",
  },
  {
    type: "ledger",
    name: "ledger",
    table: "ledger",
    owner: "ledger_entry",
    key: "entry_id",
    keyType: "uuid",
    orderBy: "entry_id",
    idColumn: "entry_id",
    statusColumn: "state",
    timeColumn: "granted_at",
  },
];

/** One table's rows as a file holds them. */
export interface ArchivedFile {
  name: string;
  type: ArchiveType;
  /** Of the table when it was archived: a later version may know more. */
  columns: string[];
  rows: number;
  bytes: number;
  sha256: string;
  /** The sum of the rows' own hashes, as the database computes them: whatever their order, the same rows. */
  rowHash: string;
  /** The least and the greatest id in it; null without any row. */
  firstId: string | null;
  lastId: string | null;
}

/** What moves in one transaction: the keys of the owners, as text. */
export interface Members {
  day: string;
  keys: Readonly<Record<Owner, readonly string[]>>;
  /** Nothing of them is older, in epoch milliseconds. */
  sinceMs: number;
  /** Nothing of them is younger. */
  untilMs: number;
}

/** The table of a file. Throws for one that this version does not know. */
export function archivedTable(name: string): ArchivedTable {
  const table = ARCHIVED_TABLES.find((one) => one.name === name);
  if (!table) throw new Error(`no table is archived as ${name}`);
  return table;
}
