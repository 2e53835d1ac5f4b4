/** Owns the API of registered sub-workflows. Shows that a secret is set, never the secret. */
import {
  MASTER,
  PageQuery,
  Policy,
  Problem,
  SigningSecret,
  type WebhookAuth,
  Workflow,
  WorkflowList,
  WorkflowSettings,
  WorkflowType,
} from "@master-orchestrator/contract";
import { z } from "zod";
import { intervalFactor, largestBatch, tasksPerSlot } from "#core/adapt.ts";
import { circleThrough } from "#core/next-cycle.ts";
import { scheduleRule } from "#core/schedule.ts";
import type { Adaptation } from "#core/snapshot.ts";
import type { Outbound } from "#outbound/client.ts";
import type { Database, Queryable } from "#store/database.ts";
import { findMigration } from "#store/migration-rows.ts";
import { currentPolicy } from "#store/policies.ts";
import { type ScheduleView, scheduleViews } from "#store/schedules.ts";
import { currentAdaptation } from "#store/spending.ts";
import { unknownWorkflow } from "#store/tasks.ts";
import {
  findWorkflow,
  listWorkflows,
  lockNextRules,
  putWorkflow,
  type StoredWorkflow,
  setWorkflowPaused,
  type WorkflowChange,
} from "#store/workflows.ts";
import { pagesOf } from "../cursor.ts";
import { time } from "../present.ts";
import { wrongField } from "../problem.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";
import {
  readAddresses,
  readTargetStanding,
  shownAddresses,
  shownTargets,
  type TargetStanding,
} from "../targets.ts";

export interface WorkflowRouteOptions {
  db: Database;
  outbound: Pick<Outbound, "check">;
  /** Settings or the pause switch have changed: the next cycle may as well be now. */
  changed?(): void;
}

/** Stands for a secret in answers; sent back in a PUT it means "the one that is stored". */
export const MASK = "•••• (set)";

/** As WorkflowSettings, but what is left out of these keeps its stored value, and null clears a secret. */
const WorkflowPut = WorkflowSettings.extend({
  signing_secret: z.union([SigningSecret, z.literal(MASK)]).nullish(),
  paused: z.boolean().optional(),
}).meta({ id: "WorkflowPut" });
type WorkflowPut = z.output<typeof WorkflowPut>;

const Params = z.object({ workflow_type: WorkflowType });

export function workflowRoutes(options: WorkflowRouteOptions): Route[] {
  const { db } = options;
  const about = { tag: "Workflows" } as const;
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/workflows",
      summary: "All registered sub-workflows",
      access: "viewer",
      query: PageQuery,
      answers: { 200: WorkflowList },
      async handle({ query }) {
        const pages = pagesOf("workflows", query, /^[a-z][a-z0-9_]{0,62}$/);
        const found = await listWorkflows(db, pages.after() ?? null, query.limit + 1);
        const page = found.slice(0, query.limit);
        const next = pages.next(page, (workflow) => workflow.workflowType, found.length > query.limit);
        return { status: 200, body: { workflows: await shownAll(db, page), next_cursor: next } };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/workflows/:workflow_type",
      summary: "One sub-workflow; secrets are masked",
      access: "viewer",
      params: Params,
      answers: { 200: Workflow },
      async handle({ params }) {
        const found = await findWorkflow(db, params.workflow_type);
        if (!found) throw noSuchWorkflow(params.workflow_type);
        return { status: 200, body: await shownOne(db, found) };
      },
    }),
    defineRoute({
      ...about,
      method: "PUT",
      path: "/api/v1/workflows/:workflow_type",
      summary: "Register a sub-workflow, or replace its settings",
      description:
        "The document replaces the stored one as a whole; but `auth`, `signing_secret` and `paused` keep their " +
        "stored values when left out (or masked, as they are shown), and null clears a secret. An address is shown " +
        "without the values of its query; sent back as it is shown, it means the one that is stored.",
      access: "admin",
      params: Params,
      body: WorkflowPut,
      answers: { 200: Workflow },
      async handle({ params, body, caller, remark }) {
        const type = params.workflow_type;
        if (type === MASTER) throw wrongField("path/workflow_type", "is the orchestrator's own name");
        refuseUnsafe(body, options.outbound);
        const stored = await db.transaction(async (tx) => {
          await refuseWrongNext(tx, type, body);
          if (body.schedule) await refuseSecondClock(tx, type);
          const before = await findWorkflow(tx, type, { lock: true });
          if (before) remark({ before: before.settings });
          return putWorkflow(tx, combine(type, body, before, actorOf(caller)));
        });
        options.changed?.();
        return { status: 200, body: await shownOne(db, stored) };
      },
    }),
    pausing(options, "pause", "Dispatch no more of its tasks; what runs, runs on"),
    pausing(options, "resume", "Dispatch its tasks again"),
  ];
}

