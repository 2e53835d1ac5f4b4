/** Migrations from n8n over HTTP: where each stands, what is to be done next, and the firings that ask whose turn it is. */
import {
  AdvanceMigration,
  Migration,
  MigrationChange,
  MigrationHistory,
  MigrationList,
  MigrationListQuery,
  MigrationPath,
  MigrationReport,
  MigrationReportQuery,
  MigrationRunList,
  N8nInventory,
  PageQuery,
  Problem,
  ResolveMigration,
  RollBackMigration,
  SetMigrationShare,
  ShadowQuery,
  ShadowRunList,
  StartMigration,
  Turn,
  TurnBody,
} from "@master-orchestrator/contract";
import { z } from "zod";
import type { MigrateContext } from "#migrate/context.ts";
import {
  advance,
  changeSettings,
  existing,
  forget,
  resolveEdit,
  rollBack,
  setShare,
  startMigration,
} from "#migrate/desk.ts";
import { answerTurn } from "#migrate/turns.ts";
import type { Database } from "#store/database.ts";
import { type EventRow, listEvents, listMigrations, originalOf } from "#store/migration-rows.ts";
import { listShadow, listTurns, shadowSummary, type TurnRow } from "#store/migration-turns.ts";
import { pagesOf } from "../cursor.ts";
import { inventoryOf, reachableOf, reportOf, shownMigration } from "../migration-views.ts";
import { time } from "../present.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";

export interface MigrationRoutesContext {
  db: Database;
  n8n: { url: string; timeZone: string } | null;
  /** Null without an n8n in the settings. */
  migrate(): MigrateContext | null;
  /** Something is wanted of n8n: let it be done. */
  wake(): void;
}

const about = { tag: "Migration", params: MigrationPath } as const;
const BASE = "/api/v1/migrations";
const SLOT = /^\d{1,16}$/;

export function migrationRoutes(context: MigrationRoutesContext): Route[] {
  return [
    ...listRoutes(context),
    ...readRoutes(context),
    ...lookRoutes(context),
    ...stepRoutes(context),
    ...ownRoutes(context),
  ];
}

function needed({ migrate }: MigrationRoutesContext): MigrateContext {
  const found = migrate();
  if (found) return found;
  const hint = "Set N8N_URL and N8N_API_KEY (n8n: Settings → n8n API), and start the service again.";
  throw new Problem("unavailable", "no n8n is in the settings", hint);
}

function listRoutes(context: MigrationRoutesContext): Route[] {
  const { db, n8n, wake } = context;
  return [
    defineRoute({
      tag: about.tag,
      method: "GET",
      path: BASE,
      summary: "Workflows on their way out of n8n, by name, and whether n8n answers",
      access: "viewer",
      query: MigrationListQuery,
      answers: { 200: MigrationList },
      async handle({ query }) {
        const pages = pagesOf("migrations", query, /^[a-z][a-z0-9_]{0,62}$/);
        const rows = await listMigrations(db, pages.after(), query.limit);
        const migrations = await Promise.all(rows.map((row) => shownMigration(context, row)));
        const next_cursor = pages.next(rows, (row) => row.workflowType);
        return { status: 200, body: { n8n: await reachableOf(db, n8n), migrations, next_cursor } };
      },
    }),
    defineRoute({
      tag: about.tag,
      method: "POST",
      path: BASE,
      summary: "Begin to migrate a workflow: its original is kept, its runs become the baseline",
      description: "Nothing is changed in n8n yet.",
      access: "admin",
      body: StartMigration,
      answers: { 201: Migration },
      async handle({ body, caller }) {
        const row = await startMigration(needed(context), body, actorOf(caller));
        wake();
        return { status: 201, body: await shownMigration(context, row) };
      },
    }),
    defineRoute({
      tag: about.tag,
      method: "GET",
      path: `${BASE}/inventory`,
      summary: "What there is in n8n, and what each phase would say to it",
      access: "operator",
      answers: { 200: N8nInventory },
      handle: async () => ({ status: 200, body: await inventoryOf(needed(context), n8n) }),
    }),
    defineRoute({
      tag: about.tag,
      method: "GET",
      path: `${BASE}/report`,
      summary: "The targets against what was measured, and where each workflow stands",
      access: "viewer",
      query: MigrationReportQuery,
      answers: { 200: MigrationReport },
      handle: async ({ query }) => ({ status: 200, body: await reportOf(context, query.days) }),
    }),
  ];
}

