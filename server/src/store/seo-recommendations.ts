/** Owns recommendations and what was made of them: applied to the article with a revision, refused, taken back. Proposes none. */
import { type ArticleChange, Problem, type RecommendationStatus } from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import {
  type ArticleFields,
  applyChanges,
  changedFields,
  type FieldChange,
  type Outcome,
  takeBack,
} from "#core/article-change.ts";
import type { Database, Queryable, Row } from "./database.ts";
import type { Position } from "./listing.ts";

/** Instants are epoch milliseconds. */
export interface RecommendationRow {
  recommendationId: string;
  auditId: string;
  articleId: string | null;
  slug: string | null;
  url: string;
  rule: string;
  title: string;
  detail: string;
  gainTenths: number;
  basis: string;
  changes: ArticleChange[];
  status: RecommendationStatus;
  createdAtMs: number;
  decidedAtMs: number | null;
  decidedBy: string | null;
}

export interface RevisionRow {
  revisionId: string;
  articleId: string;
  slug: string;
  recommendationId: string;
  fields: FieldChange[];
  madeAtMs: number;
  madeBy: string;
  rolledBackAtMs: number | null;
  rolledBackBy: string | null;
  position: Position;
}

const COLUMNS = `r.recommendation_id, r.audit_id, r.article_id, c.slug, r.url, r.rule, r.title, r.detail, r.gain_tenths,
  r.basis, r.changes, r.status, r.created_at, r.decided_at, r.decided_by`;
const FROM = "content.recommendations r left join content.articles c using (article_id)";

/** Those of one audit, the best first. */
export async function recommendationsOf(db: Queryable, auditId: string): Promise<RecommendationRow[]> {
  const { rows } = await db.query(
    `select ${COLUMNS} from ${FROM} where r.audit_id = $1 order by r.gain_tenths desc, r.recommendation_id`,
    [auditId],
  );
  return rows.map(recommendationOf);
}

/** Those of a status, the largest expected gain first; `before` is where the page before ended. */
export async function listRecommendations(
  db: Queryable,
  query: {
    status: RecommendationStatus;
    articleId?: string | undefined;
    rule?: string | undefined;
    applicable?: boolean | undefined;
    before?: { gainTenths: number; id: string } | undefined;
    limit: number;
  },
): Promise<RecommendationRow[]> {
  const ofArticle = query.articleId === undefined ? "$2::uuid is null" : "r.article_id = $2::uuid";
  const { rows } = await db.query(
    `select ${COLUMNS} from ${FROM}
      where r.status = $1 and ${ofArticle} and ($3::text is null or r.rule = $3)
        and ($4::boolean is null or r.applicable = $4)
        and ($5::int is null or r.gain_tenths < $5 or (r.gain_tenths = $5 and r.recommendation_id > $6::uuid))
      order by r.gain_tenths desc, r.recommendation_id limit $7`,
    [
      ...[query.status, query.articleId ?? null, query.rule ?? null, query.applicable ?? null],
      ...[query.before?.gainTenths ?? null, query.before?.id ?? null, query.limit],
    ],
  );
  return rows.map(recommendationOf);
}

export interface Decided {
  recommendation: RecommendationRow;
  revision: RevisionRow | null;
}

/**
 * Changes the article as recommended and keeps what it was before, in one transaction. Throws `not_found`, and
 * `conflict` for what is not open, holds no change, or does not fit the article any more; then nothing is changed.
 */
export async function approveRecommendation(db: Database, id: string, actor: string): Promise<Decided> {
  return await db.transaction(async (tx) => {
    const { recommendation, article } = await lockBoth(tx, id);
    demandStatus(recommendation, "open", "approved");
    if (!article || recommendation.changes.length === 0) {
      throw new Problem(
        "conflict",
        `recommendation ${id} (${recommendation.rule}) holds no change that could be applied`,
        "It is a person's work: do it, and the next audit will see it. Or reject it.",
      );
    }
    const outcome = applyChanges(article, recommendation.changes);
    const fields = changedFields(article, fitting(outcome, id, 'Audit the article again: {"slug": …}.'));
    await changeArticle(tx, recommendation.articleId!, fields);
    const revisionId = await insertRevision(tx, recommendation, fields, actor);
    await decide(tx, id, "applied", actor);
    return await decided(tx, id, revisionId);
  });
}

