/** Owns the versions of the policy: one row each, never changed. Does not know what a policy means. */
import { defaultPolicy, Policy, Problem } from "@master-orchestrator/contract";
import type { Queryable } from "./database.ts";

export interface StoredPolicy {
  version: number;
  policy: Policy;
  comment: string | null;
  changedBy: string;
  changedAtMs: number;
}

interface Row {
  version: number;
  policy: string;
  comment: string | null;
  changed_by: string;
  changed_at: number;
}

const COLUMNS = "version, policy::text as policy, comment, changed_by, changed_at";

/** Parsing takes two milliseconds, and the same few documents are read in every cycle. */
const parsed = new Map<string, Policy>();
const MOST_PARSED = 8;

/** A stored document; fields that came with a later release are filled in by their defaults. Never to be changed. */
export function policyOf(text: string | null | undefined): Policy {
  const document = text ?? "{}";
  const known = parsed.get(document);
  if (known) return known;
  const policy = frozen(Policy.parse(JSON.parse(document)));
  const [oldest] = parsed.keys();
  if (parsed.size >= MOST_PARSED && oldest !== undefined) parsed.delete(oldest);
  parsed.set(document, policy);
  return policy;
}

function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) for (const inner of Object.values(value)) frozen(inner);
  return Object.freeze(value);
}

function fromRow(row: Row): StoredPolicy {
  return {
    version: row.version,
    policy: policyOf(row.policy),
    comment: row.comment,
    changedBy: row.changed_by,
    changedAtMs: row.changed_at,
  };
}

/** The policy in force; null before the first was stored. */
export async function currentPolicy(db: Queryable): Promise<StoredPolicy | null> {
  const { rows } = await db.query<Row>(
    `select ${COLUMNS} from policy_versions order by version desc limit 1`,
  );
  return rows[0] ? fromRow(rows[0]) : null;
}

export async function findPolicyVersion(db: Queryable, version: number): Promise<StoredPolicy | null> {
  const { rows } = await db.query<Row>(`select ${COLUMNS} from policy_versions where version = $1`, [
    version,
  ]);
  return rows[0] ? fromRow(rows[0]) : null;
}

/** Versions below `before` (null: from the newest), newest first. */
export async function listPolicyVersions(
  db: Queryable,
  before: number | null,
  limit: number,
): Promise<StoredPolicy[]> {
  const { rows } = await db.query<Row>(
    `select ${COLUMNS} from policy_versions where $1::int is null or version < $1
     order by version desc limit $2`,
    [before, limit],
  );
  return rows.map(fromRow);
}

/**
 * Stores a policy as exactly this version; null, and nothing stored, if somebody else has stored that version
 * meanwhile: then the change was made upon an old one, and has to be made again.
 */
export async function insertPolicyVersion(
  db: Queryable,
  version: number,
  change: { policy: Policy; comment: string | null; changedBy: string },
): Promise<StoredPolicy | null> {
  const { rows } = await db.query<Row>(
    `insert into policy_versions (version, policy, comment, changed_by) values ($1, $2::jsonb, $3, $4)
     on conflict (version) do nothing returning ${COLUMNS}`,
    [version, JSON.stringify(change.policy), change.comment, change.changedBy],
  );
  return rows[0] ? fromRow(rows[0]) : null;
}

/** How often a change is made again because somebody else was faster. */
const MAX_TRIES = 20;

export type PolicyChange = Parameters<typeof insertPolicyVersion>[2];

/**
 * Stores what `make` makes of the policy in force as the next version. Whoever comes second makes its change
 * again upon the first one's, so that none is lost. Throws Problem `conflict` if `expected` is not in force.
 */
export async function changePolicy(
  db: Queryable,
  expected: number | null,
  make: (current: StoredPolicy) => PolicyChange,
): Promise<StoredPolicy> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const current = await policyInForce(db);
    if (expected !== null && expected !== current.version) {
      throw new Problem(
        "conflict",
        `version ${expected} is no longer in force; version ${current.version} is`,
        "Read the policy again and repeat the change upon it.",
        { version: current.version },
      );
    }
    const stored = await insertPolicyVersion(db, current.version + 1, make(current));
    if (stored) return stored;
  }
  throw new Problem("conflict", "others keep changing the policy", "Try again.");
}

/** Before anything is stored the default is in force, as version 0. */
export async function policyInForce(db: Queryable): Promise<StoredPolicy> {
  const stored = await currentPolicy(db);
  return (
    stored ?? { version: 0, policy: defaultPolicy(), comment: null, changedBy: "default", changedAtMs: 0 }
  );
}
