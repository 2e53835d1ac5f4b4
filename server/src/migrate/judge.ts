/** Owns the judgement of a migration: its runs measured, its gates, its shadow, and the step or the rollback that follows. */
import type { ShadowRun } from "@master-orchestrator/contract";
import { closedBy, judgeGates, measure } from "#core/migration-gates.ts";
import { compareShadow, lockStarts, type WouldStart } from "#core/migration-shadow.ts";
import { nextStep } from "#core/migration-steps.ts";
import { changeMigration, insertEvent, listMigrations, type MigrationRow } from "#store/migration-rows.ts";
import {
  costOfTurns,
  failingTasks,
  keepShadow,
  type RunRow,
  runsBetween,
  turnsBetween,
} from "#store/migration-turns.ts";
import type { MigrateContext } from "./context.ts";
import { perDayOf, viewOf } from "./measured.ts";
import type { Timetable } from "./slots.ts";
import { obstaclesOf, stepTo } from "./steps.ts";
import { timetableFor } from "./turns.ts";

const HOUR_MS = 3_600_000;
/** A shadow looks back so far; what is older has been compared. */
const SHADOW_MOMENTS = 500;
const MOST_LOCKED = 200;

/** Judges the gates anew; takes the next step, or the way back, where the rules say so. */
export async function judge(
  context: MigrateContext,
  row: MigrationRow,
  timetable: Timetable,
  nowMs: number,
): Promise<void> {
  const { db, log } = context;
  const { workflowType } = row;
  const all = await turnsBetween(db, workflowType, row.sinceMs, nowMs);
  const failing = await failingTasks(db, workflowType);
  const turns = row.mode === "share" ? all.filter(({ way }) => way === "phase") : all;
  const views = turns.map((turn) => viewOf(turn, failing));
  const cost = row.phase >= 3 ? await costOfTurns(db, workflowType, row.sinceMs) : null;
  const now = measure(views, { perDay: perDayOf(timetable, views), cost });
  const gates = judgeGates(now, row.phase === 0 ? null : row.baseline, row.settings.gates);
  await changeMigration(db, workflowType, { gates, gatesAtMs: nowMs });
  const judged = { ...row, gates };
  const breached = gates.find(({ verdict }) => verdict === "breached");
  // In phase 0 and in a shadow n8n runs what it ran before: there is nothing to take back.
  if (breached && row.phase > 0 && row.mode !== "shadow") {
    const cause = `the gate ${breached.gate} is breached: ${breached.cause}`;
    log.warn("A migration is rolled back by its gate", {
      workflow_type: workflowType,
      gate: breached.gate,
      cause,
    });
    await insertEvent(db, row, { event: "gate_breached", actor: "orchestrator", cause, gates });
    await stepTo(context, judged, null, { actor: "orchestrator", cause });
    return;
  }
  const wasOpen = row.gates.length > 0 && closedBy(row.gates, false) === null;
  if (closedBy(gates, false) !== null) return;
  if (!wasOpen)
    await insertEvent(db, row, {
      event: "gates_open",
      actor: "orchestrator",
      cause: "every gate holds",
      gates,
    });
  const next = nextStep(row, await obstaclesOf(context, row));
  if (row.settings.autoAdvance && next) {
    await stepTo(context, judged, next, {
      actor: "orchestrator",
      cause: "its gates hold, and it advances by itself",
    });
  }
}

