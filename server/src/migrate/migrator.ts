/** Looks after migrations by itself: starts what is due, matches runs, writes what is wanted into n8n, judges. One replica at a time. */
import { randomUUID } from "node:crypto";
import { Problem } from "@master-orchestrator/contract";
import { isClock } from "#core/migration-steps.ts";
import {
  changeMigration,
  findMigration,
  insertEvent,
  listMigrations,
  type MigrationRow,
} from "#store/migration-rows.ts";
import { forgetTurns } from "#store/migration-turns.ts";
import { holdConnection, leaveConnection, noteReachable } from "#store/n8n-connection.ts";
import { databaseNowMs } from "#store/orchestrator.ts";
import type { MigrateContext } from "./context.ts";
import { judge, think } from "./judge.ts";
import { Refused, Unreachable } from "./n8n-api.ts";
import { observe } from "./observe.ts";
import { reconcile } from "./reconcile.ts";
import { type Asked, settleLost, stopCancelled } from "./settle.ts";
import type { Timetable } from "./slots.ts";
import { takeForOrchestrator, timetableFor } from "./turns.ts";

export interface Migrator {
  /** Something is wanted: looks at once. */
  wake(): void;
  stop(): Promise<void>;
}

const LOOK_EVERY_MS = 5_000;
/** Longer than the calls to n8n that one migration may need in a look. */
const HELD_FOR_MS = 300_000;
const MOST_MIGRATIONS = 500;
const KEPT_MS = 35 * 86_400_000;
const FORGET_EVERY_MS = 3_600_000;

/** Begins at once, in the background. */
export function startMigrator(context: MigrateContext): Migrator {
  const { db, clock, log } = context;
  const holder = randomUUID();
  const state = { asked: new Map() as Asked, forgotAtMs: 0 };
  let cancel = () => {};
  let running: Promise<void> | null = null;
  let again = false;
  let stopped = false;
  const arm = (atMs: number) => {
    cancel();
    if (!stopped) cancel = clock.at(atMs, run);
  };
  const run = () => {
    cancel();
    if (running) {
      again = true;
      return;
    }
    running = round(context, holder, state)
      .catch((error) => {
        log.error("Migrations were not looked after", { error });
        return null;
      })
      .then((nextMs) => {
        running = null;
        const soonest = clock.nowMs() + LOOK_EVERY_MS;
        arm(again ? clock.nowMs() : Math.min(nextMs ?? soonest, soonest));
        again = false;
      });
  };
  run();
  return {
    wake() {
      if (!stopped) run();
    },
    async stop() {
      stopped = true;
      cancel();
      await running;
      cancel();
      await leaveConnection(db, holder).catch(() => {});
    },
  };
}

/** One look at everything; when the next moment is to be started, or null. */
async function round(
  context: MigrateContext,
  holder: string,
  state: { asked: Asked; forgotAtMs: number },
): Promise<number | null> {
  const { db } = context;
  if (!(await holdConnection(db, holder, HELD_FOR_MS))) return null;
  const rows = await listMigrations(db, undefined, MOST_MIGRATIONS);
  const nowMs = await databaseNowMs(db);
  const next: number[] = [];
  // What is due first: nobody waits for what is asked of n8n.
  for (const row of rows) {
    const nextMs = await startDue(context, row, nowMs);
    if (nextMs !== null) next.push(nextMs);
  }
  await withN8n(context, rows, async () => {
    for (const row of rows) {
      if (!(await holdConnection(db, holder, HELD_FOR_MS))) return;
      await lookAfter(context, row);
    }
    for (const { workflowType, n8nExecutionId } of await settleLost(context, state.asked)) {
      const row = rows.find((each) => each.workflowType === workflowType);
      const cause = `the callback of the run ${n8nExecutionId} was lost; n8n was asked`;
      if (row) await insertEvent(db, row, { event: "settled_by_asking", actor: "orchestrator", cause });
    }
    await stopCancelled(context);
  });
  if (nowMs - state.forgotAtMs >= FORGET_EVERY_MS) {
    await forgetTurns(db, nowMs - KEPT_MS);
    state.forgotAtMs = nowMs;
  }
  return next.length === 0 ? null : Math.min(...next);
}

