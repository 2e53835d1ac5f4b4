/** Owns the charts of a report as SVG without script or style attributes: lines with a forecast's bands, and bars. Pure. */
import { scaleBand, scaleLinear, scaleUtc } from "d3-scale";
import { area, line } from "d3-shape";
import { addDays, inWords } from "../days.ts";
import { html, type Markup } from "./markup.ts";

const WIDTH = 760;
const HEIGHT = 270;
const MARGIN = { top: 14, right: 28, bottom: 30, left: 64 };

export interface LineChart {
  /** Of the page; names the chart's parts. */
  id: string;
  title: string;
  /** What a reader who sees no chart has to know. */
  description: string;
  history: readonly { day: string; value: number | null }[];
  forecast?: readonly {
    day: string;
    mean: number;
    low_80: number;
    high_80: number;
    low_95: number;
    high_95: number;
  }[];
  format(value: number): string;
}

/** Unknown days are gaps in the line. */
export function lineChart({ id, title, description, history, forecast = [], format }: LineChart): Markup {
  const days = [...history.map(({ day }) => day), ...forecast.map(({ day }) => day)].sort();
  const values = [
    ...history.flatMap(({ value }) => (value === null ? [] : [value])),
    ...forecast.flatMap(({ low_95, high_95 }) => [low_95, high_95]),
  ];
  if (days.length === 0 || values.length === 0) return html`<p class="none">No days to draw.</p>`;
  const x = scaleUtc(
    [time(days[0] as string), time(days.at(-1) as string)],
    [MARGIN.left, WIDTH - MARGIN.right],
  );
  const y = scaleLinear(
    [Math.min(0, ...values), Math.max(...values, 0)],
    [HEIGHT - MARGIN.bottom, MARGIN.top],
  ).nice(4);
  const at = (day: string) => x(time(day));
  const past = line<(typeof history)[number]>(
    ({ day }) => at(day),
    ({ value }) => y(value as number),
  ).defined(({ value }) => value !== null);
  const band = (low: "low_80" | "low_95", high: "high_80" | "high_95") =>
    area<(typeof forecast)[number]>()
      .x(({ day }) => at(day))
      .y0((each) => y(each[low]))
      .y1((each) => y(each[high]))(forecast);
  const expected = line<(typeof forecast)[number]>(
    ({ day }) => at(day),
    ({ mean }) => y(mean),
  );
  const ahead = forecast.length > 0;
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="${id}-t ${id}-d">
<title id="${id}-t">${title}</title><desc id="${id}-d">${description}</desc>
${yAxis(y, format)}${xAxis(days, at)}
${ahead && html`<path class="band95" d="${round(band("low_95", "high_95"))}"/><path class="band80" d="${round(band("low_80", "high_80"))}"/>`}
<path class="line" d="${round(past([...history]))}"/>
${ahead && html`<path class="line ahead" d="${round(expected([...forecast]))}"/>`}
</svg>`;
}

export interface BarChart {
  id: string;
  title: string;
  description: string;
  bars: readonly { label: string; value: number }[];
  format(value: number): string;
}

/** Upright bars, one a day. */
export function dayBars({ id, title, description, bars, format }: BarChart): Markup {
  if (bars.length === 0) return html`<p class="none">No days to draw.</p>`;
  const height = 190;
  const x = scaleBand(
    bars.map(({ label }) => label),
    [MARGIN.left, WIDTH - MARGIN.right],
  ).padding(0.25);
  const top = Math.max(...bars.map(({ value }) => value), 1);
  const y = scaleLinear([0, top], [height - MARGIN.bottom, MARGIN.top]).nice(4);
  const days = bars.map(({ label }) => label);
  const at = (day: string) => (x(day) as number) + x.bandwidth() / 2;
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="${id}-t ${id}-d">
<title id="${id}-t">${title}</title><desc id="${id}-d">${description}</desc>
${yAxis(y, format)}${xAxis(days, at, height)}
${bars.map(
  ({ label, value }) =>
    html`<rect class="bar" x="${px(x(label) as number)}" y="${px(y(value))}" width="${px(x.bandwidth())}" height="${px(y(0) - y(value))}" rx="2"/>`,
)}
</svg>`;
}

/** Lying bars, each with what it was before as a mark; the longest first. */
export function memberBars({
  id,
  title,
  description,
  bars,
  format,
}: Omit<BarChart, "bars"> & { bars: readonly { label: string; value: number; before: number }[] }): Markup {
  if (bars.length === 0) return html`<p class="none">Nothing to draw.</p>`;
  const row = 30;
  const left = 190;
  const height = bars.length * row + 8;
  const x = scaleLinear(
    [0, Math.max(...bars.flatMap(({ value, before }) => [value, before]), 1)],
    [left, WIDTH - 90],
  );
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="${id}-t ${id}-d">
<title id="${id}-t">${title}</title><desc id="${id}-d">${description}</desc>
${bars.map(({ label, value, before }, i) => {
  const y = i * row + 4;
  return html`<text class="name" x="${left - 10}" y="${y + 17}">${short(label)}</text>
<rect class="bar" x="${left}" y="${y + 3}" width="${px(Math.max(1, x(value) - left))}" height="20" rx="2"/>
<line class="mark" x1="${px(x(before))}" x2="${px(x(before))}" y1="${y}" y2="${y + 26}"/>
<text class="value" x="${px(Math.max(x(value), x(before)) + 8)}" y="${y + 17}">${format(value)}</text>`;
})}
</svg>`;
}

const time = (day: string) => new Date(`${day}T00:00:00Z`);
const px = (value: number) => Number(value.toFixed(1));
const round = (path: string | null) =>
  (path ?? "").replace(/\d+\.\d+/g, (number) => String(px(Number(number))));
const short = (label: string) => (label.length > 24 ? `${label.slice(0, 23)}…` : label);

function yAxis(
  y: { ticks(count: number): number[]; (value: number): number },
  format: (value: number) => string,
): Markup {
  return html`<g class="axis">${y
    .ticks(4)
    .map(
      (tick) =>
        html`<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${px(y(tick))}" y2="${px(y(tick))}"/><text class="value y" x="${MARGIN.left - 8}" y="${px(y(tick) + 4)}">${format(tick)}</text>`,
    )}</g>`;
}

/** Some six days, evenly apart, the last one among them. */
function xAxis(days: readonly string[], at: (day: string) => number, height = HEIGHT): Markup {
  const step = Math.max(1, Math.ceil(days.length / 6));
  const told = days.filter((_, i) => (days.length - 1 - i) % step === 0);
  return html`<g class="axis">${told.map(
    (day) => html`<text class="day" x="${px(at(day))}" y="${height - 10}">${shortDay(day)}</text>`,
  )}</g>`;
}

/** `23 Nov`. */
function shortDay(day: string): string {
  const [number, month] = inWords({ from: day, to: addDays(day, 1) }).split(" ");
  return `${number} ${month?.slice(0, 3)}`;
}
