/** Owns the rows of migrations, their originals and their history. Decides nothing. */
import type {
  GateSettings,
  MigrationGate,
  MigrationMode,
  MigrationState,
} from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import type { Measures } from "#core/migration-gates.ts";
import type { Form, Wanted } from "#core/migration-steps.ts";
import type { Queryable, Row } from "./database.ts";

export interface MigrationSettings {
  lock: string;
  waitSeconds: number | null;
  autoAdvance: boolean;
  costUsdPerRun: number | null;
  gates: GateSettings;
}

export interface Deployed {
  form: Form;
  byShare: boolean;
  versionId: string | null;
  atMs: number;
  /** With a second workflow beside it, for the share of phase 3. */
  trial?: true;
  /** It has to be written anew. */
  stale?: true;
}

export interface MigrationRow {
  workflowType: string;
  n8nWorkflowId: string;
  name: string;
  phase: number;
  mode: MigrationMode;
  sharePercent: number;
  phaseBefore: number;
  state: MigrationState;
  cause: string | null;
  edits: string[];
  settings: MigrationSettings;
  originalVersion: number;
  wanted: Wanted;
  wantedSinceMs: number;
  deployed: Deployed;
  deployedContent: Uint8Array;
  trialId: string | null;
  baseline: Measures | null;
  gates: MigrationGate[];
  gatesAtMs: number | null;
  observedUntilMs: number;
  observedAtMs: number | null;
  retryAtMs: number | null;
  tries: number;
  sinceMs: number;
  createdAtMs: number;
  createdBy: string;
  updatedAtMs: number;
}

const JSON_COLUMNS = new Set(["edits", "settings", "wanted", "deployed", "baseline", "gates"]);
/** Members that may be changed, and their columns. */
const COLUMNS = {
  name: "name",
  phase: "phase",
  mode: "mode",
  sharePercent: "share_percent",
  phaseBefore: "phase_before",
  state: "state",
  cause: "cause",
  edits: "edits",
  settings: "settings",
  originalVersion: "original_version",
  wanted: "wanted",
  wantedSinceMs: "wanted_since",
  deployed: "deployed",
  deployedContent: "deployed_content",
  trialId: "trial_id",
  baseline: "baseline",
  gates: "gates",
  gatesAtMs: "gates_at",
  observedUntilMs: "observed_until",
  observedAtMs: "observed_at",
  retryAtMs: "retry_at",
  tries: "tries",
  sinceMs: "since_at",
} as const;
export type MigrationChange = Partial<Pick<MigrationRow, keyof typeof COLUMNS>>;

export interface NewMigration
  extends Pick<
    MigrationRow,
    "workflowType" | "n8nWorkflowId" | "name" | "settings" | "deployed" | "observedUntilMs" | "createdBy"
  > {
  original: Uint8Array;
  sha256: string;
}

/** False where the workflow, or the name, has a migration already. */
export async function insertMigration(tx: Queryable, row: NewMigration): Promise<boolean> {
  const { rowCount } = await tx.query(
    `insert into n8n_migrations (workflow_type, n8n_workflow_id, name, settings, wanted, deployed, deployed_content,
         observed_until, created_by)
     values ($1, $2, $3, $4, '{"form": "original"}', $5, $6, $7, $8) on conflict do nothing`,
    [
      ...[row.workflowType, row.n8nWorkflowId, row.name, JSON.stringify(row.settings)],
      ...[
        JSON.stringify(row.deployed),
        Buffer.from(row.original),
        new Date(row.observedUntilMs),
        row.createdBy,
      ],
    ],
  );
  if (rowCount !== 1) return false;
  await insertOriginal(tx, row.workflowType, 1, row.original, row.sha256, row.createdBy);
  return true;
}

export async function insertOriginal(
  tx: Queryable,
  workflowType: string,
  version: number,
  content: Uint8Array,
  sha256: string,
  by: string,
): Promise<void> {
  await tx.query(
    "insert into n8n_originals (workflow_type, version, content, sha256, kept_by) values ($1, $2, $3, $4, $5)",
    [workflowType, version, Buffer.from(content), sha256, by],
  );
}

export interface Original {
  version: number;
  content: Uint8Array;
  sha256: string;
  keptAtMs: number;
}

export async function originalOf(
  db: Queryable,
  workflowType: string,
  version: number,
): Promise<Original | null> {
  const { rows } = await db.query(
    "select version, content, sha256, kept_at from n8n_originals where workflow_type = $1 and version = $2",
    [workflowType, version],
  );
  const row = rows[0];
  return row
    ? { version: row.version, content: row.content, sha256: row.sha256, keptAtMs: row.kept_at }
    : null;
}

