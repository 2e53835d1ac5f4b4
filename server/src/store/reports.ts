/** Owns the rows of executive reports: keeps each as it was written, finds and lists. Writes no report. */
import { v7 as uuidv7 } from "uuid";
import type { Queryable, Row } from "./database.ts";

export interface ReportToSave {
  taskId: string;
  kind: "day" | "week" | "month";
  from: string;
  to: string;
  headline: string;
  toldBy: string;
  html: string;
  markdown: string;
  document: string;
  hashes: { html: string; markdown: string; json: string };
}

export interface ReportSummary {
  reportId: string;
  kind: ReportToSave["kind"];
  from: string;
  to: string;
  headline: string;
  toldBy: string;
  hashes: ReportToSave["hashes"];
  taskId: string;
  createdAtMs: number;
}

/** Keeps a report; a task that has made one already gets that one, unchanged. */
export async function saveReport(db: Queryable, report: ReportToSave): Promise<{ reportId: string }> {
  const { rows } = await db.query(
    `insert into content.reports (report_id, task_id, kind, from_day, to_day, headline, told_by, document, html,
            markdown, hashes)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     on conflict (task_id) do update set task_id = excluded.task_id returning report_id`,
    [
      uuidv7(),
      report.taskId,
      report.kind,
      report.from,
      report.to,
      report.headline,
      report.toldBy,
      report.document,
      report.html,
      report.markdown,
      JSON.stringify(report.hashes),
    ],
  );
  return { reportId: rows[0]?.report_id };
}

/** Whether there is a report of this period. */
export async function hasReport(db: Queryable, kind: string, from: string): Promise<boolean> {
  const { rows } = await db.query("select from content.reports where kind = $1 and from_day = $2 limit 1", [
    kind,
    from,
  ]);
  return rows.length > 0;
}

const SUMMARY = `report_id, kind, to_char(from_day, 'YYYY-MM-DD') as from_text, to_char(to_day, 'YYYY-MM-DD') as to_text,
  headline, told_by, hashes, task_id, created_at`;

/** The newest first; `before` is the last id of the page before. */
export async function listReports(
  db: Queryable,
  query: { kind?: string | undefined; before?: string | undefined; limit: number },
): Promise<ReportSummary[]> {
  const { rows } = await db.query(
    `select ${SUMMARY} from content.reports
      where ($1::text is null or kind = $1) and ($2::uuid is null or report_id < $2)
      order by report_id desc limit $3`,
    [query.kind ?? null, query.before ?? null, query.limit],
  );
  return rows.map(summaryOf);
}

export type ReportForm = "html" | "markdown" | "json";
const FORM_COLUMN: Readonly<Record<ReportForm, string>> = {
  html: "html",
  markdown: "markdown",
  json: "document",
};

/** One report in one form, or null. `reportId` may be `latest`, of any kind. */
export async function findReport(
  db: Queryable,
  reportId: string,
  form: ReportForm,
): Promise<(ReportSummary & { text: string }) | null> {
  const { rows } = await db.query(
    `select ${SUMMARY}, ${FORM_COLUMN[form]} as text from content.reports
      where $1 = 'latest' or report_id::text = $1 order by report_id desc limit 1`,
    [reportId],
  );
  return rows[0] ? { ...summaryOf(rows[0]), text: rows[0].text } : null;
}

function summaryOf(row: Row): ReportSummary {
  return {
    reportId: row.report_id,
    kind: row.kind,
    from: row.from_text,
    to: row.to_text,
    headline: row.headline,
    toldBy: row.told_by,
    hashes: row.hashes,
    taskId: row.task_id,
    createdAtMs: row.created_at,
  };
}
