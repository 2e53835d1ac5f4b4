/** Entities over HTTP: finding and merging them, and names of which a person has to say what they mean. Decides nothing. */
import {
  DecisionBody,
  EntityList,
  EntityQuery,
  EntityReview,
  EntityReviewList,
  EntityReviewListQuery,
  MergedEntity,
  MergeEntityBody,
  MergeNameBody,
  Problem,
  Uuid,
} from "@master-orchestrator/contract";
import { z } from "zod";
import type { Database } from "#store/database.ts";
import { type EntityRow, entitiesNamed, mergeEntities } from "#store/entities.ts";
import {
  decideName,
  type EntityReviewRow,
  findEntityReview,
  listEntityReviews,
  noEntityReview,
} from "#store/entity-reviews.ts";
import { pagesOf } from "../cursor.ts";
import { time } from "../present.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";

const EntityPath = z.strictObject({ entity_id: Uuid });
const ReviewPath = z.strictObject({ review_id: Uuid });
const about = { tag: "Content" } as const;

export function entityRoutes({ db }: { db: Database }): Route[] {
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/content/entities",
      summary: "People, places and things whose name, or another alias, begins so",
      access: "viewer",
      query: EntityQuery,
      answers: { 200: EntityList },
      async handle({ query }) {
        const found = await entitiesNamed(db, folded(query.name), query.limit);
        return { status: 200, body: { entities: found.map(entity) } };
      },
    }),
    defineRoute({
      ...about,
      method: "POST",
      path: "/api/v1/content/entities/:entity_id/merge",
      summary: "Make one entity of two: names and articles move to the one that remains",
      access: "operator",
      params: EntityPath,
      body: MergeEntityBody,
      answers: { 200: MergedEntity },
      async handle({ params, body, caller }) {
        const merge = { entityId: params.entity_id, intoEntityId: body.into, actor: actorOf(caller) };
        const { into, merged } = await mergeEntities(db, merge);
        return { status: 200, body: { entity: entity(into), merged } };
      },
    }),
    ...reviewReads(db),
    ...reviewDecisions(db),
  ];
}

function reviewReads(db: Database): Route[] {
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/content/entity-reviews",
      summary: "Names of which neither rule nor model could tell what they mean, newest first",
      access: "viewer",
      query: EntityReviewListQuery,
      answers: { 200: EntityReviewList },
      async handle({ query }) {
        const pages = pagesOf("entity_reviews", query);
        const rows = await listEntityReviews(db, {
          status: query.status,
          before: pages.after(),
          limit: query.limit,
        });
        const next_cursor = pages.next(rows, (row) => row.reviewId);
        return { status: 200, body: { entity_reviews: rows.map(shown), next_cursor } };
      },
    }),
  ];
}

function reviewDecisions(db: Database): Route[] {
  return [
    defineRoute({
      ...about,
      method: "POST",
      path: "/api/v1/content/entity-reviews/:review_id/merge",
      summary: "The name means an entity that is known: articles that wait are linked to it",
      access: "operator",
      params: ReviewPath,
      body: MergeNameBody.prefault({}),
      answers: { 200: EntityReview },
      async handle({ params, body, caller }) {
        const entityId = body.entity_id ?? (await likeliest(db, params.review_id));
        const verdict = {
          reviewId: params.review_id,
          entityId,
          actor: actorOf(caller),
          note: body.note ?? null,
        };
        return { status: 200, body: shown(await decideName(db, verdict)) };
      },
    }),
    defineRoute({
      ...about,
      method: "POST",
      path: "/api/v1/content/entity-reviews/:review_id/separate",
      summary: "The name means an entity of its own, which is made",
      access: "operator",
      params: ReviewPath,
      body: DecisionBody.prefault({}),
      answers: { 200: EntityReview },
      async handle({ params, body, caller }) {
        const verdict = {
          reviewId: params.review_id,
          entityId: null,
          actor: actorOf(caller),
          note: body.note ?? null,
        };
        return { status: 200, body: shown(await decideName(db, verdict)) };
      },
    }),
  ];
}

async function likeliest(db: Database, reviewId: string): Promise<string> {
  const review = await findEntityReview(db, reviewId);
  if (!review) throw noEntityReview(reviewId);
  const [first] = review.candidates;
  if (first) return first.entityId;
  throw new Problem(
    "conflict",
    `review ${reviewId} has no candidate`,
    'Name the entity: {"entity_id": "…"}.',
  );
}

/** Near enough to the form of aliases for finding them: lower case, no accents, no punctuation. */
function folded(name: string): string {
  return name
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}

function entity({ entityId, name, aliases }: EntityRow) {
  return { entity_id: entityId, name, aliases };
}

function shown(review: EntityReviewRow): z.input<typeof EntityReview> {
  return {
    review_id: review.reviewId,
    name: review.name,
    status: review.status,
    candidates: review.candidates.map(({ entityId, name, similarity }) => ({
      entity_id: entityId,
      name,
      similarity,
    })),
    why: review.why,
    task_id: review.taskId,
    articles: review.articles,
    entity_id: review.entityId,
    created_at: time(review.createdAtMs),
    decided_at: time(review.decidedAtMs),
    decided_by: review.decidedBy,
    note: review.note,
  };
}
