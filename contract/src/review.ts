/** The editors' desk on the wire: articles and names that wait for a person. */
import { z } from "zod";
import { Json, NextCursor, PageQuery, Timestamp, Uuid } from "./primitives.ts";

export const REVIEW_STATUSES = ["pending", "approved", "rejected"] as const;
const ReviewStatus = z.enum(REVIEW_STATUSES);

/** Why, in the words of whoever decides. */
export const DecisionBody = z
  .strictObject({ note: z.string().trim().min(1).max(2_000).optional() })
  .meta({ id: "DecisionBody" });

const ReviewSummary = z.object({
  review_id: Uuid,
  task_id: Uuid.meta({ description: "The task that wrote it" }),
  execution_id: Uuid,
  status: ReviewStatus,
  title: z.string(),
  slug: z.string().meta({ description: "The one that it will ask for" }),
  score: z.number().meta({ description: "0 to 100, by docs/quality.md" }),
  reasons: z.array(z.string()).meta({ description: "Why a person has to look at it" }),
  publishers: z.array(z.string()),
  created_at: Timestamp,
  decided_at: Timestamp.nullable(),
  decided_by: z.string().nullable(),
  note: z.string().nullable(),
  publish_task_id: Uuid.nullable().meta({
    description: "The task that publishes it; its result holds slug and article_url",
  }),
});
export type ReviewSummary = z.infer<typeof ReviewSummary>;
export const ReviewList = z
  .object({ reviews: z.array(ReviewSummary), next_cursor: NextCursor })
  .meta({ id: "ReviewList" });

export const Review = ReviewSummary.extend({
  article: z.object({
    title: z.string(),
    summary: z.string(),
    markdown: z.string(),
    html: z.string().meta({ description: "Sanitised" }),
    language: z.string(),
    author: z.string().nullable(),
    content_type: z.string(),
    keywords: z.array(z.string()),
    generator: z.string(),
    words: z.int(),
    sources: z.array(
      z.object({
        title: z.string(),
        url: z.string().nullable(),
        read: z.boolean(),
        note: z.string().nullable(),
      }),
    ),
    quality: Json,
  }),
}).meta({ id: "Review" });
export type Review = z.infer<typeof Review>;
export const ReviewListQuery = PageQuery.extend({ status: ReviewStatus.optional() });

export const ENTITY_REVIEW_STATUSES = ["pending", "merged", "separate"] as const;
const EntityReviewStatus = z.enum(ENTITY_REVIEW_STATUSES);

export const EntityReview = z
  .object({
    review_id: Uuid,
    name: z.string().meta({ description: "As a source writes it" }),
    status: EntityReviewStatus,
    candidates: z
      .array(z.object({ entity_id: Uuid, name: z.string(), similarity: z.number() }))
      .meta({ description: "What it may mean, the likeliest first" }),
    why: z.string().meta({ description: "Why neither rule nor model decided" }),
    task_id: Uuid.meta({ description: "The task that met it first" }),
    articles: z.int().meta({ description: "Published articles that wait for the decision" }),
    entity_id: Uuid.nullable().meta({ description: "What it was decided to mean" }),
    created_at: Timestamp,
    decided_at: Timestamp.nullable(),
    decided_by: z.string().nullable(),
    note: z.string().nullable(),
  })
  .meta({ id: "EntityReview" });
export type EntityReview = z.infer<typeof EntityReview>;
export const EntityReviewList = z
  .object({ entity_reviews: z.array(EntityReview), next_cursor: NextCursor })
  .meta({ id: "EntityReviewList" });
export const EntityReviewListQuery = PageQuery.extend({ status: EntityReviewStatus.optional() });
export const MergeNameBody = DecisionBody.extend({
  entity_id: Uuid.optional().meta({ description: "The likeliest candidate when left out" }),
}).meta({ id: "MergeNameBody" });

export const Entity = z
  .object({
    entity_id: Uuid,
    name: z.string(),
    aliases: z.array(z.string()).meta({ description: "Normalised" }),
  })
  .meta({ id: "Entity" });
export type Entity = z.infer<typeof Entity>;
export const EntityList = z.object({ entities: z.array(Entity) }).meta({ id: "EntityList" });
export const EntityQuery = z.strictObject({
  name: z.string().trim().min(1).max(200).meta({ description: "How a name or another alias begins" }),
  limit: z.coerce.number().int().min(1).max(500).default(50),
});
export const MergeEntityBody = z
  .strictObject({ into: Uuid.meta({ description: "The entity that remains" }) })
  .meta({ id: "MergeEntityBody" });
export const MergedEntity = z
  .object({ entity: Entity, merged: z.boolean().meta({ description: "false: they were one already" }) })
  .meta({ id: "MergedEntity" });
