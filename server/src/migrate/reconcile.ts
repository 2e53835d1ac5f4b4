/** Owns bringing n8n to what is wanted: waits for a quiet moment, refuses to overwrite edits, tries again with backoff. */
import { recordCancelExecution, recordTaskRequest } from "#store/facts.ts";
import { changeMigration, insertEvent, insertOriginal, type MigrationRow } from "#store/migration-rows.ts";
import { openTasks } from "#store/migration-turns.ts";
import { databaseNowMs } from "#store/orchestrator.ts";
import type { MigrateContext } from "./context.ts";
import { deploy, editsIn, originalContent } from "./deploy.ts";
import { contentDigest } from "./digest.ts";
import { editsBetween } from "./n8n/mark.ts";
import type { HeldWorkflow } from "./n8n-api.ts";
import { type Timetable, workflowOf } from "./slots.ts";

/** Runs that have not failed may come to their end before the original goes back. */
const DRAIN_MS = 60_000;
/** A moment that falls into the writing might be started twice, or not at all. */
const QUIET_MS = 15_000;
const RETRY_BASE_MS = 2_000;
const RETRY_MOST_MS = 300_000;

/** One look: does what can be done now. Throws what n8n answers. */
export async function reconcile(
  context: MigrateContext,
  row: MigrationRow,
  timetable: Timetable,
  nowMs: number,
): Promise<void> {
  const { db, n8n } = context;
  if (row.retryAtMs !== null && row.retryAtMs > nowMs) return;
  const held = await n8n.workflow(row.n8nWorkflowId);
  if (await lookForEdits(context, row, held)) return;
  if (row.state === "steady" || row.state === "rolled_back" || row.state === "edited") return;
  if (isDeployed(row)) {
    await settled(context, row, held);
    return;
  }
  const why = await notYet(context, row, timetable, nowMs);
  if (why !== null) {
    if (row.cause === null || !row.cause.endsWith(why)) {
      await changeMigration(db, row.workflowType, { cause: why });
    }
    return;
  }
  // Should it fail half way, it is tried again later and later.
  const retryAtMs = nowMs + Math.min(RETRY_MOST_MS, RETRY_BASE_MS * 2 ** Math.min(row.tries, 10));
  await changeMigration(db, row.workflowType, { tries: row.tries + 1, retryAtMs });
  const made = await deploy(context, row);
  await insertEvent(db, row, {
    event: "deployed",
    actor: "orchestrator",
    cause: `n8n runs the form "${made.deployed.form}"${made.deployed.byShare ? " by share" : ""}`,
  });
  await settled(context, made, await n8n.workflow(row.n8nWorkflowId));
}

function isDeployed({ wanted, deployed, state }: MigrationRow): boolean {
  const same = wanted.form === deployed.form && (wanted.before !== undefined) === deployed.byShare;
  return (
    same &&
    deployed.stale !== true &&
    (wanted.trial === true) === (deployed.trial === true) &&
    state !== "rollback_pending"
  );
}

async function settled(context: MigrateContext, row: MigrationRow, held: HeldWorkflow): Promise<void> {
  const { db } = context;
  const done = { tries: 0, retryAtMs: null, cause: null };
  if (row.wanted.form !== "original" || row.phase > 0) {
    const notActive = held.active ? null : "it is not active in n8n: nothing starts it there";
    await changeMigration(db, row.workflowType, {
      ...done,
      state: "steady",
      cause: notActive,
      // From here on the step is in force: what was before it is not held against it.
      ...(row.state === "changing" ? { sinceMs: await databaseNowMs(db) } : {}),
    });
    return;
  }
  const original = await originalContent(context, row);
  const same = Buffer.from(original).equals(Buffer.from(held.content));
  const rest = same ? [] : editsBetween(workflowOf(original), workflowOf(held.content));
  const cause = same
    ? "the original is back, byte for byte"
    : `the original is back; n8n itself holds it in other words: ${rest.join("; ") || "order or settings of its own"}`;
  await changeMigration(db, row.workflowType, { ...done, state: "rolled_back", cause });
  await insertEvent(db, row, { event: "rolled_back", actor: "orchestrator", cause });
}

/** True where somebody edited the workflow in n8n, and nothing more is to be done now. */
async function lookForEdits(
  context: MigrateContext,
  row: MigrationRow,
  held: HeldWorkflow,
): Promise<boolean> {
  const { db } = context;
  const { workflowType } = row;
  const edits = editsIn(row, held);
  if (edits.length === 0) return false;
  if (row.deployed.form === "original") {
    // Nothing of ours is in it: the edit is the original from now on, as a new version.
    const version = row.originalVersion + 1;
    await db.transaction(async (tx) => {
      const digest = contentDigest(held.content);
      await insertOriginal(tx, workflowType, version, held.content, digest, "n8n");
      await changeMigration(tx, workflowType, {
        ...{ originalVersion: version, deployedContent: held.content, name: held.name },
      });
      await insertEvent(tx, row, {
        event: "merged",
        actor: "n8n",
        cause: `edited in n8n: ${edits.join("; ")}`,
      });
    });
    return true;
  }
  if (row.state === "edited" && row.edits.join() === edits.join()) return true;
  const cause = `it was edited in n8n (${edits.join("; ")}): nothing of ours is written over that`;
  await changeMigration(db, workflowType, { state: "edited", edits, cause });
  await insertEvent(db, row, { event: "edited", actor: "n8n", cause });
  return true;
}

/** Why n8n is not changed at this moment; null when it may be. */
async function notYet(
  context: MigrateContext,
  row: MigrationRow,
  timetable: Timetable,
  nowMs: number,
): Promise<string | null> {
  const { db, wake } = context;
  const { workflowType, wanted, deployed } = row;
  const stays = wanted.form !== "original" && wanted.form !== "mutex";
  const started = deployed.form !== "original" && deployed.form !== "mutex";
  if (started && !stays) {
    const open = await openTasks(db, workflowType);
    const waits = open.filter(({ failures }) => failures === 0);
    if (waits.length > 0 && nowMs - row.wantedSinceMs < DRAIN_MS) {
      return `waits for ${waits.length} runs of the orchestrator to end`;
    }
    if (open.length > 0) {
      await recordTaskRequest(
        db,
        "cancel_task",
        open.map(({ taskId }) => taskId),
        { actor: "migration" },
      );
      for (const id of new Set(open.flatMap(({ executionId }) => executionId ?? []))) {
        await recordCancelExecution(db, id, "migration");
      }
      wake();
      return `${open.length} runs of the orchestrator are cancelled`;
    }
  }
  const [last, next] = [timetable.lastAt(nowMs), timetable.nextAfter(nowMs)];
  if (last === null || next === null) return null;
  const quietMs = Math.min(QUIET_MS, (next - last) * 0.3);
  return nowMs - last < quietMs || next - nowMs < quietMs
    ? "waits for a moment between two runs of its schedule"
    : null;
}
