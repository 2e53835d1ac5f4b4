/** Owns the rows of API keys. Never sees a key itself, only its hash. */
import type { Role } from "@master-orchestrator/contract";
import type { Queryable } from "./database.ts";

export interface StoredKey {
  keyId: string;
  name: string;
  role: Role;
  /** SHA-256 of the whole key. */
  secretHash: Uint8Array;
  createdAtMs: number;
  createdBy: string;
  expiresAtMs: number | null;
  revokedAtMs: number | null;
}

export interface NewStoredKey {
  keyId: string;
  name: string;
  role: Role;
  secretHash: Uint8Array;
  createdBy: string;
  expiresAtMs: number | null;
}

interface Row {
  key_id: string;
  name: string;
  role: Role;
  secret_hash: Uint8Array;
  created_at: number;
  created_by: string;
  expires_at: number | null;
  revoked_at: number | null;
}

const COLUMNS = "key_id, name, role, secret_hash, created_at, created_by, expires_at, revoked_at";

function fromRow(row: Row): StoredKey {
  return {
    keyId: row.key_id,
    name: row.name,
    role: row.role,
    secretHash: row.secret_hash,
    createdAtMs: row.created_at,
    createdBy: row.created_by,
    expiresAtMs: row.expires_at,
    revokedAtMs: row.revoked_at,
  };
}

/** Stores a new key; the database's clock dates it. Fails with a unique violation if the id is taken. */
export async function insertApiKey(db: Queryable, key: NewStoredKey): Promise<StoredKey> {
  const { rows } = await db.query<Row>(
    `insert into api_keys (key_id, name, role, secret_hash, created_by, expires_at)
     values ($1, $2, $3, $4, $5, to_timestamp($6::double precision / 1000))
     returning ${COLUMNS}`,
    [key.keyId, key.name, key.role, Buffer.from(key.secretHash), key.createdBy, key.expiresAtMs],
  );
  return fromRow(rows[0]!);
}

/** The key of that id, revoked and expired ones included; null if there never was one. */
export async function findApiKey(db: Queryable, keyId: string): Promise<StoredKey | null> {
  const { rows } = await db.query<Row>(`select ${COLUMNS} from api_keys where key_id = $1`, [keyId]);
  return rows[0] ? fromRow(rows[0]) : null;
}

/** Keys from the oldest on; rows are never deleted, so that an offset stays where it is. */
export async function listApiKeys(db: Queryable, offset: number, limit: number): Promise<StoredKey[]> {
  const { rows } = await db.query<Row>(
    `select ${COLUMNS} from api_keys order by created_at, key_id offset $1 limit $2`,
    [offset, limit],
  );
  return rows.map(fromRow);
}

/** Revokes once: a second time changes nothing. Null if there is no such key. */
export async function revokeApiKey(db: Queryable, keyId: string): Promise<StoredKey | null> {
  const { rows } = await db.query<Row>(
    `update api_keys set revoked_at = coalesce(revoked_at, orchestrator_now())
     where key_id = $1 returning ${COLUMNS}`,
    [keyId],
  );
  return rows[0] ? fromRow(rows[0]) : null;
}

/** Whether some admin key is neither revoked nor expired. */
export async function hasAdminKey(db: Queryable): Promise<boolean> {
  const { rows } = await db.query<{ found: boolean }>(
    `select exists (select from api_keys where role = 'admin' and revoked_at is null
        and (expires_at is null or expires_at > orchestrator_now())) as found`,
  );
  return rows[0]?.found === true;
}
