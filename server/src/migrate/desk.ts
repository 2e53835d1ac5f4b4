/** Owns what people ask of migrations: start, advance, share, roll back, resolve. Writes what is wanted; n8n is changed by another. */
import {
  type MigrationChange as ChangeBody,
  GateSettings,
  Problem,
  type StartMigration,
} from "@master-orchestrator/contract";
import type { z } from "zod";
import { closedBy } from "#core/migration-gates.ts";
import { type MigrationStep, missingBefore, nextStep } from "#core/migration-steps.ts";
import {
  changeMigration,
  deleteMigration,
  findMigration,
  insertEvent,
  insertMigration,
  insertOriginal,
  type MigrationRow,
} from "#store/migration-rows.ts";
import { databaseNowMs } from "#store/orchestrator.ts";
import { findWorkflow } from "#store/workflows.ts";
import type { MigrateContext } from "./context.ts";
import { BY, originalContent } from "./deploy.ts";
import { contentDigest } from "./digest.ts";
import { readMark } from "./n8n/mark.ts";
import { mergeEdits } from "./n8n/merge.ts";
import { workflowTypeOf } from "./n8n/transform.ts";
import { structureProblems } from "./n8n/workflow.ts";
import { type HeldWorkflow, toldProblem } from "./n8n-api.ts";
import { workflowOf } from "./slots.ts";
import { obstaclesOf, stepTo } from "./steps.ts";

/** Parts of addresses: no workflow may be named like them. */
const TAKEN_NAMES = ["inventory", "report"];

export async function existing(
  context: Pick<MigrateContext, "db">,
  workflowType: string,
): Promise<MigrationRow> {
  const row = await findMigration(context.db, workflowType);
  if (row) return row;
  const hint = "GET /api/v1/migrations lists them; POST /api/v1/migrations starts one.";
  throw new Problem("not_found", `there is no migration of "${workflowType}"`, hint);
}

export async function startMigration(
  context: MigrateContext,
  body: StartMigration,
  actor: string,
): Promise<MigrationRow> {
  const { db, n8n } = context;
  const held = await n8n.workflow(body.n8n_workflow_id).catch((error) => {
    throw toldProblem(error);
  });
  const workflowType = body.workflow_type ?? workflowTypeOf(held.name);
  await refuseUnfit(context, held, workflowType);
  const gates = body.gates ?? GateSettings.parse({});
  const nowMs = await databaseNowMs(db);
  const backMs = nowMs - gates.baseline_hours * 3_600_000;
  const executions = await n8n.executions(held.id, backMs).catch((error) => {
    throw toldProblem(error);
  });
  // What n8n does not remember was not lost: the account begins with the first execution that it knows.
  const firstMs = Math.min(nowMs, ...executions.map(({ startedAtMs }) => startedAtMs));
  const row = {
    ...{ workflowType, n8nWorkflowId: held.id, name: held.name, createdBy: actor, original: held.content },
    sha256: contentDigest(held.content),
    settings: {
      lock: body.lock ?? workflowType,
      waitSeconds: body.wait_seconds ?? null,
      autoAdvance: body.auto_advance,
      costUsdPerRun: body.cost_usd_per_run ?? null,
      gates,
    },
    deployed: { form: "original", byShare: false, versionId: held.versionId, atMs: backMs } as const,
    observedUntilMs: firstMs - 1_000,
  };
  await db.transaction(async (tx) => {
    if (!(await insertMigration(tx, row))) {
      const message = `"${held.name}" has a migration already, or another workflow is migrated as "${workflowType}"`;
      throw new Problem(
        "conflict",
        message,
        "GET /api/v1/migrations lists them; choose another workflow_type.",
      );
    }
    const about = { workflowType, phase: 0, mode: "full", sharePercent: 100 } as const;
    const cause = `${held.content.byteLength} bytes of the original are kept; its runs are recorded as the baseline`;
    await insertEvent(tx, about, { event: "started", actor, cause });
    // From now on its moments count.
    await changeMigration(tx, workflowType, { sinceMs: firstMs - 1_000 });
  });
  return await existing(context, workflowType);
}

