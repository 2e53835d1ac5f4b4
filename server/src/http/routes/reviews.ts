/** Articles that wait for a person over HTTP: list, read, approve, reject. Publishes nothing itself. */
import { DecisionBody, Review, ReviewList, ReviewListQuery, Uuid } from "@master-orchestrator/contract";
import { z } from "zod";
import type { Database } from "#store/database.ts";
import {
  decideReview,
  findReview,
  listReviews,
  noReview,
  type ReviewRow,
  type ReviewSummary,
} from "#store/reviews.ts";
import { pagesOf } from "../cursor.ts";
import { time } from "../present.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";

export interface ReviewRoutesContext {
  db: Database;
  /** The workflow that publishes what was approved. */
  publisherWorkflow: string;
  /** A task was enqueued: let a cycle look. */
  wake(): void;
}

const Path = z.strictObject({ review_id: Uuid });
const about = { tag: "Content" } as const;

export function reviewRoutes(context: ReviewRoutesContext): Route[] {
  const { db } = context;
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/content/reviews",
      summary: "Articles that wait for a person, and those decided about, newest first",
      access: "viewer",
      query: ReviewListQuery,
      answers: { 200: ReviewList },
      async handle({ query }) {
        const pages = pagesOf("reviews", query);
        const rows = await listReviews(db, {
          status: query.status,
          before: pages.after(),
          limit: query.limit,
        });
        const next_cursor = pages.next(rows, (row) => row.reviewId);
        return { status: 200, body: { reviews: rows.map(summary), next_cursor } };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/content/reviews/:review_id",
      summary: "One of them with its article, its marks and what no source supports",
      access: "viewer",
      params: Path,
      answers: { 200: Review },
      async handle({ params }) {
        const review = await findReview(db, params.review_id);
        if (!review) throw noReview(params.review_id);
        return { status: 200, body: whole(review) };
      },
    }),
    deciding(context, "approve", "Publish it: makes the task that does, once"),
    deciding(context, "reject", "Publish it never"),
  ];
}

function deciding(context: ReviewRoutesContext, action: "approve" | "reject", summary: string): Route {
  const status = action === "approve" ? ("approved" as const) : ("rejected" as const);
  return defineRoute({
    ...about,
    method: "POST",
    path: `/api/v1/content/reviews/:review_id/${action}`,
    summary,
    access: "operator",
    params: Path,
    body: DecisionBody.prefault({}),
    answers: { 200: Review },
    async handle({ params, body, caller }) {
      const decision = {
        reviewId: params.review_id,
        status,
        actor: actorOf(caller),
        note: body.note ?? null,
      };
      const review = await decideReview(context.db, decision, context.publisherWorkflow);
      context.wake();
      return { status: 200, body: whole(review) };
    },
  });
}

function summary(review: ReviewSummary) {
  return {
    review_id: review.reviewId,
    task_id: review.taskId,
    execution_id: review.executionId,
    status: review.status,
    title: review.title,
    slug: review.slug,
    score: review.score,
    reasons: review.reasons,
    publishers: review.publishers,
    created_at: time(review.createdAtMs),
    decided_at: time(review.decidedAtMs),
    decided_by: review.decidedBy,
    note: review.note,
    publish_task_id: review.publishTaskId,
  };
}

function whole(review: ReviewRow): z.input<typeof Review> {
  const { article } = review;
  return {
    ...summary(review),
    article: {
      title: article.title,
      summary: article.summary,
      markdown: article.markdown,
      html: article.html,
      language: article.language,
      author: article.author,
      content_type: article.contentType,
      keywords: article.keywords,
      generator: article.generator,
      words: article.words,
      sources: article.sources,
      quality: article.quality as z.input<typeof Review>["article"]["quality"],
    },
  };
}
