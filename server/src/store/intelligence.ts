/** Owns what the intelligence engine asks of the store, put together from its parts. Holds no statement but the clock's. */
import { coincidences } from "./coincidences.ts";
import {
  articleTitles,
  type ContributionQuery,
  contributions,
  type DayRange,
  houseCountedUntil,
  houseDays,
  houseLatency,
  knownDays,
  memberDays,
  memberSeries,
  readerDays,
} from "./daily.ts";
import type { Database, Queryable } from "./database.ts";
import { type InsightToSave, saveInsights } from "./insights.ts";
import { noteAnalysed, rollUpDay, staleDays } from "./reader-days.ts";
import { hasReport, type ReportToSave, saveReport } from "./reports.ts";

/** The library as the intelligence engine asks for it, over one database. */
export function intelligenceLibrary(db: Database) {
  return {
    now: () => storeTime(db),
    staleDays: (limit: number) => staleDays(db, limit),
    rollUpDay: (day: string, options?: { anyway?: boolean }) => rollUpDay(db, day, options),
    houseCountedUntil: () => houseCountedUntil(db),
    houseLatency: (query: DayRange & { workflowType: string }) => houseLatency(db, query),
    analysed: () => noteAnalysed(db),
    known: () => knownDays(db),
    readerDays: (query: DayRange) => readerDays(db, query),
    memberDays: (query: DayRange & { dimension: string; metric: string; members: number }) =>
      memberDays(db, query),
    houseDays: (query: DayRange) => houseDays(db, query),
    contributions: (query: ContributionQuery) => contributions(db, query),
    seriesOf: (query: DayRange & { metric: string; dimension: string; member: string }) =>
      memberSeries(db, query),
    titles: (articleIds: readonly string[]) => articleTitles(db, articleIds),
    coincidences: (query: DayRange & { limit: number }) => coincidences(db, query),
    saveInsights: (insights: readonly InsightToSave[], of: { taskId: string; kinds: readonly string[] }) =>
      saveInsights(db, insights, of),
    hasReport: (kind: string, from: string) => hasReport(db, kind, from),
    saveReport: (report: ReportToSave) => saveReport(db, report),
  };
}

async function storeTime(db: Queryable): Promise<string> {
  const { rows } = await db.query("select orchestrator_now() as now");
  return new Date(rows[0]?.now).toISOString();
}