async function refuseUnfit({ db }: MigrateContext, held: HeldWorkflow, workflowType: string): Promise<void> {
  const workflow = workflowOf(held.content);
  if (TAKEN_NAMES.includes(workflowType)) {
    throw new Problem(
      "conflict",
      `no workflow can be named "${workflowType}"`,
      "Choose another workflow_type.",
    );
  }
  if (held.archived || held.hasDraft) {
    const what = held.archived
      ? "is archived"
      : "has a draft that is not published: what runs is another version";
    throw new Problem(
      "conflict",
      `"${held.name}" ${what}`,
      "Restore it, or publish or discard the draft, in n8n.",
    );
  }
  if (readMark(workflow)) {
    const hint = `Roll it back first: orchestrator n8n rollback --workflow ${held.id}.`;
    throw new Problem("conflict", `"${held.name}" was transformed already, outside of a migration`, hint);
  }
  const [problem] = structureProblems(workflow);
  if (problem)
    throw new Problem("conflict", `"${held.name}" makes no sense: ${problem}`, "Correct it in n8n.");
  const known = await findWorkflow(db, workflowType);
  if (known && known.updatedBy !== BY) {
    const what = known.builtIn ? "a built-in workflow" : "a workflow that is registered";
    throw new Problem(
      "conflict",
      `"${workflowType}" is ${what} already`,
      "Give another workflow_type, such as its name with _n8n behind it.",
    );
  }
}

function refuseBusy(row: MigrationRow): void {
  if (row.state === "edited") {
    const hint = "POST …/resolve with merge or ours, or roll back with force.";
    throw new Problem("conflict", `"${row.name}" was edited in n8n: ${row.edits.join("; ")}`, hint);
  }
  if (row.state === "rollback_pending") {
    throw new Problem("conflict", `"${row.name}" is being rolled back`, "Wait until that is done.");
  }
}

export async function advance(
  context: MigrateContext,
  workflowType: string,
  { to, force }: { to: MigrationStep | null; force: boolean },
  actor: string,
): Promise<MigrationRow> {
  const row = await existing(context, workflowType);
  refuseBusy(row);
  const obstacles = await obstaclesOf(context, row);
  const step = to ?? nextStep(row, obstacles);
  if (!step)
    throw new Problem("conflict", `"${row.name}" is at the end of its way`, "Nothing is left to do.");
  const missing = missingBefore(row, step);
  if (missing) {
    const message = `phase ${step.phase} ${step.mode} does not follow from phase ${row.phase} ${row.mode}`;
    throw new Problem("conflict", message, missing);
  }
  const obstacle = obstacles[step.phase];
  if (obstacle)
    throw new Problem(
      "conflict",
      `phase ${step.phase} cannot be done: ${obstacle}`,
      "Skip it, or mend the workflow.",
    );
  const closed = row.state === "rolled_back" ? null : closedBy(row.gates, force);
  if (closed !== null)
    throw new Problem(
      "conflict",
      `the next step is closed: ${closed}`,
      "Wait for more runs, or look at GET …/runs; force takes a step early.",
    );
  if (row.gates.length === 0 && row.phase > 0 && !force && row.state !== "rolled_back") {
    throw new Problem(
      "conflict",
      "the gates have not been judged yet",
      "Wait for the first runs of this step.",
    );
  }
  await stepTo(context, row, step, { actor, cause: `to phase ${step.phase}, ${step.mode}` });
  return await existing(context, workflowType);
}

export async function setShare(
  context: MigrateContext,
  workflowType: string,
  percent: number,
  actor: string,
): Promise<MigrationRow> {
  const row = await existing(context, workflowType);
  refuseBusy(row);
  if (row.mode !== "share") {
    throw new Problem(
      "conflict",
      `"${row.name}" is not in force by share`,
      "Advance it from its shadow first.",
    );
  }
  const cause = `the share is ${percent} % instead of ${row.sharePercent} %`;
  // Whose turn it is is asked here at each firing: n8n needs not be changed.
  await context.db.transaction(async (tx) => {
    await changeMigration(tx, workflowType, { sharePercent: percent });
    await insertEvent(tx, { ...row, sharePercent: percent }, { event: "share_set", actor, cause });
  });
  return await existing(context, workflowType);
}

