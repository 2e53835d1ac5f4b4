/** Audits and their recommendations over HTTP: lists, details, approve, reject, roll back. Audits nothing: tasks of seo_monitor do. */
import {
  type ArticleRevision,
  Audit,
  AuditList,
  AuditListQuery,
  type AuditSummary,
  Problem,
  type Recommendation,
  RecommendationDecided,
  RecommendationList,
  RecommendationListQuery,
  RevisionList,
  RevisionListQuery,
  Uuid,
} from "@master-orchestrator/contract";
import { z } from "zod";
import type { Database } from "#store/database.ts";
import { type AuditRow, articleIdOf, findAudit, listAudits, type Trend, trendOf } from "#store/seo-audits.ts";
import {
  approveRecommendation,
  type Decided,
  listRecommendations,
  listRevisions,
  type RecommendationRow,
  type RevisionRow,
  rejectRecommendation,
  rollBackRecommendation,
} from "#store/seo-recommendations.ts";
import { pagesOf, positionAfter, positionOf, TIMED } from "../cursor.ts";
import { time } from "../present.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";

const ABOUT = { tag: "SEO" } as const;
/** A place in the order of expected gain: tenths of a point and the id. */
const GAINED = /^-?\d{1,6}:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function seoRoutes({ db }: { db: Database }): Route[] {
  return [
    ...auditRoutes(db),
    recommendationList(db),
    decision(db, "approve", approveRecommendation, "Change the article as recommended, and keep a revision"),
    decision(
      db,
      "reject",
      rejectRecommendation,
      "Refuse a recommendation; later audits do not raise it again",
    ),
    decision(db, "rollback", rollBackRecommendation, "Give the article back what an approval changed"),
    revisionList(db),
  ];
}

function auditRoutes(db: Database): Route[] {
  return [
    defineRoute({
      ...ABOUT,
      method: "GET",
      path: "/api/v1/content/audits",
      summary: "Audits of pages, newest first; of one page (article or url) with the trend of its score",
      description:
        'A page is audited by a task of seo_monitor: POST /api/v1/tasks with the payload {"slug": "…"}.',
      access: ["viewer", "worker"],
      query: AuditListQuery,
      answers: { 200: AuditList },
      async handle({ query }) {
        const pages = pagesOf("audits", query, TIMED);
        const articleId = query.article === undefined ? undefined : await articleNamed(db, query.article);
        const filter = { articleId, url: query.url };
        const rows = await listAudits(db, { ...filter, before: positionAfter(pages), limit: query.limit });
        const trend = (articleId ?? query.url) ? await trendOf(db, filter) : null;
        const body = {
          audits: rows.map(summary),
          trend: trend && shownTrend(trend),
          next_cursor: pages.next(rows, positionOf),
        };
        return { status: 200, body };
      },
    }),
    defineRoute({
      ...ABOUT,
      method: "GET",
      path: "/api/v1/content/audits/:audit_id",
      summary:
        "An audit: its score by parts, every finding with its evidence, recommendations by expected gain",
      access: ["viewer", "worker"],
      params: z.strictObject({ audit_id: Uuid }),
      answers: { 200: Audit },
      async handle({ params }) {
        const audit = await findAudit(db, params.audit_id);
        if (!audit) {
          const hint = "GET /api/v1/content/audits lists them.";
          throw new Problem("not_found", `there is no audit ${params.audit_id}`, hint);
        }
        const { findings, measures, recommendations } = audit;
        const body = {
          ...summary(audit),
          findings,
          measures,
          recommendations: recommendations.map(recommendation),
        };
        return { status: 200, body };
      },
    }),
  ];
}

