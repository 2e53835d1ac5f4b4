/** Owns the HTML form of a report: one page that needs no other file, no script, and prints. Escapes whatever it shows. */
import { addDays, inWords } from "../days.ts";
import { shown, shownShare } from "../metrics.ts";
import { change } from "./change.ts";
import { lineChart } from "./charts.ts";
import type { ForecastPart, ReportDocument, Told } from "./document.ts";
import { html, type Markup } from "./markup.ts";
import { productionPart } from "./page-production.ts";
import { readersPart } from "./page-readers.ts";
import { REPORT_STYLE } from "./style.ts";

const KINDS = { day: "Daily report", week: "Weekly report", month: "Monthly report" } as const;

export function reportPage(document: ReportDocument): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${KINDS[document.kind]}, ${document.period}</title>
<style>${{ markup: REPORT_STYLE }}</style>
</head>
<body>
<main>
<header>
<p class="kicker">${KINDS[document.kind]} · ${document.period}${document.complete ? "" : " · not over yet"}</p>
<h1>${document.headline}</h1>
<p class="meta">Made <time datetime="${document.generated_at}">${document.generated_at.slice(0, 16).replace("T", " ")} UTC</time> from the numbers themselves${
    document.told_by === "deterministic"
      ? "; no model was used for its words."
      : html`; headline and summary are in the words of ${document.told_by}, each number of theirs checked against the data.`
  }</p>
</header>
${tiles(document)}
<section aria-labelledby="short"><h2 id="short">In short</h2>
<ul class="short">${document.summary.map((sentence) => html`<li>${sentence}</li>`)}</ul></section>
${recommendations(document)}
${readersPart(document)}
${productionPart(document)}
${forecasts(document.forecasts)}
${found("changed", "What changed", document.findings, "No trend and no change of level that is more than chance.")}
${found("anomalies", "What stood out", document.anomalies, "No day stood out from what is usual for its weekday.")}
<section aria-labelledby="limits"><h2 id="limits">What this report cannot tell</h2>
<ul>${document.limits.map((limit) => html`<li>${limit}</li>`)}</ul></section>
<footer>Trends: Mann–Kendall with Sen’s slope on weekly sums. Changes of level: PELT. Forecasts: MSTL with exponential smoothing or, where that does no better, the same weekday of the last week; intervals from the errors of earlier forecasts. Days that stand out: robust z-scores.</footer>
</main>
</body>
</html>
`;
  return page.markup;
}

function tiles({ readers, production, kind }: ReportDocument): Markup {
  const told = readers.compared.filter(
    ({ metric, value, before }) => metric !== "engaged_seconds" && (value || before),
  );
  const made: [string, string, Markup | null][] = production.known
    ? [
        [
          "articles published",
          shown(production.articles, "count"),
          change(production.before.articles || null, production.articles, "more"),
        ],
        [
          "of tasks succeeded",
          production.success_share === null ? "–" : shownShare(production.success_share),
          null,
        ],
        [
          "an article",
          production.cost_per_article_usd === null ? "–" : shown(production.cost_per_article_usd, "usd"),
          null,
        ],
      ]
    : [];
  return html`<ul class="tiles" aria-label="Key figures, against the ${kind} before">
${told.map(({ words, value, before, unit, good }) => html`<li><b>${value === null ? "unknown" : shown(value, unit)}</b><span>${words}</span>${change(before, value, good)}</li>`)}
${made.map(([words, value, changed]) => html`<li><b>${value}</b><span>${words}</span>${changed}</li>`)}
</ul>`;
}

function recommendations({ recommendations: told }: ReportDocument): Markup {
  return html`<section aria-labelledby="next"><h2 id="next">What to do</h2>
${
  told.length === 0
    ? html`<p class="none">Nothing in these numbers calls for anything.</p>`
    : html`<ol class="next">${told.map(({ words, because }) => html`<li>${words}<small>Because: ${because}.</small></li>`)}</ol>`
}</section>`;
}

function forecasts(parts: readonly ForecastPart[]): Markup {
  return html`<section aria-labelledby="forecasts"><h2 id="forecasts">What to expect</h2>