export async function rollBack(
  context: MigrateContext,
  workflowType: string,
  { reason, force }: { reason: string | null; force: boolean },
  actor: string,
): Promise<MigrationRow> {
  const row = await existing(context, workflowType);
  if (row.state === "edited" && !force) refuseBusy(row);
  if (row.state === "rolled_back" || row.state === "rollback_pending") return row;
  await stepTo(context, row, null, { actor, cause: reason ?? "asked for" });
  if (row.state === "edited") await acceptHeld(context, row);
  return await existing(context, workflowType);
}

/** What was edited is known and may be overwritten: it counts as what was written last. */
async function acceptHeld(context: MigrateContext, row: MigrationRow): Promise<void> {
  const held = await context.n8n.workflow(row.n8nWorkflowId).catch((error) => {
    throw toldProblem(error);
  });
  await changeMigration(context.db, row.workflowType, { deployedContent: held.content });
}

/** What somebody edited in n8n: into the original and what runs, or away. */
export async function resolveEdit(
  context: MigrateContext,
  workflowType: string,
  take: "merge" | "ours",
  actor: string,
): Promise<MigrationRow> {
  const { db, n8n } = context;
  const row = await existing(context, workflowType);
  if (row.state !== "edited") {
    throw new Problem("conflict", `"${row.name}" was not edited in n8n`, "Nothing is to be resolved.");
  }
  const held = await n8n.workflow(row.n8nWorkflowId).catch((error) => {
    throw toldProblem(error);
  });
  const original = await originalContent(context, row);
  const merged = take === "merge" ? mergeEdits(original, row.deployedContent, held.content) : null;
  const wantedSinceMs = await databaseNowMs(db);
  await db.transaction(async (tx) => {
    const version = row.originalVersion + 1;
    if (merged) {
      await insertOriginal(tx, workflowType, version, merged, contentDigest(merged), actor);
    }
    await changeMigration(tx, workflowType, {
      ...(merged ? { originalVersion: version } : {}),
      deployed: { ...row.deployed, stale: true },
      deployedContent: held.content,
      ...{ state: "changing", edits: [], cause: "the edit is resolved", wantedSinceMs },
    });
    const cause = `${merged ? "taken over" : "dropped"}: ${row.edits.join("; ")}`;
    await insertEvent(tx, row, { event: merged ? "merged" : "edit_dropped", actor, cause });
  });
  return await existing(context, workflowType);
}

export async function changeSettings(
  context: Pick<MigrateContext, "db">,
  workflowType: string,
  change: z.output<typeof ChangeBody>,
  actor: string,
): Promise<MigrationRow> {
  const row = await existing(context, workflowType);
  const settings = {
    ...row.settings,
    ...(change.auto_advance === undefined ? {} : { autoAdvance: change.auto_advance }),
    ...(change.gates === undefined ? {} : { gates: change.gates }),
    ...(change.cost_usd_per_run === undefined ? {} : { costUsdPerRun: change.cost_usd_per_run }),
  };
  await context.db.transaction(async (tx) => {
    await changeMigration(tx, workflowType, { settings });
    await insertEvent(tx, row, { event: "settings_changed", actor, cause: Object.keys(change).join(", ") });
  });
  return await existing(context, workflowType);
}

/** `finish`: the end of its way instead, where nobody wants to go back any more; its way out of the clock is a schedule of its own. */
export async function forget(
  context: Pick<MigrateContext, "db">,
  workflowType: string,
  { finish }: { finish: boolean },
): Promise<void> {
  const row = await existing(context, workflowType);
  const atTheEnd = row.phase === 4 && row.mode === "full" && row.state === "steady";
  if (finish && !(atTheEnd && row.deployed.form === "final")) {
    const message = `"${row.name}" is not at the end of its way: phase ${row.phase} ${row.mode}, ${row.state}`;
    throw new Problem("conflict", message, "Finish it when it stands in phase 4 in full, and is steady.");
  }
  if (!finish && (row.deployed.form !== "original" || (row.phase > 0 && row.state !== "rolled_back"))) {
    throw new Problem(
      "conflict",
      `"${row.name}" is on its way`,
      `Roll it back first: its original is kept here.${atTheEnd ? " Or end it for good: ?finish=true." : ""}`,
    );
  }
  await context.db.transaction((tx) => deleteMigration(tx, workflowType));
}
