/** Owns the names of articles that wait for a person, and their way to the entity that they turn out to mean. */
import type { Queryable } from "./database.ts";

/**
 * Keeps an article's names that wait, and links those that were decided about meanwhile: a decision that is made at this
 * very moment is either waited for, or finds the names. They stand behind the `after` names that are known.
 */
export async function linkUnresolved(
  db: Queryable,
  articleId: string,
  aliases: readonly string[],
  after: number,
): Promise<void> {
  await db.query("delete from content.unresolved_names where article_id = $1 and alias <> all ($2::text[])", [
    articleId,
    aliases,
  ]);
  if (aliases.length === 0) return;
  await db.query(
    `with waiting as (
       select r.alias from content.entity_reviews r
       where r.alias = any ($2::text[]) and r.status = 'pending' order by r.alias for share)
     insert into content.unresolved_names (article_id, alias, position)
     select $1, given.alias, $3 + given.position - 1
     from unnest($2::text[]) with ordinality as given (alias, position) join waiting using (alias)
     on conflict (article_id, alias) do nothing`,
    [articleId, aliases, after],
  );
  await db.query(
    `insert into content.article_entities (article_id, entity_id, position)
     select $1, a.entity_id, min($3 + given.position - 1)
     from unnest($2::text[]) with ordinality as given (alias, position)
     join content.entity_aliases a on a.alias = given.alias
     group by a.entity_id
     on conflict (article_id, entity_id) do nothing`,
    [articleId, aliases, after],
  );
}

/** Links every article that waits for `alias` to the entity; nothing waits for it afterwards. */
export async function settleUnresolved(tx: Queryable, alias: string, entityId: string): Promise<number> {
  const { rows } = await tx.query(
    `with settled as (delete from content.unresolved_names where alias = $1 returning article_id, position),
     linked as (
       insert into content.article_entities (article_id, entity_id, position)
       select article_id, $2, position from settled
       on conflict (article_id, entity_id) do nothing)
     select count(*) as articles from settled`,
    [alias, entityId],
  );
  return rows[0]!.articles;
}