${parts.length === 0 && html`<p class="none">No forecast: there is too little history to back-test one.</p>`}
${parts.map(forecastFigure)}
${parts.length > 0 && errorTable(parts)}</section>`;
}

function forecastFigure(part: ForecastPart): Markup {
  const { metric, words, unit, days, history, told } = part;
  const weeks = Array.from({ length: Math.ceil(days.length / 7) }, (_, i) => days.slice(i * 7, i * 7 + 7));
  const title = words.charAt(0).toUpperCase() + words.slice(1);
  return html`<h3>${title}</h3>
<figure>${lineChart({ id: `f-${metric}`, title: `${title} by day, with a forecast`, description: told, history, forecast: days, format: (value) => shown(value, unit) })}
<figcaption>${told} The darker band is to hold 80 % of days, the lighter 95 %.</figcaption></figure>
<div class="scroll"><table><caption>By week</caption><thead><tr><th scope="col">Days</th><th scope="col">Expected</th><th scope="col">a day, 80 % interval</th></tr></thead>
<tbody>${weeks.map((week) => {
    const span = { from: week[0]?.day as string, to: addDays(week.at(-1)?.day as string, 1) };
    const mean = (key: "low_80" | "high_80") => week.reduce((sum, day) => sum + day[key], 0) / week.length;
    return html`<tr><th scope="row">${inWords(span)}</th><td>${shown(
      week.reduce((sum, day) => sum + day.mean, 0),
      unit,
    )}</td><td>${shown(mean("low_80"), unit)} – ${shown(mean("high_80"), unit)}</td></tr>`;
  })}</tbody></table></div>
<details><summary>Every day of it</summary><div class="scroll"><table><thead><tr><th scope="col">Day</th><th scope="col">Expected</th><th scope="col">80 % from</th><th scope="col">to</th><th scope="col">95 % from</th><th scope="col">to</th></tr></thead>
<tbody>${days.map((day) => html`<tr><th scope="row">${day.day}</th>${[day.mean, day.low_80, day.high_80, day.low_95, day.high_95].map((value) => html`<td>${shown(value, unit)}</td>`)}</tr>`)}</tbody></table></div></details>`;
}

function errorTable(parts: readonly ForecastPart[]): Markup {
  const scaled = (mase: number | null) => (mase === null ? "–" : mase.toFixed(2));
  return html`<h3>How far earlier forecasts were off</h3>
<div class="scroll"><table><caption>Back-test on what has happened. MASE: error in units of the naive forecast’s own within the history; sMAPE: in per cent, 0 to 200.</caption>
<thead><tr><th scope="col">Forecast</th><th scope="col">Shown</th><th scope="col">Forecasts</th><th scope="col">MASE</th><th scope="col">Naive MASE</th><th scope="col">sMAPE</th><th scope="col">Naive sMAPE</th><th scope="col">In 80 %</th><th scope="col">In 95 %</th></tr></thead>
<tbody>${parts.map(
    ({ words, beats_naive, backtest }) =>
      html`<tr><th scope="row">${words}</th><td>${beats_naive ? "model" : "naive: no model was better"}</td><td>${backtest.forecasts}</td><td>${scaled(backtest.mase)}</td><td>${scaled(backtest.naive_mase)}</td><td>${backtest.smape_percent.toFixed(1)} %</td><td>${backtest.naive_smape_percent.toFixed(1)} %</td><td>${shownShare(backtest.coverage_80)}</td><td>${shownShare(backtest.coverage_95)}</td></tr>`,
  )}</tbody></table></div>`;
}

function found(id: string, title: string, told: readonly Told[], none: string): Markup {
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>
${told.length === 0 ? html`<p class="none">${none}</p>` : told.map(({ headline, words }) => html`<div class="found"><b>${headline}</b><p>${words}</p></div>`)}</section>`;
}
