/** Owns the part of a report's page about the orchestrator's own work, against the targets. Escapes whatever it shows. */
import { shown } from "../metrics.ts";
import { dayBars } from "./charts.ts";
import type { ReportDocument } from "./document.ts";
import { html, type Markup } from "./markup.ts";

export function productionPart({ production, period }: ReportDocument): Markup {
  if (!production.known) {
    return html`<section aria-labelledby="production"><h2 id="production">Production</h2><p class="none">No task ended in ${period}.</p></section>`;
  }
  const { days, targets, by_workflow: workflows } = production;
  const said = days.map(({ day, articles }) => `${day}: ${articles}`).join(", ");
  return html`<section aria-labelledby="production"><h2 id="production">Production</h2>
<div class="scroll"><table><caption>Against the targets. Percentiles are interpolated between fixed bounds.</caption>
<thead><tr><th scope="col">Target</th><th scope="col">Wanted</th><th scope="col">Was</th><th scope="col">Met</th></tr></thead>
<tbody>${targets.map(
    ({ name, target, actual, met }) =>
      html`<tr><th scope="row">${name}</th><td>${target}</td><td>${actual}</td><td>${
        met === null ? "–" : met ? html`<span class="yes">yes</span>` : html`<span class="no">no</span>`
      }</td></tr>`,
  )}</tbody></table></div>
${
  days.length > 1 &&
  html`<h3>Articles by day</h3><figure>${dayBars({ id: "articles", title: "Articles published by day", description: `${said}.`, bars: days.map(({ day, articles }) => ({ label: day, value: articles })), format: (value) => shown(value, "count") })}</figure>
<details><summary>In numbers</summary><div class="scroll"><table><thead><tr><th scope="col">Day</th><th scope="col">Articles</th><th scope="col">Failed tasks</th></tr></thead>
<tbody>${days.map(({ day, articles, failed }) => html`<tr><th scope="row">${day}</th><td>${articles}</td><td>${failed}</td></tr>`)}</tbody></table></div></details>`
}
<h3>By workflow</h3>
<div class="scroll"><table><thead><tr><th scope="col">Workflow</th><th scope="col">Completed</th><th scope="col">Failed</th><th scope="col">Cost</th></tr></thead>
<tbody>${workflows.map((row) => html`<tr><th scope="row">${row.workflow_type}</th><td>${shown(row.completed, "count")}</td><td>${shown(row.failed, "count")}</td><td>${shown(row.cost_usd, "usd")}</td></tr>`)}</tbody></table></div></section>`;
}
