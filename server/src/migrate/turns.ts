/** Owns who runs a moment of a schedule: n8n or the orchestrator, whoever is first, once. */
import { Problem, type Turn } from "@master-orchestrator/contract";
import { isClock, isInShare } from "#core/migration-steps.ts";
import type { Queryable } from "#store/database.ts";
import { findMigration, type MigrationRow, originalOf } from "#store/migration-rows.ts";
import { changeTurn, type TurnRow, takeTurn } from "#store/migration-turns.ts";
import { accepted, enqueueEach } from "#store/tasks.ts";
import type { MigrateContext } from "./context.ts";
import { BY } from "./deploy.ts";
import { type Timetable, timetableOf, workflowOf } from "./slots.ts";

/** Timetables by workflow and version of the original: reading one again at each firing would cost more than the firing. */
const timetables = new Map<string, Timetable>();
const MOST_TIMETABLES = 500;

export async function timetableFor(
  db: Queryable,
  row: Pick<MigrationRow, "workflowType" | "originalVersion" | "n8nWorkflowId">,
  timeZone: string,
): Promise<Timetable> {
  const original = await originalOf(db, row.workflowType, row.originalVersion);
  if (!original) throw new Error(`the original of ${row.workflowType} is not there`);
  const key = `${original.sha256} ${timeZone}`;
  const known = timetables.get(key);
  if (known) return known;
  if (timetables.size >= MOST_TIMETABLES) timetables.clear();
  const made = timetableOf(workflowOf(original.content), timeZone);
  timetables.set(key, made);
  return made;
}

/** n8n's trigger fires a little after its moment, and its clock may be a little behind. */
const TOLERANCE_MS = 1_000;

export function slotOf(timetable: Timetable, firedAtMs: number): number {
  return timetable.lastAt(firedAtMs + TOLERANCE_MS) ?? Math.floor(firedAtMs / 1000) * 1000;
}

/** A firing in n8n asks. The same execution is answered the same; another one of the same moment is told to skip it. */
export async function answerTurn(
  context: MigrateContext,
  workflowType: string,
  ask: { firedAtMs: number; n8nExecutionId: string },
): Promise<Turn> {
  const { db, timeZone, wake } = context;
  const answer = await db.transaction(async (tx) => {
    const row = await findMigration(tx, workflowType, { lock: true });
    if (!row) {
      const hint = "Start it with POST /api/v1/migrations, or roll the workflow back in n8n.";
      throw new Problem("not_found", `there is no migration of ${workflowType}`, hint);
    }
    const timetable = await timetableFor(tx, row, timeZone);
    const slotMs = slotOf(timetable, ask.firedAtMs);
    const { by, way } = whoseTurn(row, slotMs);
    const { turn, taken } =
      by === "orchestrator"
        ? await takeForOrchestrator(tx, row, slotMs, "n8n fired, and it is the orchestrator's turn")
        : await takeTurn(tx, workflowType, {
            ...{ slotMs, by, way, n8nExecutionId: ask.n8nExecutionId, taskId: null, outcome: "open" },
            cause: way === "phase" ? "in the share of the phase" : "not in the share of the phase",
          });
    return { slot: new Date(slotMs).toISOString(), ...worded(turn, taken, ask.n8nExecutionId) };
  });
  wake();
  return answer;
}

function worded(turn: TurnRow, taken: boolean, id: string): Pick<Turn, "way" | "cause"> {
  if (turn.by === "orchestrator") return { way: taken ? "phase" : "skip", cause: turn.cause };
  if (turn.n8nExecutionId === id) return { way: turn.way, cause: turn.cause };
  return { way: "skip", cause: `the execution ${turn.n8nExecutionId} of n8n has taken this moment` };
}

function whoseTurn(row: MigrationRow, slotMs: number): Pick<TurnRow, "by" | "way"> {
  const { workflowType, phase, mode, sharePercent, phaseBefore, wanted } = row;
  if (wanted.form === "original" || phase === 0) return { by: "n8n", way: "before" };
  const inShare = mode === "full" || (mode === "share" && isInShare(workflowType, slotMs, sharePercent));
  if (phase === 1) return { by: "n8n", way: inShare ? "phase" : "before" };
  const orchestrator = isClock(row, phaseBefore) || inShare;
  return orchestrator ? { by: "orchestrator", way: "phase" } : { by: "n8n", way: "before" };
}

/** Takes a moment for the orchestrator and enqueues its task with it: both or neither. */
export async function takeForOrchestrator(
  tx: Queryable,
  row: MigrationRow,
  slotMs: number,
  cause: string,
): Promise<{ turn: TurnRow; taken: boolean }> {
  const { workflowType, phase, mode, sharePercent } = row;
  const byPhase = mode !== "share" || isInShare(workflowType, slotMs, sharePercent);
  const outcome = await takeTurn(tx, workflowType, {
    ...{ slotMs, by: "orchestrator", way: byPhase ? "phase" : "before", n8nExecutionId: null, taskId: null },
    ...{ outcome: "open", cause },
  });
  if (!outcome.taken) return outcome;
  const slot = new Date(slotMs).toISOString();
  const task = {
    ...{ workflow_type: workflowType, content_type: "default", priority: 50 },
    payload: { scheduled_for: slot, ...(phase === 3 && mode === "share" ? { by_phase: byPhase } : {}) },
    idempotency_key: `migration:${workflowType}:${slot}`,
  };
  const [enqueued] = await enqueueEach(tx, [{ task, actor: BY }]);
  const { taskId } = await accepted(tx, enqueued!, "");
  await changeTurn(tx, workflowType, slotMs, { taskId });
  return { ...outcome, turn: { ...outcome.turn, taskId } };
}
