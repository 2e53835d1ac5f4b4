/** Owns how an analysis becomes findings: in words, with the numbers they rest on, and how much each matters. Pure. */
import { addDays, daysBetween, inWords, WEEKDAYS } from "../days.ts";
import type { InsightKind, NewInsight } from "../library.ts";
import { ABOUT, type Metric, shown, shownChange, shownShare } from "../metrics.ts";
import type { DayAnomaly, LevelChange, SeriesAnalysis } from "./analyse.ts";

/** What an analysis may find: ended when it is found no more. */
export const FOUND_KINDS: readonly InsightKind[] = [
  "trend",
  "change",
  "anomaly",
  "forecast",
  "season",
  "gap",
];

const WEIGHT: Readonly<Record<Metric, number>> = {
  revenue_usd: 1,
  conversions: 0.9,
  views: 0.8,
  visitors: 0.7,
  engaged_seconds: 0.6,
  cost_usd: 0.8,
  latency_p95_seconds: 0.8,
  tasks_failed: 0.8,
  articles_published: 0.7,
  tasks_completed: 0.5,
};
/** Changes further back are history. */
const CHANGE_DAYS = 90;
/** From this strength on a season is told. */
const STRONG = 0.64;
/** Below this a change is true and of no consequence. */
const LEAST_SHARE = 0.05;

/** Everything that is worth telling about these series, as of `to`. */
export function findingsOf(analyses: readonly SeriesAnalysis[], to: string): NewInsight[] {
  const found = analyses.flatMap((analysis) => [
    ...trends(analysis),
    ...changes(analysis, to),
    ...anomalies(analysis, to),
    ...forecasts(analysis),
    ...seasons(analysis),
  ]);
  return [...found, ...gaps(analyses, to)].sort((a, b) => b.importance - a.importance);
}

/** `page views of Organic Search`. */
export function named({
  metric,
  subject,
  label,
}: Pick<SeriesAnalysis, "metric" | "subject" | "label">): string {
  const { words } = ABOUT[metric];
  return subject === "all" ? words : `${words} of ${label}`;
}

const weight = ({ metric, subject }: SeriesAnalysis) => WEIGHT[metric] * (subject === "all" ? 1 : 0.7);
/** 1 for a doubling or a halving, 0 for no change; a tenth is a quarter. */
const effect = (share: number) =>
  Math.min(1, Math.abs(Math.log(Math.max(0.05, 1 + share))) / Math.LN2) ** 0.7;
const be = ({ metric }: SeriesAnalysis) => (ABOUT[metric].many ? "are" : "is");
const upper = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
const rounded = (value: number) => Number(value.toPrecision(6));

function insight(
  analysis: SeriesAnalysis,
  kind: InsightKind,
  at: string,
  rest: Pick<NewInsight, "from" | "to" | "importance" | "headline" | "words" | "numbers" | "evidence">,
): NewInsight {
  const { metric, subject } = analysis;
  const key = `${kind}|${metric}|${subject}|${at}`;
  return {
    key,
    kind,
    metric,
    subject,
    ...rest,
    importance: rounded(Math.min(1, rest.importance)),
    toldBy: "deterministic",
  };
}

function trends(analysis: SeriesAnalysis): NewInsight[] {
  const { trend, to, unit } = analysis;
  if (!trend || trend.verdict === "none") return [];
  // A shift of level inside of the window explains it better than a slope; it is told as that.
  const from = addDays(to, -7 * trend.weeks);
  if (analysis.changes.some(({ day, share }) => day > from && Math.sign(share) === Math.sign(trend.perWeek)))
    return [];
  const whole = trend.share * trend.weeks;
  if (Math.abs(whole) < LEAST_SHARE) return [];
  const words =
    `${upper(named(analysis))} ${be(analysis)} ${trend.verdict} by ${shown(Math.abs(trend.perWeek), unit)} a week ` +
    `(${shownShare(trend.share, true)} of an average week; 95 % limits ${shown(trend.low, unit)} to ${shown(trend.high, unit)}) ` +
    `over the last ${trend.weeks} weeks. Mann–Kendall p = ${p(trend.p)}, corrected for autocorrelation.`;
  return [
    insight(analysis, "trend", "current", {
      from,
      to,
      importance: weight(analysis) * effect(whole) * 0.9,
      headline: `${upper(named(analysis))} ${be(analysis)} ${trend.verdict}: ${shownShare(trend.share, true)} a week`,
      words,
      numbers: { ...trend },
      evidence: { method: "Mann–Kendall (Hamed–Rao), Sen's slope, on weekly sums", days: analysis.days },
    }),
  ];
}

