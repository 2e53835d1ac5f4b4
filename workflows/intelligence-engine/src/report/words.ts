/** Owns the sentences of a report: headline, summary, recommendations. Pure: every number comes from the document. */
import type { NewInsight } from "../library.ts";
import { shown, shownChange, shownShare } from "../metrics.ts";
import type { Compared, ReportDocument } from "./document.ts";

const MAX_RECOMMENDATIONS = 6;
/** An article with so many views is judged by its conversions. */
const MIN_VIEWS = 200;

const compared = ({ readers }: ReportDocument, metric: Compared["metric"]) =>
  readers.compared.find((each) => each.metric === metric) as Compared;

/** One sentence: what a board wants to know first. */
export function headlineOf(document: ReportDocument): string {
  const so = document.complete ? "" : " so far";
  const { production } = document;
  const moved = (["revenue_usd", "views"] as const).flatMap((metric) => {
    const { words, value, before, unit } = compared(document, metric);
    if (value === null || (value === 0 && !before)) return [];
    const change = before ? (shownChange(before, value) as string) : null;
    return [`${shown(value, unit)} ${words}${change ? ` (${change})` : ""}`];
  });
  const made = production.known
    ? [
        `${shown(production.articles, "count")} ${production.articles === 1 ? "article" : "articles"} published`,
      ]
    : [];
  const parts = [...moved, ...made];
  if (parts.length === 0) return `${document.period}${so}: no data`;
  const missed = production.targets.filter(({ met }) => met === false).length;
  const targets =
    production.targets.length === 0
      ? ""
      : missed === 0
        ? "; every target met"
        : `; ${missed} of ${production.targets.length} targets missed`;
  return `${document.period}${so}: ${list(parts)}${targets}`;
}

