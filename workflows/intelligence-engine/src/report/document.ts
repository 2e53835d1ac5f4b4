/** Owns the form of an executive report's JSON: what every other form of it is made from. Holds no code. */
import type { PeriodKind } from "../days.ts";
import type { Metric, Unit } from "../metrics.ts";

export interface Target {
  name: string;
  /** As people read it. */
  target: string;
  actual: string;
  /** Null where there is nothing to judge. */
  met: boolean | null;
}

export interface Compared {
  metric: Metric;
  words: string;
  unit: Unit;
  /** Null: unknown. */
  value: number | null;
  before: number | null;
  good: "more" | "less";
}

export interface MemberRow {
  label: string;
  views: number;
  visitors: number;
  conversions: number;
  revenue_usd: number;
  views_before: number;
}

export interface ForecastPart {
  metric: Metric;
  words: string;
  unit: Unit;
  model: string;
  beats_naive: boolean;
  horizon_days: number;
  backtest: {
    forecasts: number;
    mase: number | null;
    smape_percent: number;
    coverage_80: number;
    coverage_95: number;
    naive_mase: number | null;
    naive_smape_percent: number;
  };
  total: { mean: number; low: number; high: number };
  /** What came before, for the chart. */
  history: { day: string; value: number | null }[];
  days: { day: string; mean: number; low_80: number; high_80: number; low_95: number; high_95: number }[];
  told: string;
}

export interface Told {
  headline: string;
  words: string;
  importance: number;
}

export interface ReportDocument {
  format: "executive_report/1";
  kind: PeriodKind;
  from: string;
  /** The first day behind it. */
  to: string;
  period: string;
  /** Whether its last day is over. */
  complete: boolean;
  generated_at: string;
  headline: string;
  /** `deterministic`, or the model whose words headline and summary are. */
  told_by: string;
  summary: string[];
  production: {
    known: boolean;
    articles: number;
    tasks_completed: number;
    tasks_failed: number;
    success_share: number | null;
    latency_p50_seconds: number | null;
    latency_p95_seconds: number | null;
    within_two_minutes_share: number | null;
    cost_usd: number;
    cost_per_article_usd: number | null;
    targets: Target[];
    by_workflow: { workflow_type: string; completed: number; failed: number; cost_usd: number }[];
    days: { day: string; articles: number; failed: number }[];
    before: { articles: number; cost_usd: number };
  };
  readers: {
    known_days: number;
    unknown_days: string[];
    compared: Compared[];
    conversion_share: number | null;
    conversion_share_before: number | null;
    channels: MemberRow[];
    articles: MemberRow[];
    offers: { label: string; conversions: number; revenue_usd: number }[];
    days: { day: string; views: number | null; revenue_usd: number | null }[];
  };
  forecasts: ForecastPart[];
  findings: Told[];
  anomalies: Told[];
  recommendations: { words: string; because: string }[];
  /** What the report cannot tell, and why. */
  limits: string[];
}
