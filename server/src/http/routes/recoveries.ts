/** Recoveries over HTTP: list, show, close by hand; and what was set aside. Decides nothing. */
import {
  Problem,
  Recovery,
  RecoveryList,
  RecoveryListQuery,
  SetAside,
  SetAsideList,
  SetAsideQuery,
  Uuid,
} from "@master-orchestrator/contract";
import { z } from "zod";
import type { Database } from "#store/database.ts";
import { recordCloseRecovery } from "#store/facts.ts";
import { listRecoveries, type RecoveryView, recoveryById } from "#store/recoveries.ts";
import { listSetAside, putBack, type SetAsideView, setAsideById } from "#store/set-aside.ts";
import { pagesOf } from "../cursor.ts";
import { time } from "../present.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";

export interface RecoveryRoutesContext {
  db: Database;
  /** A fact was recorded: let a cycle look. */
  wake(): void;
  /** Resolves when a cycle has folded in what was recorded before the call. */
  settled(): Promise<void>;
}

const RecoveryPath = z.strictObject({ recovery_id: Uuid });
const SetAsidePath = z.strictObject({ set_aside_id: Uuid });
const about = { tag: "Recovery" } as const;

export function recoveryRoutes(context: RecoveryRoutesContext): Route[] {
  return [...recoveryReads(context), closeRoute(context), ...setAsideRoutes(context)];
}

function recoveryReads({ db }: RecoveryRoutesContext): Route[] {
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/recoveries",
      summary: "What is and was done about trouble, newest first",
      access: "viewer",
      query: RecoveryListQuery,
      answers: { 200: RecoveryList },
      async handle({ query }) {
        const open = query.open === undefined ? null : query.open === "true";
        const pages = pagesOf("recoveries", query);
        const rows = await listRecoveries(db, { open, before: pages.after(), limit: query.limit });
        const next_cursor = pages.next(rows, (row) => row.recoveryId);
        return { status: 200, body: { recoveries: rows.map(shown), next_cursor } };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/recoveries/:recovery_id",
      summary: "One recovery: its cause, its numbers, its rules",
      access: "viewer",
      params: RecoveryPath,
      answers: { 200: Recovery },
      handle: async ({ params }) => ({ status: 200, body: shown(await existing(db, params.recovery_id)) }),
    }),
  ];
}

function closeRoute({ db, settled }: RecoveryRoutesContext): Route {
  return defineRoute({
    ...about,
    method: "POST",
    path: "/api/v1/recoveries/:recovery_id/close",
    summary: "End a recovery by hand; what caused it may begin it again, by its rule",
    access: "operator",
    params: RecoveryPath,
    answers: { 200: Recovery },
    async handle({ params, caller }) {
      await existing(db, params.recovery_id);
      if (await recordCloseRecovery(db, params.recovery_id, actorOf(caller))) await settled();
      return { status: 200, body: shown(await existing(db, params.recovery_id)) };
    },
  });
}

async function existing(db: Database, recoveryId: string): Promise<RecoveryView> {
  const recovery = await recoveryById(db, recoveryId);
  if (recovery) return recovery;
  const hint = "List them with GET /api/v1/recoveries.";
  throw new Problem("not_found", `there is no recovery ${recoveryId}`, hint);
}

function shown(recovery: RecoveryView) {
  return {
    recovery_id: recovery.recoveryId,
    procedure: recovery.procedure,
    subject: recovery.subject,
    state: recovery.closedAtMs === null ? recovery.state : ("closed" as const),
    cause: recovery.cause,
    entry_rule: recovery.entryRule,
    exit_rule: recovery.exitRule,
    numbers: recovery.numbers,
    opened_at: time(recovery.openedAtMs),
    opened_in: recovery.openedIn,
    next_at: time(recovery.nextAtMs),
    closed_at: time(recovery.closedAtMs),
    closed_in: recovery.closedIn,
    closed_by: recovery.closedBy,
    closed_reason: recovery.closedReason,
  };
}

function setAsideRoutes({ db, wake }: RecoveryRoutesContext): Route[] {
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/set-aside",
      summary: "What no cycle could stomach, with the error that it caused",
      access: "operator",
      query: SetAsideQuery,
      answers: { 200: SetAsideList },
      async handle({ query }) {
        const pages = pagesOf("set_aside", query);
        const before = pages.after();
        const rows = await listSetAside(db, { all: query.all === "true", before, limit: query.limit });
        const next_cursor = pages.next(rows, (row) => row.setAsideId);
        return { status: 200, body: { set_aside: rows.map(shownAside), next_cursor } };
      },
    }),
    defineRoute({
      ...about,
      method: "POST",
      path: "/api/v1/set-aside/:set_aside_id/put-back",
      summary: "Give it to the next cycle again: after the cause is mended",
      access: "operator",
      params: SetAsidePath,
      answers: { 200: SetAside },
      async handle({ params, caller }) {
        if (await putBack(db, params.set_aside_id, actorOf(caller))) wake();
        const found = await setAsideById(db, params.set_aside_id);
        if (found) return { status: 200, body: shownAside(found) };
        const hint = "List them with GET /api/v1/set-aside?all=true.";
        throw new Problem("not_found", `nothing was set aside as ${params.set_aside_id}`, hint);
      },
    }),
  ];
}

function shownAside(aside: SetAsideView) {
  return {
    set_aside_id: aside.setAsideId,
    kind: aside.kind,
    item: aside.item,
    execution_id: aside.executionId,
    task_id: aside.taskId,
    fact: aside.fact,
    error: aside.error,
    at: time(aside.atMs),
    put_back_at: time(aside.putBackAtMs),
    put_back_by: aside.putBackBy,
  };
}
