/** Owns the rows of registered sub-workflows. Shows secrets to nobody: that is the caller's care. */
import type { WebhookAuth, WorkflowSettings } from "@master-orchestrator/contract";
import type { Queryable } from "./database.ts";

/** The settings as they are stored: secrets and the pause switch have columns of their own. */
export type StoredSettings = Omit<WorkflowSettings, "auth" | "signing_secret" | "paused">;

export interface StoredWorkflow {
  workflowType: string;
  builtIn: boolean;
  settings: StoredSettings;
  auth: WebhookAuth | null;
  signingSecret: string | null;
  paused: boolean;
  /** Null while nobody has paused it. */
  pausedBy: string | null;
  updatedAtMs: number;
  updatedBy: string;
}

export type WorkflowChange = Omit<StoredWorkflow, "builtIn" | "updatedAtMs">;

interface Row {
  workflow_type: string;
  built_in: boolean;
  settings: StoredSettings;
  auth: WebhookAuth | null;
  signing_secret: string | null;
  paused: boolean;
  paused_by: string | null;
  updated_at: number;
  updated_by: string;
}

const COLUMNS =
  "workflow_type, built_in, settings, auth, signing_secret, paused, paused_by, updated_at, updated_by";

function fromRow(row: Row): StoredWorkflow {
  return {
    workflowType: row.workflow_type,
    builtIn: row.built_in,
    settings: row.settings,
    auth: row.auth,
    signingSecret: row.signing_secret,
    paused: row.paused,
    pausedBy: row.paused_by,
    updatedAtMs: row.updated_at,
    updatedBy: row.updated_by,
  };
}

/** The workflow of that type, or null. `lock`: until the end of the transaction nobody else changes it. */
export async function findWorkflow(
  db: Queryable,
  workflowType: string,
  options: { lock?: boolean } = {},
): Promise<StoredWorkflow | null> {
  const { rows } = await db.query<Row>(
    `select ${COLUMNS} from workflows where workflow_type = $1 ${options.lock ? "for update" : ""}`,
    [workflowType],
  );
  return rows[0] ? fromRow(rows[0]) : null;
}

/** Workflows by name, those after `after` (null: from the first). */
export async function listWorkflows(
  db: Queryable,
  after: string | null,
  limit: number,
): Promise<StoredWorkflow[]> {
  const { rows } = await db.query<Row>(
    `select ${COLUMNS} from workflows where $1::text is null or workflow_type > $1
     order by workflow_type limit $2`,
    [after, limit],
  );
  return rows.map(fromRow);
}

/**
 * Which workflows each one's `next` rules name. Until the end of the transaction nobody else changes
 * any of them, so that two changes cannot close a circle together.
 */
export async function lockNextRules(tx: Queryable): Promise<Record<string, string[]>> {
  const { rows } = await tx.query<Pick<Row, "workflow_type" | "settings">>(
    "select workflow_type, settings from workflows order by workflow_type for update",
  );
  return Object.fromEntries(
    rows.map((row) => [row.workflow_type, (row.settings.next ?? []).map((rule) => rule.workflow_type)]),
  );
}

/** Registers a workflow or replaces its settings; whether it is built in stays as it is. */
export async function putWorkflow(db: Queryable, change: WorkflowChange): Promise<StoredWorkflow> {
  const { rows } = await db.query<Row>(
    `insert into workflows (workflow_type, settings, auth, signing_secret, paused, updated_by, paused_by)
     values ($1, $2::jsonb, $3::jsonb, $4, $5, $6, $7)
     on conflict (workflow_type) do update set
       settings = excluded.settings, auth = excluded.auth, signing_secret = excluded.signing_secret,
       paused = excluded.paused, paused_by = excluded.paused_by, updated_by = excluded.updated_by, updated_at = orchestrator_now()
     returning ${COLUMNS}`,
    [
      change.workflowType,
      JSON.stringify(change.settings),
      change.auth === null ? null : JSON.stringify(change.auth),
      change.signingSecret,
      change.paused,
      change.updatedBy,
      change.pausedBy,
    ],
  );
  return fromRow(rows[0]!);
}

/** Makes sure at the start that a built-in workflow is there; what a person has set is left alone. */
export async function seedBuiltIn(
  db: Queryable,
  workflowType: string,
  settings: StoredSettings,
): Promise<void> {
  await db.query(
    `insert into workflows (workflow_type, built_in, settings, updated_by) values ($1, true, $2::jsonb, 'installation')
     on conflict (workflow_type) do update set built_in = true,
       settings = case when workflows.updated_by = excluded.updated_by then excluded.settings else workflows.settings end
     where not workflows.built_in
        or (workflows.updated_by = excluded.updated_by and workflows.settings <> excluded.settings)`,
    [workflowType, JSON.stringify(settings)],
  );
}

/**
 * Pauses or resumes; saying so again changes nothing, but a person's pause takes the place of one that the
 * orchestrator itself has made. Null if there is no such workflow.
 */
export async function setWorkflowPaused(
  db: Queryable,
  workflowType: string,
  paused: boolean,
  updatedBy: string,
): Promise<StoredWorkflow | null> {
  await db.query(
    `update workflows set paused = $2, paused_by = case when $2 then $3 end, updated_by = $3,
            updated_at = orchestrator_now()
     where workflow_type = $1 and (paused <> $2 or ($2 and paused_by = 'orchestrator'))`,
    [workflowType, paused, updatedBy],
  );
  return findWorkflow(db, workflowType);
}

/** Those of `types` that nobody has registered. */
export async function unregistered(db: Queryable, types: readonly string[]): Promise<Set<string>> {
  const { rows } = await db.query(
    `select type from unnest($1::text[]) as named (type)
      where not exists (select from workflows w where w.workflow_type = named.type)`,
    [types],
  );
  return new Set(rows.map((row) => row.type));
}
