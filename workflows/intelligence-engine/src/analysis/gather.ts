/** Owns which series are looked at, and how days become series: a day without a row is unknown, not zero. */
import { addDays, daysOf } from "../days.ts";
import type { HouseDay, Library, MemberDay, ReaderDay } from "../library.ts";
import { ABOUT, type Dimension, type Metric, type ReaderMetric } from "../metrics.ts";
import type { Series } from "./series.ts";

/** What is read back from: two years and a few days. */
const HISTORY_DAYS = 740;
const WHOLE: readonly ReaderMetric[] = ["views", "visitors", "conversions", "revenue_usd"];
const BY_MEMBER: readonly { dimension: Dimension; metric: ReaderMetric; members: number }[] = [
  { dimension: "channel", metric: "views", members: 6 },
  { dimension: "channel", metric: "revenue_usd", members: 4 },
  { dimension: "offer", metric: "revenue_usd", members: 4 },
];
/** Whose latency counts: the workflow that has a target. */
const TIMED = "content_pipeline";

export interface Numbers {
  from: string;
  /** The first day that is not in it: today, or the end of a period. */
  to: string;
  readers: ReaderDay[];
  members: { dimension: Dimension; metric: ReaderMetric; days: MemberDay[] }[];
  house: HouseDay[];
}

/** Everything that is known until before `to`; null: nothing is. */
export async function gather(library: Library, to: string): Promise<Numbers | null> {
  const known = await library.known();
  if (!known || known.first >= to) return null;
  const floor = addDays(to, -HISTORY_DAYS);
  const from = known.first > floor ? known.first : floor;
  const [readers, house, ...members] = await Promise.all([
    library.readerDays({ from, to }),
    library.houseDays({ from, to }),
    ...BY_MEMBER.map(async (query) => ({ ...query, days: await library.memberDays({ from, to, ...query }) })),
  ]);
  return { from, to, readers, members, house };
}

/** The series of all that, those that are nothing but zeros left out. */
export function seriesOf(numbers: Numbers): Series[] {
  const all = [...readerSeries(numbers), ...memberSeries(numbers), ...houseSeries(numbers)];
  return all.filter(({ values }) => values.some((value) => value !== null && value !== 0));
}

function readerSeries({ from, to, readers }: Numbers): Series[] {
  const byDay = new Map(readers.map((day) => [day.day, day]));
  return WHOLE.map((metric) => ({
    ...about(metric, "all", "everything"),
    from,
    values: daysOf(from, to).map((day) => byDay.get(day)?.[metric] ?? null),
  }));
}

function memberSeries({ from, to, readers, members }: Numbers): Series[] {
  const known = new Set(readers.map(({ day }) => day));
  return members.flatMap(({ dimension, metric, days }) => {
    const byMember = Map.groupBy(days, ({ member }) => member);
    return [...byMember].flatMap(([member, rows]) => {
      // What belongs to no offer is no offer.
      if (member === "") return [];
      const byDay = new Map(rows.map((row) => [row.day, row[metric]]));
      const values = daysOf(from, to).map((day) => byDay.get(day) ?? (known.has(day) ? 0 : null));
      return [{ ...about(metric, `${dimension}:${member}`, member), from, values }];
    });
  });
}

/** From the house's first day on, a day without a row is one on which nothing was done. */
function houseSeries({ to, house }: Numbers): Series[] {
  const from = house[0]?.day;
  if (from === undefined) return [];
  const byDay = Map.groupBy(house, ({ day }) => day);
  const summed = (value: (row: HouseDay) => number) => (day: string) =>
    (byDay.get(day) ?? []).reduce((total, row) => total + value(row), 0);
  const values: [Metric, (day: string) => number | null][] = [
    ["articles_published", summed((row) => row.articles)],
    ["tasks_completed", summed((row) => row.tasksCompleted)],
    ["tasks_failed", summed((row) => row.tasksFailed)],
    ["cost_usd", summed((row) => row.costUsd)],
    ["latency_p95_seconds", (day) => timed(byDay.get(day) ?? [])],
  ];
  return values.map(([metric, of]) => ({
    ...about(metric, "all", "everything"),
    from,
    values: daysOf(from, to).map(of),
  }));
}

function timed(rows: readonly HouseDay[]): number | null {
  return rows.find(({ workflowType }) => workflowType === TIMED)?.latencyP95Seconds ?? null;
}

/** What is forecast: the whole of what adds up and of what somebody plans with. */
const FORECAST: readonly Metric[] = [...WHOLE, "articles_published", "cost_usd"];

function about(metric: Metric, subject: string, label: string) {
  const forecast = subject === "all" && FORECAST.includes(metric);
  return { metric, subject, label, unit: ABOUT[metric].unit, forecast };
}
