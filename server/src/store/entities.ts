/** Owns the people, places and things that articles speak of: one row each, however they are written. Decides no likeness. */
import { Problem } from "@master-orchestrator/contract";
import type { Database, Queryable } from "./database.ts";

export interface EntityRow {
  entityId: string;
  name: string;
  /** Normalised, its own name included. */
  aliases: string[];
}

const MAX_LIKE = 500;
/** Whoever adds an entity holds this for a few milliseconds, so that nobody adds its like at the same moment. */
const ADDING = 7_201_405;

/** Whether this server compares names by their trigrams (pg_trgm); without it first letters have to do. */
export async function hasTrigrams(db: Queryable): Promise<boolean> {
  const { rows } = await db.query("select to_regprocedure('similarity(text, text)') is not null as there");
  return rows[0]!.there;
}

const BY_KEYS = `select a.entity_id, (select count(*) from unnest(a.match_keys) k where k = any ($1::text[]))::float8 as shared
       from content.entity_aliases a where a.match_keys && $1::text[]`;
const BY_TRIGRAMS = `select a.entity_id, similarity(a.alias, named.name)::float8 as shared
       from unnest($2::text[]) named (name) join content.entity_aliases a on a.alias % named.name`;

/** At most 500 entities with an alias that shares a key with `keys`, or resembles one of `names`; the likeliest come first. */
export async function entitiesLike(
  db: Queryable,
  { keys, names, trigrams }: { keys: string[]; names: string[]; trigrams: boolean },
): Promise<EntityRow[]> {
  if (keys.length === 0) return [];
  const { rows } = await db.query(
    `with hits as (
       select entity_id, max(shared) as shared
       from (${trigrams ? `${BY_KEYS} union all ${BY_TRIGRAMS}` : BY_KEYS}) found
       group by entity_id
       order by shared desc, entity_id
       limit ${MAX_LIKE})
     select e.entity_id, e.name, array_agg(a.alias order by a.created_at, a.alias) as aliases
     from hits
     join content.entities e using (entity_id)
     join content.entity_aliases a using (entity_id)
     group by e.entity_id, e.name, hits.shared
     order by hits.shared desc, e.entity_id`,
    trigrams ? [keys, names] : [keys],
  );
  return rows.map((row) => ({ entityId: row.entity_id, name: row.name, aliases: row.aliases }));
}

export interface NewEntity {
  name: string;
  alias: string;
  keys: string[];
}

/**
 * Adds entities under their normalised names, those whose alias is taken left out; returns what was added. When there are
 * entities that one of them might be and that whoever asks has not `seen`, adds nothing and returns those: also those
 * that another run commits at this very moment.
 */
export async function addEntities(
  db: Database,
  { entities, seen }: { entities: NewEntity[]; seen: string[] },
  trigrams: boolean,
): Promise<{ added: { entityId: string; name: string; alias: string }[] } | { appeared: EntityRow[] }> {
  const keys = [...new Set(entities.flatMap((entity) => entity.keys))];
  const names = entities.map((entity) => entity.alias);
  return await db.transaction(async (tx) => {
    await tx.query("select pg_advisory_xact_lock($1)", [ADDING]);
    const like = await entitiesLike(tx, { keys, names, trigrams });
    const appeared = like.filter(({ entityId }) => !seen.includes(entityId));
    return appeared.length > 0 ? { appeared } : { added: await insertEntities(tx, entities) };
  });
}

/** Adds them without a look at their like: those whose alias nobody has. */
export async function insertEntities(
  tx: Queryable,
  entities: readonly NewEntity[],
): Promise<{ entityId: string; name: string; alias: string }[]> {
  // The alias comes first: only who gets it adds the entity, so a lost race leaves no row behind. The
  // foreign key is checked at the end of the statement, when both are there.
  const { rows } = await tx.query(
    `with given as (
       select name, alias, keys from jsonb_to_recordset($1::jsonb) as n (name text, alias text, keys text[])),
     aliased as (
       insert into content.entity_aliases (alias, entity_id, match_keys)
       select alias, gen_random_uuid(), keys from given order by alias
       on conflict (alias) do nothing
       returning entity_id, alias),
     added as (
       insert into content.entities (entity_id, name)
       select entity_id, name from aliased join given using (alias)
       returning entity_id, name)
     select entity_id, name, alias from added join aliased using (entity_id)`,
    [JSON.stringify(entities)],
  );
  return rows.map((row) => ({ entityId: row.entity_id, name: row.name, alias: row.alias }));
}

/** Adds an alias to an entity, or to the one that it was merged into. When it is taken, its owner stays and is returned. */
export async function addAlias(
  db: Queryable,
  alias: { entityId: string; alias: string; keys: string[] },
): Promise<{ entityId: string; name: string }> {
  await db.query(
    `insert into content.entity_aliases (alias, entity_id, match_keys)
     select $1, coalesce((select into_entity_id from content.entity_merges m where m.entity_id = $2), $2), $3::text[]
     on conflict (alias) do nothing`,
    [alias.alias, alias.entityId, alias.keys],
  );
  return await ownerThatIs(db, alias.alias);
}

