/** Owns where articles go besides our own site, and what became of each there. Shows secrets to nobody but who publishes. */
import type { Queryable, Row } from "./database.ts";

export interface PublisherRow {
  name: string;
  kind: "wordpress" | "webhook" | "markdown";
  settings: Record<string, unknown>;
  secret: string | null;
  enabled: boolean;
  updatedAtMs: number;
  updatedBy: string;
}

const COLUMNS = "name, kind, settings, secret, enabled, updated_at, updated_by";

/** By name; those after `after`. */
export async function listPublishers(
  db: Queryable,
  after: string | null,
  limit: number,
): Promise<PublisherRow[]> {
  const { rows } = await db.query(
    `select ${COLUMNS} from content.publishers where $1::text is null or name > $1 order by name limit $2`,
    [after, limit],
  );
  return rows.map(rowOf);
}

/** Those of `names` that there are, with their secrets. */
export async function publishersNamed(db: Queryable, names: string[]): Promise<PublisherRow[]> {
  const { rows } = await db.query(
    `select ${COLUMNS} from content.publishers where name = any ($1::text[]) order by name`,
    [names],
  );
  return rows.map(rowOf);
}

/** Registers a publisher or replaces its settings. A secret that is left out (undefined) stays as it is, unless the kind changes. */
export async function putPublisher(
  db: Queryable,
  publisher: Pick<PublisherRow, "name" | "kind" | "settings" | "enabled"> & {
    secret: string | null | undefined;
    actor: string;
  },
): Promise<PublisherRow> {
  const { name, kind, settings, enabled, secret, actor } = publisher;
  const { rows } = await db.query(
    `insert into content.publishers (name, kind, settings, secret, enabled, updated_by)
     values ($1, $2, $3::jsonb, $4, $5, $6)
     on conflict (name) do update set
       kind = excluded.kind, settings = excluded.settings, enabled = excluded.enabled, updated_by = excluded.updated_by,
       secret = case when $7 and publishers.kind = excluded.kind then publishers.secret else excluded.secret end,
       updated_at = orchestrator_now()
     returning ${COLUMNS}`,
    [name, kind, JSON.stringify(settings), secret ?? null, enabled, actor, secret === undefined],
  );
  return rowOf(rows[0]!);
}

/** False if there is none of that name. What it has published stays on record. */
export async function removePublisher(db: Queryable, name: string): Promise<boolean> {
  const { rowCount } = await db.query("delete from content.publishers where name = $1", [name]);
  return rowCount === 1;
}

function rowOf(row: Row): PublisherRow {
  const { name, kind, settings, secret, enabled } = row;
  return { name, kind, settings, secret, enabled, updatedAtMs: row.updated_at, updatedBy: row.updated_by };
}

export interface PublicationRow {
  publisher: string;
  externalId: string | null;
  url: string | null;
}

/** What an article is known as at its publishers. */
export async function publicationsOf(db: Queryable, articleId: string): Promise<PublicationRow[]> {
  const { rows } = await db.query(
    "select publisher, external_id, url from content.publications where article_id = $1 order by publisher",
    [articleId],
  );
  return rows.map((row) => ({ publisher: row.publisher, externalId: row.external_id, url: row.url }));
}

/** Records that it is there now; `canonical`: that is where readers are to find it. */
export async function recordPlaced(
  db: Queryable,
  articleId: string,
  { publisher, externalId, url, canonical }: PublicationRow & { canonical: boolean },
): Promise<void> {
  await db.query(
    `with placed as (
       insert into content.publications (article_id, publisher, status, external_id, url, published_at)
       values ($1, $2, 'published', $3, $4, orchestrator_now())
       on conflict (article_id, publisher) do update set
         status = 'published', external_id = excluded.external_id, url = excluded.url, error = null,
         tries = publications.tries + 1, published_at = coalesce(publications.published_at, excluded.published_at),
         updated_at = orchestrator_now())
     update content.articles set canonical_url = $4 where article_id = $1 and $5 and canonical_url is distinct from $4
        and not exists (select from content.article_revisions v where v.article_id = $1 and v.rolled_back_at is null
                           and v.fields @> '[{"field": "canonical_url"}]')`,
    [articleId, publisher, externalId, url, canonical],
  );
}

/** Records that it could not be brought there. */
export async function recordMisplaced(
  db: Queryable,
  articleId: string,
  publisher: string,
  error: string,
): Promise<void> {
  await db.query(
    `insert into content.publications (article_id, publisher, status, error) values ($1, $2, 'failed', $3)
     on conflict (article_id, publisher) do update set
       status = 'failed', error = excluded.error, tries = publications.tries + 1, updated_at = orchestrator_now()`,
    [articleId, publisher, error.slice(0, 2_000)],
  );
}