/** The orchestrator as the clock: takes the moment that has come. What was missed before it is told as lost. */
async function startDue(context: MigrateContext, row: MigrationRow, nowMs: number): Promise<number | null> {
  const { db, wake, timeZone } = context;
  const { deployed } = row;
  const isOurs =
    (deployed.form === "basic" || deployed.form === "gateway" || deployed.form === "final") &&
    !deployed.byShare;
  // On the way back it goes on until the original is there; once n8n has not answered, nobody could run it.
  const goesBack = row.wanted.form === "original";
  if (!isOurs || (goesBack ? row.tries > 0 : !isClock(row, row.phaseBefore))) return null;
  const timetable = await timetableFor(db, row, timeZone);
  const slotMs = timetable.lastAt(nowMs);
  if (slotMs !== null && slotMs > deployed.atMs && slotMs > row.observedUntilMs) {
    const { taken } = await db.transaction((tx) =>
      takeForOrchestrator(tx, row, slotMs, "its moment has come by the schedule that it had in n8n"),
    );
    if (taken) wake();
  }
  return timetable.nextAfter(nowMs);
}

async function lookAfter(context: MigrateContext, listed: MigrationRow): Promise<void> {
  const { db, log, timeZone } = context;
  // A request may have taken a step since the list was read.
  const row = await findMigration(db, listed.workflowType);
  if (!row) return;
  try {
    const timetable = await timetableFor(db, row, timeZone);
    const nowMs = await databaseNowMs(db);
    await observe(context, row, timetable, nowMs);
    await lookOn(context, row.workflowType, timetable, nowMs);
  } catch (error) {
    if (error instanceof Unreachable) throw error;
    if (!(error instanceof Refused || error instanceof Problem)) throw error;
    const hint = error instanceof Problem ? error.hint : null;
    const cause = hint === null ? error.message : `${error.message} — ${hint}`;
    if (row.cause === cause) return;
    log.warn("A migration is blocked", { workflow_type: row.workflowType, cause });
    const pending = row.state === "rollback_pending";
    await changeMigration(db, row.workflowType, { ...(pending ? {} : { state: "blocked" }), cause });
    await insertEvent(db, row, { event: "blocked", actor: "n8n", cause });
  }
}

async function lookOn(
  context: MigrateContext,
  workflowType: string,
  timetable: Timetable,
  nowMs: number,
): Promise<void> {
  const { db } = context;
  const observed = await findMigration(db, workflowType);
  if (!observed) return;
  await reconcile(context, observed, timetable, nowMs);
  const row = await findMigration(db, workflowType);
  if (row?.state !== "steady") return;
  await think(context, row, timetable);
  await judge(context, row, timetable, nowMs);
}

/** An n8n that does not answer is noted, once; everything that is wanted of it stays wanted. */
async function withN8n(
  context: MigrateContext,
  rows: readonly MigrationRow[],
  work: () => Promise<void>,
): Promise<void> {
  const { db, log } = context;
  const tell = async (event: string, cause: string) => {
    for (const row of rows) await insertEvent(db, row, { event, actor: "n8n", cause });
  };
  try {
    await work();
    if (await noteReachable(db, null)) {
      log.info("n8n answers");
      await tell("n8n_back", "n8n answers");
    }
  } catch (error) {
    if (!(error instanceof Unreachable || error instanceof Refused)) throw error;
    const message = error.message;
    if (!(await noteReachable(db, message))) return;
    log.warn("n8n does not answer: what is wanted of it waits", { cause: message });
    await tell("n8n_unreachable", message);
  }
}