/** The entity that an alias means; null if it is nobody's. */
export async function ownerOf(
  db: Queryable,
  alias: string,
): Promise<{ entityId: string; name: string } | null> {
  const { rows } = await db.query(
    `select e.entity_id, e.name from content.entity_aliases a join content.entities e using (entity_id)
     where a.alias = $1`,
    [alias],
  );
  return rows[0] ? { entityId: rows[0].entity_id, name: rows[0].name } : null;
}

async function ownerThatIs(db: Queryable, alias: string): Promise<{ entityId: string; name: string }> {
  const owner = await ownerOf(db, alias);
  if (!owner) throw new Error(`the alias ${JSON.stringify(alias)} was removed while it was being resolved`);
  return owner;
}

/** An entity, led through merges; null if there never was one. `lock`: until the end of the transaction it stays. */
export async function findEntity(
  db: Queryable,
  entityId: string,
  { lock = false } = {},
): Promise<EntityRow | null> {
  const { rows } = await db.query(
    `select e.entity_id, e.name,
            array(select alias from content.entity_aliases a where a.entity_id = e.entity_id
                   order by created_at, alias) as aliases
     from content.entities e
     where e.entity_id = coalesce((select into_entity_id from content.entity_merges m where m.entity_id = $1), $1)
     ${lock ? "for update of e" : ""}`,
    [entityId],
  );
  return rows[0] ? { entityId: rows[0].entity_id, name: rows[0].name, aliases: rows[0].aliases } : null;
}

/**
 * Makes one entity of two: aliases and article links move, and whoever still has the old id is led to the new one, all in
 * one transaction. Merging again what was merged changes nothing. Throws `not_found`, and `conflict` for one and the same.
 */
export async function mergeEntities(
  db: Database,
  { entityId, intoEntityId, actor }: { entityId: string; intoEntityId: string; actor: string },
): Promise<{ into: EntityRow; merged: boolean }> {
  return await db.transaction(async (tx) => {
    // One order for everybody who merges, so that two of them cannot wait for each other.
    await tx.query("select pg_advisory_xact_lock($1)", [ADDING]);
    const [from, into] = [
      await findEntity(tx, entityId, { lock: true }),
      await findEntity(tx, intoEntityId, { lock: true }),
    ];
    if (!from || !into) throw noEntity(from ? intoEntityId : entityId);
    if (from.entityId === into.entityId) {
      if (entityId !== intoEntityId) return { into, merged: false };
      throw new Problem("conflict", `${entityId} is one entity already`, "Name two different ones.");
    }
    await moveEntity(tx, from, into.entityId, actor);
    return { into: (await findEntity(tx, into.entityId))!, merged: true };
  });
}

async function moveEntity(tx: Queryable, from: EntityRow, into: string, actor: string): Promise<void> {
  await tx.query("update content.entity_aliases set entity_id = $2 where entity_id = $1", [
    from.entityId,
    into,
  ]);
  await tx.query(
    `insert into content.article_entities (article_id, entity_id, position)
     select article_id, $2, position from content.article_entities where entity_id = $1
     on conflict (article_id, entity_id) do update set position = least(article_entities.position, excluded.position)`,
    [from.entityId, into],
  );
  await tx.query("update content.entity_merges set into_entity_id = $2 where into_entity_id = $1", [
    from.entityId,
    into,
  ]);
  await tx.query(
    `insert into content.entity_merges (entity_id, into_entity_id, name, aliases, merged_by)
     values ($1, $2, $3, $4::text[], $5)`,
    [from.entityId, into, from.name, from.aliases, actor],
  );
  await tx.query("delete from content.entities where entity_id = $1", [from.entityId]);
}

export function noEntity(entityId: string): Problem {
  const hint = "GET /api/v1/content/entities?name= finds entities by their names.";
  return new Problem("not_found", `there is no entity ${entityId}`, hint);
}

/** Entities with an alias that begins so, by name; at most `limit`. `prefix`: lower case letters, digits and spaces. */
export async function entitiesNamed(db: Queryable, prefix: string, limit: number): Promise<EntityRow[]> {
  const { rows } = await db.query(
    `select e.entity_id, e.name, array_agg(a.alias order by a.created_at, a.alias) as aliases
     from content.entities e join content.entity_aliases a using (entity_id)
     where e.entity_id in (select entity_id from content.entity_aliases
                            where alias like $1 || '%' order by alias limit 1000)
     group by e.entity_id order by e.name, e.entity_id limit $2`,
    [prefix, limit],
  );
  return rows.map((row) => ({ entityId: row.entity_id, name: row.name, aliases: row.aliases }));
}
