/** Owns taking a step of a migration, forward or back: what is wanted from then on. Whoever writes it into n8n is another. */
import { Problem } from "@master-orchestrator/contract";
import { FORMS, type MigrationStep, START, type Wanted, wantedIn } from "#core/migration-steps.ts";
import {
  changeMigration,
  insertEvent,
  type MigrationChange,
  type MigrationRow,
} from "#store/migration-rows.ts";
import { databaseNowMs } from "#store/orchestrator.ts";
import type { MigrateContext } from "./context.ts";
import { originalContent } from "./deploy.ts";
import { baselineOf } from "./measured.ts";
import type { Phase } from "./n8n/mark.ts";
import { obstacleTo } from "./n8n/transform.ts";
import { workflowOf } from "./slots.ts";
import { timetableFor } from "./turns.ts";

/** By phase: why it cannot be done; null where it can. */
export async function obstaclesOf(
  context: MigrateContext,
  row: MigrationRow,
): Promise<Record<number, string | null>> {
  const workflow = workflowOf(await originalContent(context, row));
  const { unknown } = await timetableFor(context.db, row, context.timeZone);
  const found = [1, 2, 3, 4].map((phase) => {
    const obstacle = obstacleTo(workflow, FORMS[phase] as Phase);
    return [phase, obstacle ?? (phase >= 2 ? unknown : null)];
  });
  return Object.fromEntries(found);
}

/** To a step, or (null) back to the original. Records why, and by whom. */
export async function stepTo(
  context: MigrateContext,
  row: MigrationRow,
  step: MigrationStep | null,
  { actor, cause }: { actor: string; cause: string },
): Promise<void> {
  const { db } = context;
  const nowMs = await databaseNowMs(db);
  const to = step ?? START;
  const entersPhase = step !== null && step.phase !== row.phase;
  const phaseBefore = step === null ? 0 : entersPhase ? row.phase : row.phaseBefore;
  const wanted: Wanted = step === null ? { form: "original" } : wantedIn(step, phaseBefore);
  const timetable = await timetableFor(db, row, context.timeZone);
  // Each phase is held against what was before it, as far as anything was.
  const baseline = entersPhase
    ? ((await baselineOf(context, row, timetable, nowMs)) ?? row.baseline)
    : row.baseline;
  if (entersPhase && baseline === null) {
    throw new Problem(
      "conflict",
      `no run of "${row.name}" has come to an end yet: there is nothing to compare with`,
      "Wait until n8n has run it, with its executions saved.",
    );
  }
  const change: MigrationChange = {
    ...to,
    ...{ phaseBefore, wanted, baseline, wantedSinceMs: nowMs, sinceMs: nowMs, tries: 0, retryAtMs: null },
    ...{ gates: [], gatesAtMs: null, edits: [] },
    state: step === null ? "rollback_pending" : "changing",
    cause,
  };
  await db.transaction(async (tx) => {
    await changeMigration(tx, row.workflowType, change);
    const about = { workflowType: row.workflowType, ...to };
    if (entersPhase && baseline) {
      const text = `${baseline.succeeded} of ${baseline.ended} runs succeeded, 95 % within ${baseline.latencySeconds ?? "?"} s`;
      await insertEvent(tx, about, { event: "baseline_recorded", actor: "orchestrator", cause: text });
    }
    const moved = step?.mode === "share" && row.mode === "share" && !entersPhase ? "share_set" : "advanced";
    const event = step === null ? "rollback_requested" : moved;
    await insertEvent(tx, step === null ? row : about, { event, actor, cause });
  });
}
