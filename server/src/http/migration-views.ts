/** Words of the wire for migrations: what the store has, and what n8n says when it is asked. Changes nothing. */
import type { Migration, MigrationReport, MigrationRuns } from "@master-orchestrator/contract";
import type { z } from "zod";
import { closedBy } from "#core/migration-gates.ts";
import { FORMS, nextStep } from "#core/migration-steps.ts";
import type { MigrateContext } from "#migrate/context.ts";
import { inspectWorkflow } from "#migrate/n8n/inspect.ts";
import type { Phase } from "#migrate/n8n/mark.ts";
import { obstacleTo } from "#migrate/n8n/transform.ts";
import { toldProblem } from "#migrate/n8n-api.ts";
import { timetableOf, workflowOf } from "#migrate/slots.ts";
import type { Database } from "#store/database.ts";
import { targetsMeasured } from "#store/migration-report.ts";
import { listMigrations, type MigrationRow, originalOf } from "#store/migration-rows.ts";
import { type TurnRow, turnsBetween } from "#store/migration-turns.ts";
import { readConnection } from "#store/n8n-connection.ts";
import { databaseNowMs } from "#store/orchestrator.ts";
import { time } from "./present.ts";

interface Sight {
  db: Database;
  n8n: { url: string; timeZone: string } | null;
}

export async function shownMigration({ db, n8n }: Sight, row: MigrationRow): Promise<Migration> {
  const original = await originalOf(db, row.workflowType, row.originalVersion);
  if (!original) throw new Error(`the original of ${row.workflowType} is not there`);
  const workflow = workflowOf(original.content);
  const timetable = timetableOf(workflow, n8n?.timeZone ?? "UTC");
  const found = [1, 2, 3, 4].map((phase) => {
    const obstacle = obstacleTo(workflow, FORMS[phase] as Phase);
    return [phase, obstacle ?? (phase >= 2 ? timetable.unknown : null)] as const;
  });
  const obstacles = Object.fromEntries(found);
  const next = nextStep(row, obstacles);
  const closed = closedCause(row);
  const turns = await turnsBetween(db, row.workflowType, row.sinceMs, await databaseNowMs(db));
  return {
    workflow_type: row.workflowType,
    n8n_workflow_id: row.n8nWorkflowId,
    name: row.name,
    n8n_url: `${n8n?.url ?? ""}/workflow/${encodeURIComponent(row.n8nWorkflowId)}`,
    phase: row.phase,
    mode: row.mode,
    share_percent: row.sharePercent,
    state: row.state,
    cause: row.cause,
    edits: row.edits,
    auto_advance: row.settings.autoAdvance,
    lock: row.settings.lock,
    schedules: timetable.texts,
    time_zone: timetable.timeZone,
    original: {
      version: original.version,
      sha256: original.sha256,
      bytes: original.content.byteLength,
      kept_at: time(original.keptAtMs),
    },
    deployed: {
      form: row.deployed.form,
      by_share: row.deployed.byShare,
      n8n_version_id: row.deployed.versionId,
      at: time(row.deployed.atMs),
    },
    gates: row.gates,
    gates_at: time(row.gatesAtMs),
    runs: countRuns(turns),
    next: next && { phase: next.phase, mode: next.mode, share_percent: next.sharePercent },
    next_opens: next !== null && closed === null,
    next_cause: next === null ? null : closed,
    notes: found.flatMap(([phase, obstacle]) =>
      obstacle ? [`phase ${phase} cannot be done: ${obstacle}`] : [],
    ),
    since: time(row.sinceMs),
    retry_at: time(row.retryAtMs),
    created_at: time(row.createdAtMs),
    created_by: row.createdBy,
    updated_at: time(row.updatedAtMs),
  };
}

function closedCause(row: MigrationRow): string | null {
  if (row.state === "rolled_back") return null;
  if (row.state !== "steady") return row.cause ?? `it is ${row.state.replace("_", " ")}`;
  if (row.gates.length === 0) return "the gates have not been judged yet";
  return closedBy(row.gates, false);
}

