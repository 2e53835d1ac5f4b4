/** Owns what n8n runs of a migrated workflow: compares, writes, verifies. Never overwrites an edit that it has not seen. */
import { randomBytes } from "node:crypto";
import { Problem, WorkflowSettings } from "@master-orchestrator/contract";
import type { Wanted } from "#core/migration-steps.ts";
import { changeMigration, type MigrationRow, originalOf } from "#store/migration-rows.ts";
import { ensureWebhookSecret, noteCredential, readConnection } from "#store/n8n-connection.ts";
import { databaseNowMs } from "#store/orchestrator.ts";
import { findWorkflow, putWorkflow, setWorkflowPaused } from "#store/workflows.ts";
import type { MigrateContext } from "./context.ts";
import { editsBetween, type Phase } from "./n8n/mark.ts";
import { CREDENTIALS, NAMES } from "./n8n/parts.ts";
import { executionTimeout } from "./n8n/phases.ts";
import { transform } from "./n8n/transform.ts";
import type { N8nWorkflow } from "./n8n/workflow.ts";
import type { HeldWorkflow } from "./n8n-api.ts";
import { workflowOf } from "./slots.ts";

export const BY = "migration";
const HOOK_READY_LOOKS = 240;
const HOOK_LOOK_MS = 250;

/** What was changed in n8n since we wrote or read it last, each in words; empty where nothing was. */
export function editsIn(row: MigrationRow, held: HeldWorkflow): string[] {
  if (Buffer.from(row.deployedContent).equals(Buffer.from(held.content))) return [];
  const edits = editsBetween(workflowOf(row.deployedContent), workflowOf(held.content));
  if (held.hasDraft) edits.push("a draft is not published");
  return edits;
}

export async function originalContent(context: MigrateContext, row: MigrationRow): Promise<Uint8Array> {
  const original = await originalOf(context.db, row.workflowType, row.originalVersion);
  if (!original) throw new Error(`the original of ${row.workflowType} is not there`);
  return original.content;
}

/** What n8n is given for what is wanted. Throws a Problem where the transformer refuses. */
export function contentFor(
  row: MigrationRow,
  original: Uint8Array,
  wanted: Wanted,
  { orchestratorUrl, credentials }: { orchestratorUrl: string; credentials: Record<string, string> },
): Uint8Array {
  if (wanted.form === "original") return original;
  const { lock, waitSeconds } = row.settings;
  const { bytes } = transform(original, {
    ...{ phase: wanted.form as Phase, workflowType: row.workflowType, lock, orchestratorUrl },
    ...(waitSeconds === null ? {} : { waitSeconds }),
    ...(wanted.before === undefined ? {} : { before: wanted.before }),
    ...(wanted.trial && row.trialId !== null ? { trialId: row.trialId } : {}),
  });
  return withCredentials(bytes, credentials);
}

/** Our credentials by their ids in n8n: two of one name would be a matter of luck. */
function withCredentials(bytes: Uint8Array, ids: Record<string, string>): Uint8Array {
  const workflow = JSON.parse(new TextDecoder().decode(bytes)) as N8nWorkflow;
  for (const node of workflow.nodes) {
    for (const value of Object.values(node.credentials ?? {}) as { id: string | null; name: string }[]) {
      const id = ids[value?.name];
      if (id !== undefined) value.id = id;
    }
  }
  return new TextEncoder().encode(JSON.stringify(workflow));
}

/** Makes in n8n what is wanted, and keeps what n8n holds then. Throws Unreachable, Refused or a Problem. */
export async function deploy(context: MigrateContext, row: MigrationRow): Promise<MigrationRow> {
  const { db, n8n } = context;
  const { wanted } = row;
  const original = await originalContent(context, row);
  const starts = wanted.form !== "original" && wanted.form !== "mutex";
  if (wanted.form !== "original") await ensureCredentials(context, wanted);
  if (starts) await ensureRegistered(context, row, workflowOf(original));
  const trialId = wanted.trial ? await ensureTrial(context, row, original) : row.trialId;
  const { credentials } = await readConnection(db);
  const orchestratorUrl = context.orchestratorUrl();
  const content = contentFor({ ...row, trialId }, original, wanted, { orchestratorUrl, credentials });
  const held = await n8n.put(row.n8nWorkflowId, content);
  if (held.active && starts) await hookReady(context, row);
  if (!wanted.trial && trialId !== null) await n8n.remove(trialId);
  if (!starts) await setWorkflowPaused(db, row.workflowType, true, BY);
  const change = {
    deployed: {
      form: wanted.form,
      byShare: wanted.before !== undefined,
      versionId: held.versionId,
      atMs: await databaseNowMs(db),
      ...(wanted.trial ? { trial: true as const } : {}),
    },
    deployedContent: held.content,
    trialId: wanted.trial ? trialId : null,
  };
  await changeMigration(db, row.workflowType, change);
  return { ...row, ...change };
}

