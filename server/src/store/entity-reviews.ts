/** Owns the names that a person has to decide about: asked once, decided once, and every article that waits is linked. Decides nothing. */
import { Problem } from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import type { Database, Queryable, Row } from "./database.ts";
import { addAlias, findEntity, insertEntities, noEntity, ownerOf } from "./entities.ts";
import { settleUnresolved } from "./unresolved.ts";

export interface Candidate {
  entityId: string;
  name: string;
  similarity: number;
}

export interface EntityReviewRow {
  reviewId: string;
  name: string;
  alias: string;
  candidates: Candidate[];
  why: string;
  taskId: string;
  status: "pending" | "merged" | "separate";
  entityId: string | null;
  /** Articles that wait for it. */
  articles: number;
  createdAtMs: number;
  decidedAtMs: number | null;
  decidedBy: string | null;
  note: string | null;
}

/** Lays a name before a person, once; the entity that it means where that is known meanwhile, else null. */
export async function askAboutName(
  db: Queryable,
  question: {
    name: string;
    alias: string;
    keys: string[];
    lookalikes: Candidate[];
    why: string;
    taskId: string;
  },
): Promise<{ entityId: string; name: string } | null> {
  const candidates = question.lookalikes.map(({ entityId, name, similarity }) => ({
    entity_id: entityId,
    name,
    similarity,
  }));
  await db.query(
    `insert into content.entity_reviews (review_id, alias, name, match_keys, candidates, why, task_id)
     select $1, $2, $3, $4::text[], $5::jsonb, $6, $7
      where not exists (select from content.entity_aliases where alias = $2)
     on conflict (alias) do nothing`,
    [
      uuidv7(),
      question.alias,
      question.name,
      question.keys,
      JSON.stringify(candidates),
      question.why,
      question.taskId,
    ],
  );
  return await ownerOf(db, question.alias);
}

const COLUMNS = `review_id, name, alias, candidates, why, task_id, status, entity_id, created_at, decided_at, decided_by, note,
  match_keys, (select count(*) from content.unresolved_names u where u.alias = entity_reviews.alias) as articles`;

/** Newest first. */
export async function listEntityReviews(
  db: Queryable,
  { status, before, limit }: { status?: string | undefined; before?: string | undefined; limit: number },
): Promise<EntityReviewRow[]> {
  const { rows } = await db.query(
    `select ${COLUMNS} from content.entity_reviews
      where ($1::text is null or status = $1) and ($2::uuid is null or review_id < $2)
      order by review_id desc limit $3`,
    [status ?? null, before ?? null, limit],
  );
  return rows.map(rowOf);
}

export async function findEntityReview(db: Queryable, reviewId: string): Promise<EntityReviewRow | null> {
  const { rows } = await db.query(`select ${COLUMNS} from content.entity_reviews where review_id = $1`, [
    reviewId,
  ]);
  return rows[0] ? rowOf(rows[0]) : null;
}

export interface Verdict {
  reviewId: string;
  /** Null: it is none of those that there are. */
  entityId: string | null;
  actor: string;
  note: string | null;
}

/**
 * Decides what a name means, and links the articles that wait for it, in one transaction. Deciding the same again changes
 * nothing. Throws `not_found`, and `conflict` where it was decided otherwise or the name has come to mean something else.
 */
export async function decideName(db: Database, verdict: Verdict): Promise<EntityReviewRow> {
  const { reviewId, actor, note } = verdict;
  return await db.transaction(async (tx) => {
    const { rows } = await tx.query(
      `select ${COLUMNS} from content.entity_reviews where review_id = $1 for update`,
      [reviewId],
    );
    if (!rows[0]) throw noEntityReview(reviewId);
    const review = rowOf(rows[0]);
    const status = verdict.entityId === null ? ("separate" as const) : ("merged" as const);
    if (review.status !== "pending") return await decidedAlready(tx, review, verdict);
    const keys: string[] = rows[0].match_keys;
    const entityId = await entityFor(tx, review, keys, verdict.entityId);
    await settleUnresolved(tx, review.alias, entityId);
    await tx.query(
      `update content.entity_reviews
          set status = $2, entity_id = $3, decided_at = orchestrator_now(), decided_by = $4, note = $5
        where review_id = $1`,
      [reviewId, status, entityId, actor, note],
    );
    return (await findEntityReview(tx, reviewId))!;
  });
}

/** The entity that the name means from now on. */
async function entityFor(
  tx: Queryable,
  { name, alias }: EntityReviewRow,
  keys: string[],
  wanted: string | null,
): Promise<string> {
  if (wanted === null) {
    const [added] = await insertEntities(tx, [{ name, alias, keys }]);
    if (!added) throw meansAlready(alias, (await ownerOf(tx, alias))!);
    return added.entityId;
  }
  const target = await findEntity(tx, wanted, { lock: true });
  if (!target) throw noEntity(wanted);
  const owner = await addAlias(tx, { entityId: target.entityId, alias, keys });
  if (owner.entityId !== target.entityId) throw meansAlready(alias, owner);
  return target.entityId;
}

async function decidedAlready(
  tx: Queryable,
  review: EntityReviewRow,
  verdict: Verdict,
): Promise<EntityReviewRow> {
  const wanted =
    verdict.entityId === null ? null : ((await findEntity(tx, verdict.entityId))?.entityId ?? null);
  const same = verdict.entityId === null ? review.status === "separate" : review.entityId === wanted;
  if (same) return review;
  throw new Problem(
    "conflict",
    `"${review.name}" was decided about: ${review.status}, by ${review.decidedBy}`,
    "POST /api/v1/content/entities/{entity_id}/merge makes one entity of two.",
  );
}

function meansAlready(alias: string, owner: { entityId: string; name: string }): Problem {
  const hint = `Merge it into ${owner.entityId}, which has the name, or merge the two entities.`;
  return new Problem(
    "conflict",
    `"${alias}" has come to mean ${owner.name} (${owner.entityId}) meanwhile`,
    hint,
  );
}

export function noEntityReview(reviewId: string): Problem {
  const hint = "GET /api/v1/content/entity-reviews lists them.";
  return new Problem("not_found", `there is no entity review ${reviewId}`, hint);
}

function rowOf(row: Row): EntityReviewRow {
  return {
    reviewId: row.review_id,
    name: row.name,
    alias: row.alias,
    candidates: row.candidates.map((each: Row) => ({
      entityId: each.entity_id,
      name: each.name,
      similarity: each.similarity,
    })),
    why: row.why,
    taskId: row.task_id,
    status: row.status,
    entityId: row.entity_id,
    articles: row.articles,
    createdAtMs: row.created_at,
    decidedAtMs: row.decided_at,
    decidedBy: row.decided_by,
    note: row.note,
  };
}
