/** Owns matching what n8n ran with the moments of a schedule: who ran each, what became of it, what was lost or doubled. */
import { changeMigration, type MigrationRow } from "#store/migration-rows.ts";
import {
  changeTurn,
  followTasks,
  keepRuns,
  type RunRow,
  runsBetween,
  type TurnRow,
  takeTurn,
  turnsBetween,
} from "#store/migration-turns.ts";
import type { MigrateContext } from "./context.ts";
import { NAMES } from "./n8n/parts.ts";
import { ranNode } from "./run-data.ts";
import type { Timetable } from "./slots.ts";
import { takeForOrchestrator } from "./turns.ts";

/** n8n's trigger may fire a little before its moment by our clock. */
const EARLY_MS = 1_000;
/** What an old version of the workflow may still begin after a new one was written. */
export const SWITCH_MS = 15_000;
const MOST_MOMENTS = 2_000;
/** Longer in n8n's list of running ones than this: nobody believes in it any more. */
const STUCK_MS = 6 * 3_600_000;

/** How long after its moment a run is given up: less for what comes round often. */
export function graceOf(timetable: Timetable): number {
  const everyMs = timetable.perDay > 0 ? 86_400_000 / timetable.perDay : 86_400_000;
  return Math.min(90_000, Math.max(4_000, everyMs * 0.8));
}

const TRIGGERED = new Set(["trigger", "cron", "webhook"]);
const OUTCOMES: Readonly<Record<string, TurnRow["outcome"]>> = {
  success: "succeeded",
  error: "failed",
  crashed: "failed",
  canceled: "failed",
};

/** Asks n8n what has run, and decides every moment up to the grace time ago. Throws Unreachable or Refused. */
export async function observe(
  context: MigrateContext,
  row: MigrationRow,
  timetable: Timetable,
  nowMs: number,
): Promise<void> {
  const { db, n8n } = context;
  const { workflowType } = row;
  const open = (await turnsBetween(db, workflowType, nowMs - STUCK_MS * 2, nowMs)).filter(
    ({ outcome }) => outcome === "open",
  );
  const sinceMs = Math.min(row.observedUntilMs, ...open.map(({ slotMs }) => slotMs)) - 60_000;
  const told = await n8n.executions(row.n8nWorkflowId, sinceMs);
  const begun = told.filter(({ startedAtMs }) => startedAtMs < Number.MAX_SAFE_INTEGER);
  await keepRuns(db, workflowType, begun);
  if (timetable.unknown === null) await decideMoments(context, row, timetable, nowMs);
  else await takeAsTheyCame(context, row, nowMs);
  await followRuns(context, row, nowMs);
  await followTasks(db, workflowType);
  await changeMigration(db, workflowType, { observedAtMs: nowMs });
}

async function decideMoments(
  context: MigrateContext,
  row: MigrationRow,
  timetable: Timetable,
  nowMs: number,
): Promise<void> {
  const { db } = context;
  const { workflowType } = row;
  const untilMs = nowMs - graceOf(timetable);
  const slots = timetable.between(row.observedUntilMs + 1, untilMs + 1).slice(0, MOST_MOMENTS);
  if (slots.length === 0) return;
  const [firstMs, lastMs] = [slots[0]!, slots.at(-1)!];
  const afterMs = timetable.nextAfter(lastMs) ?? nowMs;
  const runs = (await runsBetween(db, workflowType, firstMs - EARLY_MS, afterMs)).filter(({ mode }) =>
    TRIGGERED.has(mode),
  );
  const known = new Map(
    (await turnsBetween(db, workflowType, firstMs, lastMs + 1)).map((turn) => [turn.slotMs, turn]),
  );
  for (const [i, slotMs] of slots.entries()) {
    const nextMs = slots[i + 1] ?? afterMs;
    const mine = runs.filter(({ startedAtMs: at }) => at >= slotMs - EARLY_MS && at < nextMs - EARLY_MS);
    const turn = known.get(slotMs);
    if (turn) await noteRepeats(context, row, turn, mine);
    else await decideMoment(context, row, slotMs, mine);
  }
  await changeMigration(db, workflowType, { observedUntilMs: lastMs });
}

/** Without asking, what n8n starts for a moment is a run of the work. */
function asks(row: MigrationRow, run: RunRow): boolean {
  return row.deployed.byShare && run.startedAtMs >= row.deployed.atMs;
}

async function noteRepeats(
  { db }: MigrateContext,
  row: MigrationRow,
  turn: TurnRow,
  runs: readonly RunRow[],
): Promise<void> {
  const others = runs.filter(
    (run) => run.mode !== "webhook" && run.id !== turn.n8nExecutionId && !asks(row, run),
  );
  // An execution that asked was told to skip; one that could not ask has run.
  if (others.length === 0 || row.deployed.byShare) return;
  const repeats = [...new Set([...turn.repeats, ...others.map(({ id }) => id)])];
  await changeTurn(db, row.workflowType, turn.slotMs, { repeats });
}