const p = (value: number) => (value < 0.001 ? "under 0.001" : value.toFixed(3));

function changes(analysis: SeriesAnalysis, to: string): NewInsight[] {
  return analysis.changes.flatMap((change) => {
    const age = daysBetween(change.day, to);
    if (age > CHANGE_DAYS || Math.abs(change.share) < LEAST_SHARE) return [];
    return [
      insight(analysis, "change", change.day, {
        from: change.day,
        to: analysis.to,
        importance: weight(analysis) * effect(change.share) * (1 - age / (2 * CHANGE_DAYS)),
        headline: `${upper(named(analysis))}: a new level since ${inWords(one(change.day))}, ${shownShare(change.share, true)}`,
        words: changeWords(analysis, change),
        numbers: { ...change },
        evidence: { method: "PELT on the logarithm without the weekly season", days: analysis.days },
      }),
    ];
  });
}

const one = (day: string) => ({ from: day, to: addDays(day, 1) });

function changeWords(analysis: SeriesAnalysis, { day, share, before, after, z }: LevelChange): string {
  const { unit } = analysis;
  return (
    `Since ${inWords(one(day))} ${named(analysis)} ${be(analysis)} at another level: ${shownShare(share, true)}, from ` +
    `${shown(before, unit)} a day in the weeks before to ${shown(after, unit)} after, ` +
    `${Math.abs(z).toFixed(1)} standard errors apart. The day is good to within a few days.`
  );
}

function anomalies(analysis: SeriesAnalysis, to: string): NewInsight[] {
  return analysis.anomalies.map((anomaly) => {
    const share = anomaly.expected === 0 ? 1 : anomaly.value / anomaly.expected - 1;
    const age = daysBetween(anomaly.day, to);
    return insight(analysis, "anomaly", anomaly.day, {
      ...one(anomaly.day),
      importance: weight(analysis) * effect(share) * (1 - Math.max(0, age) / 70) * 0.9,
      headline: `${upper(named(analysis))} stood out on ${inWords(one(anomaly.day))}: ${shown(anomaly.value, analysis.unit)} where ${shown(anomaly.expected, analysis.unit)} is usual`,
      words: anomalyWords(analysis, anomaly),
      numbers: { ...anomaly },
      evidence: { method: "robust z-score against the own weekday's baseline", threshold: 4.5 },
    });
  });
}

function anomalyWords(analysis: SeriesAnalysis, { day, value, expected, z }: DayAnomaly): string {
  const change = shownChange(expected, value);
  return (
    `${upper(named(analysis))} on ${inWords(one(day))}: ${shown(value, analysis.unit)}. For such a weekday ` +
    `${shown(expected, analysis.unit)} would have been usual${change ? ` (${change})` : ""}. That is ` +
    `${Math.abs(z).toFixed(1)} robust standard deviations ${z > 0 ? "above" : "below"} it.`
  );
}

function forecasts(analysis: SeriesAnalysis): NewInsight[] {
  const { forecast, level, unit } = analysis;
  if (!forecast || analysis.subject !== "all") return [];
  const past = forecast.horizon === 28 ? level.last28 : forecast.horizon === 7 ? level.last7 : null;
  const change = past ? forecast.total.mean / past - 1 : 0;
  return [
    insight(analysis, "forecast", "current", {
      from: forecast.days[0]?.day as string,
      to: addDays(forecast.days.at(-1)?.day as string, 1),
      importance: weight(analysis) * (0.1 + 0.6 * effect(change)) * (forecast.beatsNaive ? 1 : 0.7),
      headline: `${upper(named(analysis))}: ${shown(forecast.total.mean, unit)} expected over the next ${forecast.horizon} days`,
      words: forecastWords(analysis),
      numbers: {
        total: forecast.total,
        error: forecast.error,
        naive: forecast.naive,
        beats_naive: forecast.beatsNaive,
      },
      evidence: { method: forecast.words, origins: forecast.origins, horizon: forecast.horizon },
    }),
  ];
}