/** `lock`: until the end of the transaction nobody else changes it. */
export async function findMigration(
  db: Queryable,
  workflowType: string,
  options: { lock?: boolean } = {},
): Promise<MigrationRow | null> {
  const { rows } = await db.query(
    `select * from n8n_migrations where workflow_type = $1 ${options.lock ? "for update" : ""}`,
    [workflowType],
  );
  return rows[0] ? rowOf(rows[0]) : null;
}

/** By name, those after `after`. */
export async function listMigrations(
  db: Queryable,
  after: string | undefined,
  limit: number,
): Promise<MigrationRow[]> {
  const { rows } = await db.query(
    `select * from n8n_migrations where $1::text is null or workflow_type > $1 order by workflow_type limit $2`,
    [after ?? null, limit],
  );
  return rows.map(rowOf);
}

export async function changeMigration(
  db: Queryable,
  workflowType: string,
  change: MigrationChange,
): Promise<void> {
  const values: unknown[] = [workflowType];
  const sets = Object.entries(change).map(([member, value]) => {
    const column = COLUMNS[member as keyof typeof COLUMNS];
    values.push(stored(column, member, value));
    return `${column} = $${values.length}`;
  });
  await db.query(
    `update n8n_migrations set ${[...sets, "updated_at = orchestrator_now()"].join(", ")} where workflow_type = $1`,
    values,
  );
}

function stored(column: string, member: string, value: unknown): unknown {
  if (value === null) return null;
  if (JSON_COLUMNS.has(column)) return JSON.stringify(value);
  if (member.endsWith("Ms")) return new Date(value as number);
  return value instanceof Uint8Array ? Buffer.from(value) : value;
}

/** With everything that was kept of it. */
export async function deleteMigration(tx: Queryable, workflowType: string): Promise<void> {
  for (const table of [
    ...["n8n_migrations", "n8n_originals", "n8n_runs"],
    ...["migration_turns", "migration_shadow", "migration_events"],
  ]) {
    await tx.query(`delete from ${table} where workflow_type = $1`, [workflowType]);
  }
}

export interface EventRow {
  eventId: string;
  atMs: number;
  event: string;
  phase: number;
  mode: MigrationMode;
  sharePercent: number;
  actor: string;
  cause: string;
  gates: MigrationGate[] | null;
}

export async function insertEvent(
  db: Queryable,
  about: Pick<MigrationRow, "workflowType" | "phase" | "mode" | "sharePercent">,
  {
    event,
    actor,
    cause,
    gates = null,
  }: Pick<EventRow, "event" | "actor" | "cause"> & { gates?: MigrationGate[] | null },
): Promise<void> {
  await db.query(
    `insert into migration_events (event_id, workflow_type, event, phase, mode, share_percent, actor, cause, gates)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      ...[uuidv7(), about.workflowType, event, about.phase, about.mode, about.sharePercent],
      ...[actor, cause.slice(0, 2000), gates === null ? null : JSON.stringify(gates)],
    ],
  );
}

/** Newest first. */
export async function listEvents(
  db: Queryable,
  workflowType: string,
  before: string | undefined,
  limit: number,
): Promise<EventRow[]> {
  const { rows } = await db.query(
    `select * from migration_events where workflow_type = $1 and ($2::uuid is null or event_id < $2)
      order by event_id desc limit $3`,
    [workflowType, before ?? null, limit],
  );
  return rows.map((row) => ({
    eventId: row.event_id,
    atMs: row.at,
    event: row.event,
    phase: row.phase,
    mode: row.mode,
    sharePercent: row.share_percent,
    actor: row.actor,
    cause: row.cause,
    gates: row.gates,
  }));
}

function rowOf(row: Row): MigrationRow {
  return {
    workflowType: row.workflow_type,
    n8nWorkflowId: row.n8n_workflow_id,
    name: row.name,
    phase: row.phase,
    mode: row.mode,
    sharePercent: row.share_percent,
    phaseBefore: row.phase_before,
    state: row.state,
    cause: row.cause,
    edits: row.edits,
    settings: row.settings,
    originalVersion: row.original_version,
    wanted: row.wanted,
    wantedSinceMs: row.wanted_since,
    deployed: row.deployed,
    deployedContent: row.deployed_content,
    trialId: row.trial_id,
    baseline: row.baseline,
    gates: row.gates,
    gatesAtMs: row.gates_at,
    observedUntilMs: row.observed_until,
    observedAtMs: row.observed_at,
    retryAtMs: row.retry_at,
    tries: row.tries,
    sinceMs: row.since_at,
    createdAtMs: row.created_at,
    createdBy: row.created_by,
    updatedAtMs: row.updated_at,
  };
}