/** Refuses it for good: later audits do not raise the same again. */
export async function rejectRecommendation(db: Database, id: string, actor: string): Promise<Decided> {
  return await db.transaction(async (tx) => {
    const { recommendation } = await lockBoth(tx, id);
    demandStatus(recommendation, "open", "rejected");
    await decide(tx, id, "rejected", actor);
    return await decided(tx, id, null);
  });
}

/** Gives the changed fields back what they held before. Throws `conflict` where one was changed again since. */
export async function rollBackRecommendation(db: Database, id: string, actor: string): Promise<Decided> {
  return await db.transaction(async (tx) => {
    const { recommendation, article } = await lockBoth(tx, id);
    demandStatus(recommendation, "applied", "rolled back");
    const { rows } = await tx.query(
      `update content.article_revisions set rolled_back_at = orchestrator_now(), rolled_back_by = $2
        where recommendation_id = $1 and rolled_back_at is null returning revision_id, fields`,
      [id, actor],
    );
    const revision = rows[0];
    if (!article || !revision) throw new Error(`recommendation ${id} is applied and has no revision`);
    const hint = "Roll back what was applied later first, or mend the article by hand.";
    const restored = fitting(takeBack(article, revision.fields), id, hint);
    await changeArticle(tx, recommendation.articleId!, changedFields(article, restored));
    await decide(tx, id, "rolled_back", actor);
    return await decided(tx, id, revision.revision_id);
  });
}

export type LockedArticle = ArticleFields & { summary: string };

/** The article first, as audits do, so that no two wait for each other. */
async function lockBoth(
  tx: Queryable,
  id: string,
): Promise<{ recommendation: RecommendationRow; article: LockedArticle | null }> {
  const { rows: found } = await tx.query(
    "select article_id from content.recommendations where recommendation_id = $1",
    [id],
  );
  if (!found[0]) {
    const hint = "GET /api/v1/content/recommendations lists them.";
    throw new Problem("not_found", `there is no recommendation ${id}`, hint);
  }
  const article = await lockArticle(tx, found[0].article_id);
  const { rows } = await tx.query(
    `select ${COLUMNS} from ${FROM} where r.recommendation_id = $1 for update of r`,
    [id],
  );
  return { recommendation: recommendationOf(rows[0] as Row), article };
}

/** What recommendations change, held until the end of the transaction; null where there is no such article. */
export async function lockArticle(tx: Queryable, articleId: string | null): Promise<LockedArticle | null> {
  const { rows } = await tx.query(
    `select title, summary, html, markdown, json_ld, canonical_url from content.articles
      where article_id = $1 for update`,
    [articleId],
  );
  const [article] = rows;
  if (!article) return null;
  return {
    ...{ title: article.title, summary: article.summary, html: article.html },
    ...{ markdown: article.markdown, jsonLd: article.json_ld, canonicalUrl: article.canonical_url },
  };
}

function demandStatus(
  { recommendationId, status, decidedBy }: RecommendationRow,
  wanted: string,
  what: string,
): void {
  if (status === wanted) return;
  const by = decidedBy === null ? "" : ` (${decidedBy})`;
  const hint = "GET /api/v1/content/recommendations?status=open lists those of the latest audits.";
  throw new Problem(
    "conflict",
    `recommendation ${recommendationId} is ${status}${by}: it cannot be ${what}`,
    hint,
  );
}

function fitting(outcome: Outcome, id: string, hint: string): ArticleFields {
  if (outcome.fits) return outcome.article;
  throw new Problem(
    "conflict",
    `recommendation ${id} does not fit the article any more: ${outcome.reason}`,
    hint,
  );
}

const SETS: Readonly<Record<FieldChange["field"], string>> = {
  title: "title = coalesce(n.title, a.title)",
  html: "html = coalesce(n.html, a.html)",
  markdown: "markdown = coalesce(n.markdown, a.markdown)",
  json_ld: "json_ld = coalesce(n.json_ld, a.json_ld)",
  canonical_url: "canonical_url = n.canonical_url",
};

