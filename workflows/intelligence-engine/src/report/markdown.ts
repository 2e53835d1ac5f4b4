/** Owns the Markdown form of a report: the same numbers, for a repository or a chat. Escapes whatever it shows. */
import { shown, shownChange, shownShare } from "../metrics.ts";
import type { ReportDocument } from "./document.ts";

export function reportMarkdown(document: ReportDocument): string {
  const { readers, production, forecasts } = document;
  const parts = [
    `# ${esc(document.headline)}`,
    `${esc(document.period)}${document.complete ? "" : " (not over yet)"}. Made ${document.generated_at}; told by: ${esc(document.told_by)}.`,
    "## In short",
    bullets(document.summary),
    "## What to do",
    document.recommendations.length === 0
      ? "Nothing in these numbers calls for anything."
      : document.recommendations
          .map(({ words, because }, i) => `${i + 1}. ${esc(words)} *Because: ${esc(because)}.*`)
          .join("\n"),
    "## Readers",
    readers.known_days === 0 ? "Nothing was imported for this period." : readersTables(document),
    "## Production",
    production.known ? productionTables(document) : "No task ended in this period.",
    "## What to expect",
    forecasts.length === 0
      ? "No forecast: there is too little history to back-test one."
      : forecastTable(document),
    "## What changed",
    told(document.findings, "No trend and no change of level that is more than chance."),
    "## What stood out",
    told(document.anomalies, "No day stood out from what is usual for its weekday."),
    "## What this report cannot tell",
    bullets(document.limits),
  ];
  return `${parts.join("\n\n")}\n`;
}

/** Titles come from users: nothing of theirs is taken for Markdown, or for HTML within it. */
export function esc(text: string): string {
  return text
    .replace(/\s+/g, " ")
    .replace(/[\\`*_{}[\]#|~]/g, "\\$&")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}

const bullets = (lines: readonly string[]) => lines.map((line) => `- ${esc(line)}`).join("\n");

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(esc).join(" | ")} |`;
  return [
    line(head),
    `|${head.map((_, i) => (i === 0 ? "---|" : "---:|")).join("")}`,
    ...rows.map(line),
  ].join("\n");
}

function told(found: ReportDocument["findings"], none: string): string {
  return found.length === 0
    ? none
    : found.map(({ headline, words }) => `**${esc(headline)}.** ${esc(words)}`).join("\n\n");
}

function readersTables({ readers }: ReportDocument): string {
  const compared = readers.compared
    .filter(({ value, before }) => value || before)
    .map(({ words, value, before, unit }) => [
      words,
      value === null ? "unknown" : shown(value, unit),
      before === null ? "unknown" : shown(before, unit),
      (value !== null && before !== null && shownChange(before, value)) || "–",
    ]);
  const member = (row: ReportDocument["readers"]["channels"][number]) => [
    row.label || "(none)",
    shown(row.views, "count"),
    shown(row.views_before, "count"),
    shown(row.conversions, "count"),
    shown(row.revenue_usd, "usd"),
  ];
  const head = ["Views", "Before", "Conversions", "Revenue"];
  return [
    table(["", "Now", "Before", "Change"], compared),
    ...(readers.channels.length > 0 ? [table(["Channel", ...head], readers.channels.map(member))] : []),
    ...(readers.articles.length > 0 ? [table(["Article", ...head], readers.articles.map(member))] : []),
  ].join("\n\n");
}

function productionTables({ production }: ReportDocument): string {
  const { targets, by_workflow: workflows } = production;
  return [
    table(
      ["Target", "Wanted", "Was", "Met"],
      targets.map(({ name, target, actual, met }) => [
        name,
        target,
        actual,
        met === null ? "–" : met ? "yes" : "no",
      ]),
    ),
    table(
      ["Workflow", "Completed", "Failed", "Cost"],
      workflows.map((row) => [
        row.workflow_type,
        shown(row.completed, "count"),
        shown(row.failed, "count"),
        shown(row.cost_usd, "usd"),
      ]),
    ),
  ].join("\n\n");
}

function forecastTable({ forecasts }: ReportDocument): string {
  const scaled = (mase: number | null) => (mase === null ? "–" : mase.toFixed(2));
  const rows = forecasts.map(({ words, horizon_days, unit, total, beats_naive, backtest }) => [
    `${words}, ${horizon_days} days`,
    `${shown(total.mean, unit)} (${shown(total.low, unit)} to ${shown(total.high, unit)})`,
    `${scaled(backtest.mase)} / ${scaled(backtest.naive_mase)}`,
    `${backtest.smape_percent.toFixed(1)} % / ${backtest.naive_smape_percent.toFixed(1)} %`,
    shownShare(backtest.coverage_80),
    beats_naive ? "model" : "naive: no model was better",
  ]);
  return [
    table(["Forecast", "Expected", "MASE / naive", "sMAPE / naive", "In 80 %", "Shown"], rows),
    bullets(forecasts.map((each) => each.told)),
  ].join("\n\n");
}