function list(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

export function summaryOf(document: ReportDocument): string[] {
  return [
    ...readersSummary(document),
    ...productionSummary(document),
    ...document.findings.slice(0, 2).map(({ headline }) => `${headline}.`),
    ...document.forecasts.slice(0, 1).map(forecastSummary),
    ...(document.anomalies.length > 0
      ? [
          `${document.anomalies.length} ${document.anomalies.length === 1 ? "day stands" : "days or series stand"} out from what is usual.`,
        ]
      : []),
  ];
}

function readersSummary(document: ReportDocument): string[] {
  const { readers } = document;
  if (readers.known_days === 0) return ["No data of readers was imported for this period."];
  const parts = readers.compared.flatMap(({ metric, words, value, before, unit }) => {
    if (value === null || metric === "engaged_seconds" || (value === 0 && !before)) return [];
    const change = before ? shownChange(before, value) : null;
    return [`${shown(value, unit)} ${words}${change ? ` (${change})` : ""}`];
  });
  const { conversion_share: share, conversion_share_before: earlier } = readers;
  const rate =
    share === null || share === 0
      ? ""
      : ` ${shownShare(share)} of views led to a conversion${earlier === null ? "" : `, ${shownShare(earlier)} before`}.`;
  return [`Readers: ${list(parts)}, each against the ${document.kind} before.${rate}`];
}

function productionSummary({ production }: ReportDocument): string[] {
  if (!production.known) return ["No task ended in this period."];
  const { success_share: success, latency_p95_seconds: latency, cost_per_article_usd: cost } = production;
  const parts = [
    `${shown(production.articles, "count")} ${production.articles === 1 ? "article" : "articles"}`,
    ...(success === null ? [] : [`${shownShare(success)} of tasks succeeded`]),
    ...(latency === null ? [] : [`95 % were done within ${shown(latency, "seconds")}`]),
    ...(cost === null ? [] : [`an article cost ${shown(cost, "usd")}`]),
  ];
  return [`Production: ${list(parts)}.`];
}

function forecastSummary({
  words,
  total,
  unit,
  horizon_days,
  backtest,
  beats_naive,
}: ReportDocument["forecasts"][number]): string {
  const error = `earlier forecasts were off by ${backtest.smape_percent.toFixed(1)} % a day (sMAPE)`;
  const bar = beats_naive ? "" : ", no better than repeating the last week, which is what is shown";
  return `Expected over the next ${horizon_days} days: ${shown(total.mean, unit)} ${words} (${shown(total.low, unit)} to ${shown(total.high, unit)}); ${error}${bar}.`;
}

type Recommendation = ReportDocument["recommendations"][number];

/** By rule, each with what it rests on; the most urgent first. None where nothing calls for one. */
export function recommendationsOf(
  document: ReportDocument,
  findings: readonly NewInsight[],
): Recommendation[] {
  return [
    ...aboutTargets(document),
    ...aboutFalls(findings),
    ...aboutGaps(findings),
    ...aboutArticles(document),
    ...aboutChannels(document),
  ].slice(0, MAX_RECOMMENDATIONS);
}

const REMEDY: Readonly<Record<string, string>> = {
  "Articles a day":
    "Add topics, or raise the concurrency of the content pipeline: fewer articles than planned were published",
  "Task to result (p95)":
    "Look for what tasks wait for (orchestrator explain): results take longer than promised",
  Success: "Read the dead letters (orchestrator dead-letters) and mend their most frequent cause",
  "Cost of an article":
    "Move routine topics to a smaller model, or shorten prompts: an article costs more than planned",
};

function aboutTargets({ production }: ReportDocument): Recommendation[] {
  return production.targets.flatMap(({ name, met, actual, target }) =>
    met === false
      ? [{ words: `${REMEDY[name]}.`, because: `${name}: ${actual}, the target is ${target}` }]
      : [],
  );
}

function aboutGaps(findings: readonly NewInsight[]): Recommendation[] {
  return findings
    .filter(({ kind }) => kind === "gap")
    .slice(0, 1)
    .map(({ headline }) => ({
      words: "Import the days that are missing; what is late is taken into account by itself.",
      because: headline,
    }));
}

function aboutFalls(findings: readonly NewInsight[]): Recommendation[] {
  return (
    findings
      .filter(({ kind, numbers }) => (kind === "change" || kind === "trend") && Number(numbers.share) < 0)
      .filter(({ metric }) => !["cost_usd", "tasks_failed", "latency_p95_seconds"].includes(metric))
      // Of one subject its weightiest fall: the others go with it.
      .filter(({ subject }, i, falls) => falls.findIndex((fall) => fall.subject === subject) === i)
      .slice(0, 2)
      .map(({ headline, metric, subject, from, to }) => ({
        words: `Find out why: orchestrator reports investigate --metric ${metric}${subject === "all" ? "" : ` --subject "${subject}"`} --from ${from} --to ${to}.`,
        because: headline,
      }))
  );
}

/** Read a lot, and leads to little: what is offered there does not fit. */
function aboutArticles({ readers }: ReportDocument): Recommendation[] {
  const usual = readers.conversion_share;
  if (usual === null || usual === 0) return [];
  return readers.articles
    .filter(
      ({ views, conversions }) =>
        views >= MIN_VIEWS && views * usual >= 5 && conversions < 0.4 * views * usual,
    )
    .slice(0, 1)
    .map(({ label, views, conversions }) => ({
      words: `Offer something else on “${label}”, or place it better.`,
      because: `${shown(views, "count")} views led to ${shown(conversions, "count")} conversions; ${shown(views * usual, "count")} would have been usual`,
    }));
}

function aboutChannels({ readers }: ReportDocument): Recommendation[] {
  const total = readers.channels.reduce((sum, { views }) => sum + views, 0);
  return readers.channels
    .filter(
      ({ label, views, views_before: before }) =>
        label !== "" && before >= MIN_VIEWS && views >= before * 1.2 && views >= 0.1 * total,
    )
    .slice(0, 1)
    .map(({ label, views, views_before: before }) => ({
      words: `Do more for ${label}: it grows.`,
      because: `${shown(views, "count")} views against ${shown(before, "count")} (${shownChange(before, views)})`,
    }));
}