/** Readers see title and text: those move the date of the last change. */
export async function changeArticle(
  tx: Queryable,
  articleId: string,
  fields: readonly FieldChange[],
): Promise<void> {
  if (fields.length === 0) return;
  const sets = fields.map(({ field }) => SETS[field]);
  if (fields.some(({ field }) => field === "title" || field === "html"))
    sets.push("updated_at = orchestrator_now()");
  await tx.query(
    `update content.articles a set ${sets.join(", ")}
       from jsonb_to_record($2::jsonb) as n (title text, html text, markdown text, json_ld jsonb, canonical_url text)
      where a.article_id = $1`,
    [articleId, JSON.stringify(Object.fromEntries(fields.map(({ field, after }) => [field, after])))],
  );
}

async function insertRevision(
  tx: Queryable,
  { articleId, recommendationId }: RecommendationRow,
  fields: readonly FieldChange[],
  actor: string,
): Promise<string> {
  const { rows } = await tx.query(
    `insert into content.article_revisions (article_id, recommendation_id, fields, made_by, revision_id)
     values ($1, $2, $3, $4, $5)
     returning revision_id`,
    [articleId, recommendationId, JSON.stringify(fields), actor, uuidv7()],
  );
  return rows[0]!.revision_id;
}

async function decide(tx: Queryable, id: string, status: RecommendationStatus, actor: string): Promise<void> {
  await tx.query(
    `update content.recommendations set status = $2, decided_at = orchestrator_now(), decided_by = $3
      where recommendation_id = $1`,
    [id, status, actor],
  );
}

async function decided(tx: Queryable, id: string, revisionId: string | null): Promise<Decided> {
  const { rows } = await tx.query(`select ${COLUMNS} from ${FROM} where r.recommendation_id = $1`, [id]);
  const { rows: revisions } = await tx.query(`select ${REVISION} where v.revision_id = $1`, [revisionId]);
  return {
    recommendation: recommendationOf(rows[0] as Row),
    revision: revisions[0] ? revisionOf(revisions[0]) : null,
  };
}

const REVISION = `v.revision_id, v.article_id, c.slug, v.recommendation_id, v.fields, v.made_at, v.made_by,
  v.rolled_back_at, v.rolled_back_by, (extract(epoch from v.made_at) * 1000000)::bigint as made_micros
  from content.article_revisions v join content.articles c using (article_id)`;

/** Of an article, the newest first. */
export async function listRevisions(
  db: Queryable,
  query: { articleId: string; before?: Position | undefined; limit: number },
): Promise<RevisionRow[]> {
  const { rows } = await db.query(
    `select ${REVISION}
      where v.article_id = $1 and ($2::bigint is null
        or (v.made_at, v.revision_id) < (timestamptz 'epoch' + $2::bigint * interval '1 microsecond', $3::uuid))
      order by v.made_at desc, v.revision_id desc limit $4`,
    [query.articleId, query.before?.createdMicros ?? null, query.before?.id ?? null, query.limit],
  );
  return rows.map(revisionOf);
}

function recommendationOf(row: Row): RecommendationRow {
  return {
    recommendationId: row.recommendation_id,
    auditId: row.audit_id,
    articleId: row.article_id,
    slug: row.slug,
    url: row.url,
    rule: row.rule,
    title: row.title,
    detail: row.detail,
    gainTenths: row.gain_tenths,
    basis: row.basis,
    changes: row.changes,
    status: row.status,
    createdAtMs: row.created_at,
    decidedAtMs: row.decided_at,
    decidedBy: row.decided_by,
  };
}

function revisionOf(row: Row): RevisionRow {
  return {
    revisionId: row.revision_id,
    articleId: row.article_id,
    slug: row.slug,
    recommendationId: row.recommendation_id,
    fields: row.fields,
    madeAtMs: row.made_at,
    madeBy: row.made_by,
    rolledBackAtMs: row.rolled_back_at,
    rolledBackBy: row.rolled_back_by,
    position: { createdMicros: row.made_micros, id: row.revision_id },
  };
}
