/** Owns the articles that wait for a person, and what was decided about them. Publishes nothing: an approval makes a task that does. */
import { Problem } from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import type { ArticleToPublish } from "./content.ts";
import type { Database, Queryable, Row } from "./database.ts";
import { accepted, enqueueEach } from "./tasks.ts";

export type ReviewStatus = "pending" | "approved" | "rejected";

export interface ReviewSummary {
  reviewId: string;
  taskId: string;
  executionId: string;
  status: ReviewStatus;
  title: string;
  slug: string;
  score: number;
  reasons: string[];
  publishers: string[];
  createdAtMs: number;
  decidedAtMs: number | null;
  decidedBy: string | null;
  note: string | null;
  /** The task that publishes it. */
  publishTaskId: string | null;
}

export interface ReviewRow extends ReviewSummary {
  article: ArticleToPublish;
}

/** Keeps a task's article for a person; the same task again brings it up to date while nobody has decided. */
export async function submitReview(
  db: Queryable,
  { article, reasons, publishers }: { article: ArticleToPublish; reasons: string[]; publishers: string[] },
): Promise<{ reviewId: string }> {
  const { rows } = await db.query(
    `insert into content.reviews (review_id, task_id, execution_id, title, slug, score, reasons, article, publishers)
     values ($1, $2, $3, $4, $5, $6, $7::text[], $8::jsonb, $9::text[])
     on conflict (task_id) do update set
       execution_id = case when reviews.status = 'pending' then excluded.execution_id else reviews.execution_id end,
       title = case when reviews.status = 'pending' then excluded.title else reviews.title end,
       score = case when reviews.status = 'pending' then excluded.score else reviews.score end,
       reasons = case when reviews.status = 'pending' then excluded.reasons else reviews.reasons end,
       article = case when reviews.status = 'pending' then excluded.article else reviews.article end,
       publishers = case when reviews.status = 'pending' then excluded.publishers else reviews.publishers end
     returning review_id`,
    [
      uuidv7(),
      article.taskId,
      article.executionId,
      article.title,
      article.slug,
      article.quality.score,
      reasons,
      JSON.stringify(article),
      publishers,
    ],
  );
  return { reviewId: rows[0]!.review_id };
}

const SUMMARY = `review_id, task_id, execution_id, status, title, slug, score, reasons, publishers, created_at, decided_at,
  decided_by, note, publish_task_id`;

/** Newest first. */
export async function listReviews(
  db: Queryable,
  { status, before, limit }: { status?: string | undefined; before?: string | undefined; limit: number },
): Promise<ReviewSummary[]> {
  const { rows } = await db.query(
    `select ${SUMMARY} from content.reviews
      where ($1::text is null or status = $1) and ($2::uuid is null or review_id < $2)
      order by review_id desc limit $3`,
    [status ?? null, before ?? null, limit],
  );
  return rows.map(summaryOf);
}

export async function findReview(db: Queryable, reviewId: string): Promise<ReviewRow | null> {
  const { rows } = await db.query(`select ${SUMMARY}, article from content.reviews where review_id = $1`, [
    reviewId,
  ]);
  return rows[0] ? { ...summaryOf(rows[0]), article: rows[0].article } : null;
}

/** What was approved, to be published; null where there is none, or nobody has approved it. */
export async function approvedArticle(
  db: Queryable,
  reviewId: string,
): Promise<{ article: ArticleToPublish; publishers: string[] } | null> {
  const review = await findReview(db, reviewId);
  return review?.status === "approved" ? { article: review.article, publishers: review.publishers } : null;
}

export interface Decision {
  reviewId: string;
  status: "approved" | "rejected";
  actor: string;
  note: string | null;
}

/** Above everything else that waits: a person has waited for it already. */
const PUBLISH_PRIORITY = 90;

/**
 * Decides about an article, once. An approval enqueues the task that publishes it, in the same transaction. Deciding the
 * same again changes nothing. Throws `not_found`, and `conflict` where it was decided otherwise.
 */
export async function decideReview(
  db: Database,
  { reviewId, status, actor, note }: Decision,
  publisherWorkflow: string,
): Promise<ReviewRow> {
  return await db.transaction(async (tx) => {
    const { rows } = await tx.query(
      "select status, decided_by from content.reviews where review_id = $1 for update",
      [reviewId],
    );
    const before = rows[0];
    if (!before) throw noReview(reviewId);
    if (before.status !== "pending" && before.status !== status) {
      const hint = "A decision stands. Enqueue the topic again for another article.";
      throw new Problem("conflict", `review ${reviewId} was ${before.status} by ${before.decided_by}`, hint);
    }
    if (before.status === "pending") {
      const taskId =
        status === "approved" ? await enqueuePublishing(tx, reviewId, actor, publisherWorkflow) : null;
      await tx.query(
        `update content.reviews set status = $2, decided_at = orchestrator_now(), decided_by = $3, note = $4, publish_task_id = $5
          where review_id = $1`,
        [reviewId, status, actor, note, taskId],
      );
    }
    return (await findReview(tx, reviewId))!;
  });
}

async function enqueuePublishing(
  tx: Queryable,
  reviewId: string,
  actor: string,
  workflowType: string,
): Promise<string> {
  const task = {
    workflow_type: workflowType,
    content_type: "default",
    priority: PUBLISH_PRIORITY,
    payload: { review_id: reviewId },
    idempotency_key: `review:${reviewId}`,
  };
  // In the trace of the task that wrote the article: one trace from its enqueuing to its publication.
  const { rows } = await tx.query(
    "select trace_of_task(task_id) as traceparent from content.reviews where review_id = $1",
    [reviewId],
  );
  const [outcome] = await enqueueEach(tx, [{ task, actor, traceparent: rows[0]?.traceparent ?? null }]);
  return (await accepted(tx, outcome!, "")).taskId;
}

export function noReview(reviewId: string): Problem {
  return new Problem(
    "not_found",
    `there is no review ${reviewId}`,
    "GET /api/v1/content/reviews lists them.",
  );
}

function summaryOf(row: Row): ReviewSummary {
  return {
    reviewId: row.review_id,
    taskId: row.task_id,
    executionId: row.execution_id,
    status: row.status,
    title: row.title,
    slug: row.slug,
    score: row.score,
    reasons: row.reasons,
    publishers: row.publishers,
    createdAtMs: row.created_at,
    decidedAtMs: row.decided_at,
    decidedBy: row.decided_by,
    note: row.note,
    publishTaskId: row.publish_task_id,
  };
}
