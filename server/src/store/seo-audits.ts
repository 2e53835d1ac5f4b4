/** Owns audits of pages: keeps them once for each task, lists them, shows how a page's score moved. Judges no page. */
import { createHash } from "node:crypto";
import { v7 as uuidv7 } from "uuid";
import { canonicalJson } from "#core/canonical.ts";
import type { Database, Queryable, Row } from "./database.ts";
import type { Position } from "./listing.ts";
import { type RecommendationRow, recommendationsOf } from "./seo-recommendations.ts";

export interface AuditToSave {
  taskId: string;
  executionId: string;
  /** Null for a page that is no own article. */
  articleId: string | null;
  url: string;
  score: number;
  parts: Record<string, number | null>;
  findings: unknown[];
  measures: Record<string, unknown>;
  recommendations: {
    rule: string;
    title: string;
    detail: string;
    gain: number;
    changes: unknown[];
    basis: string;
  }[];
  dueAgainDays: number;
}

/** Instants are epoch milliseconds. */
export interface AuditRow {
  auditId: string;
  taskId: string;
  executionId: string;
  articleId: string | null;
  slug: string | null;
  title: string | null;
  url: string;
  auditedAtMs: number;
  score: number;
  previousScore: number | null;
  parts: Record<string, number | null>;
  findingCount: number;
  recommendationCount: number;
  position: Position;
}

export interface WholeAudit extends AuditRow {
  findings: Record<string, unknown>[];
  measures: Record<string, unknown>;
  recommendations: RecommendationRow[];
}

/**
 * Keeps a task's audit with its recommendations; those of earlier audits of the page that nobody decided are
 * superseded. The same task again changes nothing, and is told what is there.
 */
export async function saveAudit(
  db: Database,
  audit: AuditToSave,
): Promise<{ auditId: string; created: boolean; previousScore: number | null }> {
  return await db.transaction(async (tx) => {
    // One page is audited by one at a time, so that no two audits both have the last word.
    await lockPage(tx, audit);
    const added = await insertAudit(tx, audit);
    if (!added) return { ...(await auditOfTask(tx, audit.taskId)), created: false };
    await supersede(tx, audit, added.auditId);
    await insertRecommendations(tx, audit, added.auditId);
    if (audit.articleId !== null) await setDue(tx, audit.articleId, audit.dueAgainDays);
    return { ...added, created: true };
  });
}

async function lockPage(tx: Queryable, { articleId, url }: AuditToSave): Promise<void> {
  if (articleId === null) await tx.query("select pg_advisory_xact_lock(hashtextextended($1, 720144))", [url]);
  else await tx.query("select from content.articles where article_id = $1 for update", [articleId]);
}

async function insertAudit(tx: Queryable, audit: AuditToSave) {
  const ofPage =
    audit.articleId === null ? "article_id is null and md5(url) = md5($4) and url = $4" : "article_id = $3";
  const { rows } = await tx.query(
    `insert into content.audits (audit_id, task_id, execution_id, article_id, url, score, parts, findings, measures, recommendations,
                                 previous_score)
     select $10::uuid, $1::uuid, $2::uuid, $3::uuid, $4::text, $5::int, $6::jsonb, $7::jsonb, $8::jsonb, $9::int,
            (select score from content.audits where ${ofPage} order by audited_at desc, audit_id desc limit 1)
     on conflict (task_id) do nothing
     returning audit_id, previous_score`,
    [
      ...[audit.taskId, audit.executionId, audit.articleId, audit.url, audit.score],
      ...[audit.parts, audit.findings, audit.measures].map((value) => JSON.stringify(value)),
      audit.recommendations.length,
      // In the order of time, also within one moment.
      uuidv7(),
    ],
  );
  const row = rows[0];
  return row ? { auditId: row.audit_id as string, previousScore: row.previous_score as number | null } : null;
}

async function auditOfTask(tx: Queryable, taskId: string) {
  const { rows } = await tx.query("select audit_id, previous_score from content.audits where task_id = $1", [
    taskId,
  ]);
  return { auditId: rows[0]?.audit_id as string, previousScore: rows[0]?.previous_score as number | null };
}

async function supersede(tx: Queryable, { articleId, url }: AuditToSave, auditId: string): Promise<void> {
  const ofPage =
    articleId === null ? "article_id is null and md5(url) = md5($2) and url = $2" : "article_id = $2::uuid";
  await tx.query(
    `update content.recommendations set status = 'superseded', decided_at = orchestrator_now(), decided_by = $1
     where status = 'open' and ${ofPage}`,
    [`audit ${auditId}`, articleId ?? url],
  );
}

