/** What the SEO monitor found on pages, what it recommends, and what was made of that. */
import { z } from "zod";
import { Json, JsonObject, NextCursor, PageQuery, Timestamp, Uuid } from "./primitives.ts";

const Score = z.int().min(0).max(100);

export const AuditFinding = z
  .object({
    rule: z.string(),
    part: z.string(),
    severity: z.enum(["critical", "major", "minor", "info"]),
    message: z.string(),
    evidence: JsonObject,
    penalty: z.number().meta({ description: "Points of its part's 100 that it costs" }),
  })
  .meta({ id: "AuditFinding" });

export const AuditSummary = z
  .object({
    audit_id: Uuid,
    task_id: Uuid,
    execution_id: Uuid,
    article_id: Uuid.nullable().meta({ description: "null for a page that is no own article" }),
    slug: z.string().nullable(),
    title: z.string().nullable(),
    url: z.string(),
    audited_at: Timestamp,
    score: Score,
    previous_score: Score.nullable().meta({ description: "Of the audit of this page before" }),
    parts: z.record(z.string(), Score.nullable()).meta({
      description: "Scores by part; null: could not be measured. docs/seo.md has their weights",
    }),
    findings: z.int().meta({ description: "How many" }),
    recommendations: z.int().meta({ description: "How many" }),
  })
  .meta({ id: "AuditSummary" });
export type AuditSummary = z.infer<typeof AuditSummary>;

/** A change of an own article. `before` and `find` have to be there when it is applied: nothing newer is overwritten. */
export const ArticleChange = z
  .union([
    z.object({ field: z.enum(["title", "description"]), before: z.string(), after: z.string() }),
    z.object({
      field: z.literal("canonical_url"),
      before: z.string().nullable(),
      after: z.string().nullable(),
    }),
    z.object({ field: z.literal("json_ld"), name: z.string(), before: Json, after: Json }),
    z.object({ field: z.enum(["html", "markdown"]), find: z.string(), replace: z.string() }),
  ])
  .meta({ id: "ArticleChange" });
export type ArticleChange = z.infer<typeof ArticleChange>;

/**
 * `open`; `applied` by an approval; `rejected` by a person, and not raised again; `rolled_back`; `superseded` by a later
 * audit of the same page.
 */
export const RECOMMENDATION_STATUSES = ["open", "applied", "rejected", "rolled_back", "superseded"] as const;
export const RecommendationStatus = z.enum(RECOMMENDATION_STATUSES);
export type RecommendationStatus = z.infer<typeof RecommendationStatus>;

export const Recommendation = z
  .object({
    recommendation_id: Uuid,
    audit_id: Uuid,
    article_id: Uuid.nullable(),
    slug: z.string().nullable(),
    url: z.string(),
    rule: z.string(),
    title: z.string(),
    detail: z.string(),
    gain: z.number().meta({ description: "Points of the score that it is expected to bring" }),
    basis: z.string().meta({ description: "Who thought of it: `rule`, or provider and model" }),
    applicable: z
      .boolean()
      .meta({ description: "Approving it changes the article; else it is a person's work" }),
    changes: z.array(ArticleChange),
    status: RecommendationStatus,
    created_at: Timestamp,
    decided_at: Timestamp.nullable(),
    decided_by: z.string().nullable(),
  })
  .meta({ id: "Recommendation" });
export type Recommendation = z.infer<typeof Recommendation>;

export const Audit = AuditSummary.extend({
  findings: z.array(AuditFinding),
  measures: JsonObject.meta({ description: "What was measured: words, links, readability, keyword use" }),
  recommendations: z.array(Recommendation),
}).meta({ id: "Audit" });
export type Audit = z.infer<typeof Audit>;

const ArticleName = z.string().min(1).max(300).meta({ description: "An article's slug or article_id" });

export const AuditListQuery = PageQuery.extend({
  article: ArticleName.optional(),
  url: z.string().min(1).max(2000).optional(),
});
export const AuditList = z
  .object({
    audits: z.array(AuditSummary),
    trend: z
      .object({
        audits: z.int(),
        first_score: Score,
        last_score: Score,
        best_score: Score,
        worst_score: Score,
        change_per_30_days: z.number().nullable().meta({
          description: "Slope of the regression line through all its scores; null below two audits",
        }),
      })
      .nullable()
      .meta({ description: "With article or url: how its score has moved. Else null" }),
    next_cursor: NextCursor,
  })
  .meta({ id: "AuditList" });
export type AuditList = z.infer<typeof AuditList>;

export const RecommendationListQuery = PageQuery.extend({
  status: RecommendationStatus.default("open"),
  article: ArticleName.optional(),
  rule: z.string().min(1).max(60).optional(),
  applicable: z
    .enum(["true", "false"])
    .optional()
    .meta({ description: "true: only those that approving applies" }),
});
export const RecommendationList = z
  .object({ recommendations: z.array(Recommendation), next_cursor: NextCursor })
  .meta({ id: "RecommendationList" });

export const ArticleRevision = z
  .object({
    revision_id: Uuid,
    article_id: Uuid,
    slug: z.string(),
    recommendation_id: Uuid,
    fields: z.array(z.object({ field: z.string(), before: Json, after: Json })),
    made_at: Timestamp,
    made_by: z.string(),
    rolled_back_at: Timestamp.nullable(),
    rolled_back_by: z.string().nullable(),
  })
  .meta({ id: "ArticleRevision" });
export type ArticleRevision = z.infer<typeof ArticleRevision>;

/** What a decision about a recommendation did. */
export const RecommendationDecided = z
  .object({ recommendation: Recommendation, revision: ArticleRevision.nullable() })
  .meta({ id: "RecommendationDecided" });

export const RevisionListQuery = PageQuery.extend({ article: ArticleName });
export const RevisionList = z
  .object({ revisions: z.array(ArticleRevision), next_cursor: NextCursor })
  .meta({ id: "RevisionList" });
