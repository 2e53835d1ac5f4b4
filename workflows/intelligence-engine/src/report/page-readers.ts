/** Owns the part of a report's page about readers: traffic, conversion, revenue. Escapes whatever it shows. */
import { shown, shownShare } from "../metrics.ts";
import { change } from "./change.ts";
import { lineChart, memberBars } from "./charts.ts";
import type { MemberRow, ReportDocument } from "./document.ts";
import { html, type Markup } from "./markup.ts";

export function readersPart({ readers, kind, period }: ReportDocument): Markup {
  if (readers.known_days === 0) {
    return html`<section aria-labelledby="readers"><h2 id="readers">Readers</h2><p class="none">Nothing was imported for ${period}. What is not known is not shown.</p></section>`;
  }
  const told = readers.compared.filter(({ value, before }) => value || before);
  const views = readers.days.some(({ views }) => views !== null);
  return html`<section aria-labelledby="readers"><h2 id="readers">Readers</h2>
${
  views &&
  html`<figure>${lineChart({ id: "views", title: "Page views by day", description: viewsInWords(readers.days), history: readers.days.map(({ day, views }) => ({ day, value: views })), format: (value) => shown(value, "count") })}
<figcaption>Page views by day, three months. A gap is a day of which nothing is known.</figcaption></figure>`
}
<div class="scroll"><table><caption>${period}, against the ${kind} before</caption><thead><tr><th scope="col"></th><th scope="col">Now</th><th scope="col">Before</th><th scope="col">Change</th></tr></thead>
<tbody>${told.map(({ words, value, before, unit, good }) => html`<tr><th scope="row">${words}</th><td>${value === null ? "unknown" : shown(value, unit)}</td><td>${before === null ? "unknown" : shown(before, unit)}</td><td>${change(before, value, good)}</td></tr>`)}
${readers.conversion_share !== null && html`<tr><th scope="row">conversions of views</th><td>${shownShare(readers.conversion_share)}</td><td>${readers.conversion_share_before === null ? "unknown" : shownShare(readers.conversion_share_before)}</td><td>${change(readers.conversion_share_before, readers.conversion_share, "more")}</td></tr>`}
</tbody></table></div>
${channels(readers.channels, kind)}
${articles(readers.articles)}
${offers(readers.offers)}</section>`;
}

function viewsInWords(days: ReportDocument["readers"]["days"]): string {
  const known = days.flatMap(({ day, views }) => (views === null ? [] : [{ day, views }]));
  const least = known.reduce((a, b) => (b.views < a.views ? b : a), known[0] as (typeof known)[number]);
  const most = known.reduce((a, b) => (b.views > a.views ? b : a), known[0] as (typeof known)[number]);
  return `${known.length} days; the fewest, ${shown(least.views, "count")}, on ${least.day}, the most, ${shown(most.views, "count")}, on ${most.day}.`;
}

function channels(rows: readonly MemberRow[], kind: string): Markup | null {
  if (rows.length === 0) return null;
  const named = rows.map((row) => ({ ...row, label: row.label || "(no channel)" }));
  const said = named.map(({ label, views }) => `${label} ${shown(views, "count")}`).join(", ");
  return html`<h3>By channel</h3>
<figure>${memberBars({ id: "channels", title: "Page views by channel", description: `${said}.`, bars: named.map(({ label, views, views_before }) => ({ label, value: views, before: views_before })), format: (value) => shown(value, "count") })}
<figcaption>Page views; the mark is the ${kind} before.</figcaption></figure>
<div class="scroll"><table><thead><tr><th scope="col">Channel</th><th scope="col">Views</th><th scope="col">Before</th><th scope="col">Conversions</th><th scope="col">Revenue</th></tr></thead>
<tbody>${named.map((row) => html`<tr><th scope="row">${row.label}</th><td>${shown(row.views, "count")}</td><td>${shown(row.views_before, "count")}</td><td>${shown(row.conversions, "count")}</td><td>${shown(row.revenue_usd, "usd")}</td></tr>`)}</tbody></table></div>`;
}

function articles(rows: readonly MemberRow[]): Markup | null {
  if (rows.length === 0) return null;
  return html`<h3>Most read</h3>
<div class="scroll"><table><thead><tr><th scope="col">Article</th><th scope="col">Views</th><th scope="col">Before</th><th scope="col">Conversions</th><th scope="col">Revenue</th></tr></thead>
<tbody>${rows.map((row) => html`<tr><th scope="row">${row.label}</th><td>${shown(row.views, "count")}</td><td>${shown(row.views_before, "count")}</td><td>${shown(row.conversions, "count")}</td><td>${shown(row.revenue_usd, "usd")}</td></tr>`)}</tbody></table></div>`;
}

function offers(rows: ReportDocument["readers"]["offers"]): Markup | null {
  if (rows.length === 0) return null;
  return html`<h3>By offer</h3>
<div class="scroll"><table><thead><tr><th scope="col">Offer</th><th scope="col">Conversions</th><th scope="col">Revenue</th></tr></thead>
<tbody>${rows.map((row) => html`<tr><th scope="row">${row.label}</th><td>${shown(row.conversions, "count")}</td><td>${shown(row.revenue_usd, "usd")}</td></tr>`)}</tbody></table></div>`;
}