function readRoutes(context: MigrationRoutesContext): Route[] {
  const { db } = context;
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: `${BASE}/:workflow_type`,
      summary: "One migration: phase, gates, runs, and the step that comes next",
      access: "viewer",
      answers: { 200: Migration },
      async handle({ params }) {
        const row = await existing({ db }, params.workflow_type);
        return { status: 200, body: await shownMigration(context, row) };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      path: `${BASE}/:workflow_type/history`,
      summary: "Everything that was done and decided, newest first",
      access: "viewer",
      query: PageQuery,
      answers: { 200: MigrationHistory },
      async handle({ params, query }) {
        const pages = pagesOf("migration_events", query);
        await existing({ db }, params.workflow_type);
        const rows = await listEvents(db, params.workflow_type, pages.after(), query.limit);
        const next_cursor = pages.next(rows, (row) => row.eventId);
        return { status: 200, body: { events: rows.map(shownEvent), next_cursor } };
      },
    }),
  ];
}

function lookRoutes(context: MigrationRoutesContext): Route[] {
  const { db } = context;
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: `${BASE}/:workflow_type/runs`,
      summary: "Who ran which moment of its schedule, newest first",
      access: "viewer",
      query: PageQuery,
      answers: { 200: MigrationRunList },
      async handle({ params, query }) {
        const pages = pagesOf("migration_runs", query, SLOT);
        const before = pages.after();
        await existing({ db }, params.workflow_type);
        const beforeMs = before === undefined ? null : Number(before);
        const rows = await listTurns(db, params.workflow_type, beforeMs, query.limit);
        const next_cursor = pages.next(rows, (row) => String(row.slotMs));
        return { status: 200, body: { runs: rows.map(shownTurn), next_cursor } };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      path: `${BASE}/:workflow_type/shadow`,
      summary: "What the orchestrator would have done beside what n8n did, newest first",
      access: "viewer",
      query: ShadowQuery,
      answers: { 200: ShadowRunList },
      async handle({ params, query }) {
        const pages = pagesOf("migration_shadow", query, SLOT);
        const before = pages.after();
        const { workflowType, phase } = await existing({ db }, params.workflow_type);
        const filter = {
          ...{ difference: query.difference ?? null, limit: query.limit },
          beforeMs: before === undefined ? null : Number(before),
        };
        const shadow_runs = await listShadow(db, workflowType, phase, filter);
        const { runs, byDifference: by_difference } = await shadowSummary(db, workflowType, phase);
        const next_cursor = pages.next(shadow_runs, ({ slot }) => String(Date.parse(slot)));
        return { status: 200, body: { summary: { runs, by_difference }, shadow_runs, next_cursor } };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      path: `${BASE}/:workflow_type/original`,
      summary: "The original's bytes, as they are restored",
      access: "operator",
      query: z.strictObject({ version: z.coerce.number().int().min(1).optional() }),
      answers: { 200: { description: "The workflow, for n8n to import", contentType: "application/json" } },
      async handle({ params, query }) {
        const row = await existing({ db }, params.workflow_type);
        const version = query.version ?? row.originalVersion;
        const original = await originalOf(db, row.workflowType, version);
        if (!original) {
          const hint = `Versions go from 1 to ${row.originalVersion}.`;
          throw new Problem("not_found", `there is no version ${version} of the original`, hint);
        }
        const headers = {
          "content-type": "application/json",
          "content-disposition": `attachment; filename="${row.workflowType}.v${version}.json"`,
        };
        return { status: 200, headers, body: Buffer.from(original.content) };
      },
    }),
  ];
}