export function countRuns(turns: readonly TurnRow[]): MigrationRuns {
  const count = (fits: (turn: TurnRow) => boolean) => turns.filter(fits).length;
  return {
    due: turns.length,
    by_n8n: count(({ by }) => by === "n8n"),
    by_orchestrator: count(({ by }) => by === "orchestrator"),
    open: count(({ outcome }) => outcome === "open"),
    succeeded: count(({ outcome }) => outcome === "succeeded"),
    failed: count(({ outcome }) => outcome === "failed"),
    lost: count(({ outcome }) => outcome === "lost" || outcome === "cancelled"),
    doubled: count(({ repeats }) => repeats.length > 0),
  };
}

export async function reachableOf(db: Database, n8n: Sight["n8n"]) {
  const { reachable, error, askedAtMs } = await readConnection(db);
  return {
    configured: n8n !== null,
    url: n8n?.url ?? null,
    reachable: n8n === null ? null : reachable,
    error,
    asked_at: time(askedAtMs),
  };
}

const MOST_MIGRATIONS = 500;

export async function inventoryOf(context: MigrateContext, n8n: Sight["n8n"]) {
  const { db, timeZone } = context;
  const held = await context.n8n.workflows().catch((error) => {
    throw toldProblem(error);
  });
  const rows = await listMigrations(db, undefined, MOST_MIGRATIONS);
  const byId = new Map(rows.map((row) => [row.n8nWorkflowId, row]));
  const workflows = held
    .filter(({ archived }) => !archived)
    .map((each) => {
      const report = inspectWorkflow(workflowOf(each.content), timeZone);
      const migrated = byId.get(each.id);
      return {
        n8n_workflow_id: each.id,
        name: each.name,
        workflow_type: migrated?.workflowType ?? report.workflowType,
        active: each.active,
        schedules: report.schedules.flatMap(({ disabled, rules }) =>
          disabled ? [] : rules.map(({ text }) => text),
        ),
        ai_nodes: report.aiNodes.length,
        database_nodes: report.databaseNodes.length,
        obstacles: report.phases,
        migration: migrated?.workflowType ?? null,
      };
    });
  return { n8n: await reachableOf(db, n8n), workflows };
}

const DAY_MS = 86_400_000;

/** What was promised at the beginning, against what was measured in the last days. */
export async function reportOf({ db }: Sight, days: number): Promise<z.input<typeof MigrationReport>> {
  const toMs = await databaseNowMs(db);
  const fromMs = toMs - days * DAY_MS;
  const { articles, activeDays, tasks, succeeded, p95Seconds } = await targetsMeasured(db, fromMs, toMs);
  const perDay = activeDays === 0 ? null : articles / activeDays;
  const share = tasks === 0 ? null : succeeded / tasks;
  const rows = await listMigrations(db, undefined, MOST_MIGRATIONS);
  const round = (value: number) => Math.round(value * 100) / 100;
  const nothing = "nothing was measured";
  return {
    from: time(fromMs),
    to: time(toMs),
    targets: [
      {
        ...{ target: "articles_per_day", wanted: 500, measured: perDay, measured_on: activeDays },
        met: perDay === null ? null : perDay >= 500,
        cause:
          perDay === null
            ? nothing
            : `${articles} articles on ${activeDays} days that had any: ${round(perDay)} a day`,
      },
      {
        ...{ target: "task_to_result_seconds", wanted: 120, measured: p95Seconds, measured_on: succeeded },
        met: p95Seconds === null ? null : p95Seconds < 120,
        cause:
          p95Seconds === null
            ? nothing
            : `95 % of ${succeeded} tasks had their result within ${round(p95Seconds)} s of being due`,
      },
      {
        ...{ target: "success_share", wanted: 0.95, measured: share, measured_on: tasks },
        met: share === null ? null : share > 0.95,
        cause: share === null ? nothing : `${succeeded} of ${tasks} tasks that came to an end were completed`,
      },
    ],
    workflows: await Promise.all(
      rows.map(async (row) => ({
        workflow_type: row.workflowType,
        name: row.name,
        phase: row.phase,
        mode: row.mode,
        state: row.state,
        gates: row.gates,
        runs: countRuns(await turnsBetween(db, row.workflowType, fromMs, toMs)),
      })),
    ),
  };
}
