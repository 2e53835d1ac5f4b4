/** Owns the rows of insights: keeps what was found, ends what is found no more, lists. Finds nothing. */
import { v7 as uuidv7 } from "uuid";
import type { Database, Queryable, Row } from "./database.ts";

export interface InsightToSave {
  key: string;
  kind: string;
  metric: string;
  subject: string;
  from: string;
  to: string;
  importance: number;
  headline: string;
  words: string;
  numbers: Record<string, unknown>;
  evidence: Record<string, unknown>;
  toldBy: string;
}

export interface InsightRow extends InsightToSave {
  insightId: string;
  taskId: string;
  foundAtMs: number;
  updatedAtMs: number;
  endedAtMs: number | null;
}

/** Keeps insights by their keys; current ones of `kinds` that are not among them are ended. All or none. */
export async function saveInsights(
  db: Database,
  insights: readonly InsightToSave[],
  { taskId, kinds }: { taskId: string; kinds: readonly string[] },
): Promise<void> {
  const rows = insights.map(({ toldBy, ...each }) => ({ ...each, told_by: toldBy, insight_id: uuidv7() }));
  await db.transaction(async (tx) => {
    await tx.query(
      `insert into content.insights as i (insight_id, key, kind, metric, subject, from_day, to_day, importance, headline,
              words, numbers, evidence, told_by, task_id)
       select insight_id, key, kind, metric, subject, "from", "to", importance, headline, words, numbers, evidence,
              told_by, $2
         from jsonb_to_recordset($1::jsonb) as n (insight_id uuid, key text, kind text, metric text, subject text,
              "from" date, "to" date, importance float8, headline text, words text, numbers jsonb, evidence jsonb,
              told_by text)
        order by key
       on conflict (key) do update set from_day = excluded.from_day, to_day = excluded.to_day,
          importance = excluded.importance, headline = excluded.headline, words = excluded.words,
          numbers = excluded.numbers, evidence = excluded.evidence, told_by = excluded.told_by,
          task_id = excluded.task_id, updated_at = orchestrator_now(), ended_at = null`,
      [JSON.stringify(rows), taskId],
    );
    await tx.query(
      `update content.insights set ended_at = orchestrator_now()
        where ended_at is null and kind = any($1::text[]) and key <> all($2::text[])`,
      [kinds, insights.map(({ key }) => key)],
    );
  });
}

export interface InsightFilter {
  kind?: string | undefined;
  metric?: string | undefined;
  /** Those that are found no more as well. */
  all?: boolean | undefined;
  /** The place of the last one of the page before. */
  after?: { importance: number; insightId: string } | undefined;
  limit: number;
}

/** The most important first. */
export async function listInsights(db: Queryable, filter: InsightFilter): Promise<InsightRow[]> {
  const { rows } = await db.query(
    `select *, to_char(from_day, 'YYYY-MM-DD') as from_text, to_char(to_day, 'YYYY-MM-DD') as to_text
       from content.insights
      where ($1::text is null or kind = $1) and ($2::text is null or metric = $2)
        and ($3::boolean or ended_at is null)
        and ($4::float8 is null or (importance, insight_id) < ($4, $5::uuid))
      order by importance desc, insight_id desc limit $6`,
    [
      filter.kind ?? null,
      filter.metric ?? null,
      filter.all ?? false,
      filter.after?.importance ?? null,
      filter.after?.insightId ?? null,
      filter.limit,
    ],
  );
  return rows.map(insightOf);
}

export async function findInsight(db: Queryable, insightId: string): Promise<InsightRow | null> {
  const { rows } = await db.query(
    `select *, to_char(from_day, 'YYYY-MM-DD') as from_text, to_char(to_day, 'YYYY-MM-DD') as to_text
       from content.insights where insight_id = $1`,
    [insightId],
  );
  return rows[0] ? insightOf(rows[0]) : null;
}

function insightOf(row: Row): InsightRow {
  return {
    insightId: row.insight_id,
    key: row.key,
    kind: row.kind,
    metric: row.metric,
    subject: row.subject,
    from: row.from_text,
    to: row.to_text,
    importance: row.importance,
    headline: row.headline,
    words: row.words,
    numbers: row.numbers,
    evidence: row.evidence,
    toldBy: row.told_by,
    taskId: row.task_id,
    foundAtMs: row.found_at,
    updatedAtMs: row.updated_at,
    endedAtMs: row.ended_at,
  };
}
