/** Past decisions over HTTP: cycles to search, one cycle whole, and how it all stood at a past moment. Decides nothing. */
import {
  Cycle,
  CycleList,
  CycleListQuery,
  OrchestratorMoment,
  Problem,
  Timestamp,
  Uuid,
} from "@master-orchestrator/contract";
import { z } from "zod";
import { findCycles } from "#store/cycle-search.ts";
import { cycleById } from "#store/cycles.ts";
import type { Database } from "#store/database.ts";
import { momentAt } from "#store/moments.ts";
import { databaseNowMs } from "#store/orchestrator.ts";
import { pagesOf } from "../cursor.ts";
import { cycleSummary, time } from "../present.ts";
import { wrongField } from "../problem.ts";
import { defineRoute, type Route } from "../route.ts";

export function cycleRoutes({ db }: { db: Database }): Route[] {
  return [listRoute(db), oneRoute(db), momentRoute(db)];
}

function listRoute(db: Database): Route {
  return defineRoute({
    method: "GET",
    path: "/api/v1/cycles",
    summary: "Search cycles that decided something, newest first",
    description:
      "By time, lane, workflow, reason (of a hold or a decision) and words. One page looks through 5,000 cycles at the most: " +
      "a page may then hold fewer than `limit`, or none, and `next_cursor` goes on where it stopped (`searched_back_to`).",
    tag: "Orchestrator",
    access: "viewer",
    query: CycleListQuery,
    answers: { 200: CycleList },
    async handle({ query }) {
      const pages = pagesOf("cycles", query);
      const { trigger, lane, workflow_type: workflowType, reason, text, limit } = query;
      const { cycles, reached } = await findCycles(db, {
        ...{ trigger, lane, workflowType, reason, text, limit },
        fromMs: query.from === undefined ? undefined : Date.parse(query.from),
        toMs: query.to === undefined ? undefined : Date.parse(query.to),
        before: pages.after(),
      });
      const next_cursor = reached ? pages.next([reached], (one) => one.cycleId, true) : null;
      const searched_back_to = time(reached?.startedAtMs ?? null);
      return { status: 200, body: { cycles: cycles.map(cycleSummary), searched_back_to, next_cursor } };
    },
  });
}

function oneRoute(db: Database): Route {
  return defineRoute({
    method: "GET",
    path: "/api/v1/cycles/:cycle_id",
    summary: "Show a cycle: what it saw, what it decided, why the rest waited",
    tag: "Orchestrator",
    access: "viewer",
    params: z.strictObject({ cycle_id: Uuid }),
    answers: { 200: Cycle },
    async handle({ params }) {
      const cycle = await cycleById(db, params.cycle_id);
      if (!cycle) {
        const hint = "List them with GET /api/v1/cycles; wake-ups that changed nothing are not kept.";
        throw new Problem("not_found", `there is no cycle ${params.cycle_id}`, hint);
      }
      const { snapshot, decisions, reasons } = cycle;
      return { status: 200, body: { ...cycleSummary(cycle), snapshot, decisions, reasons } };
    },
  });
}

function momentRoute(db: Database): Route {
  return defineRoute({
    method: "GET",
    path: "/api/v1/orchestrator/moment",
    summary: "How it all stood at a past moment: what ran, what was held and why, what the last cycle saw",
    description: "Of one task at that moment tells GET /api/v1/tasks/{id}/explain?at=.",
    tag: "Orchestrator",
    access: "viewer",
    query: z.strictObject({ at: Timestamp }),
    answers: { 200: OrchestratorMoment },
    async handle({ query }) {
      const atMs = Date.parse(query.at);
      if (atMs > (await databaseNowMs(db))) throw wrongField("query/at", "is in the future");
      return { status: 200, body: await showMoment(db, atMs) };
    },
  });
}

async function showMoment(db: Database, atMs: number) {
  const moment = await momentAt(db, atMs);
  const { cycle } = moment;
  return {
    at: time(atMs),
    paused: moment.paused,
    policy_version: moment.policyVersion,
    cycle: cycle && cycleSummary(cycle),
    snapshot: cycle?.snapshot ?? null,
    holds: moment.holds.map(({ lane, reason, cause, fromMs, cycleId }) => ({
      ...{ lane, reason, cause },
      since: time(fromMs),
      cycle_id: cycleId,
    })),
    running: moment.running.map(({ executionId, workflowType, sinceMs, tasks }) => ({
      execution_id: executionId,
      workflow_type: workflowType,
      since: time(sinceMs),
      tasks,
    })),
    recoveries: moment.recoveries.map(({ recoveryId, procedure, subject, cause, openedAtMs }) => ({
      recovery_id: recoveryId,
      ...{ procedure, subject, cause },
      opened_at: time(openedAtMs),
    })),
  };
}
