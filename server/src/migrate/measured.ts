/** Owns measuring the moments of a schedule: what they come to, and what is kept of them as a baseline. */
import { type Measures, measure, type TurnView } from "#core/migration-gates.ts";
import type { MigrationRow } from "#store/migration-rows.ts";
import { costOfTurns, type TurnRow, turnsBetween } from "#store/migration-turns.ts";
import type { MigrateContext } from "./context.ts";
import type { Timetable } from "./slots.ts";

const HOUR_MS = 3_600_000;

export function viewOf(turn: TurnRow, failing: ReadonlySet<string> = new Set()): TurnView {
  const failed = turn.outcome === "open" && turn.taskId !== null && failing.has(turn.taskId);
  return {
    slotMs: turn.slotMs,
    by: turn.by,
    outcome: failed ? "failed" : turn.outcome,
    repeats: turn.repeats.length,
    endedAtMs: turn.endedAtMs,
  };
}

/** What it was like in the hours up to now: the baseline of what comes next. Null where nothing has ended yet. */
export async function baselineOf(
  { db }: MigrateContext,
  row: MigrationRow,
  timetable: Timetable,
  nowMs: number,
): Promise<Measures | null> {
  const fromMs = nowMs - row.settings.gates.baseline_hours * HOUR_MS;
  const turns = await turnsBetween(db, row.workflowType, fromMs, nowMs);
  const cost = await costOfTurns(db, row.workflowType, fromMs);
  const views = turns.map((turn) => viewOf(turn));
  const measured = measure(views, { perDay: perDayOf(timetable, views), cost });
  if (measured.ended === 0) return null;
  return { ...measured, costUsd: measured.costUsd ?? row.settings.costUsdPerRun };
}

/** Of a schedule that nobody knows: as often as it came. */
export function perDayOf(timetable: Timetable, views: readonly TurnView[]): number {
  if (timetable.perDay > 0) return timetable.perDay;
  const [first, last] = [views[0], views.at(-1)];
  if (!first || !last || last.slotMs === first.slotMs) return views.length;
  return ((views.length - 1) / (last.slotMs - first.slotMs)) * 24 * HOUR_MS;
}