async function decideMoment(
  { db, wake }: MigrateContext,
  row: MigrationRow,
  slotMs: number,
  runs: readonly RunRow[],
): Promise<void> {
  const { workflowType, deployed } = row;
  const fired = runs.filter(({ mode }) => mode !== "webhook");
  const ran = fired.filter((run) => !asks(row, run) || row.phase < 2);
  const [first, ...more] = ran;
  if (first) {
    await db.transaction(async (tx) => {
      const way = deployed.form === "original" ? "before" : "phase";
      await takeTurn(tx, workflowType, {
        ...{ slotMs, by: "n8n", way, n8nExecutionId: first.id, taskId: null, outcome: "open" },
        cause: "n8n's own schedule",
      });
      const repeats = more.map(({ id }) => id);
      if (repeats.length > 0) await changeTurn(tx, workflowType, slotMs, { repeats });
    });
    return;
  }
  const orchestrators = row.wanted.form !== "original" && row.phase >= 2 && row.wanted.before !== undefined;
  if (orchestrators && slotMs > deployed.atMs) {
    const why = fired.length > 0 ? "n8n fired and could not ask" : "n8n did not fire";
    const { taken } = await db.transaction((tx) =>
      takeForOrchestrator(tx, row, slotMs, `${why}: the orchestrator makes up for it`),
    );
    if (taken) wake();
    return;
  }
  const cause =
    deployed.form === "original" || deployed.form === "mutex"
      ? "n8n did not start it"
      : "nobody was there to start it";
  await takeTurn(db, workflowType, {
    ...{ slotMs, by: "nobody", way: "before", n8nExecutionId: null, taskId: null, outcome: "lost", cause },
  });
}

/** Where nobody knows the moments beforehand, each run is its own. */
async function takeAsTheyCame({ db }: MigrateContext, row: MigrationRow, nowMs: number): Promise<void> {
  const { workflowType, deployed } = row;
  const runs = await runsBetween(db, workflowType, row.observedUntilMs + 1, nowMs);
  for (const run of runs.filter(({ mode }) => mode !== "webhook" && TRIGGERED.has(mode))) {
    await takeTurn(db, workflowType, {
      ...{
        slotMs: Math.floor(run.startedAtMs / 1000) * 1000,
        by: "n8n",
        n8nExecutionId: run.id,
        taskId: null,
      },
      ...{
        way: deployed.form === "original" ? "before" : "phase",
        outcome: "open",
        cause: "n8n's own schedule",
      },
    });
  }
  const last = runs.at(-1);
  if (last) await changeMigration(db, workflowType, { observedUntilMs: last.startedAtMs });
}

/** What became of the executions behind open turns. */
async function followRuns(context: MigrateContext, row: MigrationRow, nowMs: number): Promise<void> {
  const { db } = context;
  const { workflowType } = row;
  const turns = (await turnsBetween(db, workflowType, nowMs - STUCK_MS * 2, nowMs)).filter(
    (turn) => turn.outcome === "open" && turn.n8nExecutionId !== null,
  );
  if (turns.length === 0) return;
  const fromMs = Math.min(...turns.map(({ slotMs }) => slotMs)) - EARLY_MS;
  const runs = new Map(
    (await runsBetween(db, workflowType, fromMs, nowMs + EARLY_MS)).map((run) => [run.id, run]),
  );
  for (const turn of turns) {
    const run = runs.get(turn.n8nExecutionId!);
    const ended = run ? OUTCOMES[run.status] : undefined;
    const skipped = ended === "succeeded" && (await wasSkipped(context, row, turn.n8nExecutionId!));
    const outcome = skipped ? "skipped" : ended;
    const stuck = nowMs - turn.slotMs > STUCK_MS;
    if (outcome === undefined && !stuck) continue;
    await changeTurn(db, workflowType, turn.slotMs, {
      outcome: outcome ?? "failed",
      cause: skipped
        ? `${turn.cause}; the lock was held for as long as it waited`
        : outcome
          ? turn.cause
          : `${turn.cause}; n8n has not ended it for hours`,
      startedAtMs: run?.startedAtMs ?? null,
      endedAtMs: run?.endedAtMs ?? run?.startedAtMs ?? null,
    });
  }
}

/** A run that did not get the lock ends well in n8n, and has done nothing: which node it ended at tells. */
async function wasSkipped({ n8n }: MigrateContext, row: MigrationRow, id: string): Promise<boolean> {
  const locks = row.deployed.form === "mutex" || row.wanted.before === "mutex" || row.phaseBefore === 1;
  if (!locks) return false;
  const execution = await n8n.execution(id);
  return execution !== null && ranNode(execution.data, NAMES.skipped);
}