/** What the orchestrator would have done in the phase that is thought through, beside what n8n did. */
export async function think(context: MigrateContext, row: MigrationRow, timetable: Timetable): Promise<void> {
  const { db } = context;
  if (row.mode !== "shadow" || timetable.unknown !== null) return;
  const { workflowType, phase, sinceMs, observedUntilMs } = row;
  const slots = timetable.between(sinceMs, observedUntilMs + 1).slice(-SHADOW_MOMENTS);
  if (slots.length === 0) return;
  const endMs = timetable.nextAfter(slots.at(-1)!) ?? observedUntilMs;
  const runs = await runsBetween(db, workflowType, slots[0]! - 1000, endMs);
  const triggered = runs.filter(({ mode }) => mode === "trigger" || mode === "cron");
  const executionsOf = (slotMs: number) => {
    const nextMs = slots[slots.indexOf(slotMs) + 1] ?? endMs;
    return triggered.filter(({ startedAtMs: at }) => at >= slotMs - 1000 && at < nextMs - 1000);
  };
  const would =
    phase === 1 ? await lockWould(context, row, slots, triggered) : await planWould(context, row, slots);
  const compared = compareShadow(slots, executionsOf, (slotMs) => would.get(slotMs) ?? null);
  const iso = (ms: number) => new Date(ms).toISOString();
  const shadows = compared.map(
    ({ slotMs, n8n, would: start, difference, explanation }): ShadowRun => ({
      slot: iso(slotMs),
      phase,
      n8n: n8n && {
        execution_id: n8n.id,
        started_at: iso(n8n.startedAtMs),
        ended_at: n8n.endedAtMs === null ? null : iso(n8n.endedAtMs),
        status: n8n.status,
      },
      orchestrator: start && { would_start_at: iso(start.startMs), hold: start.hold },
      difference,
      explanation,
    }),
  );
  await keepShadow(db, workflowType, phase, shadows);
}

/** Phase 1: with the lock that it would share with others. */
async function lockWould(
  { db }: MigrateContext,
  row: MigrationRow,
  slots: readonly number[],
  triggered: readonly RunRow[],
): Promise<Map<number, WouldStart>> {
  const others = (await listMigrations(db, undefined, MOST_LOCKED)).filter(
    (other) => other.settings.lock === row.settings.lock,
  );
  const toMs = row.observedUntilMs + 1;
  const all = await Promise.all(
    others.map(async ({ workflowType }) =>
      (await runsBetween(db, workflowType, slots[0]! - HOUR_MS, toMs))
        .filter(({ mode }) => mode === "trigger" || mode === "cron")
        .map((run) => ({
          workflowType,
          startedAtMs: run.startedAtMs,
          endedAtMs: run.endedAtMs ?? run.startedAtMs,
        })),
    ),
  );
  const starts = lockStarts(all.flat(), row.workflowType);
  return new Map(
    slots.map((slotMs) => {
      const run = triggered.find(({ startedAtMs }) => startedAtMs >= slotMs - 1000);
      const start = run && run.startedAtMs < slotMs + HOUR_MS ? starts.get(run.startedAtMs) : undefined;
      return [slotMs, start ?? { slotMs, startMs: slotMs, hold: null, cause: null }];
    }),
  );
}

/** From phase 2 on: by the plan itself, with every migrated workflow's moments and as long as their runs took. */
async function planWould(
  context: MigrateContext,
  row: MigrationRow,
  slots: readonly number[],
): Promise<Map<number, WouldStart>> {
  const { db, timeZone } = context;
  const [fromMs, toMs] = [slots[0]!, slots.at(-1)! + 1];
  const all = await listMigrations(db, undefined, MOST_LOCKED);
  const runs = await Promise.all(
    all.map(async (each) => {
      const timetable = await timetableFor(db, each, timeZone);
      const turns = new Map(
        (await turnsBetween(db, each.workflowType, fromMs, toMs)).map((turn) => [turn.slotMs, turn]),
      );
      return timetable.between(fromMs, toMs).map((slotMs) => {
        const turn = turns.get(slotMs);
        const durationMs = Math.max(1, (turn?.endedAtMs ?? slotMs) - (turn?.startedAtMs ?? slotMs));
        return {
          workflowType: each.workflowType,
          atMs: slotMs,
          durationMs,
          failed: turn?.outcome === "failed",
        };
      });
    }),
  );
  const asked = runs.flat().sort((a, b) => a.atMs - b.atMs);
  const starts = await context.thinkThrough(asked);
  const found = new Map<number, WouldStart>();
  for (const [i, run] of asked.entries()) {
    const start = starts[i];
    if (run.workflowType === row.workflowType && start) found.set(run.atMs, { slotMs: run.atMs, ...start });
  }
  return found;
}
