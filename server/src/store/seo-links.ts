/** Owns what is remembered of other people's sites: checks of links, robots.txt files. Asks nobody. */
import { createHash } from "node:crypto";
import type { Queryable } from "./database.ts";

export interface StoredLinkCheck {
  url: string;
  outcome: "ok" | "broken" | "restricted" | "unknown" | "skipped";
  status: number | null;
  redirects: number;
  finalUrl: string;
  detail: string;
  checkedAtMs: number;
}

const hashOf = (url: string) => createHash("sha256").update(url).digest().subarray(0, 16);

/** Checks of `urls` that are younger than `maxAgeMs`. */
export async function findLinkChecks(
  db: Queryable,
  urls: string[],
  maxAgeMs: number,
): Promise<StoredLinkCheck[]> {
  if (urls.length === 0) return [];
  const { rows } = await db.query(
    `select url, outcome, status, redirects, final_url, detail, checked_at from content.link_checks
      where url_hash = any ($1::bytea[]) and checked_at > orchestrator_now() - $2 * interval '1 millisecond'`,
    [urls.map(hashOf), maxAgeMs],
  );
  return rows.map((row) => ({
    ...{ url: row.url, outcome: row.outcome, status: row.status, redirects: row.redirects },
    ...{ finalUrl: row.final_url, detail: row.detail, checkedAtMs: row.checked_at },
  }));
}

const KEPT_DAYS = 30;
const FORGET_AT_ONCE = 1_000;

/** Keeps checks, the newest of each address; forgets some of those that are a month old. */
export async function saveLinkChecks(db: Queryable, checks: readonly StoredLinkCheck[]): Promise<void> {
  if (checks.length === 0) return;
  const rows = checks.map((check) => ({
    ...{ url: check.url, outcome: check.outcome, status: check.status, redirects: check.redirects },
    ...{ final_url: check.finalUrl, detail: check.detail, url_hash: hashOf(check.url).toString("hex") },
  }));
  await db.query(
    `insert into content.link_checks (url_hash, url, outcome, status, redirects, final_url, detail, checked_at)
     select distinct on (url_hash) decode(url_hash, 'hex'), url, outcome, status, redirects, final_url, detail,
            orchestrator_now()
       from jsonb_to_recordset($1::jsonb) as n (url_hash text, url text, outcome text, status int, redirects int,
              final_url text, detail text)
      order by url_hash
     on conflict (url_hash) do update set outcome = excluded.outcome, status = excluded.status,
       redirects = excluded.redirects, final_url = excluded.final_url, detail = excluded.detail,
       checked_at = excluded.checked_at`,
    [JSON.stringify(rows)],
  );
  await db.query(
    `delete from content.link_checks where url_hash in (
       select url_hash from content.link_checks where checked_at < orchestrator_now() - $1 * interval '24 hours'
        order by checked_at limit ${FORGET_AT_ONCE} for update skip locked)`,
    [KEPT_DAYS],
  );
}

export interface StoredRobots {
  status: number | null;
  text: string;
  checkedAtMs: number;
}

export async function findRobots(
  db: Queryable,
  origin: string,
  maxAgeMs: number,
): Promise<StoredRobots | null> {
  const { rows } = await db.query(
    `select status, body, checked_at from content.robots_files
      where origin = $1 and checked_at > orchestrator_now() - $2 * interval '1 millisecond'`,
    [origin, maxAgeMs],
  );
  const row = rows[0];
  return row ? { status: row.status, text: row.body, checkedAtMs: row.checked_at } : null;
}

export async function saveRobots(
  db: Queryable,
  origin: string,
  { status, text }: StoredRobots,
): Promise<void> {
  await db.query(
    `insert into content.robots_files (origin, status, body, checked_at) values ($1, $2, $3, orchestrator_now())
     on conflict (origin) do update set status = excluded.status, body = excluded.body, checked_at = excluded.checked_at`,
    // The database knows no NUL; a robots.txt with one is read without it.
    [origin, status, text.replaceAll("\0", "")],
  );
}
