/** Owns an investigation: what changed, by which parts, at which moment, and what happened at the same time. */
import type { SeriesAnalysis } from "../analysis/analyse.ts";
import { analyseAll } from "../analysis/analyst.ts";
import { gather, type Numbers, seriesOf } from "../analysis/gather.ts";
import type { Series } from "../analysis/series.ts";
import { addDays, daysOf } from "../days.ts";
import type { Investigation } from "../input.ts";
import type { Coincidence, Contribution, Library } from "../library.ts";
import { ABOUT, DIMENSIONS, type Metric, READER_METRICS, type ReaderMetric } from "../metrics.ts";
import { type Comparison, compare, type Spans, spansOf } from "./compare.ts";

const MAX_PARTS = 10;
const MAX_COINCIDENCES = 30;
/** What happened shortly before may be the cause as well. */
const DAYS_BEFORE = 2;

export interface Part {
  /** `channel`, `workflow`, … */
  dimension: string;
  member: string;
  label: string;
  /** Means of a day. */
  before: number;
  after: number;
  /** Of the whole difference; over 1 where others made up for it. */
  share_of_change: number | null;
}

export interface Evidence {
  metric: Metric;
  subject: string;
  /** The subject as people know it. */
  label: string;
  from: string;
  to: string;
  comparison: Comparison | null;
  /** By dimension, the largest differences first. */
  parts: Part[];
  /** Moments in or near the span at which the level changed, or days that stood out. */
  moments: { day: string; kind: "change" | "anomaly"; value: number; expected: number; z: number }[];
  coincidences: Coincidence[];
  notes: string[];
}

/** Everything an investigation rests on. `signal` ends the analysis. */
export async function investigate(
  library: Library,
  asked: Investigation,
  { today, signal }: { today: string; signal: AbortSignal },
): Promise<Evidence> {
  const subject = asked.subject ?? "all";
  const metric = asked.metric ?? (subject.startsWith("workflow:") ? "tasks_failed" : "views");
  // Of a day that is not over nobody knows what it will be.
  const to = asked.to > today ? today : asked.to;
  const evidence: Evidence = {
    metric,
    subject,
    label: await labelOf(library, subject),
    from: asked.from,
    to,
    comparison: null,
    parts: [],
    moments: [],
    coincidences: [],
    notes: [],
  };
  if (to < asked.to) evidence.notes.push(`the span ends with ${addDays(today, -1)}: later days are not over`);
  const numbers = asked.from < to ? await gather(library, to) : null;
  evidence.coincidences = await library.coincidences({
    from: addDays(asked.from, -DAYS_BEFORE),
    to: asked.to,
    limit: MAX_COINCIDENCES,
  });
  if (!numbers) {
    evidence.notes.push("nothing is known of these days");
    return evidence;
  }
  const spans = spansOf(asked.from, to);
  const series = await seriesFor(library, numbers, { metric, subject });
  evidence.comparison = compare(spans, daily(series));
  if (evidence.comparison) {
    evidence.parts = await partsOf(library, numbers, {
      metric,
      subject,
      spans,
      comparison: evidence.comparison,
    });
  }
  const [outcome] = await analyseAll([series], to, { signal });
  if (outcome?.error) evidence.notes.push(`the series could not be analysed: ${outcome.error}`);
  if (outcome?.analysis) evidence.moments = momentsOf(outcome.analysis, asked.from, to);
  return evidence;
}

function daily({ from, values }: Series): (day: string) => number | null {
  const days = daysOf(from, addDays(from, values.length));
  const byDay = new Map(days.map((day, i) => [day, values[i] ?? null]));
  return (day) => byDay.get(day) ?? null;
}