function recommendationList(db: Database): Route {
  return defineRoute({
    ...ABOUT,
    method: "GET",
    path: "/api/v1/content/recommendations",
    summary: "Recommendations, the largest expected gain first; the open ones unless told",
    access: ["viewer", "worker"],
    query: RecommendationListQuery,
    answers: { 200: RecommendationList },
    async handle({ query }) {
      const pages = pagesOf("recommendations", query, GAINED);
      const [gainTenths, id] = pages.after()?.split(":") ?? [];
      const rows = await listRecommendations(db, {
        ...{ status: query.status, rule: query.rule, limit: query.limit },
        articleId: query.article === undefined ? undefined : await articleNamed(db, query.article),
        applicable: query.applicable === undefined ? undefined : query.applicable === "true",
        before: id === undefined ? undefined : { gainTenths: Number(gainTenths), id },
      });
      const next_cursor = pages.next(rows, (row) => `${row.gainTenths}:${row.recommendationId}`);
      return { status: 200, body: { recommendations: rows.map(recommendation), next_cursor } };
    },
  });
}

function decision(
  db: Database,
  verb: "approve" | "reject" | "rollback",
  decide: (db: Database, id: string, actor: string) => Promise<Decided>,
  words: string,
): Route {
  return defineRoute({
    ...ABOUT,
    method: "POST",
    path: `/api/v1/content/recommendations/:recommendation_id/${verb}`,
    summary: words,
    access: "operator",
    params: z.strictObject({ recommendation_id: Uuid }),
    answers: { 200: RecommendationDecided },
    async handle({ params, caller }) {
      const { recommendation: row, revision } = await decide(db, params.recommendation_id, actorOf(caller));
      const body = { recommendation: recommendation(row), revision: revision && shownRevision(revision) };
      return { status: 200, body };
    },
  });
}

function revisionList(db: Database): Route {
  return defineRoute({
    ...ABOUT,
    method: "GET",
    path: "/api/v1/content/revisions",
    summary: "What approved recommendations changed in an article, newest first",
    access: ["viewer", "worker"],
    query: RevisionListQuery,
    answers: { 200: RevisionList },
    async handle({ query }) {
      const pages = pagesOf("revisions", query, TIMED);
      const articleId = await articleNamed(db, query.article);
      const rows = await listRevisions(db, { articleId, before: positionAfter(pages), limit: query.limit });
      return {
        status: 200,
        body: { revisions: rows.map(shownRevision), next_cursor: pages.next(rows, positionOf) },
      };
    },
  });
}

async function articleNamed(db: Database, name: string): Promise<string> {
  const articleId = await articleIdOf(db, name);
  if (articleId !== null) return articleId;
  throw new Problem("not_found", `there is no article "${name}"`, "GET /articles lists slugs and titles.");
}

function summary(row: AuditRow): AuditSummary {
  return {
    audit_id: row.auditId,
    task_id: row.taskId,
    execution_id: row.executionId,
    article_id: row.articleId,
    slug: row.slug,
    title: row.title,
    url: row.url,
    audited_at: time(row.auditedAtMs),
    score: row.score,
    previous_score: row.previousScore,
    parts: row.parts,
    findings: row.findingCount,
    recommendations: row.recommendationCount,
  };
}

function shownTrend(trend: Trend): NonNullable<AuditList["trend"]> {
  return {
    audits: trend.audits,
    first_score: trend.firstScore,
    last_score: trend.lastScore,
    best_score: trend.bestScore,
    worst_score: trend.worstScore,
    change_per_30_days: trend.changePer30Days === null ? null : Number(trend.changePer30Days.toFixed(2)),
  };
}

function recommendation(row: RecommendationRow): Recommendation {
  return {
    recommendation_id: row.recommendationId,
    audit_id: row.auditId,
    article_id: row.articleId,
    slug: row.slug,
    url: row.url,
    rule: row.rule,
    title: row.title,
    detail: row.detail,
    gain: row.gainTenths / 10,
    basis: row.basis,
    applicable: row.changes.length > 0,
    changes: row.changes,
    status: row.status,
    created_at: time(row.createdAtMs),
    decided_at: time(row.decidedAtMs),
    decided_by: row.decidedBy,
  };
}

function shownRevision(row: RevisionRow): ArticleRevision {
  return {
    revision_id: row.revisionId,
    article_id: row.articleId,
    slug: row.slug,
    recommendation_id: row.recommendationId,
    fields: row.fields as ArticleRevision["fields"],
    made_at: time(row.madeAtMs),
    made_by: row.madeBy,
    rolled_back_at: time(row.rolledBackAtMs),
    rolled_back_by: row.rolledBackBy,
  };
}