function pausing(options: WorkflowRouteOptions, action: "pause" | "resume", summary: string): Route {
  return defineRoute({
    method: "POST",
    path: `/api/v1/workflows/:workflow_type/${action}`,
    summary,
    tag: "Workflows",
    access: "operator",
    params: Params,
    answers: { 200: Workflow },
    async handle({ params, caller, remark }) {
      const type = params.workflow_type;
      const paused = action === "pause";
      const before = await findWorkflow(options.db, type);
      remark({ before: { paused: before?.paused ?? null }, after: { paused } });
      const stored = await setWorkflowPaused(options.db, type, paused, actorOf(caller));
      if (!stored) throw noSuchWorkflow(type);
      options.changed?.();
      return { status: 200, body: await shownOne(options.db, stored) };
    },
  });
}

/** A workflow on its way out of n8n has the schedule that it had there, and each of its moments is taken once. */
async function refuseSecondClock(tx: Queryable, workflowType: string): Promise<void> {
  const migration = await findMigration(tx, workflowType);
  if (!migration) return;
  throw new Problem(
    "conflict",
    `"${workflowType}" is started by its migration from n8n (phase ${migration.phase}): a schedule would be a second clock`,
    `Leave \`schedule\` out, or end the migration first: DELETE /api/v1/migrations/${workflowType}, with ?finish=true at the end of its way.`,
  );
}

/** The row that a document means, upon the one that is stored. Throws Problem `validation_failed`. */
export function combine(
  workflowType: string,
  given: WorkflowPut,
  before: StoredWorkflow | null,
  updatedBy: string,
): WorkflowChange {
  const { auth, signing_secret, paused, ...written } = given;
  const settings = readAddresses(written, before?.settings ?? null);
  if (!settings.webhook_url && !settings.targets && !before?.builtIn) {
    throw wrongField("/webhook_url", "is needed, or targets when there are several");
  }
  return {
    workflowType,
    settings,
    auth:
      auth === undefined ? (before?.auth ?? null) : auth === null ? null : unmask(auth, before?.auth ?? null),
    signingSecret: keptSecret(signing_secret, before?.signingSecret ?? null),
    paused: paused ?? before?.paused ?? false,
    pausedBy: paused === undefined ? (before?.pausedBy ?? null) : paused ? updatedBy : null,
    updatedBy,
  };
}

function keptSecret(given: string | null | undefined, stored: string | null): string | null {
  if (given === undefined) return stored;
  if (given !== MASK) return given;
  if (stored === null) throw wrongField("/signing_secret", "is masked, but none is stored");
  return stored;
}

/** The field of each kind of authentication that is secret. */
const SECRET_FIELD = { header: "value", bearer: "token", basic: "password" } as const;

function unmask(given: WebhookAuth, stored: WebhookAuth | null): WebhookAuth {
  const field = SECRET_FIELD[given.type];
  if ((given as Record<string, string>)[field] !== MASK) return given;
  if (stored?.type !== given.type)
    throw wrongField(`/auth/${field}`, "is masked, but none of this type is stored");
  return { ...given, [field]: (stored as Record<string, string>)[field] } as WebhookAuth;
}

/** Headers that belong to the connection, or that the orchestrator writes itself. */
const RESERVED_HEADER =
  /^(connection|content-.*|expect|host|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|accept-encoding|webhook-.*|traceparent)$/i;

function refuseUnsafe(given: WorkflowPut, outbound: Pick<Outbound, "check">): void {
  if (given.auth?.type === "header" && RESERVED_HEADER.test(given.auth.name)) {
    throw wrongField("/auth/name", `"${given.auth.name}" is set by the orchestrator or the connection`);
  }
  if (given.auth?.type === "header" && !isHeaderValue(given.auth.value)) {
    throw wrongField("/auth/value", "holds characters that a header cannot carry");
  }
  if (given.auth?.type === "bearer" && !isHeaderValue(given.auth.token)) {
    throw wrongField("/auth/token", "holds characters that a header cannot carry");
  }
  if (given.webhook_url) checkAddress(given.webhook_url, "/webhook_url", outbound);
  given.targets?.forEach((target, i) => {
    checkAddress(target.webhook_url, `/targets/${i}/webhook_url`, outbound);
  });
}

