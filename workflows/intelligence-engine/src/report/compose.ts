/** Owns what a report says: takes the numbers of a period and of the one before it and puts them together. Writes no HTML. */
import type { SeriesAnalysis } from "../analysis/analyse.ts";
import { findingsOf, forecastWords } from "../analysis/findings.ts";
import { gather, type Numbers } from "../analysis/gather.ts";
import { addDays, daysOf, inWords, type Period, periodBefore } from "../days.ts";
import type { Targets } from "../input.ts";
import type { Library, MemberDay, NewInsight, ReaderDay } from "../library.ts";
import { ABOUT, type Dimension, type ReaderMetric } from "../metrics.ts";
import type { Compared, ForecastPart, MemberRow, ReportDocument, Told } from "./document.ts";
import { productionOf, WRITER } from "./production.ts";
import { headlineOf, recommendationsOf, summaryOf } from "./words.ts";

const MAX_CHANNELS = 8;
const MAX_ARTICLES = 10;
const MAX_TOLD = 12;
const CHART_DAYS = 91;
/** Shown first; the others follow. */
const FORECASTS = ["views", "conversions", "revenue_usd", "articles_published"] as const;
const COMPARED: readonly ReaderMetric[] = [
  "views",
  "visitors",
  "engaged_seconds",
  "conversions",
  "revenue_usd",
];

export interface ReportOrder {
  period: Period;
  /** The first day of the period that is not over, or its end. */
  to: string;
  generatedAt: string;
  targets: Targets;
  analyses: readonly SeriesAnalysis[];
  /** What went wrong while looking. */
  limits: readonly string[];
}

/** The document, told deterministically. */
export async function composeReport(library: Library, order: ReportOrder): Promise<ReportDocument> {
  const { period, to, analyses } = order;
  const numbers = (await gather(library, to)) ?? nothing(period.from, to);
  const earlier = periodBefore(period);
  // A period that is not over is held against as many days of the one before.
  const before =
    to === period.to ? earlier : { ...earlier, to: addDays(earlier.from, daysOf(period.from, to).length) };
  const readers = await readersOf(library, numbers, { ...period, to }, before);
  const latency = await library.houseLatency({ from: period.from, to, workflowType: WRITER });
  const production = productionOf(numbers.house, { ...period, to }, before, order.targets, latency);
  const findings = findingsOf(analyses, to);
  const document: ReportDocument = {
    format: "executive_report/1",
    ...{ kind: period.kind, from: period.from, to: period.to, period: inWords(period) },
    complete: to === period.to,
    generated_at: order.generatedAt,
    headline: "",
    told_by: "deterministic",
    summary: [],
    production,
    readers,
    forecasts: forecastsOf(analyses, numbers),
    findings: told(findings.filter(({ kind }) => ["trend", "change", "gap", "season"].includes(kind))),
    anomalies: told(findings.filter(({ kind, to: end }) => kind === "anomaly" && end > period.from)),
    recommendations: [],
    limits: [...limitsOf(readers, numbers, to), ...order.limits],
  };
  document.headline = headlineOf(document);
  document.summary = summaryOf(document);
  document.recommendations = recommendationsOf(document, findings);
  return document;
}

const nothing = (from: string, to: string): Numbers => ({ from, to, readers: [], members: [], house: [] });

function told(findings: readonly NewInsight[]): Told[] {
  return findings
    .slice(0, MAX_TOLD)
    .map(({ headline, words, importance }) => ({ headline, words, importance }));
}

async function readersOf(
  library: Library,
  numbers: Numbers,
  period: Period,
  before: Period,
): Promise<ReportDocument["readers"]> {
  const within = ({ from, to }: Period) => numbers.readers.filter(({ day }) => day >= from && day < to);
  const [now, then] = [within(period), within(before)];
  const known = new Set(now.map(({ day }) => day));
  const compared = COMPARED.map((metric) => comparedOf(metric, now, then));
  const figure = (metric: ReaderMetric, key: "value" | "before") =>
    compared.find((each) => each.metric === metric)?.[key] ?? null;
  const share = (key: "value" | "before") => {
    const [conversions, views] = [figure("conversions", key), figure("views", key)];
    return conversions === null || !views ? null : conversions / views;
  };
  const byDay = new Map(numbers.readers.map((day) => [day.day, day]));
  const members = (dimension: Dimension, metric: ReaderMetric, most: number) =>
    membersOf(library, { period, before, dimension, metric, most });
  const [channels, articles, offers] = await Promise.all([
    members("channel", "views", MAX_CHANNELS),
    members("article", "views", MAX_ARTICLES + 1),
    members("offer", "revenue_usd", MAX_CHANNELS),
  ]);
  return {
    known_days: now.length,
    unknown_days: daysOf(period.from, period.to).filter((day) => !known.has(day)),
    compared,
    conversion_share: share("value"),
    conversion_share_before: share("before"),
    channels,
    articles: articles.filter(({ label }) => label !== "").slice(0, MAX_ARTICLES),
    offers: offers
      .filter(({ label }) => label !== "")
      .map(({ label, conversions, revenue_usd }) => ({ label, conversions, revenue_usd })),
    days: daysOf(addDays(period.to, -CHART_DAYS), period.to).map((day) => ({
      day,
      views: byDay.get(day)?.views ?? null,
      revenue_usd: byDay.get(day)?.revenue_usd ?? null,
    })),
  };
}

