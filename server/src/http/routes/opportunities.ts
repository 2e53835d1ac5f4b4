/** Opportunities over HTTP: the ranked list, and an operator's word on each. Finds none. */
import {
  Opportunity,
  OpportunityList,
  OpportunityListQuery,
  Problem,
  SettleBody,
  Uuid,
} from "@master-orchestrator/contract";
import { z } from "zod";
import type { Database } from "#store/database.ts";
import {
  listOpportunities,
  type OpportunityRow,
  opportunityById,
  settleOpportunity,
} from "#store/opportunities.ts";
import { pagesOf } from "../cursor.ts";
import { time } from "../present.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";

const about = { tag: "Revenue" } as const;
const OpportunityPath = z.strictObject({ opportunity_id: Uuid });
/** What is expected, in millionths of a dollar, and the id. */
const RANKED = /^-?\d{1,18}:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function opportunityRoutes({ db }: { db: Database }): Route[] {
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/content/opportunities",
      summary: "Where revenue is to be had, the largest expected gain first",
      access: "viewer",
      query: OpportunityListQuery,
      answers: { 200: OpportunityList },
      async handle({ query }) {
        const pages = pagesOf("opportunities", query, RANKED);
        const [micros, id] = pages.after()?.split(":") ?? [];
        const rows = await listOpportunities(db, {
          status: query.status === "any" ? null : query.status,
          after: micros === undefined || id === undefined ? null : { micros, id },
          limit: query.limit,
        });
        const next_cursor = pages.next(rows, (row) => `${row.expectedMicros}:${row.opportunityId}`);
        return { status: 200, body: { opportunities: rows.map(shown), next_cursor } };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/content/opportunities/:opportunity_id",
      summary: "One opportunity with its evidence",
      access: "viewer",
      params: OpportunityPath,
      answers: { 200: Opportunity },
      handle: async ({ params }) => ({ status: 200, body: shown(await existing(db, params.opportunity_id)) }),
    }),
    settleRoute(db, "accept", "accepted", "Somebody takes it up: later runs leave it so"),
    settleRoute(db, "dismiss", "dismissed", "It is none: later runs leave it alone for thirty days"),
  ];
}

function settleRoute(
  db: Database,
  verb: "accept" | "dismiss",
  status: "accepted" | "dismissed",
  summary: string,
): Route {
  return defineRoute({
    ...about,
    method: "POST",
    path: `/api/v1/content/opportunities/:opportunity_id/${verb}`,
    summary,
    access: "operator",
    params: OpportunityPath,
    body: SettleBody,
    answers: { 200: Opportunity },
    async handle({ params, body, caller }) {
      const { opportunity_id: id } = params;
      const row = await settleOpportunity(db, { id, status, by: actorOf(caller), note: body.note ?? null });
      if (row) return { status: 200, body: shown(row) };
      const found = await existing(db, id);
      if (found.status === status) return { status: 200, body: shown(found) };
      const hint = "What somebody has decided about an opportunity stays.";
      throw new Problem("conflict", `the opportunity ${id} is ${found.status}`, hint);
    },
  });
}

async function existing(db: Database, id: string): Promise<OpportunityRow> {
  const found = await opportunityById(db, id);
  if (found) return found;
  throw new Problem(
    "not_found",
    `there is no opportunity ${id}`,
    "GET /api/v1/content/opportunities lists them.",
  );
}

function shown(row: OpportunityRow): z.input<typeof Opportunity> {
  return {
    opportunity_id: row.opportunityId,
    kind: row.kind,
    subject: row.subject,
    title: row.title,
    expected_usd: row.expectedMicros / 1e6,
    low_usd: row.lowMicros / 1e6,
    high_usd: row.highMicros / 1e6,
    chance: row.chance,
    evidence: row.evidence as Opportunity["evidence"],
    action: row.action as Opportunity["action"],
    status: row.status,
    found_at: time(row.foundAtMs),
    seen_at: time(row.seenAtMs),
    task_id: row.taskId,
    settled_at: time(row.settledAtMs),
    settled_by: row.settledBy,
    note: row.note,
  };
}