/** The series that is asked for, if need be one that is not among those that are looked at by themselves. */
async function seriesFor(
  library: Library,
  numbers: Numbers,
  { metric, subject }: { metric: Metric; subject: string },
): Promise<Series> {
  const about = {
    metric,
    subject,
    label: subject === "all" ? "everything" : memberOf(subject),
    unit: ABOUT[metric].unit,
    forecast: false,
  };
  if (subject.startsWith("workflow:")) {
    const house = numbers.house.filter(({ workflowType }) => workflowType === memberOf(subject));
    const found = seriesOf({ ...numbers, house, readers: [], members: [] }).find(
      (each) => each.metric === metric,
    );
    return { ...about, from: found?.from ?? numbers.from, values: found?.values ?? [] };
  }
  if (subject === "all" || !isReaders(metric)) {
    const found = seriesOf(numbers).find((each) => each.metric === metric && each.subject === "all");
    return { ...about, from: found?.from ?? numbers.from, values: found?.values ?? [] };
  }
  const days = await library.seriesOf({
    from: numbers.from,
    to: numbers.to,
    metric,
    dimension: subject.slice(0, subject.indexOf(":")),
    member: memberOf(subject),
  });
  const byDay = new Map(days.map(({ day, value }) => [day, value]));
  const known = new Set(numbers.readers.map(({ day }) => day));
  const values = daysOf(numbers.from, numbers.to).map((day) => byDay.get(day) ?? (known.has(day) ? 0 : null));
  return { ...about, from: numbers.from, values };
}

async function labelOf(library: Library, subject: string): Promise<string> {
  if (subject === "all") return "everything";
  const member = memberOf(subject);
  const named = subject.startsWith("article:") ? (await library.titles([member])).get(member) : undefined;
  return `${subject.slice(0, subject.indexOf(":"))} ${named ?? (member || "(none)")}`;
}

const memberOf = (subject: string) => subject.slice(subject.indexOf(":") + 1);

function isReaders(metric: Metric): metric is ReaderMetric {
  return (READER_METRICS as readonly string[]).includes(metric);
}

interface Asked {
  metric: Metric;
  subject: string;
  spans: Spans;
  comparison: Comparison;
}

async function partsOf(library: Library, numbers: Numbers, asked: Asked): Promise<Part[]> {
  const { metric, subject, spans, comparison } = asked;
  // Parts are means over all days before: so is what they are shares of.
  const whole = comparison.after - comparison.beforeMean;
  const part = (dimension: string) => (each: Contribution) => ({
    dimension,
    ...each,
    label: each.label || (dimension === "article" ? "no article" : `no ${dimension}`),
    share_of_change: whole === 0 ? null : (each.after - each.before) / whole,
  });
  if (!isReaders(metric)) return houseParts(numbers, asked).map(part("workflow"));
  const unknown = new Set(comparison.unknownDays);
  const query = {
    metric,
    before: comparison.beforeDays,
    after: spans.after.filter((day) => !unknown.has(day)),
    limit: MAX_PARTS,
  };
  const others = DIMENSIONS.filter((dimension) => !subject.startsWith(`${dimension}:`));
  const within = subject === "all" ? undefined : subject;
  const found = await Promise.all(
    others.map(async (dimension) => {
      const parts = await library.contributions({ ...query, dimension, within });
      return parts.map(part(dimension));
    }),
  );
  // A dimension with one member tells nothing that the whole does not.
  return found.filter((parts) => parts.length > 1).flat();
}

/** By workflow, of the house's own numbers. Percentiles have no parts. */
function houseParts(numbers: Numbers, { metric, subject, comparison, spans }: Asked): Contribution[] {
  if (metric === "latency_p95_seconds" || subject !== "all") return [];
  const types = [...new Set(numbers.house.map(({ workflowType }) => workflowType))];
  return types
    .flatMap((type) => {
      const only = { ...numbers, house: numbers.house.filter(({ workflowType }) => workflowType === type) };
      const series = seriesOf({ ...only, readers: [], members: [] }).find((each) => each.metric === metric);
      if (!series) return [];
      const value = daily(series);
      const meanOf = (days: readonly string[]) =>
        days.reduce((total, day) => total + (value(day) ?? 0), 0) / Math.max(1, days.length);
      const before = meanOf(comparison.beforeDays);
      return [{ member: type, label: type || "no workflow", before, after: meanOf(spans.after) }];
    })
    .sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before))
    .slice(0, MAX_PARTS);
}

function momentsOf(analysis: SeriesAnalysis, from: string, to: string): Evidence["moments"] {
  const near = ({ day }: { day: string }) => day >= addDays(from, -7) && day < addDays(to, 7);
  const changes = analysis.changes.filter(near).map(({ day, before, after, z }) => ({
    day,
    kind: "change" as const,
    value: after,
    expected: before,
    z,
  }));
  const anomalies = analysis.anomalies
    .filter(near)
    .map((anomaly) => ({ kind: "anomaly" as const, ...anomaly }));
  return [...changes, ...anomalies].sort((a, b) => a.day.localeCompare(b.day));
}
