/** Owns what of an article's approved changes outlives that it is written anew. Approves nothing. */
import type { ArticleChange } from "@master-orchestrator/contract";
import { changedFields, type FieldChange, reapplyChanges } from "#core/article-change.ts";
import type { Queryable } from "./database.ts";
import { changeArticle, lockArticle } from "./seo-recommendations.ts";

interface Approved {
  revisionId: string;
  recommendationId: string;
  changes: ArticleChange[];
  fields: FieldChange[];
}

/** Whose decision it was that a change is void. */
const REWRITTEN = "the article was written anew";

/**
 * Makes the changes that were approved for an article again, in their order, after its text was replaced. One that the new text
 * makes void (it has another title, the passage is gone) is superseded, so that an audit can raise it anew.
 */
export async function keepApprovedChanges(tx: Queryable, articleId: string): Promise<void> {
  const approved = await approvedChanges(tx, articleId);
  if (approved.length === 0) return;
  const written = await lockArticle(tx, articleId);
  if (!written) return;
  let article = written;
  for (const { revisionId, recommendationId, changes, fields } of approved) {
    const outcome = reapplyChanges(article, changes);
    if (!outcome.fits) {
      await voidRevision(tx, revisionId, recommendationId);
      continue;
    }
    const changed = changedFields(article, outcome.article);
    // What the writer left alone is as it was approved.
    const kept = fields.filter(({ field }) => !changed.some((change) => change.field === field));
    await tx.query("update content.article_revisions set fields = $2 where revision_id = $1", [
      revisionId,
      JSON.stringify([...kept, ...changed]),
    ]);
    article = { ...article, ...outcome.article };
  }
  await changeArticle(tx, articleId, changedFields(written, article));
}

async function approvedChanges(tx: Queryable, articleId: string): Promise<Approved[]> {
  const { rows } = await tx.query(
    `select v.revision_id, v.recommendation_id, v.fields, r.changes
       from content.article_revisions v join content.recommendations r using (recommendation_id)
      where v.article_id = $1 and v.rolled_back_at is null and r.status = 'applied'
      order by v.made_at, v.revision_id`,
    [articleId],
  );
  return rows.map((row) => ({
    revisionId: row.revision_id,
    recommendationId: row.recommendation_id,
    changes: row.changes,
    fields: row.fields,
  }));
}

async function voidRevision(tx: Queryable, revisionId: string, recommendationId: string): Promise<void> {
  await tx.query(
    `update content.article_revisions set rolled_back_at = orchestrator_now(), rolled_back_by = $2
      where revision_id = $1`,
    [revisionId, REWRITTEN],
  );
  await tx.query("update content.recommendations set status = 'superseded' where recommendation_id = $1", [
    recommendationId,
  ]);
}