/** A rule has to name a registered workflow, and no rules may lead back to where they began. */
async function refuseWrongNext(tx: Queryable, type: string, given: WorkflowPut): Promise<void> {
  const named = (given.next ?? []).map((rule) => rule.workflow_type);
  if (named.length === 0) return;
  const followers = { ...(await lockNextRules(tx)), [type]: named };
  for (const [i, follower] of named.entries()) {
    if (!Object.hasOwn(followers, follower))
      throw await unknownWorkflow(tx, follower, `/next/${i}/workflow_type`);
  }
  const circle = circleThrough(type, followers);
  if (!circle) return;
  const position = named.indexOf(circle[1] as string);
  throw wrongField(
    `/next/${position}/workflow_type`,
    `closes a circle, in which each run would cause the next without end: ${circle.join(" → ")}`,
  );
}

function isHeaderValue(value: string): boolean {
  return value === MASK || /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
}

function checkAddress(url: string, path: string, outbound: Pick<Outbound, "check">): void {
  try {
    outbound.check(url);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const errors = [{ path, message: error.message }];
    throw new Problem(error.code, `${path}: ${error.message}`, error.hint, { errors });
  }
}

function noSuchWorkflow(type: string): Problem {
  return new Problem(
    "not_found",
    `no workflow "${type}" is registered`,
    `Register it with PUT /api/v1/workflows/${type}.`,
  );
}

type Shown = z.input<typeof Workflow>;

async function shownAll(db: Database, page: readonly StoredWorkflow[]): Promise<Shown[]> {
  const views = await scheduleViews(
    db,
    page.map(({ workflowType, settings }) => ({ workflowType, schedule: settings.schedule })),
  );
  const adaptation = await currentAdaptation(db);
  const standing = await readTargetStanding(
    db,
    page.map(({ workflowType }) => workflowType),
  );
  const policy = Policy.parse((await currentPolicy(db))?.policy ?? {});
  return page.map((stored) => ({
    ...shown(stored, views.get(stored.workflowType), standing),
    adapted: adapted(stored, adaptation, policy.adapt),
  }));
}

async function shownOne(db: Database, stored: StoredWorkflow): Promise<Shown> {
  return (await shownAll(db, [stored]))[0] as Shown;
}

/** What the settings come to at present. */
function adapted({ settings }: StoredWorkflow, adaptation: Adaptation, bounds: Policy["adapt"]) {
  const { slowness, reason, sinceMs } = adaptation;
  const rule = settings.schedule ? scheduleRule(settings.schedule) : null;
  const batch = { batchMin: settings.batch?.min ?? 1, batchMax: settings.batch?.max ?? 10 };
  return {
    slowness,
    batch_max: largestBatch(batch, slowness, bounds),
    every_seconds: rule && (rule.everyMs / 1000) * intervalFactor(slowness, bounds),
    per_slot: rule?.source ? tasksPerSlot(rule, slowness, bounds) : null,
    reason,
    since: time(sinceMs),
  };
}

function shown(
  stored: StoredWorkflow,
  schedule: ScheduleView | undefined,
  standing: TargetStanding,
): Omit<Shown, "adapted"> {
  const { auth, signingSecret, settings, paused } = stored;
  return {
    workflow_type: stored.workflowType,
    built_in: stored.builtIn,
    settings: {
      ...settings,
      ...shownAddresses(settings),
      ...(auth ? { auth: { ...auth, [SECRET_FIELD[auth.type]]: MASK } } : {}),
      ...(signingSecret ? { signing_secret: MASK } : {}),
      paused,
    },
    targets: shownTargets(stored, standing),
    schedule_state: schedule
      ? {
          last_slot: time(schedule.lastSlotMs),
          next_slot: time(schedule.nextSlotMs),
          last_decision: schedule.lastDecision,
          cause: schedule.cause,
          decided_at: time(schedule.decidedAtMs),
        }
      : null,
    paused_by: stored.pausedBy,
    updated_at: new Date(stored.updatedAtMs).toISOString(),
    updated_by: stored.updatedBy,
  };
}