/** Sums of what is known; null where nothing is. */
function comparedOf(metric: ReaderMetric, now: readonly ReaderDay[], then: readonly ReaderDay[]): Compared {
  const { words, unit, good } = ABOUT[metric];
  const sum = (days: readonly ReaderDay[]) =>
    days.length === 0 ? null : days.reduce((total, day) => total + day[metric], 0);
  return { metric, words, unit, value: sum(now), before: sum(then), good };
}

async function membersOf(
  library: Library,
  asked: { period: Period; before: Period; dimension: Dimension; metric: ReaderMetric; most: number },
): Promise<MemberRow[]> {
  const { period, before, dimension, metric, most } = asked;
  const days = await library.memberDays({ ...period, dimension, metric, members: most });
  const byMember = [...Map.groupBy(days, ({ member }) => member)];
  const ids = byMember.map(([member]) => member);
  const [titles, parts] = await Promise.all([
    dimension === "article" ? library.titles(ids) : new Map(ids.map((id) => [id, id])),
    library.contributions({
      metric: "views",
      dimension,
      before: daysOf(before.from, before.to),
      after: [],
      limit: 500,
    }),
  ]);
  const earlier = new Map(
    parts.map((part) => [part.member, part.before * daysOf(before.from, before.to).length]),
  );
  return byMember
    .map(([member, rows]) => ({
      label: member === "" ? "" : (titles.get(member) ?? member),
      ...totals(rows),
      views_before: Math.round(earlier.get(member) ?? 0),
    }))
    .sort(
      (a, b) =>
        b[metric === "revenue_usd" ? "revenue_usd" : "views"] -
        a[metric === "revenue_usd" ? "revenue_usd" : "views"],
    );
}

function totals(rows: readonly MemberDay[]) {
  const sum = (metric: "views" | "visitors" | "conversions" | "revenue_usd") =>
    rows.reduce((total, row) => total + row[metric], 0);
  return {
    views: sum("views"),
    visitors: sum("visitors"),
    conversions: sum("conversions"),
    revenue_usd: sum("revenue_usd"),
  };
}

function forecastsOf(analyses: readonly SeriesAnalysis[], numbers: Numbers): ForecastPart[] {
  return FORECASTS.flatMap((metric) => {
    const analysis = analyses.find((each) => each.metric === metric && each.subject === "all");
    if (!analysis?.forecast) return [];
    const { forecast, unit } = analysis;
    const { error, naive } = forecast;
    return [
      {
        metric,
        words: ABOUT[metric].words,
        unit,
        model: forecast.words,
        beats_naive: forecast.beatsNaive,
        horizon_days: forecast.horizon,
        backtest: {
          forecasts: forecast.origins,
          mase: error.mase,
          smape_percent: error.smape,
          coverage_80: error.coverage80,
          coverage_95: error.coverage95,
          naive_mase: naive.mase,
          naive_smape_percent: naive.smape,
        },
        total: forecast.total,
        history: historyOf(metric, numbers, forecast.days[0]?.day as string),
        days: forecast.days.map(({ day, mean, low80, high80, low95, high95 }) => ({
          ...{ day, mean, low_80: low80, high_80: high80, low_95: low95, high_95: high95 },
        })),
        told: forecastWords(analysis),
      },
    ];
  });
}

function historyOf(metric: (typeof FORECASTS)[number], numbers: Numbers, to: string) {
  const days = daysOf(addDays(to, -56), to);
  if (metric === "articles_published") {
    const byDay = Map.groupBy(numbers.house, ({ day }) => day);
    return days.map((day) => ({
      day,
      value: (byDay.get(day) ?? []).reduce((sum, row) => sum + row.articles, 0),
    }));
  }
  const byDay = new Map(numbers.readers.map((row) => [row.day, row[metric]]));
  return days.map((day) => ({ day, value: byDay.get(day) ?? null }));
}

function limitsOf(readers: ReportDocument["readers"], numbers: Numbers, to: string): string[] {
  const limits: string[] = [];
  if (numbers.readers.length === 0)
    limits.push("No readers' data was ever imported: everything about readers is left out.");
  else if (readers.unknown_days.length > 0) {
    const days = readers.unknown_days;
    limits.push(
      `Nothing was imported for ${days.length} of the period's days (${days.slice(0, 5).join(", ")}${days.length > 5 ? ", …" : ""}); sums are of the other days, and comparisons are to be read with that in mind.`,
    );
  }
  if (numbers.house.length === 0)
    limits.push("No task has ended on any day that is kept: there is nothing to tell about production.");
  limits.push("Visitors are told apart within a day: one who comes on two days is counted twice.");
  limits.push(
    `Everything is as it was known until before ${to}, in UTC days; rows that are imported later change these numbers, not this report.`,
  );
  return limits;
}