/** A forecast in words, with its error beside it. */
export function forecastWords(analysis: SeriesAnalysis): string {
  const { forecast, unit } = analysis;
  if (!forecast)
    return `No forecast of ${named(analysis)}: ${analysis.notes.filter((note) => note.includes("forecast")).join("; ")}.`;
  const { total, error, naive } = forecast;
  const scaled = (mase: number | null) => (mase === null ? "none" : mase.toFixed(2));
  const bar = forecast.beatsNaive
    ? `The seasonal naive forecast was worse (MASE ${scaled(naive.mase)}, sMAPE ${naive.smape.toFixed(1)} %).`
    : "No model did better than the seasonal naive forecast, so that is what is shown.";
  return (
    `${upper(named(analysis))} over the next ${forecast.horizon} days: ${shown(total.mean, unit)} expected, ` +
    `${shown(total.low, unit)} to ${shown(total.high, unit)} by how far earlier forecasts were off (${forecast.words}). ` +
    `Back-test of ${forecast.origins} forecasts: MASE ${scaled(error.mase)}, sMAPE ${error.smape.toFixed(1)} %, ` +
    `${shownShare(error.coverage80)} of days within the 80 % interval. ${bar}`
  );
}

/** Told of the whole alone, where the weekday says more than all else that varies. */
function seasons(analysis: SeriesAnalysis): NewInsight[] {
  const { season } = analysis;
  if (!season || season.strength < STRONG || analysis.subject !== "all") return [];
  const named7 = season.weekdays.map((share, i) => ({ share, name: WEEKDAYS[i] as string }));
  const most = named7.reduce((a, b) => (b.share > a.share ? b : a));
  const least = named7.reduce((a, b) => (b.share < a.share ? b : a));
  return [
    insight(analysis, "season", "weekly", {
      from: analysis.from,
      to: analysis.to,
      importance: weight(analysis) * 0.1 * season.strength,
      headline: `${upper(named(analysis))} ${be(analysis)} highest on ${most.name}s, lowest on ${least.name}s`,
      words: `A ${most.name} has ${shownShare(most.share)} of an average day, a ${least.name} ${shownShare(least.share)}. The strength of the weekly season is ${season.strength.toFixed(2)} (0 none, 1 nothing else).`,
      numbers: { strength: season.strength, weekdays_from_monday: season.weekdays },
      evidence: { method: "classical decomposition of the logarithm" },
    }),
  ];
}

/** Days without any rows of readers: of the whole, once, not of every series. */
function gaps(analyses: readonly SeriesAnalysis[], to: string): NewInsight[] {
  const readers = analyses.find(({ metric, subject }) => metric === "views" && subject === "all");
  if (!readers) return [];
  return readers.gaps.flatMap((gap) => {
    const days = daysBetween(gap.from, gap.to);
    const age = daysBetween(gap.to, to);
    // What is not there yet today and yesterday is merely late.
    if (age > CHANGE_DAYS || (gap.to === to && days < 2)) return [];
    return [
      insight(readers, "gap", gap.from, {
        ...gap,
        importance: Math.min(0.8, 0.4 + days * 0.05) * (1 - age / CHANGE_DAYS),
        headline: `No data of readers for ${inWords(gap)}`,
        words: `Nothing was imported for ${inWords(gap)} (${days} ${days === 1 ? "day" : "days"}). These days are unknown, not zero: they are left out of sums, and nothing is invented for them.`,
        numbers: { days },
        evidence: {},
      }),
    ];
  });
}