function stepRoutes(context: MigrationRoutesContext): Route[] {
  const { wake } = context;
  const done = async (row: Awaited<ReturnType<typeof existing>>) => {
    wake();
    return { status: 200, body: await shownMigration(context, row) };
  };
  return [
    defineRoute({
      ...about,
      method: "POST",
      path: `${BASE}/:workflow_type/advance`,
      summary: "Take the next step, if its gates hold",
      access: "admin",
      body: AdvanceMigration,
      answers: { 200: Migration },
      async handle({ params, body, caller }) {
        const { to, force } = body;
        const share = { shadow: 0, share: to?.share_percent ?? 10, full: 100 };
        const step = to ? { phase: to.phase, mode: to.mode, sharePercent: share[to.mode] } : null;
        const ask = { to: step, force };
        return await done(await advance(needed(context), params.workflow_type, ask, actorOf(caller)));
      },
    }),
    defineRoute({
      ...about,
      method: "POST",
      path: `${BASE}/:workflow_type/share`,
      summary: "Let more or fewer of its runs go by the phase",
      access: "admin",
      body: SetMigrationShare,
      answers: { 200: Migration },
      async handle({ params, body, caller }) {
        const actor = actorOf(caller);
        return await done(await setShare(needed(context), params.workflow_type, body.share_percent, actor));
      },
    }),
    defineRoute({
      ...about,
      method: "POST",
      path: `${BASE}/:workflow_type/rollback`,
      summary: "Restore the original, byte for byte, at any moment",
      description: "While n8n is down it stays pending, and is done when n8n is back.",
      access: "operator",
      body: RollBackMigration,
      answers: { 200: Migration },
      async handle({ params, body, caller }) {
        const ask = { reason: body.reason ?? null, force: body.force };
        return await done(await rollBack(needed(context), params.workflow_type, ask, actorOf(caller)));
      },
    }),
    defineRoute({
      ...about,
      method: "POST",
      path: `${BASE}/:workflow_type/resolve`,
      summary: "Take over, or drop, what was edited in n8n meanwhile",
      access: "admin",
      body: ResolveMigration,
      answers: { 200: Migration },
      async handle({ params, body, caller }) {
        return await done(
          await resolveEdit(needed(context), params.workflow_type, body.take, actorOf(caller)),
        );
      },
    }),
  ];
}

function ownRoutes(context: MigrationRoutesContext): Route[] {
  const { db } = context;
  return [
    defineRoute({
      ...about,
      method: "PATCH",
      path: `${BASE}/:workflow_type`,
      summary: "Change how it is judged, and whether it advances by itself",
      access: "admin",
      body: MigrationChange,
      answers: { 200: Migration },
      async handle({ params, body, caller }) {
        const row = await changeSettings({ db }, params.workflow_type, body, actorOf(caller));
        return { status: 200, body: await shownMigration(context, row) };
      },
    }),
    defineRoute({
      ...about,
      method: "DELETE",
      path: `${BASE}/:workflow_type`,
      summary: "Forget a migration that has not begun, was rolled back, or is to be finished",
      description:
        "`finish=true` ends one that stands in phase 4 in full: nothing in n8n is changed, its original is no longer kept, and what starts " +
        "the workflow from then on is its own `schedule`.",
      access: "admin",
      query: z.strictObject({ finish: z.enum(["true", "false"]).optional() }),
      answers: { 204: z.undefined() },
      async handle({ params, query }) {
        await forget({ db }, params.workflow_type, { finish: query.finish === "true" });
        return { status: 204 };
      },
    }),
    defineRoute({
      ...about,
      method: "POST",
      path: `${BASE}/:workflow_type/turns`,
      summary: "A firing in n8n asks whose turn it is",
      description: "Each moment of a schedule is taken once. The same execution is answered the same.",
      access: "worker",
      body: TurnBody,
      answers: { 200: Turn },
      async handle({ params, body }) {
        const ask = { firedAtMs: Date.parse(body.fired_at), n8nExecutionId: body.n8n_execution_id };
        return { status: 200, body: await answerTurn(needed(context), params.workflow_type, ask) };
      },
    }),
  ];
}

function shownEvent(row: EventRow) {
  return {
    event_id: row.eventId,
    at: time(row.atMs),
    event: row.event,
    phase: row.phase,
    mode: row.mode,
    share_percent: row.sharePercent,
    actor: row.actor,
    cause: row.cause,
    gates: row.gates,
  };
}

function shownTurn(turn: TurnRow) {
  return {
    slot: time(turn.slotMs),
    by: turn.by,
    way: turn.way,
    outcome: turn.outcome,
    n8n_execution_ids: [...(turn.n8nExecutionId === null ? [] : [turn.n8nExecutionId]), ...turn.repeats],
    task_id: turn.taskId,
    started_at: time(turn.startedAtMs),
    ended_at: time(turn.endedAtMs),
    cause: turn.cause,
  };
}