/** Credentials are made once, and only those that are missing by our own account. */
async function ensureCredentials(context: MigrateContext, { form, trial }: Wanted): Promise<void> {
  const { db, n8n, issueWorkerKey } = context;
  const { credentials } = await readConnection(db);
  const base = context.orchestratorUrl();
  const missing = (name: string) => credentials[name] === undefined;
  const make = async (name: string, type: string, data: Record<string, unknown>) => {
    await noteCredential(db, name, await n8n.createCredential({ name, type, data }));
  };
  const secret = await ensureWebhookSecret(db, randomBytes(32).toString("base64url"));
  if (missing(CREDENTIALS.webhook)) {
    await make(CREDENTIALS.webhook, "httpHeaderAuth", { name: HEADER, value: secret });
  }
  if (missing(CREDENTIALS.api)) {
    const key = await issueWorkerKey("n8n (migration)");
    await make(CREDENTIALS.api, "httpHeaderAuth", { name: "Authorization", value: `Bearer ${key}` });
  }
  if (form !== "gateway" && form !== "final" && !trial) return;
  if (missing(CREDENTIALS.openai)) {
    const key = await issueWorkerKey("n8n gateway, OpenAI (migration)");
    const data = { apiKey: keyOfRun(key), url: `${base}/ai/openai/v1` };
    await make(CREDENTIALS.openai, "openAiApi", data);
  }
  if (missing(CREDENTIALS.gemini)) {
    const key = await issueWorkerKey("n8n gateway, Gemini (migration)");
    const data = { apiKey: keyOfRun(key), host: `${base}/ai/gemini` };
    await make(CREDENTIALS.gemini, "googlePalmApi", data);
  }
}

/**
 * n8n resolves it in the run: each call is counted to the execution that ordered the run, else to the run in n8n. Without the
 * order, as in a trial by hand, that node has not run.
 */
function keyOfRun(key: string): string {
  const entry = `$('${NAMES.entry}')`;
  const order = `${entry}.first().json.orchestrator?.execution_id`;
  return `=${key}.{{ (${entry}.isExecuted ? ${order} : null) ?? $execution.id }}`;
}

const HEADER = "X-Orchestrator-Secret";

/** The orchestrator's own side of it: where to post, with which secret. What a person has set since stays. */
async function ensureRegistered(
  { db, n8nUrl, outbound }: MigrateContext,
  row: MigrationRow,
  original: N8nWorkflow,
): Promise<void> {
  const known = await findWorkflow(db, row.workflowType);
  if (known && known.updatedBy !== BY && known.auth !== null) return;
  const webhookUrl = hookUrl(n8nUrl, row.workflowType);
  outbound.check(webhookUrl);
  const timeout = executionTimeout(original);
  const settings = WorkflowSettings.parse({
    webhook_url: webhookUrl,
    timeout_seconds: timeout === null ? 300 : Math.min(86_400, timeout + 60),
    batch: { min: 1, max: 1 },
    max_concurrent: 1,
  });
  const { auth: _, signing_secret: __, paused: ___, ...kept } = settings;
  const secret = (await readConnection(db)).webhookSecret as string;
  await putWorkflow(db, {
    ...{ workflowType: row.workflowType, settings: kept, signingSecret: null, paused: false, pausedBy: null },
    auth: { type: "header", name: HEADER, value: secret },
    updatedBy: BY,
  });
}

export function hookUrl(n8nUrl: string, workflowType: string): string {
  return `${n8nUrl}/webhook/orchestrator/${workflowType}`;
}

/** Publishing is asynchronous: the hook is there when its 404 asks for a POST. */
async function hookReady({ outbound, n8nUrl, clock }: MigrateContext, row: MigrationRow): Promise<void> {
  for (let i = 0; i < HOOK_READY_LOOKS; i++) {
    const answer = await outbound
      .send("GET", hookUrl(n8nUrl, row.workflowType), { own: true, timeoutMs: 5_000 })
      .catch(() => null);
    const text = answer ? new TextDecoder().decode(answer.body) : "";
    if (answer?.status === 404 && text.includes("POST")) return;
    await clock.gather(HOOK_LOOK_MS);
  }
  throw new Problem(
    "conflict",
    `n8n has the workflow, but its webhook ${hookUrl(n8nUrl, row.workflowType)} is not there`,
    "Publish the workflow in n8n: a node that n8n does not know keeps it from being published.",
  );
}

/** The workflow that runs the share of phase 3, beside the one that is known. */
async function ensureTrial(
  context: MigrateContext,
  row: MigrationRow,
  original: Uint8Array,
): Promise<string> {
  const { db, n8n } = context;
  if (row.trialId !== null) {
    // It may have been made without having been published: who runs it by its id runs what is published.
    await n8n.publish(row.trialId, null);
    return row.trialId;
  }
  const { credentials } = await readConnection(db);
  const type = `${row.workflowType.slice(0, 57)}_trial`;
  const about = { orchestratorUrl: context.orchestratorUrl(), credentials };
  const content = contentFor({ ...row, workflowType: type }, original, { form: "gateway" }, about);
  const value = JSON.parse(new TextDecoder().decode(content)) as N8nWorkflow;
  const named = { ...value, name: `${row.name} (Orchestrator: trial of the gateway)` };
  const made = await n8n.create(new TextEncoder().encode(JSON.stringify(named)));
  await changeMigration(db, row.workflowType, { trialId: made.id });
  await n8n.publish(made.id, made.versionId);
  return made.id;
}