/** What a person has refused once is kept as refused. */
async function insertRecommendations(tx: Queryable, audit: AuditToSave, auditId: string): Promise<void> {
  if (audit.recommendations.length === 0) return;
  const page = audit.articleId ?? audit.url;
  const rows = audit.recommendations.map(({ gain, changes, ...rest }) => ({
    ...{ ...rest, changes, gain_tenths: Math.round(gain * 10) },
    fingerprint: fingerprintOf(page, rest.rule, changes),
  }));
  await tx.query(
    `insert into content.recommendations (audit_id, article_id, url, rule, title, detail, gain_tenths, changes, applicable,
                                          basis, fingerprint, status, decided_at, decided_by)
     select $1, $2, $3, n.rule, n.title, n.detail, n.gain_tenths, n.changes, jsonb_array_length(n.changes) > 0, n.basis,
            decode(n.fingerprint, 'hex'), case when refused.by is null then 'open' else 'rejected' end, refused.at,
            refused.by
       from jsonb_to_recordset($4::jsonb) as n (rule text, title text, detail text, gain_tenths int, changes jsonb,
              basis text, fingerprint text)
       left join lateral (
              select r.decided_at as at, r.decided_by as by from content.recommendations r
               where r.fingerprint = decode(n.fingerprint, 'hex') and r.status in ('rejected', 'rolled_back')
               order by r.decided_at desc limit 1) as refused on true`,
    [auditId, audit.articleId, audit.url, JSON.stringify(rows)],
  );
}

function fingerprintOf(page: string, rule: string, changes: unknown[]): string {
  return createHash("sha256")
    .update(`${page}\n${rule}\n${canonicalJson(changes)}`)
    .digest("hex")
    .slice(0, 32);
}

async function setDue(tx: Queryable, articleId: string, days: number): Promise<void> {
  await tx.query(
    "update content.articles set audit_due_at = orchestrator_now() + $2 * interval '24 hours' where article_id = $1",
    [articleId, days],
  );
}

const COLUMNS = `a.audit_id, a.task_id, a.execution_id, a.article_id, c.slug, c.title, a.url, a.audited_at, a.score,
  a.previous_score, a.parts, jsonb_array_length(a.findings) as findings_count, a.recommendations,
  (extract(epoch from a.audited_at) * 1000000)::bigint as audited_micros`;

export interface AuditFilter {
  articleId?: string | undefined;
  url?: string | undefined;
}

/** The newest first, at most `limit`. */
export async function listAudits(
  db: Queryable,
  query: AuditFilter & { before?: Position | undefined; limit: number },
): Promise<AuditRow[]> {
  const { where, values } = filterOf(query);
  const { before } = query;
  const { rows } = await db.query(
    `select ${COLUMNS} from content.audits a left join content.articles c using (article_id)
      where ${where} and ($1::bigint is null
        or (a.audited_at, a.audit_id) < (timestamptz 'epoch' + $1::bigint * interval '1 microsecond', $2::uuid))
      order by a.audited_at desc, a.audit_id desc limit $3`,
    [before?.createdMicros ?? null, before?.id ?? null, query.limit, ...values],
  );
  return rows.map(auditOf);
}

function filterOf({ articleId, url }: AuditFilter): { where: string; values: unknown[] } {
  if (articleId !== undefined) return { where: "a.article_id = $4::uuid", values: [articleId] };
  if (url !== undefined) return { where: "md5(a.url) = md5($4) and a.url = $4", values: [url] };
  return { where: "true", values: [] };
}

export interface Trend {
  audits: number;
  firstScore: number;
  lastScore: number;
  bestScore: number;
  worstScore: number;
  /** Null below two audits at different times. */
  changePer30Days: number | null;
}

/** How a page's score has moved; null for one that was never audited. */
export async function trendOf(db: Queryable, filter: AuditFilter): Promise<Trend | null> {
  const { where, values } = filterOf(filter);
  const { rows } = await db.query(
    `select count(*) as audits, max(score) as best, min(score) as worst,
            (array_agg(score order by audited_at, audit_id))[1] as first,
            (array_agg(score order by audited_at desc, audit_id desc))[1] as last,
            regr_slope(score, extract(epoch from audited_at)) * 2592000 as slope
       from content.audits a where ${where.replace("$4", "$1").replace("$4", "$1")}`,
    values,
  );
  const row = rows[0];
  if (!row || row.audits === 0) return null;
  return {
    ...{ audits: row.audits, firstScore: row.first, lastScore: row.last },
    ...{ bestScore: row.best, worstScore: row.worst, changePer30Days: row.slope },
  };
}

/** An audit with all that was found, or null. */
export async function findAudit(db: Queryable, auditId: string): Promise<WholeAudit | null> {
  const { rows } = await db.query(
    `select ${COLUMNS}, a.findings, a.measures from content.audits a left join content.articles c using (article_id)
      where a.audit_id = $1`,
    [auditId],
  );
  const row = rows[0];
  if (!row) return null;
  const recommendations = await recommendationsOf(db, auditId);
  return { ...auditOf(row), findings: row.findings, measures: row.measures, recommendations };
}

function auditOf(row: Row): AuditRow {
  return {
    auditId: row.audit_id,
    taskId: row.task_id,
    executionId: row.execution_id,
    articleId: row.article_id,
    slug: row.slug,
    title: row.title,
    url: row.url,
    auditedAtMs: row.audited_at,
    score: row.score,
    previousScore: row.previous_score,
    parts: row.parts,
    findingCount: row.findings_count,
    recommendationCount: row.recommendations,
    position: { createdMicros: row.audited_micros, id: row.audit_id },
  };
}

/** The id of the article that is named by its slug or its id; null for none. */
export async function articleIdOf(db: Queryable, name: string): Promise<string | null> {
  const { rows } = await db.query(
    "select article_id from content.articles where slug = $1 or article_id::text = $1 order by slug = $1 limit 1",
    [name],
  );
  return rows[0]?.article_id ?? null;
}
