/** Owns the seam between the engine and the stored numbers: the server implements it. Knows no SQL. */
import type { PeriodKind } from "./days.ts";
import type { Dimension, Metric, ReaderMetric } from "./metrics.ts";

/** Readers' numbers of a day, or of a member of a dimension on a day. */
export interface ReaderNumbers {
  views: number;
  visitors: number;
  engaged_seconds: number;
  conversions: number;
  revenue_usd: number;
}

export interface ReaderDay extends ReaderNumbers {
  day: string;
}

export interface MemberDay extends ReaderDay {
  member: string;
}

/** What the orchestrator did on a day, for one workflow (empty: what belongs to none). */
export interface HouseDay {
  day: string;
  workflowType: string;
  tasksCompleted: number;
  tasksFailed: number;
  latencyP50Seconds: number | null;
  latencyP95Seconds: number | null;
  withinTwoMinutes: number;
  costUsd: number;
  articles: number;
}

/** How much one member had before and after. */
export interface Contribution {
  member: string;
  /** A title, a name; empty for none. */
  label: string;
  /** Means of a day. */
  before: number;
  after: number;
}

/** Something that happened in the house and may have to do with it. */
export interface Coincidence {
  /** RFC 3339. */
  at: string;
  kind: "policy" | "workflow" | "orchestrator" | "recovery" | "failures" | "deployment";
  subject: string;
  what: string;
}

export type InsightKind = "trend" | "change" | "anomaly" | "forecast" | "season" | "gap" | "investigation";

export interface NewInsight {
  /** The same finding has the same key, however often it is found. */
  key: string;
  kind: InsightKind;
  metric: Metric;
  subject: string;
  from: string;
  /** The first day behind its period. */
  to: string;
  /** 0 to 1. */
  importance: number;
  headline: string;
  words: string;
  numbers: Record<string, unknown>;
  evidence: Record<string, unknown>;
  toldBy: string;
}

export interface NewReport {
  taskId: string;
  kind: PeriodKind;
  from: string;
  to: string;
  headline: string;
  toldBy: string;
  html: string;
  markdown: string;
  /** As JSON text. */
  document: string;
  /** SHA-256 of each form, in hexadecimal. */
  hashes: { html: string; markdown: string; json: string };
}

export interface DailyQuery {
  from: string;
  /** The first day behind it. */
  to: string;
}

/**
 * What the engine asks of the store. Every method may be called again with the same arguments and by several runs
 * at once; each rejects when the store is unreachable.
 */
export interface Library {
  /** The store's time, RFC 3339. */
  now(): Promise<string>;
  /** Days that have changed since they were rolled up, the oldest first. */
  staleDays(limit: number): Promise<string[]>;
  /**
   * Rolls a day up from its rows: the mark goes first, in the same transaction. False: nobody had marked it (any
   * more), and nothing was done unless `anyway`.
   */
  rollUpDay(day: string, options?: { anyway?: boolean }): Promise<boolean>;
  /** Until when the orchestrator's own work is counted, RFC 3339; null before the first time. */
  houseCountedUntil(): Promise<string | null>;
  /** Notes that everything was analysed. */
  analysed(): Promise<void>;
  /** The first day and the last of which anything is known; null: nothing is. */
  known(): Promise<{ first: string; last: string } | null>;
  readerDays(query: DailyQuery): Promise<ReaderDay[]>;
  /** The days of the members of a dimension that had most of a metric over the period. */
  memberDays(
    query: DailyQuery & { dimension: Dimension; metric: ReaderMetric; members: number },
  ): Promise<MemberDay[]>;
  houseDays(query: DailyQuery): Promise<HouseDay[]>;
  /** From when a task was first due to its result, over all completed ones of a workflow. */
  houseLatency(
    query: DailyQuery & { workflowType: string },
  ): Promise<{ p50Seconds: number | null; p95Seconds: number | null }>;
  /**
   * How much of a metric each member had on some days and on others, as means of a day, those first whose
   * difference is largest. `within`: only of that member of another dimension, e.g. `channel:Organic Search`.
   */
  contributions(query: {
    metric: ReaderMetric;
    dimension: Dimension;
    before: readonly string[];
    after: readonly string[];
    within?: string | undefined;
    limit: number;
  }): Promise<Contribution[]>;
  /** One member's metric by day; days on which it had none are left out. */
  seriesOf(
    query: DailyQuery & { metric: ReaderMetric; dimension: string; member: string },
  ): Promise<{ day: string; value: number }[]>;
  /** Titles of articles by their ids; those that are gone are left out. */
  titles(articleIds: readonly string[]): Promise<Map<string, string>>;
  coincidences(query: DailyQuery & { limit: number }): Promise<Coincidence[]>;
  /** Keeps insights; those of `kinds` that are current and not among them are ended. */
  saveInsights(
    insights: readonly NewInsight[],
    of: { taskId: string; kinds: readonly InsightKind[] },
  ): Promise<void>;
  /** Whether there is a report of this period. */
  hasReport(kind: PeriodKind, from: string): Promise<boolean>;
  /** Keeps a report; the same task again gets the one that it made. */
  saveReport(report: NewReport): Promise<{ reportId: string }>;
}
