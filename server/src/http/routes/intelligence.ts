/** Insights and executive reports over HTTP: listed and shown as they were kept. Computes and writes nothing. */
import { createHash } from "node:crypto";
import {
  ExecutiveReport,
  Insight,
  InsightList,
  InsightListQuery,
  Problem,
  type Report,
  ReportList,
  ReportListQuery,
  ReportQuery,
  Uuid,
} from "@master-orchestrator/contract";
import { z } from "zod";
import type { Queryable } from "#store/database.ts";
import { findInsight, type InsightRow, listInsights } from "#store/insights.ts";
import { findReport, listReports, type ReportSummary } from "#store/reports.ts";
import { pagesOf } from "../cursor.ts";
import { time } from "../present.ts";
import { defineRoute, type Route } from "../route.ts";

const about = { tag: "Intelligence", method: "GET", access: "viewer" } as const;
/** Importance and id of the last one of a page. */
const RANKED =
  /^[01](?:\.\d{1,20})?(?:e-\d{1,2})?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function intelligenceRoutes({ db }: { db: Queryable }): Route[] {
  return [...insightRoutes(db), ...reportRoutes(db)];
}

function insightRoutes(db: Queryable): Route[] {
  return [
    defineRoute({
      ...about,
      path: "/api/v1/content/insights",
      summary: "What was found in the numbers, the most important first",
      query: InsightListQuery,
      answers: { 200: InsightList },
      async handle({ query }) {
        const { kind, metric, all, limit } = query;
        const pages = pagesOf("insights", query, RANKED);
        const [importance, insightId] = pages.after()?.split(":") ?? [];
        const after = insightId === undefined ? undefined : { importance: Number(importance), insightId };
        const rows = await listInsights(db, { kind, metric, all, after, limit });
        const next_cursor = pages.next(rows, (row) => `${row.importance}:${row.insightId}`);
        return { status: 200, body: { insights: rows.map(shownInsight), next_cursor } };
      },
    }),
    defineRoute({
      ...about,
      path: "/api/v1/content/insights/:insight_id",
      summary: "One insight with its numbers and its evidence",
      params: z.strictObject({ insight_id: Uuid }),
      answers: { 200: Insight },
      async handle({ params }) {
        const row = await findInsight(db, params.insight_id);
        if (row) return { status: 200, body: shownInsight(row) };
        const hint = "GET /api/v1/content/insights lists them.";
        throw new Problem("not_found", `there is no insight ${params.insight_id}`, hint);
      },
    }),
  ];
}

function reportRoutes(db: Queryable): Route[] {
  return [
    defineRoute({
      ...about,
      path: "/api/v1/content/reports",
      summary: "Executive reports, newest first",
      description:
        'One is written by a task: POST /api/v1/tasks {"workflow_type": "intelligence_engine", "payload": {"report": {"kind": "week"}}}.',
      query: ReportListQuery,
      answers: { 200: ReportList },
      async handle({ query }) {
        const pages = pagesOf("reports", query);
        const rows = await listReports(db, { kind: query.kind, before: pages.after(), limit: query.limit });
        const next_cursor = pages.next(rows, (row) => row.reportId);
        return { status: 200, body: { reports: rows.map(shownReport), next_cursor } };
      },
    }),
    defineRoute({
      ...about,
      path: "/api/v1/content/reports/:report_id",
      summary: "A report as JSON, as a page, or as Markdown; `latest` is the newest one",
      params: z.strictObject({ report_id: z.union([Uuid, z.literal("latest")]) }),
      query: ReportQuery,
      answers: { 200: ExecutiveReport },
      async handle({ params, query }) {
        const report = await findReport(db, params.report_id, query.format);
        if (!report) {
          const hint = "GET /api/v1/content/reports lists them; orchestrator reports run writes one.";
          throw new Problem("not_found", `there is no report ${params.report_id}`, hint);
        }
        const headers = {
          "content-type": CONTENT_TYPES[query.format],
          etag: `"${report.hashes[query.format]}"`,
        };
        if (query.format !== "html") return { status: 200, body: report.text, headers };
        return {
          status: 200,
          body: report.text,
          headers: { ...headers, "content-security-policy": policyFor(report.text) },
        };
      },
    }),
  ];
}

const CONTENT_TYPES = {
  json: "application/json; charset=utf-8",
  html: "text/html; charset=utf-8",
  markdown: "text/markdown; charset=utf-8",
} as const;

/** No script, no frame, nothing from elsewhere: a report's own style sheet alone, by its hash. */
function policyFor(page: string): string {
  const style = /<style>([\s\S]*?)<\/style>/.exec(page)?.[1] ?? "";
  const hash = createHash("sha256").update(style).digest("base64");
  return `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

function shownInsight(row: InsightRow): z.input<typeof Insight> {
  return {
    insight_id: row.insightId,
    kind: row.kind as Insight["kind"],
    metric: row.metric,
    subject: row.subject,
    from: row.from,
    to: row.to,
    importance: row.importance,
    headline: row.headline,
    words: row.words,
    numbers: row.numbers as Insight["numbers"],
    evidence: row.evidence as Insight["evidence"],
    told_by: row.toldBy,
    task_id: row.taskId,
    found_at: time(row.foundAtMs),
    updated_at: time(row.updatedAtMs),
    ended_at: time(row.endedAtMs),
  };
}

function shownReport(row: ReportSummary): z.input<typeof Report> {
  return {
    report_id: row.reportId,
    kind: row.kind,
    from: row.from,
    to: row.to,
    headline: row.headline,
    told_by: row.toldBy,
    sha256: row.hashes,
    task_id: row.taskId,
    created_at: time(row.createdAtMs),
  };
}
